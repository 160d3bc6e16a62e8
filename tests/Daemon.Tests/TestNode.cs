using System.Net.Http.Json;
using System.Text.Json;
using PeoplesCloud.Base;
using PeoplesCloud.Base.Files;
using PeoplesCloud.Daemon.Api;
using PeoplesCloud.Daemon.Configuration;

namespace PeoplesCloud.Daemon.Tests;

/// <summary>A real node in this process: a home of its own, on 127.0.0.1 with a free port, spoken with over its socket.</summary>
internal sealed class TestNode : IAsyncDisposable
{
    /// <summary>How long any state may take to come; machines are slow and loaded.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly bool _ownsHome;
    private readonly IDisk _disk;
    private LocalClient _client = null!;
    private Func<DaemonConfig, DaemonConfig> _configure = config => config;

    private TestNode(string home, string name, bool ownsHome, IDisk disk)
    {
        _disk = disk;
        Home = home;
        Name = name;
        _ownsHome = ownsHome;
    }

    public string Home { get; }

    public string Name { get; }

    public DaemonNode Node { get; private set; } = null!;

    public static LocalApiJson Json => LocalApiJson.Default;

    public static async Task<TestNode> StartAsync(string name, bool hosts = false, string? home = null, TimeProvider? time = null, IDisk? disk = null, DaemonRelay? relay = null, Func<DaemonConfig, DaemonConfig>? configure = null)
    {
        var test = new TestNode(home ?? NewHome(), name, ownsHome: home is null, disk ?? SystemDisk.Instance) { _configure = configure ?? (config => config) };
        await test.StartAgainAsync(hosts, time, relay);
        return test;
    }

    public static string NewHome() => Directory.CreateTempSubdirectory("daemon-").FullName;

    public static DaemonConfig ConfigOf(string home, string name, bool hosts) => new() { Home = home, Name = name, Port = 0, Listen = ["127.0.0.1"], Hosts = hosts, Web = new WebConfig { Port = 0 } };

    public async Task StartAgainAsync(bool hosts = false, TimeProvider? time = null, DaemonRelay? relay = null)
    {
        Node = await DaemonNode.StartAsync(_configure(ConfigOf(Home, Name, hosts) with { Relay = relay ?? new DaemonRelay() }), time ?? TimeProvider.System, _disk, TestContext.Current.CancellationToken);
        _client = new LocalClient(Path.Combine(Home, "pc.sock"));
    }

    public async Task StopAsync()
    {
        _client.Dispose();
        await Node.DisposeAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        if (_ownsHome) Directory.Delete(Home, recursive: true);
    }

    // -- The local API ----------------------------------------------------------------------------------------

    public LocalClient Client => _client;

    public Task<SwarmReply> CreateAsync(string? name = null) => _client.PostAsync("/v1/swarms", new CreateRequest(name), Json.CreateRequest, Json.SwarmReply);

    public Task<SwarmReply> JoinAsync(string ticket, string? name = null) => _client.PostAsync("/v1/swarms/join", new JoinRequest(ticket, name), Json.JoinRequest, Json.SwarmReply);

    public async Task<SwarmInfo> ListAsync(string swarm) => (await _client.GetAsync($"/v1/list?swarm={swarm}", Json.ListReply)).Swarms.Single();

    /// <summary>Deploys; again while a busy machine keeps a host from answering in the time that it has, which changes nothing.</summary>
    public async Task<DeployReply> DeployAsync(string swarm, string path, string? name = null, string? host = null)
    {
        using var limit = new CancellationTokenSource(Patience);
        while (true)
        {
            try
            {
                return await DeployOnceAsync(swarm, path, name, host);
            }
            catch (ApiException e) when (e.Reply.Message.Contains("gave no answer in time", StringComparison.Ordinal) && e.Reply.Code == $"PC{(int)ErrorCode.NoHost}" && !limit.IsCancellationRequested)
            {
                // It is asked again.
            }
        }
    }

    private async Task<DeployReply> DeployOnceAsync(string swarm, string path, string? name, string? host)
    {
        DeployReply? reply = null;
        await foreach (var happened in _client.EventsAsync(HttpMethod.Post, $"/v1/swarms/{swarm}/deploy", JsonContent.Create(new DeployRequest(path, null, name, host), Json.DeployRequest), Json.EventDeployReply))
            reply = happened.Result ?? reply;
        return reply!;
    }

    public async Task<StopReply> StopProgramAsync(string swarm, string program) =>
        await _client.PostAsync($"/v1/swarms/{swarm}/programs/{program}/stop", Json.StopReply);

    public async IAsyncEnumerable<LogLine> LogsAsync(string swarm, string program, bool follow = true, int tail = -1)
    {
        await foreach (var happened in _client.EventsAsync(HttpMethod.Get, $"/v1/swarms/{swarm}/programs/{program}/logs?follow={(follow ? "true" : "false")}&tail={tail}", null, Json.EventLogLine))
            if (happened.Result is { } line) yield return line;
    }

    public async Task<List<AddedReply>> AddAsync(string path, bool recursive = false, string? swarm = null, int cidVersion = 0, bool isPublic = false)
    {
        var added = new List<AddedReply>();
        await foreach (var happened in _client.EventsAsync(HttpMethod.Post, "/v1/add", JsonContent.Create(new AddRequest(path, recursive, swarm, cidVersion, null, isPublic), Json.AddRequest), Json.EventAddedReply))
            if (happened is { Kind: "added", Result: { } result }) added.Add(result);
        return added;
    }

    // -- Waiting ----------------------------------------------------------------------------------------------

    /// <summary>Waits until something holds that nobody tells.</summary>
    public static async Task UntilAsync(Func<bool> condition, Func<string>? otherwise = null)
    {
        using var limit = new CancellationTokenSource(Patience);
        while (!condition())
        {
            Assert.False(limit.IsCancellationRequested, otherwise?.Invoke() ?? "waited too long");
            await Task.Delay(10, TestContext.Current.CancellationToken);
        }
    }

    /// <summary>Waits until a swarm looks as wanted; looks again whenever something in it changed.</summary>
    public async Task<SwarmInfo> WaitForAsync(string swarm, Func<SwarmInfo, bool> wanted)
    {
        using var limit = new CancellationTokenSource(Patience);
        var last = await ListAsync(swarm);
        while (!wanted(last))
        {
            if (limit.IsCancellationRequested) Assert.Fail($"{Name} still sees {JsonSerializer.Serialize(last)}");
            await Task.Delay(20, Cancelled); // the local API offers no wait; the state decides, not the time
            last = await ListAsync(swarm);
        }
        return last;
    }

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;
}
