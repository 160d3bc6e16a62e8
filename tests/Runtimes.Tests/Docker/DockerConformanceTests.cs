namespace PeoplesCloud.Runtimes.Tests.Docker;

/// <summary>
/// Docker keeps the promises of a runtime, with a real engine. With PC_TEST_ENGINE=podman that is Podman, which takes a second for a container and minutes
/// for all of it; <see cref="PodmanTests"/> have a first look in each run of the tests.
/// </summary>
public sealed class DockerConformanceTests(SharedDockerd docker, SharedPodman podman) : RuntimeConformance
{
    protected override async ValueTask<IRuntime> CreateAsync() =>
        new BorrowedRuntime(Environment.GetEnvironmentVariable("PC_TEST_ENGINE") == "podman" ? await podman.RuntimeAsync() : await docker.RuntimeAsync());
}

/// <summary>The runtime of all tests, which none of them ends.</summary>
internal sealed class BorrowedRuntime(IRuntime runtime) : IRuntime
{
    public string Name => runtime.Name;

    public ValueTask<IReadOnlyList<RuntimeReport>> ProbeAsync(CancellationToken cancellationToken) => runtime.ProbeAsync(cancellationToken);

    public ValueTask<IRun> StartAsync(RunSpec spec, Func<OutputKind, ReadOnlyMemory<byte>, ValueTask> output, CancellationToken cancellationToken) => runtime.StartAsync(spec, output, cancellationToken);

    public ValueTask CollectAsync(CancellationToken cancellationToken) => runtime.CollectAsync(cancellationToken);
}
