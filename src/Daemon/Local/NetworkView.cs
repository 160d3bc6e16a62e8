using System.Globalization;
using System.Text.Json;
using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Api;
using PeoplesCloud.Daemon.Mesh;
using PeoplesCloud.Daemon.Swarms;
using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Daemon.Local;

/// <summary>What <c>pc network</c> shows: which members are connected, directly or through whom, how far apart they are and why.</summary>
internal sealed class NetworkView(SwarmRegistry swarms, Libp2pHost host, MeshClient client, Func<IReadOnlyList<string>> addresses, TimeProvider time)
{
    /// <summary>From here on a round trip is explained: what people notice in a conversation.</summary>
    private const double SlowMs = 150;

    private const string Unknown = "a node of another swarm";
    private const int MaxLinksBytes = 256 << 10;
    private const int MaxLinks = 1000;
    private const int MaxAsked = 64;
    private static readonly TimeSpan PingTimeout = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan AskTimeout = TimeSpan.FromSeconds(4);

    /// <summary>This node's connections, members without one, and what the others say of theirs.</summary>
    public async Task<NetworkReply> DescribeAsync(CancellationToken cancellationToken)
    {
        var connections = host.Connections;
        var known = Names();
        var others = AskAsync(known, cancellationToken);
        var quick = connections.Where(connection => connection.Use == StreamUse.Quick).ToLookup(connection => connection.RemotePeer);
        var shown = connections.Where(connection => connection.Use == StreamUse.Quick || !quick.Contains(connection.RemotePeer)); // the second connection counts with the first
        var peers = await Task.WhenAll(shown.Select(connection => DescribeAsync(connection, known, cancellationToken)));
        var without = known.Where(member => member.Key != swarms.Self && !connections.Any(connection => connection.RemotePeer == member.Key))
            .Select(member => new PeerInfo(member.Key.ToString(), member.Value, "none", null, null, 0, 0, 0, null, host.WhyUnreachable(member.Key), "none", null, null, null));
        return new NetworkReply(swarms.Self.ToString(), addresses(), [.. peers, .. without], await others);
    }

    /// <summary>The connections of this node with members of a swarm, for another member of it.</summary>
    public async Task<IReadOnlyList<LinkMessage>> LinksAsync(LocalSwarm swarm, CancellationToken cancellationToken)
    {
        // Whoever is in no swarm with the asker has no name for it, and no peer id either.
        var known = swarm.State.ActiveMembers.ToDictionary(member => member.Peer, member => member.Name);
        var mine = host.Connections.Where(connection => swarm.State.Find(connection.RemotePeer) is not null).GroupBy(connection => connection.RemotePeer).Select(group => group.OrderBy(c => c.IsRelayed).ThenBy(c => c.Use).First());
        return await Task.WhenAll(mine.Select(async connection =>
        {
            var peer = await DescribeAsync(connection, known, cancellationToken);
            var relay = connection.RemoteAddress.Relay is { } through && known.ContainsKey(through) ? through.ToString() : null;
            return new LinkMessage(peer.PeerId, connection.IsRelayed, relay, peer.RoundTripMs, peer.Why);
        }));
    }

    private Dictionary<PeerId, string> Names() =>
        swarms.All.SelectMany(swarm => swarm.State.ActiveMembers).GroupBy(member => member.Peer).ToDictionary(group => group.Key, group => group.First().Name);

    private async Task<PeerInfo> DescribeAsync(Libp2pConnection connection, Dictionary<PeerId, string> known, CancellationToken cancellationToken)
    {
        double? roundTrip = null;
        string? problem = null;
        using var limit = new CancellationTokenSource(PingTimeout, time);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            roundTrip = Milliseconds(await host.PingAsync(connection.RemotePeer, linked.Token));
        }
        catch (Exception e) when (e is Libp2pException or OperationCanceledException && !cancellationToken.IsCancellationRequested)
        {
            problem = limit.IsCancellationRequested ? "does not answer" : e.Message;
        }
        var relay = connection.RemoteAddress.Relay;
        var all = connection.Use == StreamUse.Quick ? [connection, .. host.Connections.Where(other => other.RemotePeer == connection.RemotePeer && other.Use == StreamUse.Bulk)] : new List<Libp2pConnection> { connection };
        return new PeerInfo(
            connection.RemotePeer.ToString(), known.GetValueOrDefault(connection.RemotePeer), connection.IsOutbound ? "out" : "in", connection.RemoteAddress.ToString(), roundTrip,
            all.Sum(one => one.StreamCount), all.Sum(one => one.BytesIn), all.Sum(one => one.BytesOut), connection.Since, problem,
            relay is null ? "direct" : "relayed", relay is { } through ? NameOf(known, through) : null, relay?.ToString(), Why(connection, known, roundTrip));
    }

    private string? Why(Libp2pConnection connection, Dictionary<PeerId, string> known, double? roundTripMs)
    {
        var name = NameOf(known, connection.RemotePeer);
        if (connection.RemoteAddress.Relay is not { } relay)
            return roundTripMs > SlowMs ? $"nobody forwards: the way between this node and {connection.RemoteAddress.Host} takes this long" : null;
        var part = host.Connections.FirstOrDefault(c => c.RemotePeer == relay && !c.IsRelayed)?.RoundTrip is { } toRelay
            ? string.Create(CultureInfo.InvariantCulture, $"; {Milliseconds(toRelay):0.0} ms of it to {NameOf(known, relay)}") : "";
        return $"through {NameOf(known, relay)}, because {name} cannot be reached directly: {connection.WhyRelayed ?? "this is being tried just now"}{part}";
    }

    // What the members say about the connections that this node has no end of.
    private async Task<IReadOnlyList<PairInfo>> AskAsync(Dictionary<PeerId, string> known, CancellationToken cancellationToken)
    {
        var connected = host.Connections.Select(connection => connection.RemotePeer).ToHashSet();
        var questions = swarms.All.Where(swarm => swarm.Me is not null)
            .SelectMany(swarm => swarm.State.ActiveMembers.Where(member => connected.Contains(member.Peer)).Select(member => (swarm, member.Peer))).DistinctBy(question => question.Peer).Take(MaxAsked);
        var answers = await Task.WhenAll(questions.Select(question => AskAsync(question.swarm, question.Peer, cancellationToken)));
        var pairs = new Dictionary<(PeerId, PeerId), PairInfo>();
        foreach (var (from, link) in answers.SelectMany(answer => answer))
        {
            if (!PeerId.TryParse(link.Peer, out var to) || to == swarms.Self || !known.ContainsKey(to)) continue;
            var relay = link.Relayed ? PeerId.TryParse(link.Relay, out var through) ? NameOf(known, through) : Unknown : null;
            var pair = new PairInfo(NameOf(known, from), NameOf(known, to), link.Relayed ? "relayed" : "direct", relay, link.RoundTripMs, MeshClient.Clean(link.Why));
            // Both ends tell: the one that measured less has waited less for its own work.
            var key = from < to ? (from, to) : (to, from);
            if (!pairs.TryGetValue(key, out var other) || (pair.RoundTripMs ?? double.MaxValue) < (other.RoundTripMs ?? double.MaxValue)) pairs[key] = pair;
        }
        return [.. pairs.Values.OrderBy(pair => pair.From, StringComparer.Ordinal).ThenBy(pair => pair.To, StringComparer.Ordinal)];
    }

    private async Task<IReadOnlyList<(PeerId From, LinkMessage Link)>> AskAsync(LocalSwarm swarm, PeerId peer, CancellationToken cancellationToken)
    {
        try
        {
            var body = await client.PostAsync(peer, $"/mesh/v1/swarms/{swarm.Id}/links", ReadOnlyMemory<byte>.Empty, MaxLinksBytes, cancellationToken, AskTimeout);
            return [.. (JsonSerializer.Deserialize(body, MeshJson.Default.IReadOnlyListLinkMessage) ?? []).Take(MaxLinks).Select(link => (peer, link))];
        }
        catch (Exception e) when (e is PcException or JsonException)
        {
            return []; // asleep, or of an earlier version
        }
    }

    private static double Milliseconds(TimeSpan span) => Math.Round(span.TotalMilliseconds, 2);

    private static string NameOf(Dictionary<PeerId, string> known, PeerId peer) => known.GetValueOrDefault(peer) ?? Unknown;
}
