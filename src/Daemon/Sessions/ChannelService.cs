using System.Buffers;
using System.Collections.Concurrent;
using System.IO.Pipelines;
using System.Security.Cryptography;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using PeoplesCloud.Base.Formats;
using PeoplesCloud.Daemon.Configuration;
using PeoplesCloud.Daemon.Swarms;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Sessions.Channels;
using PeoplesCloud.Sessions.Resp;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Sessions;

/// <summary>
/// Carries the channels of one swarm over the mesh (docs/protocols/channels.md) and opens the endpoint for clients of Redis. The swarm may be joined later:
/// until then nobody may publish. Thread-safe.
/// </summary>
internal sealed class ChannelService : IChannelMesh, IAsyncDisposable
{
    /// <summary>The protocol.</summary>
    public const string Protocol = "/pc/channels/1";

    private readonly string _name;
    private readonly SwarmRegistry _swarms;
    private readonly Libp2pHost _host;
    private readonly ChannelLimits _limits;
    private readonly TimeProvider _time;
    private readonly SwarmChannels _channels;
    private readonly RespEndpoint _endpoint;
    private readonly ConcurrentDictionary<PeerId, CancellationTokenSource> _hearing = new();
    private readonly Channel<bool> _due = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    /// <summary>Listens for clients and for members.</summary>
    /// <exception cref="Base.PcException">The endpoint cannot listen, or would be open to everybody.</exception>
    public ChannelService(SessionsConfig config, SwarmRegistry swarms, Libp2pHost host, ChannelLimits limits, TimeProvider time, ILogger logger)
    {
        (_name, _swarms, _host, _limits, _time) = (config.Swarm!, swarms, host, limits, time);
        _channels = new SwarmChannels(this, limits, time, new Random(RandomNumberGenerator.GetInt32(int.MaxValue)), logger);
        _endpoint = RespEndpoint.Start(config.Listen, config.Password?.Reveal(), _channels.Hub, WhyNotPublish, RespLimits.Default, time, logger);
        foreach (var swarm in swarms.All) Follow(swarm);
        swarms.Added += Follow;
        swarms.Removed += Look;
        host.PeerConnected += _channels.Hurry;
        host.Handle(Protocol, HandleAsync);
    }

    /// <summary>What this node's own parts publish and hear with.</summary>
    public SwarmChannels Channels => _channels;

    /// <summary>Where clients of Redis are served.</summary>
    public RespEndpoint Endpoint => _endpoint;

    /// <summary>The swarm that carries messages; null while this node is not in it.</summary>
    public LocalSwarm? Carrier => Local;

    /// <inheritdoc/>
    public PeerId Self => _swarms.Self;

    /// <inheritdoc/>
    SwarmId IChannelMesh.Swarm => Local?.Id ?? throw new IOException($"this node is in no swarm called {_name}");

    private LocalSwarm? Local => _swarms.All.FirstOrDefault(swarm => string.Equals(swarm.Name, _name, StringComparison.Ordinal))
        ?? (_name.Length >= 4 ? _swarms.All.FirstOrDefault(swarm => swarm.Id.ToString().StartsWith(_name, StringComparison.Ordinal)) : null);

    /// <summary>Keeps up with who is in.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        do
        {
            var swarm = Local;
            await _channels.SetMembers(swarm?.Me is null ? [] : swarm.State.ActiveMembers.Select(member => member.Peer));
        }
        while (await _due.Reader.ReadAsync(cancellationToken));
    }

    /// <inheritdoc/>
    public async ValueTask<IChannelStream> OpenAsync(PeerId member, CancellationToken cancellationToken) =>
        new MeshStream(await _host.OpenStreamAsync(member, Protocol, cancellationToken));

    /// <inheritdoc/>
    public bool MayPublish(PeerId member) => Local is { Me: not null } swarm && swarm.State.Find(member) is { MayDeployAndHost: true };

    /// <summary>Hears a member.</summary>
    public async Task HandleAsync(Libp2pStream stream, CancellationToken cancellationToken)
    {
        var member = stream.RemotePeer;
        if (await ReadAsync(stream, cancellationToken) is not { } hello)
        {
            stream.Reset();
            return;
        }
        if (Local is { Me: not null } swarm && swarm.Id == hello.Swarm && swarm.State.Find(member) is not null) await HearAsync(swarm, member, hello, stream, cancellationToken);
        else await stream.Output.WriteAsync(new ChannelWelcome(ChannelStatus.NotPermitted, 0).Encode(), cancellationToken); // the same to a stranger, whatever it asked for
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        _host.StopHandling(Protocol);
        _host.PeerConnected -= _channels.Hurry;
        _swarms.Added -= Follow;
        _swarms.Removed -= Look;
        foreach (var swarm in _swarms.All) swarm.Changed -= Look;
        foreach (var hearing in _hearing.Values) await hearing.CancelAsync();
        await _endpoint.DisposeAsync();
        await _channels.DisposeAsync();
    }

    private async Task HearAsync(LocalSwarm swarm, PeerId member, ChannelHello hello, Libp2pStream stream, CancellationToken cancellationToken)
    {
        await swarm.WaitUntilSettledAsync(member, cancellationToken);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, stream.Closed);
        void Judge(LocalSwarm changed)
        {
            if (changed.Me is null || changed.State.Find(member) is null) stop.Cancel();
        }
        swarm.Changed += Judge;
        // One stream of each member: a new one ends the one before, which it lost.
        _hearing.AddOrUpdate(member, stop, (_, before) =>
        {
            try
            {
                before.Cancel();
            }
            catch (ObjectDisposedException)
            {
                // It ended by itself.
            }
            return stop;
        });
        try
        {
            Judge(swarm);
            await _channels.HearAsync(member, hello, new MeshStream(stream), stop.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            stream.Reset();
        }
        finally
        {
            _hearing.TryRemove(KeyValuePair.Create(member, stop));
            swarm.Changed -= Judge;
        }
    }

    private async Task<ChannelHello?> ReadAsync(Libp2pStream stream, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(_limits.MessageTimeout, _time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            var read = await stream.Input.ReadAtLeastAsync(ChannelHello.Size, both.Token);
            var head = read.Buffer.Slice(0, Math.Min(read.Buffer.Length, ChannelHello.Size));
            var done = ChannelHello.TryRead(head.ToArray(), out var hello) == ParseStatus.Done;
            stream.Input.AdvanceTo(head.End);
            return done ? hello : null;
        }
        catch (Exception e) when (e is OperationCanceledException or IOException)
        {
            return null;
        }
    }

    private string? WhyNotPublish() =>
        Local is not { } swarm ? $"NOPERM this node is in no swarm called {_name}: pc join, or pc create"
        : swarm.Me is null ? $"NOPERM this node is not a member of {swarm.Name} any more"
        : MayPublish(Self) ? null
        : $"NOPERM this node may only read in {swarm.Name}";

    private void Follow(LocalSwarm swarm)
    {
        swarm.Changed += Look;
        Look(swarm);
    }

    private void Look(LocalSwarm swarm) => _due.Writer.TryWrite(true);

    private sealed class MeshStream(Libp2pStream stream) : IChannelStream
    {
        public PipeReader Input => stream.Input;

        public PipeWriter Output => stream.Output;

        public void Reset() => stream.Reset();

        public ValueTask DisposeAsync() => stream.DisposeAsync();
    }
}
