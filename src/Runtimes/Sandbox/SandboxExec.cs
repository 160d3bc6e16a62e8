using System.Globalization;
using System.Text;
using Microsoft.Win32.SafeHandles;
using PeoplesCloud.Base;

namespace PeoplesCloud.Runtimes.Sandbox;

/// <summary>
/// Runs further commands inside a sandbox. Entering one from outside would leave its filter of system calls behind, so a small shell that
/// was started inside beside the command waits for orders: whatever it starts has all that the sandbox imposes. Orders and bytes go through
/// named pipes in a folder of the run, which is seen inside at <see cref="Inside"/>:
/// <code>
/// next       orders, one a line: "N" runs N/run, "k PID" ends a process group
/// N/run      the script of the Nth command
/// N/in out err   its streams
/// N/code     lines: "s PID" it runs, "x CODE" it has ended
/// begun      for <see cref="Begin.BeginImage"/>, where the first command's start is waited for
/// </code>
/// Everything in there is the program's own user's: the program could disturb what is run beside it, and gains nothing by it.
/// </summary>
internal sealed class SandboxExec(SandboxHost host, string folder, uint number, Task ended, IReadOnlyList<string> limits)
{
    /// <summary>Where the folder is seen inside.</summary>
    public const string Inside = "/run/exec";

    /// <summary>All words of a command, in UTF-8 bytes. What one script can hold is far more; nobody types as much.</summary>
    public const int MaxCommandBytes = 64 << 10;

    /// <summary>
    /// The shell that waits, started before the command becomes itself. It is handed to the sandbox's first process, so that the command
    /// never has a child that it did not start. Opening the pipe waits for whoever writes to it.
    /// </summary>
    public const string Agent =
        $"( ( while :; do while read -r n p; do case \"$n\" in k) kill -s KILL -- \"-$p\";; *) ( setsid /bin/sh \"{Inside}/$n/run\" & );; esac; done <{Inside}/next || exit; done ) </dev/null >/dev/null 2>&1 & ) && ";

    private const string Orders = "next";
    private const int BufferBytes = 16 << 10;

    // The shell answers within a fork; a frozen or starved sandbox does not answer at all.
    private static readonly TimeSpan StartTimeout = TimeSpan.FromSeconds(30);
    private const int PollMilliseconds = 100;
    private const int StartPolls = 20;
    private const int EndPolls = 20;

    private int _last;

    /// <summary>Makes the folder and its pipe, before the sandbox is started.</summary>
    public static void Prepare(string folder, uint number)
    {
        SandboxFolders.MakePassable(folder);
        MakePipe(Path.Combine(folder, Orders), number);
    }

    /// <summary>See <see cref="IRun.ExecAsync"/>.</summary>
    public async ValueTask<int> RunAsync(IReadOnlyList<string> command, Stream input, Func<OutputKind, ReadOnlyMemory<byte>, ValueTask> output, CancellationToken cancellationToken)
    {
        Check(command);
        cancellationToken.ThrowIfCancellationRequested();
        var id = Interlocked.Increment(ref _last).ToString(CultureInfo.InvariantCulture);
        var place = Path.Combine(folder, id);
        try
        {
            if (ended.IsCompleted) throw Ended();
            SandboxFolders.MakePassable(place);
            WriteScript(Path.Combine(place, "run"), id, command);
            foreach (var pipe in new[] { "in", "out", "err", "code" }) MakePipe(Path.Combine(place, pipe), number);
            using var pipes = new Pipes(folder, place);
            return await pipes.RunAsync(id, input, output, ended, host.Time, cancellationToken);
        }
        catch (Exception e) when (e is DirectoryNotFoundException or FileNotFoundException)
        {
            throw Ended(); // and its folder went with it
        }
        finally
        {
            if (Directory.Exists(place)) Remove(place);
        }
    }

    private static void Check(IReadOnlyList<string> command)
    {
        if (command.Count == 0 || command[0].Length == 0) throw new ArgumentException("a command needs a first word", nameof(command));
        if (command.Any(word => word.Contains('\0', StringComparison.Ordinal))) throw new ArgumentException("a command cannot hold a NUL", nameof(command));
        if (command.Sum(word => (long)Encoding.UTF8.GetByteCount(word)) > MaxCommandBytes) throw new ArgumentException($"a command has at most {MaxCommandBytes} bytes", nameof(command));
    }

    // Standard output is opened after code and in: when the start is told, all of them are open.
    private void WriteScript(string path, string id, IReadOnlyList<string> command)
    {
        var own = $"{Inside}/{id}";
        var script = $"{ShellWords.NewlineVariable}='\n'\nexec 3>{own}/code <{own}/in >{own}/out 2>{own}/err || exit\necho \"s $$\" >&3\n{ShellWords.Line([.. limits, .. command])} 3>&-\necho \"x $?\" >&3\n";
        File.WriteAllText(path, script);
        File.SetUnixFileMode(path, UnixFileMode.UserRead);
        Give(path, number);
    }

    internal static void MakePipe(string path, uint number)
    {
        const int ownerReadsAndWrites = 0x180; // 0600
        if (LibC.mkfifo(path, ownerReadsAndWrites) != 0) throw new IOException($"cannot make the pipe {path}");
        Give(path, number);
    }

    private static void Give(string path, uint number)
    {
        if (SandboxFolders.IsRoot && LibC.lchown(path, number, number) != 0) throw new IOException($"cannot give {path} to user {number}");
    }

    private static void Remove(string place)
    {
        try
        {
            Directory.Delete(place, recursive: true);
        }
        catch (IOException)
        {
            // The run has ended and takes its whole folder away.
        }
    }

    private static IOException Ended() => new("the program has ended");

    /// <summary>The daemon's ends of one command's pipes. A thread reads them while the command runs; nothing is buffered beyond one block.</summary>
    private sealed class Pipes : IDisposable
    {
        private readonly SafeFileHandle _orders;
        private readonly SafeFileHandle _input;
        private readonly SafeFileHandle _output;
        private readonly SafeFileHandle _errors;
        private readonly SafeFileHandle _code;
        private readonly StringBuilder _said = new();
        private readonly TaskCompletionSource<string> _started = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private volatile bool _over;
        private int _ends;

        public Pipes(string folder, string place)
        {
            // Both ways, where the other side may not be there yet: a pipe that has a reader and a writer never ends before it begins.
            _orders = Open(Path.Combine(folder, Orders), LibC.ReadWrite);
            _input = Open(Path.Combine(place, "in"), LibC.ReadWrite);
            _output = Open(Path.Combine(place, "out"), LibC.ReadOnly);
            _errors = Open(Path.Combine(place, "err"), LibC.ReadOnly);
            _code = Open(Path.Combine(place, "code"), LibC.ReadOnly);
        }

        public async Task<int> RunAsync(
            string id, Stream input, Func<OutputKind, ReadOnlyMemory<byte>, ValueTask> output, Task ended, TimeProvider time, CancellationToken cancellationToken)
        {
            using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            Write(_orders, Encoding.ASCII.GetBytes(id + "\n"));
            var reading = Task.Factory.StartNew(() => Read(output, ended, stop.Token), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
            var feeding = FeedAsync(input, stop.Token);
            try
            {
                _ = await _started.Task.WaitAsync(StartTimeout, time, cancellationToken);
                return await reading;
            }
            catch (TimeoutException)
            {
                throw new PcException(ErrorCode.ExecFailed, $"the program's sandbox did not take the command within {StartTimeout.TotalSeconds:0} s");
            }
            finally
            {
                _over = true;
                await stop.CancelAsync();
                await Task.WhenAny(feeding);
                await Task.WhenAny(reading);
                _ = (feeding.Exception, reading.Exception);
                // Whoever gives up takes the command along.
                if (!reading.IsCompletedSuccessfully && _started.Task.IsCompletedSuccessfully) Write(_orders, Encoding.ASCII.GetBytes($"k {_started.Task.Result}\n"));
            }
        }

        public void Dispose()
        {
            foreach (var pipe in new[] { _orders, _input, _output, _errors, _code }) pipe.Dispose();
        }

        private static SafeFileHandle Open(string path, int flags)
        {
            var descriptor = LibC.open(path, flags | LibC.NonBlocking | LibC.CloseOnExec);
            return descriptor >= 0 ? new SafeFileHandle(descriptor, ownsHandle: true) : throw Ended();
        }

        // All that is written before the code is in the pipes when the code comes: they are read empty once more, and whatever a process
        // that the command left behind writes later is nobody's.
        private int Read(Func<OutputKind, ReadOnlyMemory<byte>, ValueTask> output, Task ended, CancellationToken cancellationToken)
        {
            try
            {
                var buffer = new byte[BufferBytes];
                int? code = null;
                var (isOut, isErr, patience) = (true, true, StartPolls);
                while (true)
                {
                    // Who gives up before it runs waits a little for its start, or it would stay and wait for somebody to read what it writes.
                    if (cancellationToken.IsCancellationRequested && (_started.Task.IsCompleted || patience-- == 0)) throw new OperationCanceledException(cancellationToken);
                    var wasEnded = ended.IsCompleted;
                    code ??= TakeCode(buffer);
                    // At most one block each, so that neither waits for the other.
                    var took = Take(_output, OutputKind.Out, buffer, output, ref isOut) | Take(_errors, OutputKind.Err, buffer, output, ref isErr);
                    if (took) continue;
                    if (code is { } exit) return exit;
                    if (wasEnded) throw Ended();
                    Wait(isOut, isErr, isCode: _ends == 0);
                }
            }
            catch (Exception e)
            {
                _ = _started.TrySetException(e);
                _ = _started.Task.Exception;
                throw;
            }
        }

        // Ends of a pipe are left out: they would be reported again and again.
        private void Wait(bool isOut, bool isErr, bool isCode)
        {
            Span<LibC.PollFd> pipes =
            [
                new() { Descriptor = isCode ? (int)_code.DangerousGetHandle() : -1, Events = LibC.PollIn },
                new() { Descriptor = isOut ? (int)_output.DangerousGetHandle() : -1, Events = LibC.PollIn },
                new() { Descriptor = isErr ? (int)_errors.DangerousGetHandle() : -1, Events = LibC.PollIn },
            ];
            _ = LibC.poll(pipes, (nuint)pipes.Length, PollMilliseconds);
        }

        private bool Take(SafeFileHandle pipe, OutputKind kind, byte[] buffer, Func<OutputKind, ReadOnlyMemory<byte>, ValueTask> output, ref bool isOpen)
        {
            var count = (int)LibC.read((int)pipe.DangerousGetHandle(), buffer, (nuint)buffer.Length);
            // Before the command has opened it, and after its end, a read finds the end.
            isOpen = count != 0 || !_started.Task.IsCompleted;
            if (count <= 0) return false;
            // Waiting here is the backpressure: the pipe fills, and the command waits in its write.
            var handed = output(kind, buffer.AsMemory(0, count));
            if (!handed.IsCompletedSuccessfully) handed.AsTask().GetAwaiter().GetResult();
            return true;
        }

        private int? TakeCode(byte[] buffer)
        {
            var count = (int)LibC.read((int)_code.DangerousGetHandle(), buffer, (nuint)buffer.Length);
            // Its shell was ended before it could say how the command ended; by the end of the whole run, as a rule, which is noticed next.
            if (count == 0 && _started.Task.IsCompleted && ++_ends > EndPolls) return 128 + LibC.Kill;
            if (count > 0 && _said.Length < 1024) _ = _said.Append(Encoding.ASCII.GetString(buffer, 0, count));
            foreach (var line in _said.ToString().Split('\n')[..^1])
            {
                if (line.StartsWith("s ", StringComparison.Ordinal) && int.TryParse(line.AsSpan(2), NumberStyles.None, CultureInfo.InvariantCulture, out var pid)) _ = _started.TrySetResult(pid.ToString(CultureInfo.InvariantCulture));
                if (line.StartsWith("x ", StringComparison.Ordinal) && int.TryParse(line.AsSpan(2), NumberStyles.None, CultureInfo.InvariantCulture, out var code)) return code;
            }
            return null;
        }

        private async Task FeedAsync(Stream input, CancellationToken cancellationToken)
        {
            var buffer = new byte[BufferBytes];
            while (await input.ReadAsync(buffer, cancellationToken) is > 0 and var count)
            {
                var written = 0;
                while (written < count && !_over)
                {
                    var now = Write(_input, buffer.AsSpan(written, count - written));
                    if (now == 0) await Task.Run(WaitForRoom, cancellationToken);
                    written += now;
                }
            }
            // The command has opened its end when it runs: from then on closing ours is the end of its input.
            _ = await _started.Task.WaitAsync(cancellationToken);
            _input.Dispose();
        }

        private void WaitForRoom()
        {
            Span<LibC.PollFd> pipe = [new() { Descriptor = (int)_input.DangerousGetHandle(), Events = LibC.PollOut }];
            _ = LibC.poll(pipe, 1, PollMilliseconds);
        }

        // How much was taken: 0 when there is no room.
        private static int Write(SafeFileHandle pipe, ReadOnlySpan<byte> bytes) => Math.Max(0, (int)LibC.write((int)pipe.DangerousGetHandle(), bytes, (nuint)bytes.Length));
    }
}
