using System.Collections.Immutable;
using Microsoft.Extensions.Logging;
using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Configuration;
using PeoplesCloud.Daemon.Home;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Programs.Hosting;
using PeoplesCloud.Runtimes;
using PeoplesCloud.Runtimes.Docker;

namespace PeoplesCloud.Daemon.Hosting;

/// <summary>
/// The engine that this node's owner opened to programs, and what is known of it from moment to moment: whether it answers, which images it has.
/// Thread-safe.
/// </summary>
internal sealed class DockerHost : IImageRuntime, IAsyncDisposable
{
    /// <summary>How often the engine is asked. A program that needs an image that came since then finds it a moment later.</summary>
    private static readonly TimeSpan LookInterval = TimeSpan.FromSeconds(15);

    /// <summary>How often images that nobody needs are looked for: each 20th look, five minutes.</summary>
    private const int CollectEvery = 20;

    private readonly DockerOptions _options;
    private readonly DockerRuntime _runtime;
    private readonly TimeProvider _time;
    private volatile ImmutableHashSet<string>? _images; // null while the engine does not answer

    private DockerHost(DockerOptions options, TimeProvider time, ILogger logger) => (_options, _runtime, _time) = (options, new DockerRuntime(options, time, logger), time);

    /// <inheritdoc/>
    public string? BuildObstacle => _runtime.BuildObstacle;

    /// <summary>The images that programs here need, by name; and what the others that were built here may take, in bytes.</summary>
    public Func<(IReadOnlySet<string> Needed, long MostKeptBytes)>? Images { get; set; }

    /// <summary>How long an image that nobody needs is kept.</summary>
    public TimeSpan ImagesKeptFor => _options.ImagesKeptFor;

    /// <summary>Raised when it answers, no longer answers, or has other images.</summary>
    public event Action? Changed;

    /// <inheritdoc/>
    public IRuntime Runtime => _runtime;

    /// <inheritdoc/>
    public bool Fetches => true;

    /// <inheritdoc/>
    public bool Answers => _images is not null;

    /// <summary>
    /// The engine of a configuration, with what an earlier daemon left in it ended; null when the owner opened none. What was left while one was open
    /// is ended then, too.
    /// </summary>
    public static async Task<DockerHost?> OpenAsync(DaemonConfig config, HomePaths paths, PeerId self, TimeProvider time, ILogger logger, CancellationToken cancellationToken)
    {
        var socket = config.Hosts ? DockerSocket.Find(config.Docker, DaemonConfig.ProcessEnvironment(), File.Exists) : null;
        if (socket is null && !Directory.Exists(paths.Docker)) return null;
        var docker = new DockerHost(OptionsOf(socket ?? "/none", paths, self.ToString()), time, logger);
        await docker._runtime.CollectAsync(cancellationToken);
        if (socket is not null)
        {
            await docker.LookAsync(cancellationToken);
            return docker;
        }
        await docker.DisposeAsync();
        return null;
    }

    /// <summary>What a runtime of this home is told.</summary>
    public static DockerOptions OptionsOf(string socket, HomePaths paths, string owner) => new()
    {
        Socket = socket,
        Owner = owner,
        Folder = paths.Docker,
        Guard = Environment.ProcessPath is { } program ? [program, DockerGuard.Word] : null,
        ToolFolders = Environment.GetEnvironmentVariable("PC_TOOLS") is { Length: > 0 } tools ? [tools] : [],
    };

    /// <inheritdoc/>
    public bool Has(string image) => _images?.Contains(Normal(image)) ?? false;

    /// <inheritdoc/>
    public async Task BuildAsync(string folder, string tag, RunLimits limits, NetworkMode network, Func<string, ValueTask> said, CancellationToken cancellationToken)
    {
        await _runtime.BuildAsync(folder, tag, limits, network, said, cancellationToken);
        await LookAsync(cancellationToken);
    }

    /// <summary>Looks at the engine until it is cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(LookInterval, _time);
        for (var look = 0; await timer.WaitForNextTickAsync(cancellationToken); look++)
        {
            await LookAsync(cancellationToken);
            // Not at once: a daemon that starts does not know yet what runs here.
            if (look % CollectEvery == CollectEvery - 1) _ = await ImagesUsedAsync(collects: true, cancellationToken);
        }
    }

    /// <summary>What the images take that were built here; null when the engine does not answer.</summary>
    /// <param name="collects">Whether those that nobody needs any more are removed before.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public async Task<BuiltImagesUse?> ImagesUsedAsync(bool collects, CancellationToken cancellationToken)
    {
        if (Images is not { } images) return null;
        try
        {
            var (needed, most) = images();
            return await _runtime.CollectImagesAsync(needed, collects ? most : null, cancellationToken);
        }
        catch (PcException)
        {
            return null;
        }
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _runtime.DisposeAsync();

    private async Task LookAsync(CancellationToken cancellationToken)
    {
        var before = _images;
        try
        {
            _images = [.. (await _runtime.ImagesAsync(cancellationToken)).Select(Normal)];
        }
        catch (PcException)
        {
            _images = null;
        }
        if (before is null != _images is null || (before is not null && !before.SetEquals(_images!))) Changed?.Invoke();
    }

    /// <summary>One name for an image that people name in several ways.</summary>
    internal static string Normal(string image)
    {
        foreach (var prefix in new[] { "docker.io/library/", "docker.io/", "localhost/" })
        {
            if (!image.StartsWith(prefix, StringComparison.Ordinal)) continue;
            image = image[prefix.Length..];
            break;
        }
        return image.Contains('@', StringComparison.Ordinal) || image.LastIndexOf(':') > image.LastIndexOf('/') ? image : $"{image}:latest";
    }
}
