namespace PeoplesCloud.Runtimes.Tests.Docker;

/// <summary>Docker keeps the promises of a runtime, with a real engine.</summary>
public sealed class DockerConformanceTests(SharedDockerd docker) : RuntimeConformance
{
    protected override async ValueTask<IRuntime> CreateAsync() => new Borrowed(await docker.RuntimeAsync());

    /// <summary>The runtime of all tests, which none of them ends.</summary>
    private sealed class Borrowed(IRuntime runtime) : IRuntime
    {
        public string Name => runtime.Name;

        public ValueTask<IReadOnlyList<RuntimeReport>> ProbeAsync(CancellationToken cancellationToken) => runtime.ProbeAsync(cancellationToken);

        public ValueTask<IRun> StartAsync(RunSpec spec, Func<OutputKind, ReadOnlyMemory<byte>, ValueTask> output, CancellationToken cancellationToken) => runtime.StartAsync(spec, output, cancellationToken);

        public ValueTask CollectAsync(CancellationToken cancellationToken) => runtime.CollectAsync(cancellationToken);
    }
}
