using System.Text;
using System.Threading.Channels;
using PeoplesCloud.Runtimes;
using PeoplesCloud.Runtimes.Ports;

namespace PeoplesCloud.Programs.Tests.Support;

/// <summary>A runtime without processes: a test sees each start, and ends runs itself.</summary>
internal sealed class FakeRuntime : IRuntime
{
    private readonly Channel<FakeRun> _started = Channel.CreateUnbounded<FakeRun>();
    private int _running;

    public string Name => "fake";

    /// <summary>What starting throws; null starts.</summary>
    public Func<RunSpec, Exception?> Failure { get; set; } = _ => null;

    /// <summary>Completes when starting may go on.</summary>
    public Task Gate { get; set; } = Task.CompletedTask;

    /// <summary>Completes when something is to be started for the first time.</summary>
    public TaskCompletionSource Asked { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Cleans up what a run left behind when it has ended.</summary>
    public Func<Task> CleanUp { get; set; } = () => Task.CompletedTask;

    /// <summary>Whether runs ignore TERM.</summary>
    public bool Stubborn { get; set; }

    /// <summary>Runs that were started and not ended.</summary>
    public int Running => _running;

    public ValueTask<IReadOnlyList<RuntimeReport>> ProbeAsync(CancellationToken cancellationToken) => ValueTask.FromResult<IReadOnlyList<RuntimeReport>>([]);

    public async ValueTask<IRun> StartAsync(RunSpec spec, Func<OutputKind, ReadOnlyMemory<byte>, ValueTask> output, CancellationToken cancellationToken)
    {
        Asked.TrySetResult();
        await Gate;
        if (Failure(spec) is { } failure) throw failure;
        Interlocked.Increment(ref _running);
        var run = new FakeRun(spec, output, () => Interlocked.Decrement(ref _running), spec.SourceFolder is { } source ? TestFolder.Describe(source) : "", Stubborn, () => CleanUp());
        _started.Writer.TryWrite(run);
        return run;
    }

    public ValueTask CollectAsync(CancellationToken cancellationToken) => ValueTask.CompletedTask;

    /// <summary>Waits for the next start.</summary>
    public async Task<FakeRun> NextAsync() => await _started.Reader.ReadAsync(TestContext.Current.CancellationToken).AsTask().WaitAsync(Patience.Limit);

    /// <summary>Whether a start was not waited for yet.</summary>
    public bool HasMore => _started.Reader.TryPeek(out _);
}

/// <summary>One run of a <see cref="FakeRuntime"/>.</summary>
internal sealed class FakeRun(RunSpec spec, Func<OutputKind, ReadOnlyMemory<byte>, ValueTask> output, Action ended, string files, bool stubborn, Func<Task> cleanUp) : IRun
{
    private readonly TaskCompletionSource _stopping = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<RunExit> _exited = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public RunSpec Spec => spec;

    /// <summary>The files that it was started with.</summary>
    public string Files => files;

    public Task<RunExit> Exited => _exited.Task;

    public TimeSpan? StopGrace { get; private set; }

    public ValueTask PrintAsync(string text, OutputKind kind = OutputKind.Out) => output(kind, Encoding.UTF8.GetBytes(text));

    public void Exit(int code, RunExitReason reason = RunExitReason.Exited)
    {
        if (_exited.Task.IsCompleted) return;
        ended();
        _exited.SetResult(new RunExit(code, reason));
    }

    /// <summary>Completes when it is asked to stop.</summary>
    public Task Stopping => _stopping.Task;

    public ValueTask StopAsync(TimeSpan grace)
    {
        StopGrace = grace;
        _stopping.TrySetResult();
        if (stubborn && grace > TimeSpan.Zero) return new ValueTask(_exited.Task);
        Exit(143, RunExitReason.Stopped);
        return ValueTask.CompletedTask;
    }

    public ValueTask<Stream> ConnectAsync(int port, CancellationToken cancellationToken) => throw new IOException("a fake run has no network");

    public ValueTask<IDatagramChannel> OpenDatagramsAsync(int port, CancellationToken cancellationToken) => throw new IOException("a fake run has no network");

    /// <summary>Whether it stands still.</summary>
    public bool IsFrozen { get; private set; }

    public ValueTask FreezeAsync()
    {
        IsFrozen = true;
        return ValueTask.CompletedTask;
    }

    public ValueTask ThawAsync()
    {
        IsFrozen = false;
        return ValueTask.CompletedTask;
    }

    /// <summary>Echoes: its words on standard output, its input on standard error; exits with how many words there were.</summary>
    public async ValueTask<int> ExecAsync(IReadOnlyList<string> command, Stream input, Func<OutputKind, ReadOnlyMemory<byte>, ValueTask> output, CancellationToken cancellationToken)
    {
        await output(OutputKind.Out, Encoding.UTF8.GetBytes(string.Join(' ', command)));
        var read = new MemoryStream();
        await input.CopyToAsync(read, cancellationToken);
        await output(OutputKind.Err, read.ToArray());
        return command.Count;
    }

    /// <summary>What it uses.</summary>
    public RunUsage Used { get; set; } = new(-1, TimeSpan.Zero, -1);

    public RunUsage Usage() => Used;

    public async ValueTask DisposeAsync()
    {
        Exit(137, RunExitReason.Stopped);
        await cleanUp();
    }
}

/// <summary>How long a test waits for something that should come at once, on a machine that may be very busy.</summary>
internal static class Patience
{
    public static TimeSpan Limit { get; } = TimeSpan.FromSeconds(60);

    /// <summary>Waits until a condition holds, asking again at each call of <paramref name="changed"/>'s event.</summary>
    public static async Task UntilAsync(Func<bool> condition, Action<Action> subscribe, Action<Action> unsubscribe)
    {
        var changed = new SemaphoreSlim(0);
        void OnChanged() => changed.Release();
        subscribe(OnChanged);
        try
        {
            while (!condition()) Assert.True(await changed.WaitAsync(Limit, TestContext.Current.CancellationToken), "waited too long");
        }
        finally
        {
            unsubscribe(OnChanged);
        }
    }
}
