using Microsoft.Extensions.Logging.Abstractions;
using PeoplesCloud.Runtimes.Sandbox;

namespace PeoplesCloud.Runtimes.Tests.Sandbox;

/// <summary>A sandbox runtime in a folder of its own, for tests that go beyond the conformance suite.</summary>
public abstract class SandboxTestBase : IAsyncDisposable
{
    private static int _runs;

    protected SandboxTestBase()
    {
        File.SetUnixFileMode(Folder, (UnixFileMode)0b111_001_001);
        Runtime = NewRuntime();
    }

    protected static CancellationToken Token => TestContext.Current.CancellationToken;

    protected static TimeSpan Patience => RuntimeConformance.Patience;

    protected string Folder { get; } = Directory.CreateTempSubdirectory("runtimes-").FullName;

    protected SandboxRuntime Runtime { get; }

    public virtual async ValueTask DisposeAsync()
    {
        await Runtime.DisposeAsync();
        Directory.Delete(Folder, recursive: true);
        GC.SuppressFinalize(this);
    }

    protected SandboxRuntime NewRuntime(TimeProvider? time = null) =>
        new(new SandboxOptions { Folder = Path.Combine(Folder, "sandbox"), Standby = [] }, time ?? TimeProvider.System, NullLogger.Instance);

    protected static RunSpec Spec(params IReadOnlyList<string> command) =>
        new($"run-{Interlocked.Increment(ref _runs)}", command, null, new Dictionary<string, string>(), new RunLimits(), NetworkMode.None);

    protected static RunSpec Python(string program) => Spec("python3", "-c", program);

    protected async Task<(RunExit Exit, Recorder Output)> RunAsync(RunSpec spec)
    {
        var output = new Recorder();
        await using var run = await Runtime.StartAsync(spec, output.Receive, Token);
        return (await run.Exited.WaitAsync(Patience, Token), output);
    }

    protected async Task<string> OutputAsync(RunSpec spec)
    {
        var (exit, output) = await RunAsync(spec);
        Assert.True(exit.ExitCode == 0, $"{exit}\n{output.Out}\n{output.Err}");
        return output.Out;
    }
}
