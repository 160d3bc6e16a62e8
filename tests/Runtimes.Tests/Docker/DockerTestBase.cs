using Microsoft.Extensions.Logging.Abstractions;
using PeoplesCloud.Runtimes.Docker;

[assembly: AssemblyFixture(typeof(PeoplesCloud.Runtimes.Tests.Docker.SharedDockerd))]

namespace PeoplesCloud.Runtimes.Tests.Docker;

/// <summary>One engine for all tests that do not end it, started by the first.</summary>
public sealed class SharedDockerd : IAsyncDisposable
{
    private readonly Lock _lock = new();
    private Task<Dockerd>? _started;
    private Task<DockerRuntime>? _runtime;
    private string? _folder;

    /// <summary>The engine; the test is skipped where there can be none.</summary>
    public Task<Dockerd> StartedAsync()
    {
        Assert.SkipWhen(Dockerd.Obstacle is not null, Dockerd.Obstacle ?? "");
        lock (_lock) return _started ??= Task.Run(() => Dockerd.StartAsync());
    }

    /// <summary>A runtime for the tests that need none of their own: each has a guard, which is a process to start.</summary>
    public Task<DockerRuntime> RuntimeAsync()
    {
        lock (_lock) return _runtime ??= StartRuntimeAsync();
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        // Neither is there when the tests were skipped.
        if (_runtime is { IsCompletedSuccessfully: true }) await (await _runtime).DisposeAsync();
        if (_folder is not null) Directory.Delete(_folder, recursive: true);
        if (_started is { IsCompletedSuccessfully: true }) await (await _started).DisposeAsync();
    }

    private async Task<DockerRuntime> StartRuntimeAsync()
    {
        var socket = (await StartedAsync()).Socket;
        _folder = Directory.CreateTempSubdirectory("docker-").FullName;
        return await DockerTestBase.StartAsync(DockerTestBase.Options(socket, _folder));
    }
}

/// <summary>What tests of the Docker runtime share.</summary>
internal static class DockerTestBase
{
    private static int _owners;

    /// <summary>Options of a runtime of its own.</summary>
    public static DockerOptions Options(string socket, string folder) => new()
    {
        Socket = socket,
        Owner = $"tests-{Environment.ProcessId}-{Interlocked.Increment(ref _owners)}",
        Folder = Path.Combine(folder, "docker"),
        Guard = [Environment.ProcessPath!, DockerGuard.Word],
        DefaultImage = Dockerd.Image,
        Pulls = false,
    };

    /// <summary>A runtime of these options.</summary>
    public static async ValueTask<DockerRuntime> StartAsync(DockerOptions options)
    {
        var runtime = new DockerRuntime(options, TimeProvider.System, NullLogger.Instance);
        await runtime.CollectAsync(TestContext.Current.CancellationToken);
        return runtime;
    }
}
