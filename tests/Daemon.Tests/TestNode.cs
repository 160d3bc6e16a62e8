using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using PeoplesCloud.Daemon.Api;
using PeoplesCloud.Daemon.Configuration;

namespace PeoplesCloud.Daemon.Tests;

/// <summary>A real node in this process: a home of its own, on 127.0.0.1 with a free port, spoken with over its socket.</summary>
internal sealed class TestNode : IAsyncDisposable
{
    /// <summary>How long any state may take to come; machines are slow and loaded.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly bool _ownsHome;
    private HttpClient _http = null!;

    private TestNode(string home, string name, bool ownsHome)
    {
        Home = home;
        Name = name;
        _ownsHome = ownsHome;
    }

    public string Home { get; }

    public string Name { get; }

    public DaemonNode Node { get; private set; } = null!;

    public static LocalApiJson Json => LocalApiJson.Default;

    public static async Task<TestNode> StartAsync(string name, bool hosts = false, string? home = null, TimeProvider? time = null)
    {
        var test = new TestNode(home ?? NewHome(), name, ownsHome: home is null);
        await test.StartAgainAsync(hosts, time);
        return test;
    }

    public static string NewHome() => Directory.CreateTempSubdirectory("daemon-").FullName;

    public static DaemonConfig ConfigOf(string home, string name, bool hosts) => new() { Home = home, Name = name, Port = 0, Listen = ["127.0.0.1"], Hosts = hosts };

    public async Task StartAgainAsync(bool hosts = false, TimeProvider? time = null)
    {
        Node = await DaemonNode.StartAsync(ConfigOf(Home, Name, hosts), time ?? TimeProvider.System, TestContext.Current.CancellationToken);
        _http = SocketClient(Path.Combine(Home, "pc.sock"));
    }

    public async Task StopAsync()
    {
        _http.Dispose();
        await Node.DisposeAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        if (_ownsHome) Directory.Delete(Home, recursive: true);
    }

    // -- The local API ----------------------------------------------------------------------------------------

    public async Task<T> GetAsync<T>(string path, JsonTypeInfo<T> type) => await ReadAsync(await _http.GetAsync(path, Cancelled), type);

    public async Task<T> PostAsync<TRequest, T>(string path, TRequest request, JsonTypeInfo<TRequest> requestType, JsonTypeInfo<T> type) =>
        await ReadAsync(await _http.PostAsync(path, JsonContent.Create(request, requestType), Cancelled), type);

    public async Task PostAsync<TRequest>(string path, TRequest request, JsonTypeInfo<TRequest> requestType)
    {
        using var response = await _http.PostAsync(path, JsonContent.Create(request, requestType), Cancelled);
        await ThrowIfErrorAsync(response);
    }

    public async Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, HttpContent? content = null) =>
        await _http.SendAsync(new HttpRequestMessage(method, path) { Content = content }, HttpCompletionOption.ResponseHeadersRead, Cancelled);

    /// <summary>The events of a long answer; an event of kind error is thrown.</summary>
    public async IAsyncEnumerable<Event<T>> EventsAsync<T>(HttpMethod method, string path, HttpContent? content, JsonTypeInfo<Event<T>> type)
    {
        using var response = await SendAsync(method, path, content);
        await ThrowIfErrorAsync(response);
        using var lines = new StreamReader(await response.Content.ReadAsStreamAsync(Cancelled));
        while (await lines.ReadLineAsync(Cancelled) is { } line)
        {
            var happened = JsonSerializer.Deserialize(line, type)!;
            if (happened.Error is { } error) throw new ApiException(error);
            yield return happened;
        }
    }

    public Task<SwarmReply> CreateAsync(string? name = null) => PostAsync("/v1/swarms", new CreateRequest(name), Json.CreateRequest, Json.SwarmReply);

    public Task<SwarmReply> JoinAsync(string ticket, string? name = null) => PostAsync("/v1/swarms/join", new JoinRequest(ticket, name), Json.JoinRequest, Json.SwarmReply);

    public async Task<SwarmInfo> ListAsync(string swarm) => (await GetAsync($"/v1/list?swarm={swarm}", Json.ListReply)).Swarms.Single();

    public async Task<DeployReply> DeployAsync(string swarm, string path, string? name = null, string? host = null)
    {
        DeployReply? reply = null;
        await foreach (var happened in EventsAsync(HttpMethod.Post, $"/v1/swarms/{swarm}/deploy", JsonContent.Create(new DeployRequest(path, null, name, host), Json.DeployRequest), Json.EventDeployReply))
            reply = happened.Result ?? reply;
        return reply!;
    }

    public async Task<StopReply> StopProgramAsync(string swarm, string program) =>
        await ReadAsync(await _http.PostAsync($"/v1/swarms/{swarm}/programs/{program}/stop", null, Cancelled), Json.StopReply);

    public async IAsyncEnumerable<LogLine> LogsAsync(string swarm, string program, bool follow = true, int tail = -1)
    {
        await foreach (var happened in EventsAsync(HttpMethod.Get, $"/v1/swarms/{swarm}/programs/{program}/logs?follow={(follow ? "true" : "false")}&tail={tail}", null, Json.EventLogLine))
            if (happened.Result is { } line) yield return line;
    }

    public async Task<List<AddedReply>> AddAsync(string path, bool recursive = false, string? swarm = null)
    {
        var added = new List<AddedReply>();
        await foreach (var happened in EventsAsync(HttpMethod.Post, "/v1/add", JsonContent.Create(new AddRequest(path, recursive, swarm), Json.AddRequest), Json.EventAddedReply))
            if (happened is { Kind: "added", Result: { } result }) added.Add(result);
        return added;
    }

    // -- Waiting ----------------------------------------------------------------------------------------------

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

    public static HttpClient SocketClient(string path) => new(new SocketsHttpHandler
    {
        ConnectCallback = async (_, cancellationToken) =>
        {
            var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellationToken);
            return new NetworkStream(socket, ownsSocket: true);
        },
    })
    {
        BaseAddress = new Uri("http://pc"),
        Timeout = Timeout.InfiniteTimeSpan,
    };

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    private static async Task<T> ReadAsync<T>(HttpResponseMessage response, JsonTypeInfo<T> type)
    {
        using (response)
        {
            await ThrowIfErrorAsync(response);
            return (await response.Content.ReadFromJsonAsync(type, Cancelled))!;
        }
    }

    private static async Task ThrowIfErrorAsync(HttpResponseMessage response)
    {
        if (!response.IsSuccessStatusCode) throw new ApiException((await response.Content.ReadFromJsonAsync(Json.ErrorReply, Cancelled))!);
    }
}

/// <summary>The daemon answered an error.</summary>
internal sealed class ApiException(ErrorReply reply) : Exception($"{reply.Code}: {reply.Message} (try: {reply.Hint})")
{
    public ErrorReply Reply { get; } = reply;
}
