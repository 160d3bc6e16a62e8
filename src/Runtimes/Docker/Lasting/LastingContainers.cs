using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using PeoplesCloud.Base;
using PeoplesCloud.Runtimes.Docker.Init;
using PeoplesCloud.Runtimes.Sandbox;

namespace PeoplesCloud.Runtimes.Docker.Lasting;

/// <summary>
/// Containers that outlive the daemon: made once, started again as often as needed, found by their label by the daemon that comes next, and ended by a keeper inside
/// when none comes (docs/protocols/docker.md, "Containers that last"). They share engine client, init, network and checks with <see cref="DockerRuntime"/>, but neither
/// guard nor label. Thread-safe. Disposing lets go of them.
/// </summary>
public sealed class LastingContainers : IAsyncDisposable
{
    private readonly DockerOptions _options;
    private readonly DockerEngine _engine;
    private readonly DockerImages _images;
    private readonly DockerNetwork _network;
    private readonly ConcurrentDictionary<LastingRun, bool> _runs = new();
    private readonly TimeSpan _aloneTime;
    private readonly ITimer _beat;

    /// <summary>Opens an engine; it is asked nothing before the first call.</summary>
    /// <param name="options">The engine. The guard is not used.</param>
    /// <param name="aloneTime">How long a container may run without a daemon.</param>
    /// <param name="time">The clock; its timestamps are the kernel's monotonic time.</param>
    /// <param name="logger">The daemon's log.</param>
    public LastingContainers(DockerOptions options, TimeSpan aloneTime, TimeProvider time, ILogger logger)
    {
        if (!RunChecks.IsId(options.Owner)) throw new ArgumentException($"'{options.Owner}' is no owner: letters, digits and dashes, 1 to 64", nameof(options));
        _options = options;
        var client = new DockerClient(options.Socket, time);
        _engine = new DockerEngine(client, options, new GuardKeeper(options, time, logger), time, logger);
        _images = new DockerImages(client, options, time);
        _network = new DockerNetwork(options, time, logger);
        _aloneTime = aloneTime;
        _beat = time.CreateTimer(_ => Prolong(), null, aloneTime / 4, aloneTime / 4);
    }

    /// <summary>Makes a container, which does not run yet; its image is fetched when it is not here.</summary>
    /// <returns>The engine's id for it.</returns>
    /// <exception cref="PcException"><see cref="ErrorCode.DockerImageMissing"/>, <see cref="ErrorCode.DockerRefused"/> with the engine's words, <see cref="ErrorCode.DockerUnreachable"/>.</exception>
    public Task<string> CreateAsync(LastingSpec spec, CancellationToken cancellationToken) => AskAsync(spec.Id, async () =>
    {
        if (!RunChecks.IsId(spec.Id)) throw new ArgumentException($"'{spec.Id}' is no name: letters, digits and dashes, 1 to 64", nameof(spec));
        if (!spec.HasHostNetwork && spec.Network != NetworkMode.None && _network.Obstacle() is { } obstacle)
            throw new PcException(ErrorCode.SandboxNetworkFailed, $"this host cannot give a container the network {spec.Network}: {obstacle}", obstacle);
        _ = Directory.CreateDirectory(_options.Folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        var (image, config) = await _images.RequireAsync(spec.Image, cancellationToken);
        if (LastingBody.CommandOf(spec, config).Count == 0) throw new PcException(ErrorCode.DockerRefused, $"the image {spec.Image} has no command of its own", "Name one: command.");
        return await _engine.CreateAsync(NamePrefix + spec.Id, LastingBody.Describe(spec, _options.Owner, image, config, await _engine.IsPodmanAsync(cancellationToken), InitImage.InstallIn(_options.Folder)), cancellationToken);
    });

    /// <summary>Starts a container, for the first time or again; completes when its command's first instruction can run.</summary>
    /// <param name="container">What <see cref="CreateAsync"/> answered.</param>
    /// <param name="spec">What it was made of.</param>
    /// <param name="output">As in <see cref="IRuntime.StartAsync"/>.</param>
    /// <param name="cancellationToken">Gives up; the container does not run then.</param>
    /// <exception cref="PcException">The engine refused, or there is no such command in the image (<see cref="ErrorCode.DockerRefused"/>).</exception>
    public Task<LastingRun> StartAsync(string container, LastingSpec spec, Func<OutputKind, ReadOnlyMemory<byte>, ValueTask> output, CancellationToken cancellationToken) => AskAsync(spec.Id, async () =>
    {
        var started = _engine.Time.GetTimestamp();
        using var timeout = new CancellationTokenSource(_options.StartTimeout, _engine.Time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        var heard = new FirstWords(output);
        DockerAttachment? attachment = null;
        SlirpProcess? network = null;
        try
        {
            // 1. Connected after it has started, which Podman wants of one that ran before: our init waits inside and says nothing, so nothing is missed.
            _ = await _engine.Client.CallAsync(HttpMethod.Post, $"/containers/{container}/start", body: null, both.Token);
            attachment = await _engine.ListenAsync(container, both.Token);
            var pumping = attachment.PumpAsync(heard.TakeAsync, e => DockerLog.OutputDropped(_engine.Logger, e));
            var process = await ProcessOfAsync(container, spec, both.Token);
            // 2. It is told the command when the network stands.
            var watch = new InitWatch(process, _engine.Time);
            var init = await watch.BegunAsync(both.Token);
            var environment = EnvironmentOf(spec, InitWatch.EnvironmentOf(init));
            network = await AttachNetworkAsync(process, spec, again: false, both.Token);
            var (_, config) = await _images.FindAsync(await _engine.ImageOfAsync(container, both.Token), both.Token) ?? throw new PcException(ErrorCode.DockerImageMissing, $"the image of {spec.Id} is gone");
            await attachment.Input.WriteAsync(InitScript.Start(LastingBody.CommandOf(spec, config), environment, LastingRun.AloneUntil(_aloneTime, _engine.Time), await _engine.FilterAsync(both.Token), countsSuspend: false), both.Token);
            // 3. What the container runs now is the command, or its init has said why not.
            var runs = await watch.BecameAsync(init, both.Token);
            var run = Keep(new LastingRun(_engine, spec, container, process, attachment, pumping, network, _network.DoorTo(process, _options.FirstUid), output, _aloneTime));
            if (runs || await heard.FailureAsync(run) is not { } failure)
            {
                DockerLog.Started(_engine.Logger, spec.Id, container, spec.Network, _engine.Time.GetElapsedTime(started));
                return run;
            }
            attachment = null;
            network = null;
            throw new PcException(ErrorCode.DockerRefused, $"the container of {spec.Id} could not be begun: {failure}");
        }
        catch (Exception e)
        {
            if (network is not null)
            {
                network.Kill();
                await network.Ended;
            }
            await KillAsync(container);
            if (attachment is not null) await attachment.DisposeAsync();
            if (e is OperationCanceledException && !cancellationToken.IsCancellationRequested) throw new PcException(ErrorCode.DockerRefused, $"the container of {spec.Id} was not ready after {_options.StartTimeout.TotalSeconds} s", inner: e);
            throw;
        }
    });

    /// <summary>Takes over a container that an earlier daemon left running: hears its output from now on, and gives it its network again.</summary>
    /// <exception cref="PcException">As <see cref="StartAsync"/>; it runs on then.</exception>
    public Task<LastingRun> AdoptAsync(string container, LastingSpec spec, Func<OutputKind, ReadOnlyMemory<byte>, ValueTask> output, CancellationToken cancellationToken) => AskAsync(spec.Id, async () =>
    {
        var process = await ProcessOfAsync(container, spec, cancellationToken);
        var network = await AttachNetworkAsync(process, spec, again: true, cancellationToken);
        try
        {
            var attachment = await _engine.ListenAsync(container, cancellationToken);
            var pumping = attachment.PumpAsync(output, e => DockerLog.OutputDropped(_engine.Logger, e));
            var run = Keep(new LastingRun(_engine, spec, container, process, attachment, pumping, network, _network.DoorTo(process, _options.FirstUid), output, _aloneTime));
            run.Prolong();
            return run;
        }
        catch
        {
            if (network is not null)
            {
                network.Kill();
                await network.Ended;
            }
            throw;
        }
    });

    /// <summary>All containers of this owner.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.DockerUnreachable"/>.</exception>
    public Task<IReadOnlyList<LeftContainer>> FindAsync(CancellationToken cancellationToken) => AskAsync<IReadOnlyList<LeftContainer>>("a list", async () =>
    {
        return
        [
            .. (await ListAsync("all=1", cancellationToken)).Select(entry => new LeftContainer(
                entry.GetProperty("Id").GetString()!,
                entry.GetProperty("Labels").TryGetProperty(LastingBody.IdLabel, out var label) && label.ValueKind == JsonValueKind.String ? label.GetString()! : "",
                // Whatever is not one of these is about to run, or frozen.
                entry.GetProperty("State").GetString() is not ("created" or "exited" or "dead"))),
        ];
    });

    /// <summary>How a container that does not run ended; null when there is none, or it runs.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.DockerUnreachable"/>.</exception>
    public Task<int?> ExitCodeAsync(string container, CancellationToken cancellationToken) =>
        AskAsync(container, async () => await _engine.StateAsync(container, cancellationToken) is { Running: false } state ? state.ExitCode : (int?)null);

    /// <summary>How much each running container has written to its own layer, in bytes: what no limit of the engine's holds for. The engine looks at all their files.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.DockerUnreachable"/>.</exception>
    public Task<IReadOnlyList<(string Container, long Bytes)>> WrittenAsync(CancellationToken cancellationToken) => AskAsync<IReadOnlyList<(string, long)>>("a list", async () =>
    {
        return
        [
            .. from entry in await ListAsync("size=1", cancellationToken)
               where entry.TryGetProperty("SizeRw", out var size) && size.ValueKind == JsonValueKind.Number
               select (entry.GetProperty("Id").GetString()!, entry.GetProperty("SizeRw").GetInt64()),
        ];
    });

    /// <summary>Ends a container at once; it stays, as one that ended by itself.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.DockerRefused"/>, <see cref="ErrorCode.DockerUnreachable"/>.</exception>
    public Task EndAsync(string container) => AskAsync(container, async () =>
    {
        await _engine.SignalAsync(container, "KILL");
        return true;
    });

    /// <summary>Removes a container, running or not, with the volumes that are its own; nothing when there is none.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.DockerRefused"/>, <see cref="ErrorCode.DockerUnreachable"/>.</exception>
    public Task RemoveAsync(string container, CancellationToken cancellationToken) => AskAsync(container, async () =>
    {
        await _engine.RemoveAsync(container, cancellationToken);
        return true;
    });

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _beat.DisposeAsync();
        foreach (var run in _runs.Keys) await run.LeaveAsync();
        await _engine.Guard.DisposeAsync();
        _engine.Client.Dispose();
    }

    private string NamePrefix => $"pc-session-{_options.Owner}-";

    // As with those of programs the label alone says nothing: an image can bring it.
    private async Task<IEnumerable<JsonElement>> ListAsync(string which, CancellationToken cancellationToken)
    {
        var filters = DockerClient.Filters(("label", $"{LastingBody.OwnerLabel}={_options.Owner}"));
        var list = await _engine.Client.CallAsync(HttpMethod.Get, $"/containers/json?{which}&filters={filters}", body: null, cancellationToken);
        return list.EnumerateArray().Where(entry => DockerEngine.IsNamed(entry, NamePrefix));
    }

    private LastingRun Keep(LastingRun run)
    {
        _runs[run] = true;
        _ = run.Exited.ContinueWith(_ => _runs.TryRemove(run, out var _), TaskScheduler.Default);
        return run;
    }

    private void Prolong()
    {
        foreach (var run in _runs.Keys) run.Prolong();
    }

    private async Task<HostProcess> ProcessOfAsync(string container, LastingSpec spec, CancellationToken cancellationToken)
    {
        var state = await _engine.StateAsync(container, cancellationToken);
        return HostProcess.Of(state?.Pid ?? 0, container) ?? throw new PcException(
            ErrorCode.DockerRefused, $"the container of {spec.Id} is not to be seen from this daemon, which may run in a container itself", "Run the daemon beside Docker, on the same machine.");
    }

    private async Task<SlirpProcess?> AttachNetworkAsync(HostProcess process, LastingSpec spec, bool again, CancellationToken cancellationToken) =>
        spec.HasHostNetwork || spec.Network == NetworkMode.None ? null : await _network.AttachAsync(process, spec.Id, spec.Network, again, cancellationToken);

    private async Task KillAsync(string container)
    {
        try
        {
            await _engine.SignalAsync(container, "KILL");
        }
        catch (Exception e) when (e is DockerException || DockerEngine.IsLost(e))
        {
            // Whoever made it removes it; its keeper was told nothing, and ends with its input.
            DockerLog.Unusable(_engine.Logger, e.Message);
        }
    }

    private static Dictionary<string, string> EnvironmentOf(LastingSpec spec, IReadOnlyDictionary<string, string> given)
    {
        var all = new Dictionary<string, string>(given, StringComparer.Ordinal);
        foreach (var (name, value) in spec.Environment)
        {
            if (value is null) _ = all.Remove(name);
            else all[name] = value;
        }
        return all;
    }

    private static async Task<T> AskAsync<T>(string what, Func<Task<T>> ask)
    {
        try
        {
            return await ask();
        }
        catch (DockerException e)
        {
            throw new PcException(ErrorCode.DockerRefused, $"Docker refuses {what}: {e.Message}", inner: e);
        }
        catch (Exception e) when (e is not PcException && DockerEngine.IsLost(e))
        {
            throw new PcException(ErrorCode.DockerUnreachable, $"Docker went away while it was asked about {what}: {e.Message}", inner: e);
        }
    }

    /// <summary>What a container says first: its init's failure is one line of it.</summary>
    private sealed class FirstWords(Func<OutputKind, ReadOnlyMemory<byte>, ValueTask> output)
    {
        private const int MaxBytes = 512;

        private readonly List<byte> _errors = [];

        public ValueTask TakeAsync(OutputKind kind, ReadOnlyMemory<byte> chunk)
        {
            if (kind == OutputKind.Err && _errors.Count < MaxBytes) _errors.AddRange(chunk.Span[..Math.Min(chunk.Length, MaxBytes - _errors.Count)]);
            return output(kind, chunk);
        }

        /// <summary>Why the init of a container that has ended did not become the command; null when it did.</summary>
        public async Task<string?> FailureAsync(LastingRun run)
        {
            const int notFound = 127;
            var exit = await run.Exited;
            var said = Encoding.UTF8.GetString([.. _errors]).Trim();
            return exit.ExitCode is InitScript.CannotBegin or notFound && said.StartsWith("pc: ", StringComparison.Ordinal) ? said["pc: ".Length..] : null;
        }
    }
}
