using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using PeoplesCloud.Base;
using PeoplesCloud.Base.Formats;
using PeoplesCloud.Daemon.Hosting;
using PeoplesCloud.Daemon.Mesh;
using PeoplesCloud.Daemon.Swarms;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Programs.Hosting;
using PeoplesCloud.Runtimes.Ports;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Tunnels;

/// <summary>
/// Connects to a program's port wherever the program runs now. Each connection asks anew who runs it, so that whoever keeps a name follows the
/// program through moves and new versions; a connection that was made stays with the run that it was made to. Thread-safe.
/// </summary>
internal sealed class TunnelDialer(SwarmRegistry swarms, ProgramLocator locator, ProgramHost own, Libp2pHost host, TunnelLimits limits, TimeProvider time)
{
    /// <summary>What holds for tunnels.</summary>
    public TunnelLimits Limits => limits;

    /// <summary>The clock.</summary>
    public TimeProvider Time => time;

    /// <summary>A program's port by the program's name; without a number its first for connections, web ports first if wanted, else its first.</summary>
    /// <exception cref="PcException">There is no such program or port, or this node may not.</exception>
    public (SwarmProgram Program, ProgramPort Port) Find(LocalSwarm swarm, string name, int? number, bool web = false)
    {
        swarm.RequireMembership();
        var program = ProgramService.Find(swarm.State, name, liveOnly: true);
        if (!TunnelRights.MayOpen(swarm.State, swarms.Self, program))
            throw new PcException(ErrorCode.NotPermitted, $"only the owner of {program.Deployed.Name} and admins of {swarm.Name} connect to it", "ask its owner to deploy it open to members: open = \"members\" in its pc.toml, or --open members");
        var ports = program.Deployed.Manifest.Ports;
        var port = number is { } wanted
            ? ports.FirstOrDefault(port => port.Number == wanted)
            : ports.Where(port => !web || port.Protocol is not ProgramPort.Udp).OrderBy(port => port.Protocol switch { ProgramPort.Udp => 2, ProgramPort.Http when web => 0, _ => 1 }).FirstOrDefault();
        if (port is not null) return (program, port);
        var names = ports.Count == 0 ? "names no port" : $"names the ports {string.Join(", ", ports.Select(one => one.Protocol is ProgramPort.Udp ? $"{one.Number}/udp" : $"{one.Number}"))}";
        throw new PcException(ErrorCode.PortNotNamed, number is null ? $"{program.Deployed.Name} {names}" : $"{program.Deployed.Name} {names}, not {number}");
    }

    /// <summary>The member that runs a program now; null when nobody is known to.</summary>
    public PeerId? HolderOf(LocalSwarm swarm, SwarmProgram program) => locator.HolderOf(swarm.Id, program.Id);

    /// <summary>Connects; waits up to <paramref name="wait"/> (<see cref="PortLimits.Patience"/>) for a program that is moving, starting or not listening yet.</summary>
    /// <exception cref="PcException">It could not be reached, with the last reason; or what <see cref="Find"/> throws.</exception>
    public Task<PortEnd> DialAsync(LocalSwarm swarm, string name, int number, CancellationToken cancellationToken, TimeSpan? wait = null) =>
        DialAsync(
            swarm, name, number, datagrams: false, wait,
            async (program, token) => await own.ConnectAsync(program, number, token) is { } connection ? PortEnd.OfRun(connection) : null,
            (stream, _) => MeshEnd.Of(stream),
            cancellationToken);

    /// <summary>The same for datagrams. The way ends when the program has moved.</summary>
    /// <exception cref="PcException">As above.</exception>
    public Task<IDatagramChannel> DialDatagramsAsync(LocalSwarm swarm, string name, int number, CancellationToken cancellationToken) =>
        DialAsync<IDatagramChannel>(
            swarm, name, number, datagrams: true, null,
            (program, token) => own.OpenDatagramsAsync(program, number, token),
            (stream, program) => new FollowingDatagrams(new StreamDatagrams(stream), swarm, () => locator.HolderOf(swarm.Id, program) is { } now && now != stream.RemotePeer),
            cancellationToken);

    private async Task<T> DialAsync<T>(
        LocalSwarm swarm, string name, int number, bool datagrams, TimeSpan? wait, Func<EntryHash, CancellationToken, Task<T?>> near, Func<Libp2pStream, EntryHash, T> far, CancellationToken cancellationToken)
        where T : class
    {
        using var patience = new CancellationTokenSource(wait ?? limits.Ports.Patience, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, cancellationToken);
        var why = "";
        try
        {
            while (true)
            {
                (var end, why) = await TryAsync(swarm, name, number, datagrams, near, far, both.Token);
                if (end is not null) return end;
                await Task.Delay(limits.Ports.Pause, time, both.Token);
            }
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw new PcException(ErrorCode.ProgramNotReached, $"port {number} of {name} could not be reached: {(why.Length == 0 ? "its host does not answer" : why)}", inner: e);
        }
    }

    // What can change by itself soon is an answer; what cannot is thrown.
    private async Task<(T? End, string Why)> TryAsync<T>(
        LocalSwarm swarm, string name, int number, bool datagrams, Func<EntryHash, CancellationToken, Task<T?>> near, Func<Libp2pStream, EntryHash, T> far, CancellationToken cancellationToken)
        where T : class
    {
        try
        {
            var (program, port) = Find(swarm, name, number);
            if (port.Protocol is ProgramPort.Udp != datagrams) throw new PcException(ErrorCode.PortNotNamed, $"port {number} of {program.Deployed.Name} is {(datagrams ? "not" : "now")} for datagrams");
            if (locator.HolderOf(swarm.Id, program.Id) is not { } holder) return (null, "no member runs it now");
            if (holder == swarms.Self) return await near(program.Id, cancellationToken) is { } end ? (end, "") : (null, "it does not run now");
            var protocol = datagrams ? TunnelService.DatagramProtocol : TunnelService.Protocol;
            var (stream, answer) = await OpenAsync(holder, protocol, new TunnelRequest(swarm.Id, program.Id, (ushort)number), cancellationToken);
            if (stream is not null) return (far(stream, program.Id), "");
            var said = MeshClient.Clean(answer.Text);
            return answer.Status switch
            {
                TunnelStatus.NotHere or TunnelStatus.NothingListens => (null, said),
                // Its host may not have heard yet of what this node knows; but more of the same is no cure for too many.
                TunnelStatus.NotPermitted => (null, $"its host says: {said}"),
                TunnelStatus.TooMany => throw new PcException(ErrorCode.ProgramNotReached, $"{program.Deployed.Name} could not be reached: {said}"),
                _ => throw new PcException(ErrorCode.ProgramNotReached, $"the host of {program.Deployed.Name} cannot connect to it: {said}"),
            };
        }
        catch (Exception e) when (e is IOException or Libp2pException or PcException { Code: ErrorCode.ProgramNotFound })
        {
            // Between an old version and a new one there is none.
            return (null, MeshClient.Clean(e.Message));
        }
    }

    private async Task<(Libp2pStream? Stream, TunnelAnswer Answer)> OpenAsync(PeerId holder, string protocol, TunnelRequest request, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(limits.MessageTimeout, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        Libp2pStream? stream = null;
        try
        {
            // What goes through a tunnel may be much: nothing of the daemon's own should wait behind it.
            stream = await host.OpenStreamAsync(holder, protocol, StreamUse.Bulk, both.Token);
            await stream.Output.WriteAsync(request.Encode(), both.Token);
            var answer = await ReadAsync(stream, both.Token);
            if (answer.Status == TunnelStatus.Connected) return (Taken(ref stream), answer);
            return (null, answer);
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw new IOException("its host did not answer in time", e);
        }
        finally
        {
            stream?.Reset();
        }
    }

    private static async Task<TunnelAnswer> ReadAsync(Libp2pStream stream, CancellationToken cancellationToken)
    {
        while (true)
        {
            var result = await stream.Input.ReadAsync(cancellationToken);
            var head = result.Buffer.Slice(0, Math.Min(result.Buffer.Length, TunnelAnswer.MaxSize));
            var status = TunnelAnswer.TryRead(head.ToArray(), out var answer, out var read);
            if (status == ParseStatus.Done)
            {
                stream.Input.AdvanceTo(result.Buffer.GetPosition(read));
                return answer!;
            }
            stream.Input.AdvanceTo(result.Buffer.Start, result.Buffer.End);
            if (status == ParseStatus.Invalid || result.IsCompleted) throw new IOException("its host's answer could not be read");
        }
    }

    // The stream leaves the caller's hands.
    private static Libp2pStream Taken([DisallowNull] ref Libp2pStream? stream)
    {
        var taken = stream;
        stream = null;
        return taken;
    }
}
