using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using PeoplesCloud.Base;
using PeoplesCloud.Runtimes.Docker.Init;
using PeoplesCloud.Runtimes.Ports;
using PeoplesCloud.Runtimes.Sandbox;
using PeoplesCloud.Runtimes.Sandbox.Limits;

namespace PeoplesCloud.Runtimes.Docker;

/// <summary>A command that runs in a container.</summary>
internal sealed class DockerRun : IRun
{
    private static readonly TimeSpan ExecEndInterval = TimeSpan.FromMilliseconds(10);

    private readonly DockerEngine _engine;
    private readonly RunSpec _spec;
    private readonly IReadOnlyDictionary<string, string> _environment;
    private readonly HostProcess? _process;
    private readonly NetworkCounter? _traffic;
    private readonly DockerAttachment _attachment;
    private readonly Task _output;
    private readonly SlirpProcess? _network;
    private readonly MemoryNotice? _memory;
    private readonly SandboxDoor? _door;
    private readonly TaskCompletionSource _over = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _stopping;
    private int _outOfMemory;

    /// <summary>Takes over a container whose command has started.</summary>
    /// <param name="engine">The engine.</param>
    /// <param name="spec">The run.</param>
    /// <param name="environment">Its whole environment, for further commands.</param>
    /// <param name="container">The container's id.</param>
    /// <param name="process">Its first process, where this machine sees it.</param>
    /// <param name="attachment">The connection of its output.</param>
    /// <param name="output">Ends when all of it was handed over.</param>
    /// <param name="network">What serves its network, if it has one.</param>
    /// <param name="door">The way into its network, where this daemon may use it.</param>
    public DockerRun(DockerEngine engine, RunSpec spec, IReadOnlyDictionary<string, string> environment, string container, HostProcess? process, DockerAttachment attachment, Task output, SlirpProcess? network, SandboxDoor? door)
    {
        (_engine, _spec, _environment, Container, _process, _attachment, _output, _network, _door) = (engine, spec, environment, container, process, attachment, output, network, door);
        _traffic = process is null || spec.Network == NetworkMode.None ? null : new NetworkCounter(process.Pid);
        // Podman's events do not tell of it.
        _memory = !engine.IsKnownPodman ? null : MemoryNotice.Of(process, container, EndForMemoryAsync, engine.Time);
        Exited = EndAsync();
    }

    /// <summary>The container's id.</summary>
    public string Container { get; }

    /// <inheritdoc/>
    public Task<RunExit> Exited { get; }

    /// <inheritdoc/>
    public async ValueTask StopAsync(TimeSpan grace)
    {
        if (Exited.IsCompleted) return;
        Volatile.Write(ref _stopping, 1);
        if (grace > TimeSpan.Zero)
        {
            await TryAsync(() => _engine.SignalAsync(Container, "TERM"));
            await ThawAsync();
            using var early = new CancellationTokenSource();
            _ = await Task.WhenAny(_over.Task, Task.Delay(grace, _engine.Time, early.Token));
            await early.CancelAsync();
        }
        if (!_over.Task.IsCompleted) await KillAsync();
        _ = await Exited;
    }

    /// <inheritdoc/>
    public void RunsUntil(TimeSpan? sinceBoot) => _engine.Guard.Keep(Container, sinceBoot);

    /// <inheritdoc/>
    public ValueTask<Stream> ConnectAsync(int port, CancellationToken cancellationToken) => Door.ConnectAsync(port, cancellationToken);

    /// <inheritdoc/>
    public ValueTask<IDatagramChannel> OpenDatagramsAsync(int port, CancellationToken cancellationToken) => Door.OpenDatagramsAsync(port, cancellationToken);

    /// <inheritdoc/>
    public ValueTask FreezeAsync() => _engine.SetFrozenAsync(Container, "pause");

    /// <inheritdoc/>
    public ValueTask ThawAsync() => _engine.SetFrozenAsync(Container, "unpause");

    /// <inheritdoc/>
    public async ValueTask<int> ExecAsync(IReadOnlyList<string> command, Stream input, Func<OutputKind, ReadOnlyMemory<byte>, ValueTask> output, CancellationToken cancellationToken)
    {
        if (command.Count == 0) throw new ArgumentException("a command has a first word", nameof(command));
        try
        {
            var body = new JsonObject
            {
                ["AttachStdin"] = true, ["AttachStdout"] = true, ["AttachStderr"] = true, ["Tty"] = false, ["Privileged"] = false,
                ["Cmd"] = new JsonArray(InitImage.Inside),
            };
            var id = (await _engine.Client.CallAsync(HttpMethod.Post, $"/containers/{Container}/exec", body, cancellationToken)).GetProperty("Id").GetString()!;
            await using var attachment = await _engine.Client.AttachAsync($"/exec/{DockerClient.Escape(id)}/start", new JsonObject { ["Detach"] = false, ["Tty"] = false }, cancellationToken);
            using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            var sent = SendAsync(InitScript.Further(command, _environment, await _engine.FilterAsync(cancellationToken)), input, attachment, ended.Token);
            var givenUp = Task.CompletedTask;
            using (cancellationToken.Register(() => givenUp = GiveUpAsync(id, attachment)))
                await attachment.PumpAsync(output, e => DockerLog.OutputDropped(_engine.Logger, e));
            await givenUp;
            await ended.CancelAsync();
            await sent;
            cancellationToken.ThrowIfCancellationRequested();
            var code = await ExitCodeOfAsync(id, cancellationToken);
            // A signal may have been the end of it all, of which the engine's answer may be a moment behind.
            if (code > 128 && (IsEnding || await _engine.StateAsync(Container, cancellationToken) is not { Running: true })) throw new IOException("the program has ended");
            return code;
        }
        catch (DockerException e) when (e.Status is HttpStatusCode.NotFound or HttpStatusCode.Conflict)
        {
            throw new IOException("the program has ended", e);
        }
        catch (PcException e) when (e.Code == ErrorCode.DockerUnreachable)
        {
            throw new IOException("Docker went away, and the program with it", e);
        }
        catch (DockerException e)
        {
            throw new PcException(ErrorCode.DockerRefused, $"Docker does not run {command[0]} in {_spec.Id}: {e.Message}", inner: e);
        }
    }

    /// <inheritdoc/>
    public RunUsage Usage() =>
        (_process is { IsAlive: true } process ? ContainerUsage.Of(process.Pid, Container) : new RunUsage(-1, TimeSpan.FromTicks(-1), _over.Task.IsCompleted ? 0 : -1))
            with { NetworkBytes = _spec.Network == NetworkMode.None ? 0 : _traffic?.Read() ?? -1 };

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => StopAsync(TimeSpan.Zero);

    /// <summary>The kernel ended one of its processes because of the memory limit: half a program is no program.</summary>
    public async Task EndForMemoryAsync()
    {
        Volatile.Write(ref _outOfMemory, 1);
        await KillAsync();
    }

    private SandboxDoor Door => _door
        ?? throw new PcException(ErrorCode.SandboxNetworkFailed, "this daemon may not enter the network of Docker's containers", "Run the daemon as root, or a Docker or Podman of the daemon's own user (rootless).");

    private bool IsEnding => Volatile.Read(ref _stopping) != 0 || Volatile.Read(ref _outOfMemory) != 0 || _over.Task.IsCompleted;

    private async Task<RunExit> EndAsync()
    {
        // 1. The end, told by the engine or, when that is gone, made certain of in other ways.
        var code = await _engine.WaitAsync(Container) ?? await EndLostAsync();
        _over.SetResult();
        // 2. The last output.
        await _output;
        _ = _traffic?.Read();
        _traffic?.Dispose();
        // 3. Why, and nothing left behind.
        await TryAsync(async () =>
        {
            if (await _engine.StateAsync(Container, CancellationToken.None) is { OutOfMemory: true } && code == 137) Volatile.Write(ref _outOfMemory, 1);
            await _engine.RemoveAsync(Container, CancellationToken.None);
        });
        if (_memory is not null && await _memory.EndAsync() && code == 137) Volatile.Write(ref _outOfMemory, 1);
        _engine.Guard.Remove(Container);
        _engine.Forget(Container);
        await _attachment.DisposeAsync();
        if (_door is not null) await _door.DisposeAsync();
        if (_network is not null)
        {
            _network.Kill();
            await _network.Ended;
        }
        var reason = Volatile.Read(ref _stopping) != 0 ? RunExitReason.Stopped
            : Volatile.Read(ref _outOfMemory) != 0 ? RunExitReason.OutOfMemory
            : code > 128 ? RunExitReason.Signalled
            : RunExitReason.Exited;
        DockerLog.Ended(_engine.Logger, _spec.Id, code, reason);
        return new RunExit(code, reason);
    }

    /// <summary>
    /// The engine went away, and its containers run on without it. The run is not over before it is certain that its processes are: killed from
    /// here where that is allowed, otherwise by the engine once it is back.
    /// </summary>
    private async Task<int> EndLostAsync()
    {
        const int killed = 128 + 9;
        DockerLog.Lost(_engine.Logger, _spec.Id);
        while (true)
        {
            if (_process is { } process)
            {
                _ = process.Kill();
                if (!process.IsAlive) return killed;
            }
            try
            {
                if (await _engine.StateAsync(Container, CancellationToken.None) is not { } state) return killed;
                if (!state.Running) return state.ExitCode == 0 ? killed : state.ExitCode;
                await _engine.SignalAsync(Container, "KILL");
            }
            catch (Exception e) when (e is DockerException || DockerEngine.IsLost(e))
            {
                // Not back yet.
            }
            await Task.Delay(DockerLimits.RetryInterval, _engine.Time);
        }
    }

    private async Task KillAsync()
    {
        try
        {
            await _engine.SignalAsync(Container, "KILL");
        }
        catch (Exception e) when (e is DockerException || DockerEngine.IsLost(e))
        {
            _ = _process?.Kill();
        }
    }

    /// <summary>
    /// Ends a further command and what it started. The engine has no word for that, and closing its input ends only those that read it; where this
    /// daemon may not kill it, it ends with the run.
    /// </summary>
    private async Task GiveUpAsync(string exec, DockerAttachment attachment)
    {
        await TryAsync(async () =>
        {
            var state = await _engine.Client.CallAsync(HttpMethod.Get, $"/exec/{DockerClient.Escape(exec)}/json", body: null, CancellationToken.None);
            var open = new Stack<int>([state.GetProperty("Pid").GetInt32()]);
            while (open.TryPop(out var pid))
            {
                if (HostProcess.Of(pid, Container) is not { } process) continue;
                // Its children are found through it, as long as it lives.
                foreach (var child in ProcessTree.Children(pid)) open.Push(child);
                _ = process.Kill();
            }
        });
        await attachment.DisposeAsync();
    }

    /// <summary>The output ends a moment before the engine knows how the command did.</summary>
    private async Task<int> ExitCodeOfAsync(string exec, CancellationToken cancellationToken)
    {
        while (true)
        {
            var state = await _engine.Client.CallAsync(HttpMethod.Get, $"/exec/{DockerClient.Escape(exec)}/json", body: null, cancellationToken);
            if (!state.GetProperty("Running").GetBoolean()) return state.GetProperty("ExitCode").GetInt32();
            await Task.Delay(ExecEndInterval, _engine.Time, cancellationToken);
        }
    }

    private static async Task SendAsync(byte[] begin, Stream input, DockerAttachment attachment, CancellationToken cancellationToken)
    {
        try
        {
            await attachment.Input.WriteAsync(begin, cancellationToken);
            await input.CopyToAsync(attachment.Input, cancellationToken);
            attachment.EndInput();
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or ObjectDisposedException)
        {
            // The command ended before its input did.
        }
    }

    private async Task TryAsync(Func<Task> ask)
    {
        try
        {
            await ask();
        }
        catch (Exception e) when (e is DockerException || DockerEngine.IsLost(e))
        {
            DockerLog.CleanupFailed(_engine.Logger, _spec.Id, e.Message);
        }
    }
}
