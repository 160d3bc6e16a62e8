using System.Diagnostics;
using System.Text;
using System.Threading.Channels;
using Microsoft.Win32.SafeHandles;
using PeoplesCloud.Runtimes.Sandbox.Limits;

namespace PeoplesCloud.Runtimes.Sandbox;

/// <summary>
/// The process that becomes the sandbox: a shell that prepares itself (cgroup, network) and waits for one line on its input, which ends in
/// <c>exec bwrap</c>. It keeps its process number through all of that, so the daemon stays the parent.
/// What it writes to standard output before the first NUL is for us (lines: bubblewrap's information), what comes after is the command's.
/// A thread of its own starts it, reads its output and waits for its end: <c>--die-with-parent</c> means the parent's <i>thread</i>, and a
/// thread of the pool that started a process may end long before the process should.
/// </summary>
internal sealed class SandboxShell
{
    /// <summary>Where tools outside of a sandbox look for others.</summary>
    public const string Path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

    private const int BufferBytes = 16 << 10;
    private const int MaxPreambleBytes = 64 << 10;
    private const int MaxComplaintBytes = 4 << 10;

    private readonly ProcessStartInfo _start;
    private readonly Action<Exception> _outputFailed;
    private readonly TaskCompletionSource<Process> _process = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<int> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Channel<string> _preamble = Channel.CreateUnbounded<string>();
    private readonly StringBuilder _preambleLine = new();
    private readonly StringBuilder _complaints = new();
    private readonly Lock _lock = new();

    private Func<OutputKind, ReadOnlyMemory<byte>, ValueTask>? _output;
    private int _preambleBytes;
    private bool _commandRuns;
    private int _initPidFd = -1;
    private SafeFileHandle? _begun;
    private TaskCompletionSource<int>? _beginning;

    private SandboxShell(ProcessStartInfo start, Action<Exception> outputFailed) => (_start, _outputFailed) = (start, outputFailed);

    /// <summary>The process number of the sandbox's first process (bubblewrap's own), 0 before it is known.</summary>
    public int InitPid { get; private set; }

    /// <summary>Ends when the shell and everything in the sandbox have ended, with the exit code, after the last output was handed over.</summary>
    public Task<int> Ended => _ended.Task;

    /// <summary>What was written to standard error before the command ran: why it did not.</summary>
    public string Complaints
    {
        get
        {
            lock (_lock) return _complaints.ToString().Trim();
        }
    }

    /// <summary>Starts a shell.</summary>
    /// <param name="command">Program and arguments that end in the shell.</param>
    /// <param name="outputFailed">Called once when the receiver of the output threw; further output is dropped.</param>
    /// <exception cref="System.ComponentModel.Win32Exception">The program cannot be started.</exception>
    public static async Task<SandboxShell> StartAsync(IReadOnlyList<string> command, Action<Exception> outputFailed)
    {
        var start = new ProcessStartInfo(command[0], command.Skip(1))
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = "/",
        };
        start.Environment.Clear();
        start.Environment["PATH"] = Path;
        var shell = new SandboxShell(start, outputFailed);
        new Thread(shell.Run, maxStackSize: 512 << 10) { IsBackground = true, Name = "sandbox" }.Start();
        _ = await shell._process.Task;
        return shell;
    }

    /// <summary>The next line before the first NUL; null when the NUL or the end of standard output came.</summary>
    public async ValueTask<string?> ReadPreambleAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await _preamble.Reader.ReadAsync(cancellationToken);
        }
        catch (ChannelClosedException)
        {
            return null;
        }
    }

    /// <summary>Whether the command's first instruction ran (the NUL came).</summary>
    public bool CommandRuns
    {
        get
        {
            lock (_lock) return _commandRuns;
        }
    }

    /// <summary>Says who receives the command's output; before <see cref="WriteAsync"/> lets it run.</summary>
    public void ReceiveOutput(Func<OutputKind, ReadOnlyMemory<byte>, ValueTask> output) => _output = output;

    /// <summary>Says which pipe tells whether the command could be begun (<see cref="Begin.BeginImage"/>); before <see cref="WriteAsync"/> lets it run. The pipe becomes the shell's.</summary>
    /// <returns>Completes with 0 when the command's program was loaded, or it ended before; else with the kernel's error.</returns>
    public Task<int> WatchBeginning(SafeFileHandle pipe)
    {
        _beginning = new(TaskCreationOptions.RunContinuationsAsynchronously);
        Volatile.Write(ref _begun, pipe);
        return _beginning.Task;
    }

    /// <summary>Writes to the shell's input.</summary>
    /// <exception cref="IOException">It has ended.</exception>
    public async ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, bool last, CancellationToken cancellationToken)
    {
        var input = _process.Task.Result.StandardInput.BaseStream;
        await input.WriteAsync(bytes, cancellationToken);
        await input.FlushAsync(cancellationToken);
        if (last) await input.DisposeAsync();
    }

    /// <summary>Sends TERM to the command, the first child of the sandbox's first process, which itself would ignore it.</summary>
    public void Terminate()
    {
        if (InitPid != 0 && ProcessTree.Children(InitPid) is [var command, ..]) _ = LibC.kill(command, LibC.Terminate);
    }

    /// <summary>Ends everything at once: the kernel ends a process namespace with its first process.</summary>
    public void Kill()
    {
        lock (_lock)
        {
            if (_initPidFd >= 0)
            {
                _ = LibC.SignalPidFd(_initPidFd, LibC.Kill);
                return;
            }
        }
        try
        {
            if (_ended.Task.IsCompleted) return;
            var process = _process.Task.Result;
            // Between its fork and its first instructions bubblewrap's child does not end with its parent, and would keep our pipes open.
            if (!process.HasExited)
                foreach (var child in ProcessTree.Freeze(process.Id)) _ = LibC.kill(child, LibC.Kill);
            process.Kill();
            // A process that it was waiting for has the same input: at its end it ends too.
            process.StandardInput.Close();
        }
        catch (Exception e) when (e is InvalidOperationException or IOException)
        {
            // It has ended at this moment.
        }
    }

    /// <summary>The shell's thread.</summary>
    private void Run()
    {
        Process process;
        try
        {
            process = Process.Start(_start)!;
        }
        catch (Exception e)
        {
            _process.SetException(e);
            _ended.SetResult(127);
            return;
        }
        // The streams are taken before anyone can see the process, so that a reader cannot be attached elsewhere.
        using var output = PipeOf(process.StandardOutput);
        using var errors = PipeOf(process.StandardError);
        _process.SetResult(process);
        try
        {
            ReadAll((int)output.DangerousGetHandle(), (int)errors.DangerousGetHandle());
        }
        finally
        {
            TakeBeginning();
            _ = _preamble.Writer.TryComplete();
            process.WaitForExit();
            WaitForInit();
            _ended.SetResult(process.ExitCode);
            process.Dispose();
        }
    }

    private static SafePipeHandle PipeOf(StreamReader reader) => ((System.IO.Pipes.AnonymousPipeClientStream)reader.BaseStream).SafePipeHandle;

    private void ReadAll(int output, int errors)
    {
        var buffer = new byte[BufferBytes];
        Span<LibC.PollFd> both = [new() { Descriptor = output, Events = LibC.PollIn }, new() { Descriptor = errors, Events = LibC.PollIn }, new() { Descriptor = -1, Events = LibC.PollIn }];
        while (both[0].Descriptor >= 0 || both[1].Descriptor >= 0)
        {
            // It is known before the first output comes, and ends nothing: what has opened it has the others too.
            both[2].Descriptor = (int?)Volatile.Read(ref _begun)?.DangerousGetHandle() ?? -1;
            if (LibC.poll(both, (nuint)both.Length, -1) < 0) continue;
            if (both[2].Revents != 0) TakeBeginning();
            // Standard output first: the NUL on it decides whose the errors are.
            for (var i = 0; i < 2; i++)
            {
                if (both[i].Revents == 0) continue;
                var count = (int)LibC.read(both[i].Descriptor, buffer, (nuint)buffer.Length);
                if (count > 0) Take(i == 0 ? OutputKind.Out : OutputKind.Err, buffer.AsMemory(0, count));
                else both[i].Descriptor = -1;
                if (i == 0 && count <= 0) EndPreamble();
            }
        }
    }

    private void TakeBeginning()
    {
        if (_begun is not { } pipe) return;
        Span<byte> error = stackalloc byte[1];
        var count = LibC.read((int)pipe.DangerousGetHandle(), error, 1);
        Volatile.Write(ref _begun, null);
        pipe.Dispose();
        _beginning!.TrySetResult(count == 1 ? error[0] : 0);
    }

    private void Take(OutputKind kind, ReadOnlyMemory<byte> bytes)
    {
        if (!_commandRuns)
        {
            if (kind == OutputKind.Err)
            {
                lock (_lock)
                    if (_complaints.Length < MaxComplaintBytes) _ = _complaints.Append(Encoding.UTF8.GetString(bytes.Span));
                return;
            }
            var end = bytes.Span.IndexOf((byte)0);
            TakePreamble(end < 0 ? bytes.Span : bytes.Span[..end]);
            if (end < 0) return;
            lock (_lock) _commandRuns = true;
            EndPreamble();
            bytes = bytes[(end + 1)..];
            if (bytes.IsEmpty) return;
        }
        Hand(kind, bytes);
    }

    private void TakePreamble(ReadOnlySpan<byte> bytes)
    {
        _preambleBytes += bytes.Length;
        if (_preambleBytes > MaxPreambleBytes) return;
        foreach (var value in bytes)
        {
            if (value != '\n')
            {
                _ = _preambleLine.Append((char)value);
                continue;
            }
            var line = _preambleLine.ToString();
            _ = _preambleLine.Clear();
            LearnInit(line);
            _ = _preamble.Writer.TryWrite(line);
        }
    }

    private void EndPreamble()
    {
        _ = _preamble.Writer.TryComplete();
    }

    /// <summary>Bubblewrap's --info-fd writes JSON, one member a line: <c>"child-pid": 4711,</c>.</summary>
    private void LearnInit(string line)
    {
        const string member = "\"child-pid\":";
        if (!line.AsSpan().TrimStart().StartsWith(member)) return;
        InitPid = int.Parse(line.AsSpan().Trim()[member.Length..].Trim(" ,"));
        lock (_lock) _initPidFd = LibC.OpenPidFd(InitPid);
    }

    private void Hand(OutputKind kind, ReadOnlyMemory<byte> bytes)
    {
        if (_output is not { } output) return;
        try
        {
            // Waiting here is the backpressure: the pipe fills, and the command waits in its write.
            var handed = output(kind, bytes);
            if (!handed.IsCompletedSuccessfully) handed.AsTask().GetAwaiter().GetResult();
        }
        catch (Exception e)
        {
            _output = null;
            _outputFailed(e);
        }
    }

    /// <summary>
    /// The first process ends after everything else in its namespace, but the shell (its parent) may end before it. Its descriptor tells.
    /// </summary>
    private void WaitForInit()
    {
        if (_initPidFd < 0) return;
        Span<LibC.PollFd> one = [new() { Descriptor = _initPidFd, Events = LibC.PollIn }];
        while (LibC.poll(one, 1, -1) < 0)
        {
            // Interrupted by a signal of the runtime.
        }
        lock (_lock)
        {
            _ = LibC.close(_initPidFd);
            _initPidFd = -1;
        }
    }
}
