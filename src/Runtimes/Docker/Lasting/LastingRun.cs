using PeoplesCloud.Base;
using PeoplesCloud.Runtimes.Ports;
using PeoplesCloud.Runtimes.Sandbox;

namespace PeoplesCloud.Runtimes.Docker.Lasting;

/// <summary>
/// A command in a container that stays when the daemon goes (<see cref="LeaveAsync"/>). Its container stays too when it has ended, to be started again or
/// removed by <see cref="LastingContainers"/>. While the engine is away it is taken to run: it does.
/// </summary>
public sealed class LastingRun : IRun
{
    private readonly DockerEngine _engine;
    private readonly LastingSpec _spec;
    private readonly HostProcess _process;
    private readonly SlirpProcess? _network;
    private readonly SandboxDoor? _door;
    private readonly Func<OutputKind, ReadOnlyMemory<byte>, ValueTask> _output;
    private readonly TimeSpan _aloneTime;
    private readonly CancellationTokenSource _leaving = new();
    private volatile DockerAttachment _attachment;
    private Task _pumping;
    private int _stopping;

    internal LastingRun(
        DockerEngine engine, LastingSpec spec, string container, HostProcess process, DockerAttachment attachment, Task pumping, SlirpProcess? network, SandboxDoor? door,
        Func<OutputKind, ReadOnlyMemory<byte>, ValueTask> output, TimeSpan aloneTime)
    {
        (_engine, _spec, Container, _process, _attachment, _pumping, _network, _door, _output, _aloneTime) = (engine, spec, container, process, attachment, pumping, network, door, output, aloneTime);
        Exited = EndAsync();
    }

    /// <summary>The container's id.</summary>
    public string Container { get; }

    /// <summary>As <see cref="IRun.Exited"/>; it is cancelled by <see cref="LeaveAsync"/>.</summary>
    public Task<RunExit> Exited { get; }

    /// <summary>TERM, or what the image wants to hear instead, then KILL after the grace.</summary>
    /// <param name="grace">Whole seconds count.</param>
    public async ValueTask StopAsync(TimeSpan grace)
    {
        if (Exited.IsCompleted) return;
        Volatile.Write(ref _stopping, 1);
        try
        {
            await _engine.StopAsync(Container, grace);
        }
        catch (Exception e) when (e is DockerException || DockerEngine.IsLost(e))
        {
            // Without the engine, where that is allowed.
            _ = _process.Kill();
        }
        try
        {
            _ = await Exited;
        }
        catch (OperationCanceledException)
        {
            // It was left.
        }
    }

    /// <summary>Lets go of it: it runs on, is not reached, and sees no network until it is adopted.</summary>
    public async ValueTask LeaveAsync()
    {
        try
        {
            await _leaving.CancelAsync();
        }
        catch (ObjectDisposedException)
        {
            return; // it has ended
        }
        await _attachment.DisposeAsync();
        try
        {
            _ = await Exited;
        }
        catch (OperationCanceledException)
        {
            // As it should.
        }
    }

    /// <inheritdoc/>
    public ValueTask<Stream> ConnectAsync(int port, CancellationToken cancellationToken) => Door.ConnectAsync(port, cancellationToken);

    /// <inheritdoc/>
    public ValueTask<IDatagramChannel> OpenDatagramsAsync(int port, CancellationToken cancellationToken) => Door.OpenDatagramsAsync(port, cancellationToken);

    /// <summary>Not possible.</summary>
    /// <exception cref="PcException">Always.</exception>
    public ValueTask<int> ExecAsync(IReadOnlyList<string> command, Stream input, Func<OutputKind, ReadOnlyMemory<byte>, ValueTask> output, CancellationToken cancellationToken) =>
        throw new PcException(ErrorCode.DockerRefused, $"no further command runs in {_spec.Id}");

    /// <inheritdoc/>
    public ValueTask FreezeAsync() => _engine.SetFrozenAsync(Container, "pause");

    /// <inheritdoc/>
    public ValueTask ThawAsync() => _engine.SetFrozenAsync(Container, "unpause");

    /// <inheritdoc/>
    public RunUsage Usage() => _process.IsAlive ? ContainerUsage.Of(_process.Pid, Container) : new RunUsage(-1, TimeSpan.FromTicks(-1), 0);

    /// <summary>Kills it; its container stays.</summary>
    public ValueTask DisposeAsync() => StopAsync(TimeSpan.Zero);

    /// <summary>Tells the keeper inside that there is a daemon.</summary>
    internal void Prolong() => _attachment.RunsUntil(AloneUntil(_aloneTime, _engine.Time));

    /// <summary>Until when it may run without a word. By a clock that stands still while the machine is suspended, as the daemon does.</summary>
    internal static TimeSpan AloneUntil(TimeSpan aloneTime, TimeProvider time) => TimeSpan.FromSeconds((double)time.GetTimestamp() / time.TimestampFrequency) + aloneTime;

    private SandboxDoor Door => _door ?? throw new PcException(ErrorCode.SandboxNetworkFailed, "this daemon may not enter the network of Docker's containers", "Run the daemon as root, or a Docker or Podman of the daemon's own user (rootless).");

    private async Task<RunExit> EndAsync()
    {
        try
        {
            // 1. The end, told by the engine.
            var (code, outOfMemory) = await WaitAsync(_leaving.Token);
            // 2. The last output.
            await _pumping;
            var reason = Volatile.Read(ref _stopping) != 0 ? RunExitReason.Stopped
                : outOfMemory ? RunExitReason.OutOfMemory
                : code > 128 ? RunExitReason.Signalled
                : RunExitReason.Exited;
            DockerLog.Ended(_engine.Logger, _spec.Id, code, reason);
            return new RunExit(code, reason);
        }
        finally
        {
            // 3. Nothing of this daemon's is left.
            await _attachment.DisposeAsync();
            if (_door is not null) await _door.DisposeAsync();
            if (_network is not null)
            {
                _network.Kill();
                await _network.Ended;
            }
            _leaving.Dispose();
        }
    }

    private async Task<(int Code, bool OutOfMemory)> WaitAsync(CancellationToken cancellationToken)
    {
        const int killed = 128 + 9;
        while (true)
        {
            int? code = null;
            try
            {
                code = await CodeAsync(cancellationToken);
                if (await _engine.StateAsync(Container, cancellationToken) is not { } state) return (code ?? killed, false);
                if (!state.Running) return (code ?? state.ExitCode, state.OutOfMemory);
                // The engine was away, and its containers ran on.
                await ListenAgainAsync(cancellationToken);
            }
            catch (Exception e) when (e is DockerException || DockerEngine.IsLost(e))
            {
                if (code is { } known) return (known, false);
                // Whoever ends it while the engine is away is not kept waiting for the engine.
                if (Volatile.Read(ref _stopping) != 0 && !_process.IsAlive) return (killed, false);
                await Task.Delay(DockerLimits.RetryInterval, _engine.Time, cancellationToken);
            }
        }
    }

    // Null when the engine went away, or knows no such container any more.
    private async Task<int?> CodeAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await _engine.WaitAsync(Container, cancellationToken);
        }
        catch (DockerException)
        {
            return null;
        }
    }

    private async Task ListenAgainAsync(CancellationToken cancellationToken)
    {
        await _attachment.DisposeAsync();
        await _pumping;
        _attachment = await _engine.ListenAsync(Container, cancellationToken);
        _pumping = _attachment.PumpAsync(_output, e => DockerLog.OutputDropped(_engine.Logger, e));
        Prolong();
    }
}
