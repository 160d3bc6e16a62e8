using System.Globalization;
using System.Net;
using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;
using PeoplesCloud.Runtimes;
using PeoplesCloud.Runtimes.Docker;
using PeoplesCloud.Runtimes.Docker.Lasting;
using PeoplesCloud.Runtimes.Tests.Docker;
using PeoplesCloud.Sessions.Containers;
using PeoplesCloud.Sessions.Hosting;

[assembly: AssemblyFixture(typeof(PeoplesCloud.Sessions.Tests.Hosting.SharedEngine))]

namespace PeoplesCloud.Sessions.Tests.Hosting;

/// <summary>One engine for all tests of sessions in containers, started by the first.</summary>
public sealed class SharedEngine : IAsyncDisposable
{
    private readonly Lock _lock = new();
    private Task<Dockerd>? _started;

    /// <summary>The engine; the test is skipped where there can be none.</summary>
    public Task<Dockerd> StartedAsync()
    {
        Assert.SkipWhen(Dockerd.Obstacle is not null, Dockerd.Obstacle ?? "");
        lock (_lock) return _started ??= Task.Run(() => Dockerd.StartAsync());
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_started is { IsCompletedSuccessfully: true }) await (await _started).DisposeAsync();
    }
}

/// <summary>A host of sessions in containers of a real engine.</summary>
internal sealed class DockerFolder : SessionBed
{
    private static readonly JsonSerializerOptions Relaxed = new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private static int _owners;

    private readonly string _owner = $"sessions-{Environment.ProcessId}-{Interlocked.Increment(ref _owners)}";
    private readonly NetworkMode _network;
    private readonly SessionHostOptions _options;
    private SessionHost _host;
    private LastingContainers _containers;
    private bool _isStopped;

    public DockerFolder(Dockerd engine, NetworkMode network = NetworkMode.None, ContainerPolicy? policy = null)
    {
        (Engine, _network) = (engine, network);
        Policy = policy ?? new ContainerPolicy(new RunLimits { MemoryBytes = 256 << 20, Cpus = 1, Pids = 64 }, network);
        _options = new SessionHostOptions { Folder = Sessions, Hostname = "localhost", Address = IPAddress.Loopback, Network = _network, LookInterval = TimeSpan.FromMilliseconds(200) };
        (_containers, _host) = Open(TimeSpan.FromHours(1));
    }

    public Dockerd Engine { get; }

    public string Owner => _owner;

    public ContainerPolicy Policy { get; set; }

    public override SessionHost Host => _host;

    /// <summary>A script of an image whose command is a list of words; further options as JSON.</summary>
    public static string Script(IEnumerable<string> command, string options = "\"port\": 8000") =>
        $"{Dockerd.Image}\n{{{options}, \"command\": {JsonSerializer.Serialize(command, Relaxed)}}}";

    public override string Shell(string lines) => Script(["sh", "-c", lines]);

    // In a container the port is the script's own choice, and the settings of a script are not there.
    public override string Echo() => Script(["python3", "-c", Scripts.Echo.Replace("json.load(open('pycloud.json'))['port']", "8000", StringComparison.Ordinal).Replace("'127.0.0.1'", "'0.0.0.0'", StringComparison.Ordinal)]);

    public override async Task<int> LeftAsync() => (await ContainersAsync("--all")).Length;

    public async Task<string[]> ContainersAsync(params string[] options) =>
        (await Engine.RunAsync(["ps", "--quiet", "--no-trunc", "--filter", $"label=peoples-cloud.session-owner={_owner}", .. options])).Split('\n', StringSplitOptions.RemoveEmptyEntries);

    /// <summary>What the engine says of a session's container, by a template.</summary>
    public Task<string> InspectAsync(string id, string template) => Engine.RunAsync("inspect", "--format", template, string.Create(CultureInfo.InvariantCulture, $"pc-session-{_owner}-{id}"));

    /// <summary>Ends the host and its connections as a daemon that stops does; the sessions go on.</summary>
    public async Task StopAsync()
    {
        if (_isStopped) return;
        _isStopped = true;
        await _host.DisposeAsync();
        await _containers.DisposeAsync();
    }

    /// <summary>A host of the same folder, as the daemon that comes next.</summary>
    public void StartAgain(TimeSpan? aloneTime = null)
    {
        (_containers, _host) = Open(aloneTime ?? TimeSpan.FromHours(1));
        _isStopped = false;
        _host.Resume();
    }

    protected override async Task CloseAsync()
    {
        await StopAsync();
        foreach (var container in await ContainersAsync("--all")) _ = await Engine.RunAsync("rm", "--force", "--volumes", container);
    }

    private (LastingContainers, SessionHost) Open(TimeSpan aloneTime)
    {
        var options = new DockerOptions { Socket = Engine.Socket, Owner = _owner, Folder = System.IO.Path.Combine(Path, "docker"), Guard = null, Pulls = true };
        var containers = new LastingContainers(options, aloneTime, TimeProvider.System, NullLogger.Instance);
        var host = new SessionHost(_options, new SessionLimits(), containers, () => Policy, TimeProvider.System, NullLogger.Instance);
        Watch(host);
        return (containers, host);
    }
}
