using System.Collections.Concurrent;
using System.Net;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging;
using PeoplesCloud.Base;
using PeoplesCloud.Runtimes.Docker.Init;
using PeoplesCloud.Runtimes.Sandbox;

namespace PeoplesCloud.Runtimes.Docker;

/// <summary>
/// Runs commands in containers of Docker or Podman, through the Engine API at a Unix socket. What holds a container in, and who ends it when
/// the daemon dies, is in docs/protocols/docker.md. Thread-safe. Disposing ends the runs that are left.
/// </summary>
public sealed class DockerRuntime : IRuntime, IAsyncDisposable
{
    private readonly DockerOptions _options;
    private readonly DockerEngine _engine;
    private readonly DockerImages _images;
    private readonly BuiltImages _built;
    private readonly DockerEvents _events;
    private readonly DockerNetwork _network;
    private readonly ConcurrentDictionary<string, DockerRun?> _containers = new(StringComparer.Ordinal);
    private readonly SemaphoreSlim _naming = new(1); // between a container's making and its place in _containers, nobody looks for strangers
    private int _builds;

    /// <summary>Creates a runtime; the engine is asked nothing before the first call.</summary>
    public DockerRuntime(DockerOptions options, TimeProvider time, ILogger logger)
    {
        if (!RunChecks.IsId(options.Owner)) throw new ArgumentException($"'{options.Owner}' is no owner: letters, digits and dashes, 1 to 64", nameof(options));
        _options = options;
        var client = new DockerClient(options.Socket, time);
        _engine = new DockerEngine(client, options, new GuardKeeper(options, time, logger), time, logger);
        _images = new DockerImages(client, options, time);
        _built = new BuiltImages(client, _images, options, time);
        _network = new DockerNetwork(options, time, logger);
        _events = new DockerEvents(_engine, EndForMemoryAsync, RemoveStrangersAsync);
    }

    /// <inheritdoc/>
    public string Name => "docker";

    /// <summary>Why it builds no images, in words that follow the host's name; null when it does, or when the engine was not asked anything yet.</summary>
    public string? BuildObstacle => !_engine.IsKnownPodman ? null : "has Podman, which would give the steps of a Dockerfile the host's network and as many processes as they like; name a built image instead";

    /// <summary>The guard's process number; null while there is none.</summary>
    internal int? GuardPid => _engine.Guard.Pid;

    /// <inheritdoc/>
    public ValueTask<IReadOnlyList<RuntimeReport>> ProbeAsync(CancellationToken cancellationToken) => new DockerProbe(_engine, _network).RunAsync(cancellationToken);

    /// <summary>Builds an image from a folder with a Dockerfile; its steps have limits and the network as a run has them.</summary>
    /// <param name="folder">The absolute folder.</param>
    /// <param name="tag">The image's name afterwards, for <see cref="RunSpec.Image"/>.</param>
    /// <param name="limits">Memory, processors and processes of a step; the disk limit bounds the folder, and what all steps write.</param>
    /// <param name="network">What the steps see. Where this host can make none, they have none, which is said.</param>
    /// <param name="said">Hears each line that the build says, one after another.</param>
    /// <param name="cancellationToken">Ends the build.</param>
    /// <exception cref="PcException"><see cref="ErrorCode.DockerBuildFailed"/> with what the build said, <see cref="ErrorCode.DockerUnreachable"/>.</exception>
    public async Task BuildAsync(string folder, string tag, RunLimits limits, NetworkMode network, Func<string, ValueTask> said, CancellationToken cancellationToken)
    {
        if (await _engine.IsPodmanAsync(cancellationToken)) throw new PcException(ErrorCode.DockerBuildFailed, $"this host {BuildObstacle}");
        // Looked at before anything is made.
        var files = await Task.Run(() => SourceFiles.In(folder, limits.DiskBytes), cancellationToken);
        if (network != NetworkMode.None && _network.Obstacle() is { } obstacle)
        {
            await said($"the steps have no network: {obstacle}");
            network = NetworkMode.None;
        }
        try
        {
            await _events.ListeningAsync(cancellationToken);
            await using var place = await OpenBuildPlaceAsync(network, cancellationToken);
            await place.Place.LimitAsync(limits.Pids, cancellationToken);
            var (id, bytes) = await _images.BuildAsync(files, tag, limits, place.Place.Network, () => place.Place.Step, said, cancellationToken);
            _built.Note(tag, id, bytes);
        }
        catch (DockerException e)
        {
            throw new PcException(ErrorCode.DockerBuildFailed, $"the Dockerfile could not be built: {e.Message}", inner: e);
        }
        catch (Exception e) when (e is not PcException && DockerEngine.IsLost(e))
        {
            throw new PcException(ErrorCode.DockerUnreachable, $"Docker went away while a Dockerfile was built: {e.Message}", inner: e);
        }
        DockerLog.Built(_engine.Logger, tag);
    }

    /// <summary>Removes images that this daemon built and no program needs any more, for long enough or too many; docs/protocols/docker.md, "Building". Others are never touched.</summary>
    /// <param name="needed">The names of those that programs here need.</param>
    /// <param name="mostBytes">What those that nobody needs may take; null only looks.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="PcException"><see cref="ErrorCode.DockerUnreachable"/>.</exception>
    public async Task<BuiltImagesUse> CollectImagesAsync(IReadOnlySet<string> needed, long? mostBytes, CancellationToken cancellationToken)
    {
        try
        {
            return await _built.CollectAsync(needed, mostBytes, cancellationToken);
        }
        catch (Exception e) when (e is DockerException || (e is not PcException && DockerEngine.IsLost(e)))
        {
            throw new PcException(ErrorCode.DockerUnreachable, $"Docker does not remove images: {e.Message}", inner: e);
        }
    }

    /// <summary>The names of the images on this host, as the engine writes them.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.DockerUnreachable"/>.</exception>
    public async Task<IReadOnlyList<string>> ImagesAsync(CancellationToken cancellationToken)
    {
        try
        {
            _ = await _engine.IsPodmanAsync(cancellationToken);
            return await _images.NamesAsync(cancellationToken);
        }
        catch (Exception e) when (e is DockerException || (e is not PcException && DockerEngine.IsLost(e)))
        {
            throw new PcException(ErrorCode.DockerUnreachable, $"Docker does not say which images it has: {e.Message}", inner: e);
        }
    }

    /// <inheritdoc/>
    public async ValueTask<IRun> StartAsync(RunSpec spec, Func<OutputKind, ReadOnlyMemory<byte>, ValueTask> output, CancellationToken cancellationToken)
    {
        // 1. What cannot run is refused before anything is touched.
        RunChecks.Check(spec, hasImages: true);
        var source = spec.SourceFolder is { } folder ? await Task.Run(() => SourceFiles.In(folder, spec.Limits.DiskBytes), cancellationToken) : null;
        SharedFolders.RequireThere(spec);
        if (spec.Network != NetworkMode.None && _network.Obstacle() is { } obstacle)
            throw new PcException(ErrorCode.SandboxNetworkFailed, $"this host cannot give a container the network {spec.Network}: {obstacle}", obstacle);
        var image = spec.Image ?? _options.DefaultImage
            ?? throw new PcException(ErrorCode.DockerImageMissing, $"{spec.Id} names no image to run in", "Name one: image = \"...\" in pc.toml, or choose the runtime sandbox.");
        var started = _engine.Time.GetTimestamp();
        var (imageId, config) = await _images.RequireAsync(image, cancellationToken);
        if (DockerContainer.CommandOf(spec, config).Count == 0) throw new PcException(ErrorCode.DockerRefused, $"the image {image} has no command of its own", "Name one: run = \"...\" in pc.toml, or --run.");
        using var timeout = new CancellationTokenSource(_options.StartTimeout, _engine.Time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        try
        {
            // 2. What an earlier daemon left has ended before anything begins.
            await _events.ListeningAsync(both.Token);
            // 3. The container, from here on ours to remove.
            var run = await StartAsync(spec, source, imageId, config, output, both.Token);
            DockerLog.Started(_engine.Logger, spec.Id, run.Container, spec.Network, _engine.Time.GetElapsedTime(started));
            return run;
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw new PcException(ErrorCode.DockerRefused, $"the container of {spec.Id} was not ready after {_options.StartTimeout.TotalSeconds} s", inner: e);
        }
        catch (DockerException e)
        {
            throw new PcException(ErrorCode.DockerRefused, $"Docker does not run {spec.Id}: {e.Message}", inner: e);
        }
        catch (Exception e) when (e is not PcException && DockerEngine.IsLost(e))
        {
            throw new PcException(ErrorCode.DockerUnreachable, $"Docker went away while {spec.Id} was started: {e.Message}", inner: e);
        }
    }

    /// <inheritdoc/>
    public async ValueTask CollectAsync(CancellationToken cancellationToken)
    {
        _ = Directory.CreateDirectory(_options.Folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        // Killed first: the engine may be gone while its containers run on.
        foreach (var (container, process) in _engine.Notes())
        {
            if (_containers.ContainsKey(container)) continue;
            _ = process?.Kill();
            _engine.Forget(container);
        }
        try
        {
            await RemoveStrangersAsync(cancellationToken);
        }
        catch (Exception e) when (e is DockerException || DockerEngine.IsLost(e))
        {
            // A daemon starts on a host whose Docker does not; the next start of a program says so, and removes them before it.
            DockerLog.Unusable(_engine.Logger, e.Message);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        foreach (var run in _containers.Values)
            if (run is not null) await run.DisposeAsync();
        await _events.DisposeAsync();
        await _engine.Guard.DisposeAsync();
        _engine.Client.Dispose();
        _naming.Dispose();
    }

    private async Task<DockerRun> StartAsync(RunSpec spec, SourceFiles? source, string image, ImageConfig config, Func<OutputKind, ReadOnlyMemory<byte>, ValueTask> output, CancellationToken cancellationToken)
    {
        var user = await UserOfAsync(spec, cancellationToken);
        if (spec.DataFolder is { } data && SandboxFolders.IsRoot && user != 0) await Task.Run(() => SandboxFolders.GiveTo(data, user), cancellationToken);
        var container = await CreateAsync(spec, DockerContainer.Describe(spec, _options.Owner, image, config, user, await _engine.IsPodmanAsync(cancellationToken), InitImage.InstallIn(_options.Folder)), cancellationToken);
        DockerAttachment? attachment = null;
        SlirpProcess? network = null;
        try
        {
            // 1. Connected before it starts, so that nothing of its output is missed; guarded before it starts, so that it never runs alone.
            attachment = await _engine.ListenAsync(container, cancellationToken);
            var pumped = attachment.PumpAsync(output, e => DockerLog.OutputDropped(_engine.Logger, e));
            await _engine.Guard.AddAsync(container, spec.RunsUntil, cancellationToken);
            _ = await _engine.Client.CallAsync(HttpMethod.Post, $"/containers/{container}/start", body: null, cancellationToken);

            // 2. Whose process it is here, for the case that the engine goes away.
            var state = await _engine.StateAsync(container, cancellationToken);
            var process = HostProcess.Of(state?.Pid ?? 0, container);
            if (process is not null)
            {
                _engine.Note(container, process);
                _engine.Guard.Name(container, process);
            }

            // 3. Its network and its files; then its first instruction runs.
            if (spec.Network != NetworkMode.None) network = await _network.AttachAsync(process, spec.Id, spec.Network, again: false, cancellationToken);
            if (source is not null) await source.MakeAsync(new InitFiles(attachment.Input), withoutData: HasData(spec), cancellationToken);
            var (command, environment) = (DockerContainer.CommandOf(spec, config), DockerContainer.EnvironmentOf(spec, config));
            await attachment.Input.WriteAsync(InitScript.Start(command, environment, _engine.Guard.UntilOf(container), await _engine.FilterAsync(cancellationToken)), cancellationToken);
            _engine.Guard.Tell(container, attachment.RunsUntil);
            var run = new DockerRun(_engine, spec, environment, container, process, attachment, pumped, network, _network.DoorTo(process, user));
            _containers[container] = run;
            _ = run.Exited.ContinueWith(_ => _containers.TryRemove(container, out var _), TaskScheduler.Default);
            return run;
        }
        catch
        {
            await AbandonAsync(container, attachment, network);
            throw;
        }
    }

    /// <summary>Makes the container of a build's network, as one of a program is made; nothing is ever told to its init.</summary>
    private async Task<OpenPlace> OpenBuildPlaceAsync(NetworkMode network, CancellationToken cancellationToken)
    {
        await DockerBuildPlace.EnsureImageAsync(_engine, _images, cancellationToken);
        var least = new RunLimits { MemoryBytes = 16 << 20, Cpus = 1, Pids = 1, DiskBytes = 1 << 20 };
        var spec = new RunSpec($"build-{Interlocked.Increment(ref _builds)}", [InitImage.Inside], SourceFolder: null, new Dictionary<string, string>(StringComparer.Ordinal), least, network) { Image = DockerBuildPlace.EmptyImage };
        var (image, config) = await _images.RequireAsync(DockerBuildPlace.EmptyImage, cancellationToken);
        var user = await UserOfAsync(spec, cancellationToken);
        var container = await CreateAsync(spec, DockerContainer.Describe(spec, _options.Owner, image, config, user, await _engine.IsPodmanAsync(cancellationToken), InitImage.InstallIn(_options.Folder)), cancellationToken);
        DockerAttachment? attachment = null;
        SlirpProcess? served = null;
        try
        {
            attachment = await _engine.Client.AttachAsync($"/containers/{container}/attach?stream=1&stdin=1", body: null, cancellationToken);
            _ = await _engine.Client.CallAsync(HttpMethod.Post, $"/containers/{container}/start", body: null, cancellationToken);
            var state = await _engine.StateAsync(container, cancellationToken);
            if (network != NetworkMode.None) served = await _network.AttachAsync(HostProcess.Of(state?.Pid ?? 0, container), spec.Id, network, again: false, cancellationToken);
            return new OpenPlace(this, container, new DockerBuildPlace(_engine, container, attachment, served));
        }
        catch
        {
            await AbandonAsync(container, attachment, served);
            throw;
        }
    }

    /// <summary>A build's place, and its container's removal.</summary>
    private sealed record OpenPlace(DockerRuntime Runtime, string Container, DockerBuildPlace Place) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync()
        {
            await Place.DisposeAsync();
            await Runtime.AbandonAsync(Container, attachment: null, network: null);
        }
    }

    /// <summary>Makes the container; one of this name that is ours and was left is removed first.</summary>
    private async Task<string> CreateAsync(RunSpec spec, JsonObject body, CancellationToken cancellationToken)
    {
        var name = _engine.NameOf(spec);
        await _naming.WaitAsync(cancellationToken);
        try
        {
            string container;
            try
            {
                container = await _engine.CreateAsync(name, body, cancellationToken);
            }
            catch (DockerException e) when (e.Status == HttpStatusCode.Conflict)
            {
                await RemoveOthersAsync(cancellationToken);
                container = await _engine.CreateAsync(name, body, cancellationToken);
            }
            _containers[container] = null;
            return container;
        }
        finally
        {
            _ = _naming.Release();
        }
    }

    private async Task AbandonAsync(string container, DockerAttachment? attachment, SlirpProcess? network)
    {
        if (network is not null)
        {
            network.Kill();
            await network.Ended;
        }
        try
        {
            await _engine.RemoveAsync(container, CancellationToken.None);
            _engine.Guard.Remove(container);
            _engine.Forget(container);
        }
        catch (Exception e) when (e is DockerException || DockerEngine.IsLost(e))
        {
            // The guard ends it when its time is up; the next contact with the engine removes it.
            DockerLog.Unusable(_engine.Logger, e.Message);
        }
        _ = _containers.TryRemove(container, out _);
        if (attachment is not null) await attachment.DisposeAsync();
    }

    /// <summary>
    /// Root has users to give away, one by the name of the run, so that its data keeps its owner. Otherwise the daemon's own number: its files
    /// stay its own. In an engine of the daemon's own user (rootless) that is the number 0 inside.
    /// </summary>
    private async Task<uint> UserOfAsync(RunSpec spec, CancellationToken cancellationToken)
    {
        if (SandboxFolders.IsRoot) return _options.FirstUid + ((uint)spec.Id.Aggregate(17L, (hash, c) => ((hash * 31) + c) & 0x7fffffff) % 65_536);
        var info = await _engine.Client.CallAsync(HttpMethod.Get, "/info", body: null, cancellationToken);
        return DockerProbe.IsRootless(info) ? 0 : LibC.geteuid();
    }

    // What the source has below data/ is for the first run only: later ones find their own.
    private static bool HasData(RunSpec spec) => spec.DataFolder is { } data && Directory.EnumerateFileSystemEntries(data).Any();

    private Task EndForMemoryAsync(string container) => _containers.TryGetValue(container, out var run) && run is not null ? run.EndForMemoryAsync() : Task.CompletedTask;

    /// <summary>Ends and removes the containers with our label that are not of this runtime.</summary>
    private async Task RemoveStrangersAsync(CancellationToken cancellationToken)
    {
        await _naming.WaitAsync(cancellationToken);
        try
        {
            await RemoveOthersAsync(cancellationToken);
        }
        finally
        {
            _ = _naming.Release();
        }
    }

    private async Task RemoveOthersAsync(CancellationToken cancellationToken)
    {
        foreach (var container in await _engine.OwnAsync(cancellationToken))
        {
            if (_containers.ContainsKey(container)) continue;
            await _engine.RemoveAsync(container, cancellationToken);
            DockerLog.Removed(_engine.Logger, container);
        }
    }
}
