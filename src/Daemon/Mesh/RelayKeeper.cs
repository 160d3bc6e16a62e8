using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using PeoplesCloud.Daemon.Swarms;
using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Daemon.Mesh;

/// <summary>
/// Keeps places with members that forward for this node, as long as it does not know that the whole Internet reaches it: with the two
/// nearest by measured round trip, before all with those that this node dialed itself, since others can dial them too.
/// </summary>
internal sealed class RelayKeeper(Libp2pHost host, SwarmRegistry swarms, Action changed, TimeProvider time, ILogger logger)
{
    /// <summary>Places that are held: one may fall asleep.</summary>
    public const int Wanted = 2;

    private const int MaxMeasured = 8;
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan PingTimeout = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan RefusedFor = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan ReachableFor = TimeSpan.FromHours(1);

    private readonly Channel<bool> _wake = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private readonly Dictionary<PeerId, long> _refused = [];
    private readonly Dictionary<PeerId, DateTimeOffset> _renewAt = [];
    private long? _reachedAt;

    /// <summary>Keeps places until it is cancelled; looks again when a connection comes or goes.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        host.PeerConnected += Wake;
        host.PeerDisconnected += Wake;
        try
        {
            await using var timer = time.CreateTimer(_ => _wake.Writer.TryWrite(true), null, TimeSpan.Zero, Interval);
            while (await _wake.Reader.WaitToReadAsync(cancellationToken))
            {
                _wake.Reader.TryRead(out _);
                var before = Places();
                await LookAsync(cancellationToken);
                if (!Places().SetEquals(before)) changed();
            }
        }
        finally
        {
            host.PeerConnected -= Wake;
            host.PeerDisconnected -= Wake;
        }
    }

    private void Wake(PeerId peer) => _wake.Writer.TryWrite(true);

    private HashSet<PeerId> Places() => [.. host.Reservations.Select(reservation => reservation.Relay)];

    private async Task LookAsync(CancellationToken cancellationToken)
    {
        // 1. Who is reached from everywhere needs nobody. A relay that left the swarm is none for us.
        var direct = host.Connections.Where(connection => !connection.IsRelayed).ToList();
        // It has an address that the Internet routes, and somebody out there dialed it without a hole punched first.
        if (direct.Any(connection => connection is { IsOutbound: false, IsPunched: false } && UsableAddresses.IsPublic(connection.RemoteAddress.Host))
            && host.ListenAddresses.Any(address => UsableAddresses.IsPublic(address.Host))) _reachedAt = time.GetTimestamp();
        var isReachable = _reachedAt is { } at && time.GetElapsedTime(at) < ReachableFor;
        foreach (var held in host.Reservations)
            if (isReachable || swarms.SharedWith(held.Relay) is null) host.ForgetReservation(held.Relay);
        if (isReachable) return;

        // 2. Renew what is held, at half of its time.
        foreach (var held in host.Reservations)
            if (!_renewAt.TryGetValue(held.Relay, out var due) || time.GetUtcNow() >= due) await TryReserveAsync(held.Relay, cancellationToken);

        // 3. Fill up, nearest first; a place with one that others may not be able to dial gives way to a better one.
        var dialed = direct.Where(connection => connection.IsOutbound).Select(connection => connection.RemotePeer).ToHashSet();
        foreach (var candidate in await RankAsync(direct, dialed, cancellationToken))
        {
            var held = Places();
            if (held.Count >= Wanted)
            {
                if (!dialed.Contains(candidate)) return;
                var worse = held.FirstOrDefault(relay => !dialed.Contains(relay));
                if (worse.IsDefault) return;
                host.ForgetReservation(worse);
            }
            await TryReserveAsync(candidate, cancellationToken);
        }
    }

    private async Task<IReadOnlyList<PeerId>> RankAsync(List<Libp2pConnection> direct, HashSet<PeerId> dialed, CancellationToken cancellationToken)
    {
        foreach (var (peer, since) in _refused)
            if (time.GetElapsedTime(since) >= RefusedFor) _refused.Remove(peer);
        var held = Places();
        if (held.Count >= Wanted && held.IsSubsetOf(dialed)) return [];
        var candidates = direct.Select(connection => connection.RemotePeer).Distinct().Where(peer => !held.Contains(peer) && !_refused.ContainsKey(peer) && swarms.SharedWith(peer) is not null)
            .OrderByDescending(dialed.Contains).Take(MaxMeasured).ToList();
        var measured = await Task.WhenAll(candidates.Select(async peer => (Peer: peer, RoundTrip: await MeasureAsync(peer, cancellationToken))));
        return [.. measured.OrderByDescending(candidate => dialed.Contains(candidate.Peer)).ThenBy(candidate => candidate.RoundTrip).Select(candidate => candidate.Peer)];
    }

    private async Task<TimeSpan> MeasureAsync(PeerId peer, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(PingTimeout, time);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            return await host.PingAsync(peer, linked.Token);
        }
        catch (Exception e) when (e is Libp2pException or OperationCanceledException && !cancellationToken.IsCancellationRequested)
        {
            return TimeSpan.MaxValue;
        }
    }

    private async Task TryReserveAsync(PeerId relay, CancellationToken cancellationToken)
    {
        try
        {
            var reservation = await host.ReserveAsync(relay, cancellationToken);
            var now = time.GetUtcNow();
            _renewAt[relay] = now + (reservation.Expires - now) / 2;
        }
        catch (Libp2pException e)
        {
            DaemonLog.NoPlace(logger, relay, e.Message);
            _refused[relay] = time.GetTimestamp();
            host.ForgetReservation(relay);
        }
    }
}
