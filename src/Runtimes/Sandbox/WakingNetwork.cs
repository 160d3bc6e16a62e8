using System.ComponentModel;
using System.Net.Sockets;
using PeoplesCloud.Base;

namespace PeoplesCloud.Runtimes.Sandbox;

/// <summary>
/// The network of a sandbox as <see cref="SandboxNetwork"/> draws it, which is served from its first packet on: a program that only is connected to
/// needs no slirp4netns. Namespaces and rules are there from the start. Until slirp4netns is, the router drops without a word what it would let out and
/// the daemon keeps a copy of it; then the copies are sent once more, from the program's side, so that they meet the same rules as all others. When
/// slirp4netns ends, the next packet starts another. As root only: an ordinary user's daemon cannot have sockets in namespaces of its programs.
/// </summary>
internal sealed class WakingNetwork : IAsyncDisposable
{
    /// <summary>Programs say something again when nobody answers; the kernel keeps some 200 KiB for us anyway.</summary>
    private const int MaxFramesKept = 256;

    // The largest packet, its Ethernet header and the virtio header before it.
    private const int MaxFrameBytes = (64 << 10) + 64;
    private const int VirtualHeaderBytes = 10;

    /// <summary>A program that makes slirp4netns end does not keep the host busy with starting it.</summary>
    private static readonly TimeSpan RestartInterval = TimeSpan.FromSeconds(1);

    private readonly SandboxHost _host;
    private readonly NetworkNamespace _router;
    private readonly NetworkNamespace _program;
    private readonly Action<int?> _served;
    private readonly CancellationTokenSource _closing = new();
    private Socket? _arrivals;
    private SlirpProcess? _slirp;
    private Task _tending = Task.CompletedTask;
    private long _sentAgain;

    private WakingNetwork(SandboxHost host, NetworkNamespace router, NetworkNamespace program, Action<int?> served) =>
        (_host, _router, _program, _served) = (host, router, program, served);

    /// <summary>By what name nsenter enters the program's namespace.</summary>
    public string ProgramPath => _program.Path;

    /// <summary>The process number of slirp4netns; null while none is needed, and every packet that wants out is kept.</summary>
    public int? SlirpId => Volatile.Read(ref _slirp)?.ProcessId;

    /// <summary>Bytes that left the program's namespace once but were counted there twice.</summary>
    public long SentAgainBytes => Interlocked.Read(ref _sentAgain);

    /// <summary>Makes a network.</summary>
    /// <param name="host">What sandboxes share.</param>
    /// <param name="refused">The ranges to refuse.</param>
    /// <param name="served">Told the process number of slirp4netns, to put it into the sandbox's group: what it holds for a program counts as the program's; null when it has ended.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="PcException">The host refused (<see cref="ErrorCode.SandboxNetworkFailed"/>).</exception>
    public static async Task<WakingNetwork> CreateAsync(SandboxHost host, IReadOnlyList<string> refused, Action<int?> served, CancellationToken cancellationToken)
    {
        WakingNetwork network;
        try
        {
            var made = await Task.Run(() => NetworkNamespace.Create(2), cancellationToken);
            network = new WakingNetwork(host, made[0], made[1], served);
        }
        catch (IOException e)
        {
            throw SandboxNetwork.Failed("the namespaces", e.Message);
        }
        try
        {
            SandboxNetwork.ConnectProgram(network._router, network._program, refused);
            network._program.Rules.Dispose(); // there will be no others
            if (LibC.SetVirtualHeader(network._program.Packets) != 0) throw new IOException("this kernel gives packet sockets no virtio header");
            // What serves the first network of a daemon is tried at once: a host that cannot says so when it is asked for a network, not to the program.
            if (host.ServesNetworks) network.Listen();
            else await network.ServeAsync(cancellationToken);
            network._tending = network.TendAsync();
            return network;
        }
        catch (Exception e)
        {
            await network.DisposeAsync();
            throw e is IOException ? SandboxNetwork.Failed("the routes", e.Message) : e;
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync();
        await _tending;
        if (_slirp is { } slirp)
        {
            slirp.Kill();
            await slirp.Ended;
        }
        _arrivals?.Dispose();
        _router.Dispose();
        _program.Dispose();
        _closing.Dispose();
    }

    private async Task TendAsync()
    {
        var failed = false;
        while (true)
        {
            try
            {
                if (_slirp is null)
                {
                    await FirstPacketAsync();
                    await ServeAsync(_closing.Token);
                    SendAgain();
                }
                var started = _host.Time.GetTimestamp();
                await _slirp!.Ended.WaitAsync(_closing.Token);
                SandboxLog.NetworkEnded(_host.Logger);
                Listen();
                Volatile.Write(ref _slirp, null);
                _served(null);
                if (RestartInterval - _host.Time.GetElapsedTime(started) is var rest && rest > TimeSpan.Zero) await Task.Delay(rest, _host.Time, _closing.Token);
                failed = false;
            }
            catch (Exception) when (_closing.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e) when (e is PcException or IOException or UnauthorizedAccessException or SocketException or Win32Exception)
            {
                if (!failed) SandboxLog.NetworkFailed(_host.Logger, e);
                failed = true;
                // The next sandbox that wants a network is told why there is none.
                _host.ServesNetworks = false;
                try
                {
                    await Task.Delay(RestartInterval, _host.Time, _closing.Token);
                }
                catch (OperationCanceledException)
                {
                    return;
                }
            }
        }
    }

    /// <summary>Keeps from now on what the program sends.</summary>
    private void Listen()
    {
        var packets = _arrivals is null && !_router.Packets.IsClosed ? _router.Packets : _router.OpenPackets();
        _arrivals?.Dispose();
        if (LibC.Hear(packets, SandboxNetwork.Link) != 0) throw new IOException("no packet socket can be bound in a sandbox's network");
        _arrivals = new Socket(new SafeSocketHandle(packets.DangerousGetHandle(), ownsHandle: true));
        packets.SetHandleAsInvalid();
    }

    private async Task FirstPacketAsync()
    {
        if (_arrivals is null) Listen();
        // It is left where it is, whole.
        _ = await _arrivals!.ReceiveAsync(new byte[VirtualHeaderBytes], SocketFlags.Peek, _closing.Token);
    }

    private async Task ServeAsync(CancellationToken cancellationToken)
    {
        var slirp = await SandboxNetwork.StartSlirpAsync(_host.Tools.Network, $"--netns-type=path {_router.Path}", join: "", cancellationToken);
        Volatile.Write(ref _slirp, slirp);
        try
        {
            _served(slirp.ProcessId);
            SandboxNetwork.ConnectTap(_router);
            _host.ServesNetworks = true;
        }
        catch (Exception e)
        {
            slirp.Kill();
            await slirp.Ended;
            Volatile.Write(ref _slirp, null);
            throw e is IOException or UnauthorizedAccessException ? SandboxNetwork.Failed("the routes", e.Message) : e;
        }
    }

    /// <summary>What was kept goes its way now. What comes in between goes twice, which networks do.</summary>
    private void SendAgain()
    {
        var kept = new List<byte[]>();
        var frame = new byte[MaxFrameBytes];
        const int dontWait = 0x40;
        while (kept.Count < MaxFramesKept && (int)LibC.recv(_arrivals!.SafeHandle, frame, (nuint)frame.Length, dontWait) is > VirtualHeaderBytes and var count) kept.Add(frame[..count]);
        // It would hear them again.
        _arrivals!.Dispose();
        _arrivals = null;
        foreach (var one in kept)
            if (LibC.SendFrame(_program.Packets, one, SandboxNetwork.Link) > 0) _ = Interlocked.Add(ref _sentAgain, one.Length - VirtualHeaderBytes);
    }
}
