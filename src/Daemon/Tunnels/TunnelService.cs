using System.Buffers;
using Microsoft.Extensions.Logging;
using PeoplesCloud.Base;
using PeoplesCloud.Base.Formats;
using PeoplesCloud.Daemon.Swarms;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Programs.Hosting;
using PeoplesCloud.Runtimes.Ports;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Tunnels;

/// <summary>
/// The host's side of <c>/pc/tunnel/1</c> and <c>/pc/datagrams/1</c>: judges who asks, connects to the program in its sandbox or container and carries
/// bytes or datagrams until one of them ends it, the program ends, or the right is withdrawn. Thread-safe.
/// </summary>
internal sealed class TunnelService(SwarmRegistry swarms, ProgramHost programs, TunnelLimits limits, TimeProvider time, ILogger logger)
{
    /// <summary>The protocol of connections.</summary>
    public const string Protocol = "/pc/tunnel/1";

    /// <summary>The protocol of datagrams.</summary>
    public const string DatagramProtocol = "/pc/datagrams/1";

    private readonly Lock _gate = new();
    private readonly Dictionary<PeerId, int> _open = [];
    private int _all;

    /// <summary>How many tunnels are open now.</summary>
    public int Open
    {
        get
        {
            lock (_gate) return _all;
        }
    }

    /// <summary>Serves one stream of connections.</summary>
    public Task HandleAsync(Libp2pStream stream, CancellationToken cancellationToken) =>
        ServeAsync(
            stream, datagrams: false,
            async (request, token) => await programs.ConnectAsync(request.Program, request.Port, token),
            async (connection, token) =>
            {
                await using var program = PortEnd.OfRun(connection);
                await PortEnd.JoinAsync(MeshEnd.Of(stream), program, limits.Ports.BufferBytes, token);
            },
            cancellationToken);

    /// <summary>Serves one stream of datagrams.</summary>
    public Task HandleDatagramsAsync(Libp2pStream stream, CancellationToken cancellationToken) =>
        ServeAsync(
            stream, datagrams: true,
            (request, token) => programs.OpenDatagramsAsync(request.Program, request.Port, token),
            (program, token) => DatagramWays.JoinAsync(program, new StreamDatagrams(stream), limits.Ports, token),
            cancellationToken);

    private async Task ServeAsync<T>(
        Libp2pStream stream, bool datagrams, Func<TunnelRequest, CancellationToken, Task<T?>> connect, Func<T, CancellationToken, Task> carry, CancellationToken cancellationToken)
        where T : class
    {
        // 1. What is asked for.
        if (await ReadAsync(stream, cancellationToken) is not { } request)
        {
            stream.Reset();
            return;
        }
        // 2. Whether it may be.
        var swarm = swarms.Find(request.Swarm);
        if (swarm?.Me is null || MayNot(swarm, stream.RemotePeer, request, datagrams) is { })
        {
            // One answer: a stranger does not learn which swarms and programs there are.
            await AnswerAsync(stream, TunnelStatus.NotPermitted, "this program's port is not open to you", cancellationToken);
            return;
        }
        if (!TryEnter(stream.RemotePeer))
        {
            await AnswerAsync(stream, TunnelStatus.TooMany, $"{limits.MaxPerPeer} connections of one member to this host's programs, or {limits.Max} of all, are open already", cancellationToken);
            return;
        }
        try
        {
            // 3. The program.
            var (connection, status, why) = await ConnectAsync(request, connect, cancellationToken);
            await AnswerAsync(stream, status, why, cancellationToken);
            if (connection is null) return;
            // 4. The bytes.
            await WhileAllowedAsync(swarm, stream.RemotePeer, request, datagrams, token => carry(connection, token), cancellationToken);
        }
        finally
        {
            Leave(stream.RemotePeer);
        }
    }

    private async Task WhileAllowedAsync(LocalSwarm swarm, PeerId peer, TunnelRequest request, bool datagrams, Func<CancellationToken, Task> carry, CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        void Judge(LocalSwarm changed)
        {
            // One that a newer version took over from ends when what was asked is answered, and its connections with it.
            if (MayNot(changed, peer, request, datagrams, isOpen: true) is not { } why) return;
            TunnelLog.Cut(logger, peer, why);
            stop.Cancel();
        }
        swarm.Changed += Judge;
        try
        {
            Judge(swarm); // it may have changed before anybody listened
            await carry(stop.Token);
        }
        finally
        {
            swarm.Changed -= Judge;
        }
    }

    private static string? MayNot(LocalSwarm swarm, PeerId peer, TunnelRequest request, bool datagrams, bool isOpen = false)
    {
        var state = swarm.State;
        if (swarm.Me is null) return "this node is no member any more";
        if (!state.Programs.TryGetValue(request.Program, out var program) || (program.Stopped && !(isOpen && IsTakenOver(state, program)))) return "the program was stopped";
        if (!TunnelRights.MayOpen(state, peer, program)) return "it may not connect to the program";
        return TunnelRights.PortOf(program, request.Port, datagrams) is null ? "the program does not name the port" : null;
    }

    // By an update: the newer version ran before this one was stopped.
    private static bool IsTakenOver(SwarmState state, SwarmProgram older) =>
        state.Programs.Values.Any(newer => newer.Deployed.Replaces == older.Id && !newer.Stopped && newer.Runs.Count > 0);

    private async Task<(T? Connection, TunnelStatus Status, string Why)> ConnectAsync<T>(TunnelRequest request, Func<TunnelRequest, CancellationToken, Task<T?>> connect, CancellationToken cancellationToken)
        where T : class
    {
        try
        {
            return await connect(request, cancellationToken) is { } connection
                ? (connection, TunnelStatus.Connected, "")
                : (null, TunnelStatus.NotHere, "the program does not run here now");
        }
        catch (IOException e)
        {
            return (null, TunnelStatus.NothingListens, e.Message);
        }
        catch (PcException e)
        {
            TunnelLog.NotConnected(logger, request.Program, e.Message);
            return (null, TunnelStatus.Failed, e.Message);
        }
    }

    private async Task<TunnelRequest?> ReadAsync(Libp2pStream stream, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(limits.MessageTimeout, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            var read = await stream.Input.ReadAtLeastAsync(TunnelRequest.Size, both.Token);
            var head = read.Buffer.Slice(0, Math.Min(read.Buffer.Length, TunnelRequest.Size));
            var done = TunnelRequest.TryRead(head.ToArray(), out var request) == ParseStatus.Done;
            stream.Input.AdvanceTo(head.End);
            return done ? request : null;
        }
        catch (Exception e) when (e is OperationCanceledException or Libp2pException)
        {
            return null;
        }
    }

    private static async Task AnswerAsync(Libp2pStream stream, TunnelStatus status, string text, CancellationToken cancellationToken) =>
        await stream.Output.WriteAsync(new TunnelAnswer(status, text).Encode(), cancellationToken);

    private bool TryEnter(PeerId peer)
    {
        lock (_gate)
        {
            var own = _open.GetValueOrDefault(peer);
            if (own >= limits.MaxPerPeer || _all >= limits.Max) return false;
            _open[peer] = own + 1;
            _all++;
            return true;
        }
    }

    private void Leave(PeerId peer)
    {
        lock (_gate)
        {
            _all--;
            if (--_open[peer] == 0) _open.Remove(peer);
        }
    }
}

/// <summary>Log messages of tunnels, events 1140 to 1149.</summary>
internal static partial class TunnelLog
{
    [LoggerMessage(1140, LogLevel.Information, "Cut a connection of {Peer} to a program here: {Reason}")]
    public static partial void Cut(ILogger logger, PeerId peer, string reason);

    [LoggerMessage(1141, LogLevel.Warning, "Could not connect to program {Program} here: {Reason}")]
    public static partial void NotConnected(ILogger logger, EntryHash program, string reason);

    [LoggerMessage(1142, LogLevel.Warning, "Web programs are not served on this machine: {Reason}")]
    public static partial void NoWeb(ILogger logger, string reason);
}
