using Microsoft.Extensions.Logging;
using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Mesh;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Swarms;

/// <summary>Drives the gossip of all swarms: gives ticks, carries messages out, keeps the address book.</summary>
internal sealed class GossipService : IAsyncDisposable
{
    private const int MaxUnderWayPerPeer = 16;
    private static readonly TimeSpan SendTimeout = TimeSpan.FromSeconds(4);

    private readonly SwarmRegistry _swarms;
    private readonly Libp2pHost _host;
    private readonly MeshClient _client;
    private readonly GossipOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Outbox<PeerId> _outbox;

    /// <summary>Takes over the swarms that there are and those that come.</summary>
    public GossipService(SwarmRegistry swarms, Libp2pHost host, MeshClient client, GossipOptions options, TimeProvider time, ILogger logger)
    {
        _swarms = swarms;
        _host = host;
        _client = client;
        _options = options;
        _time = time;
        _logger = logger;
        _outbox = new Outbox<PeerId>(MaxUnderWayPerPeer, e => DaemonLog.RequestFailed(logger, "sending gossip", e));
        foreach (var swarm in swarms.All) swarm.Effect += CarryOut;
        swarms.Added += swarm =>
        {
            swarm.Effect += CarryOut;
            swarm.Handle(new GossipInput.Tick()); // the first at once
        };
        swarms.Removed += swarm => swarm.Effect -= CarryOut;
    }

    /// <summary>Gives ticks until it is cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(_options.TickInterval, _time);
        do
        {
            foreach (var swarm in _swarms.All)
            {
                if (swarm.Me is not null) swarm.Handle(new GossipInput.Tick());
            }
        }
        while (await timer.WaitForNextTickAsync(cancellationToken));
    }

    /// <summary>Sends what is on its way, for a moment, and no more after that.</summary>
    public Task CloseAsync() => _outbox.CloseAsync(TimeSpan.FromSeconds(1));

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _outbox.DisposeAsync();

    private void CarryOut(LocalSwarm swarm, GossipEffect effect)
    {
        switch (effect)
        {
            case GossipEffect.SendMessage send:
                _outbox.TryRun(send.To, stopping => SendAsync(swarm, send, stopping));
                break;
            case GossipEffect.PresenceChanged { View.Record: { } record }:
                _host.AddAddresses(record.Peer, record.Info.Addresses.Select(text => Multiaddr.TryParse(text, out var address) ? address : null).OfType<Multiaddr>());
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
        }
        catch (PcException e)
        {
            DaemonLog.NotReached(_logger, send.To, e.Message);
            if (e.Code == ErrorCode.PeerUnreachable) swarm.Handle(new GossipInput.PeerUnreachable(send.To));
        }
    }
}
