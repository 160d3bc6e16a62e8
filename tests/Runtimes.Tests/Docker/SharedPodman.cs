using PeoplesCloud.Runtimes.Docker;

[assembly: AssemblyFixture(typeof(PeoplesCloud.Runtimes.Tests.Docker.SharedPodman))]

namespace PeoplesCloud.Runtimes.Tests.Docker;

/// <summary>One Podman for all tests, started by the first.</summary>
public sealed class SharedPodman : IAsyncDisposable
{
    private readonly Lock _lock = new();
    private Task<(Podman Podman, DockerRuntime Runtime)>? _started;
    private string? _folder;

    /// <summary>A runtime on it; the test is skipped where there can be none.</summary>
    public async Task<DockerRuntime> RuntimeAsync()
    {
        Assert.SkipWhen(Podman.Obstacle is not null, Podman.Obstacle ?? "");
        Task<(Podman Podman, DockerRuntime Runtime)> started;
        lock (_lock) started = _started ??= Task.Run(StartAsync);
        return (await started).Runtime;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_started is { IsCompletedSuccessfully: true })
        {
            var (podman, runtime) = await _started;
            await runtime.DisposeAsync();
            await podman.DisposeAsync();
        }
        if (_folder is not null) Directory.Delete(_folder, recursive: true);
    }

    private async Task<(Podman Podman, DockerRuntime Runtime)> StartAsync()
    {
        var podman = await Podman.StartAsync();
        _folder = Directory.CreateTempSubdirectory("podman-runtime-").FullName;
        return (podman, await DockerTestBase.StartAsync(DockerTestBase.Options(podman.Socket, _folder)));
    }
}
