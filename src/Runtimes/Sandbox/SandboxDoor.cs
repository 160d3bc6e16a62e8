using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using Microsoft.Win32.SafeHandles;
using PeoplesCloud.Base;

namespace PeoplesCloud.Runtimes.Sandbox;

/// <summary>
/// The way from the daemon into a sandbox's network, which has no route from the host. Entering a network namespace as an ordinary user takes a
/// process with one thread, which a daemon is not: a small shell enters it (nsenter), connects on request (bash's /dev/tcp) and the daemon copies
/// the connected socket out of it (pidfd_getfd); no byte passes through the shell. It is started at the first connection, ends with the run or
/// the daemon, and sees nothing but the network: the program's files, processes and group are not its own.
/// </summary>
internal sealed class SandboxDoor(NetworkTools tools, TimeProvider time, int initPid, uint number) : IAsyncDisposable
{
    /// <summary>A connection within one loopback is made at once or waits for a program that accepts none.</summary>
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(5);

    private const int SocketInside = 4;

    // One line in, a port; one line out, whether it is connected; one line in, that the socket was taken.
    private const string Script = """
        while read -r port; do
          if { exec 4<>/dev/tcp/127.0.0.1/"$port" || exec 4<>/dev/tcp/::1/"$port"; } 2>/dev/null; then
            echo yes
            read -r _
            exec 4>&-
          else
            echo no
          fi
        done
        """;

    private readonly SemaphoreSlim _turn = new(1);
    private Helper? _helper;
    private bool _closed;

    /// <summary>See <see cref="IRun.ConnectAsync"/>.</summary>
    public async ValueTask<Stream> ConnectAsync(int port, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(port, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(port, 65535);
        await _turn.WaitAsync(cancellationToken);
        try
        {
            if (_closed) throw Ended();
            using var timeout = new CancellationTokenSource(Timeout, time);
            using var both = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
            return await ConnectInTurnAsync(port, both.Token);
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

    /// <summary>Ends the shell. The run's process number is still its own until this is done.</summary>
    public async ValueTask DisposeAsync()
    {
        await _turn.WaitAsync();
        _closed = true;
        CloseHelper();
        _turn.Release();
    }

    private async Task<Stream> ConnectInTurnAsync(int port, CancellationToken cancellationToken)
    {
        _helper ??= Start();
        switch (await _helper.AskAsync(port, cancellationToken))
        {
            case "yes":
                return _helper.Take();
            case "no":
                throw new IOException($"nothing listens on port {port.ToString(CultureInfo.InvariantCulture)} of the program");
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
        public async Task<string?> AskAsync(int port, CancellationToken cancellationToken)
        {
            try
            {
                await _process.StandardInput.WriteAsync($"{port.ToString(CultureInfo.InvariantCulture)}\n".AsMemory(), cancellationToken);
                await _process.StandardInput.FlushAsync(cancellationToken);
                return await _process.StandardOutput.ReadLineAsync(cancellationToken);
            }
            catch (IOException)
            {
                return null;
            }
        }

        /// <summary>The connection that it has just made; it lets go of it.</summary>
        public Connection Take()
        {
            var descriptor = LibC.CopyDescriptor(_pidFd, SocketInside);
            if (descriptor < 0) throw new PcException(ErrorCode.SandboxNetworkFailed, "the kernel lets no socket out of a sandbox's network (pidfd_getfd, since Linux 5.6)");
            var connection = new Connection(new Socket(new SafeSocketHandle(descriptor, ownsHandle: true)) { NoDelay = true });
            // Some bytes into an empty pipe: that waits for nobody.
            _process.StandardInput.Write('\n');
            _process.StandardInput.Flush();
            return connection;
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

    private sealed class Connection(Socket socket) : NetworkStream(socket, ownsSocket: true), IHalfClosable
    {
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
