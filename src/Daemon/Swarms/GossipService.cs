using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Mesh;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Swarms;

/// <summary>Drives the gossip of all swarms: gives ticks, carries messages out, learns addresses.</summary>
internal sealed class GossipService : IAsyncDisposable
{
    private const int MaxUnderWayPerPeer = 16;
    private static readonly TimeSpan SendTimeout = TimeSpan.FromSeconds(4);

    // While nothing changes, ticks are rarer: a node that idles spends its time on nothing else. Any change makes them quick again.
    private static readonly TimeSpan QuietAfter = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan QuietTick = TimeSpan.FromSeconds(2);

    private readonly SwarmRegistry _swarms;
    private readonly MeshAddresses _addresses;
    private readonly MeshClient _client;
    private readonly GossipOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Outbox<PeerId> _outbox;
    private readonly Channel<bool> _due = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private long _lastChange;
    private volatile bool _quiet;

    /// <summary>Takes over the swarms that there are and those that come.</summary>
    public GossipService(SwarmRegistry swarms, MeshAddresses addresses, MeshClient client, GossipOptions options, TimeProvider time, ILogger logger)
    {
        _swarms = swarms;
        _addresses = addresses;
        _client = client;
        _options = options;
        _time = time;
        _logger = logger;
        _outbox = new Outbox<PeerId>(MaxUnderWayPerPeer, e => DaemonLog.RequestFailed(logger, "sending gossip", e));
        _lastChange = time.GetTimestamp();
        foreach (var swarm in swarms.All) Follow(swarm);
        swarms.Added += swarm =>
        {
            Follow(swarm);
            swarm.Handle(new GossipInput.Tick()); // the first at once
        };
        swarms.Removed += swarm => swarm.Effect -= CarryOut;
    }

    /// <summary>Gives ticks until it is cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        await using var timer = _time.CreateTimer(_ => _due.Writer.TryWrite(true), null, TimeSpan.Zero, _options.TickInterval);
        while (await _due.Reader.WaitToReadAsync(cancellationToken))
        {
            _due.Reader.TryRead(out _);
            var quiet = _time.GetElapsedTime(Interlocked.Read(ref _lastChange)) > QuietAfter;
            if (quiet != _quiet)
            {
                _quiet = quiet;
                var interval = quiet ? QuietTick : _options.TickInterval;
                timer.Change(interval, interval);
            }
            foreach (var swarm in _swarms.All)
            {
                if (swarm.Me is not null) swarm.Handle(new GossipInput.Tick());
            }
        }
    }

    private void Follow(LocalSwarm swarm)
    {
        swarm.Effect += CarryOut;
        swarm.Changed += _ => SomethingChanged();
        SomethingChanged();
    }

    private void SomethingChanged()
    {
        Interlocked.Exchange(ref _lastChange, _time.GetTimestamp());
        if (_quiet) _due.Writer.TryWrite(true);
    }

    /// <summary>Sends what is on its way, for a moment, and no more after that.</summary>
    public Task CloseAsync() => _outbox.CloseAsync(TimeSpan.FromSeconds(1));

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _outbox.DisposeAsync();

    private void CarryOut(LocalSwarm swarm, GossipEffect effect)
    {
        if (effect is not GossipEffect.SendMessage) SomethingChanged();
        switch (effect)
        {
            case GossipEffect.SendMessage when swarm.Me is null:
                break; // nobody answers one who was removed
            case GossipEffect.SendMessage send:
                _outbox.TryRun(send.To, stopping => SendAsync(swarm, send, stopping));
                break;
            case GossipEffect.PresenceChanged { View.Record: { } record }:
                _addresses.Learn(record.Peer, record.Info.Addresses);
                break;
            case GossipEffect.Refused refused:
                DaemonLog.GossipRefused(_logger, refused.From, swarm.Name, refused.What);
                break;
            case GossipEffect.ClockDiffers differs:
                DaemonLog.ClocksApart(_logger, differs.Peer, differs.Ahead.Duration());
                break;
        }
    }

    private async Task SendAsync(LocalSwarm swarm, GossipEffect.SendMessage send, CancellationToken cancellationToken)
    {
        try
        {
            await _client.PostAsync(send.To, $"/mesh/v1/swarms/{swarm.Id}/gossip", send.Bytes, 0, cancellationToken, SendTimeout);
            swarm.Accepted(send.To);
        }
        catch (PcException e)
        {
            DaemonLog.NotReached(_logger, send.To, e.Message);
            if (e.Code == ErrorCode.NotAMember) swarm.Refused(send.To);
            if (e.Code == ErrorCode.PeerUnreachable) swarm.Handle(new GossipInput.PeerUnreachable(send.To));
        }
    }
}
