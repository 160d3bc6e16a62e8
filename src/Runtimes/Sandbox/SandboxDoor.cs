using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using Microsoft.Win32.SafeHandles;
using PeoplesCloud.Base;
using PeoplesCloud.Runtimes.Ports;

namespace PeoplesCloud.Runtimes.Sandbox;

/// <summary>
/// The way from the daemon into a sandbox's network, which has no route from the host. Entering a network namespace as an ordinary user takes a
/// process with one thread, which a daemon is not: a small shell enters it (nsenter), connects on request (bash's /dev/tcp, /dev/udp) and the daemon copies
/// the connected socket out of it (pidfd_getfd); no byte passes through the shell. It is started at the first connection, ends with the run or
/// the daemon, and sees nothing but the network: the program's files, processes and group are not its own.
/// </summary>
internal sealed class SandboxDoor(NetworkTools tools, TimeProvider time, int initPid, uint number) : IAsyncDisposable
{
    /// <summary>A connection within one loopback is made at once or waits for a program that accepts none.</summary>
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(5);

    private const int SocketInside = 4;

    // One line in, a protocol and a port; one line out, whether it is connected; one line in, that the socket was taken. Connecting by UDP asks
    // nobody, so the kernel's table says who listens: the port in hex, unconnected, of every address or of the loopback.
    private const string Script = """
        has() {
          while read -r _ local remote _; do
            [[ $local =~ ^($2):$3$ && $remote == *:0000 ]] && return
          done </proc/self/net/"$1"
          return 1
        }
        udp() {
          printf -v hex %04X "$1"
          if has udp '0{8}|0100007F' "$hex"; then exec 4<>/dev/udp/127.0.0.1/"$1"
          elif has udp6 '0{32}|0{24}01000000' "$hex"; then exec 4<>/dev/udp/::1/"$1"
          else return 1
          fi
        }
        tcp() {
          exec 4<>/dev/tcp/127.0.0.1/"$1" || exec 4<>/dev/tcp/::1/"$1"
        }
        while read -r protocol port; do
          if "$protocol" "$port" 2>/dev/null; then
            echo yes
            read -r _
            exec 4>&-
          else
            echo no
          fi
        done
        """;

    private readonly SemaphoreSlim _turn = new(1);
    private readonly ConcurrentDictionary<SandboxDatagrams, byte> _datagrams = new();
    private Helper? _helper;
    private bool _closed;

    /// <summary>See <see cref="IRun.ConnectAsync"/>.</summary>
    public ValueTask<Stream> ConnectAsync(int port, CancellationToken cancellationToken) => OpenAsync<Stream>("tcp", port, socket => new Connection(socket), cancellationToken);

    /// <summary>See <see cref="IRun.OpenDatagramsAsync"/>.</summary>
    public ValueTask<IDatagramChannel> OpenDatagramsAsync(int port, CancellationToken cancellationToken) => OpenAsync<IDatagramChannel>("udp", port, Keep, cancellationToken);

    /// <summary>Ends the shell and the ways of datagrams. The run's process number is still its own until this is done.</summary>
    public async ValueTask DisposeAsync()
    {
        await _turn.WaitAsync();
        _closed = true;
        CloseHelper();
        foreach (var datagrams in _datagrams.Keys) await datagrams.DisposeAsync();
        _turn.Release();
    }

    /// <summary>Ends all ways for datagrams: nobody hears what comes by them any more.</summary>
    public void CloseDatagrams()
    {
        foreach (var datagrams in _datagrams.Keys) datagrams.Close();
    }

    private SandboxDatagrams Keep(Socket socket)
    {
        var datagrams = new SandboxDatagrams(socket, ended => _datagrams.TryRemove(ended, out _));
        _ = _datagrams.TryAdd(datagrams, 0);
        return datagrams;
    }

    private async ValueTask<T> OpenAsync<T>(string protocol, int port, Func<Socket, T> taken, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(port, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(port, 65535);
        await _turn.WaitAsync(cancellationToken);
        try
        {
            if (_closed) throw Ended();
            using var timeout = new CancellationTokenSource(Timeout, time);
            using var both = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
            return taken(await OpenInTurnAsync(protocol, port, both.Token));
        }
        catch (OperationCanceledException e)
        {
            // What the shell would answer now belongs to nobody.
            CloseHelper();
            cancellationToken.ThrowIfCancellationRequested();
            throw new IOException($"the program accepts no connection on port {port.ToString(CultureInfo.InvariantCulture)}", e);
        }
        finally
        {
            _turn.Release();
        }
    }

    private async Task<Socket> OpenInTurnAsync(string protocol, int port, CancellationToken cancellationToken)
    {
        _helper ??= Start();
        switch (await _helper.AskAsync(protocol, port, cancellationToken))
        {
            case "yes":
                return _helper.Take();
            case "no":
                throw new IOException($"nothing listens on {(protocol == "udp" ? "UDP " : "")}port {port.ToString(CultureInfo.InvariantCulture)} of the program");
            default:
                var said = await _helper.Complaints.WaitAsync(cancellationToken);
                CloseHelper();
                throw new PcException(ErrorCode.SandboxNetworkFailed, $"the network of a sandbox could not be entered: {said.Trim()}");
        }
    }

    private void CloseHelper()
    {
        _helper?.Dispose();
        _helper = null;
    }

    private static IOException Ended() => new("the program has ended");

    private Helper Start()
    {
        var enter = tools.Enter ?? throw ToolBox.Missing("nsenter");
        var bash = tools.Bash ?? throw ToolBox.Missing("bash");
        SafeFileHandle network;
        try
        {
            network = File.OpenHandle($"/proc/{initPid.ToString(CultureInfo.InvariantCulture)}/ns/net");
        }
        catch (IOException)
        {
            throw Ended();
        }
        // Named by our descriptors, which the shell keeps until it answers: they are of the namespaces that were looked at, whatever becomes of process numbers.
        var arguments = new List<string> { $"--net={PathOf(network)}" };
        SafeFileHandle? user = null;
        if (SandboxFolders.IsRoot)
        {
            arguments.AddRange([$"--setuid={number.ToString(CultureInfo.InvariantCulture)}", $"--setgid={number.ToString(CultureInfo.InvariantCulture)}"]);
        }
        else
        {
            user = new SafeFileHandle(LibC.OwnerOfNamespace((int)network.DangerousGetHandle()), ownsHandle: true);
            arguments.AddRange([$"--user={PathOf(user)}", "--preserve-credentials"]);
        }
        arguments.AddRange([bash.Path, "--noprofile", "--norc", "-c", Script]);
        return new Helper(enter.Path, arguments, [network, user]);
    }

    private static string PathOf(SafeFileHandle handle) => $"/proc/{Environment.ProcessId}/fd/{handle.DangerousGetHandle()}";

    /// <summary>The shell in the namespace.</summary>
    private sealed class Helper : IDisposable
    {
        private readonly Process _process;
        private readonly IReadOnlyList<SafeFileHandle?> _namespaces;
        private readonly int _pidFd;

        public Helper(string program, IEnumerable<string> arguments, IReadOnlyList<SafeFileHandle?> namespaces)
        {
            _namespaces = namespaces;
            var start = new ProcessStartInfo(program, arguments)
            {
                UseShellExecute = false,
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
                WorkingDirectory = "/",
            };
            start.Environment.Clear();
            _process = Process.Start(start)!;
            _pidFd = LibC.OpenPidFd(_process.Id);
            Complaints = _process.StandardError.ReadToEndAsync();
        }

        /// <summary>What it wrote to standard error, once it has ended.</summary>
        public Task<string> Complaints { get; }

        /// <summary>yes when it is connected, no when nothing listens, null when it has ended.</summary>
        public async Task<string?> AskAsync(string protocol, int port, CancellationToken cancellationToken)
        {
            try
            {
                await _process.StandardInput.WriteAsync($"{protocol} {port.ToString(CultureInfo.InvariantCulture)}\n".AsMemory(), cancellationToken);
                await _process.StandardInput.FlushAsync(cancellationToken);
                return await _process.StandardOutput.ReadLineAsync(cancellationToken);
            }
            catch (IOException)
            {
                return null;
            }
        }

        /// <summary>The socket that it has just connected; it lets go of it.</summary>
        public Socket Take()
        {
            var descriptor = LibC.CopyDescriptor(_pidFd, SocketInside);
            if (descriptor < 0) throw new PcException(ErrorCode.SandboxNetworkFailed, "the kernel lets no socket out of a sandbox's network (pidfd_getfd, since Linux 5.6)");
            var socket = new Socket(new SafeSocketHandle(descriptor, ownsHandle: true));
            // Some bytes into an empty pipe: that waits for nobody.
            _process.StandardInput.Write('\n');
            _process.StandardInput.Flush();
            return socket;
        }

        public void Dispose()
        {
            try
            {
                _process.Kill();
            }
            catch (InvalidOperationException)
            {
                // It has ended.
            }
            foreach (var handle in _namespaces) handle?.Dispose();
            _ = LibC.close(_pidFd);
            _process.Dispose();
        }
    }

    private sealed class Connection : NetworkStream, IHalfClosable
    {
        public Connection(Socket socket)
            : base(socket, ownsSocket: true) => socket.NoDelay = true;

        public void CloseWrite()
        {
            try
            {
                Socket.Shutdown(SocketShutdown.Send);
            }
            catch (SocketException)
            {
                // The other side has closed all of it.
            }
        }
    }
}
