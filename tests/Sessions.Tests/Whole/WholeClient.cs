using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;
using PeoplesCloud.Base;
using PeoplesCloud.Sessions.Messages;
using PeoplesCloud.Sessions.Redis;
using PeoplesCloud.Sessions.Tests.Support;

namespace PeoplesCloud.Sessions.Tests.Whole;

/// <summary>A client of sessions on a real Redis, which remembers all that was ever answered.</summary>
internal sealed class WholeClient : IAsyncDisposable
{
    private static readonly TimeSpan AskAgain = TimeSpan.FromSeconds(3);

    private readonly RedisClient _client;
    private readonly RedisChannels _channels;
    private readonly ConcurrentDictionary<string, ConcurrentQueue<string>> _answers = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, int> _ranks = new(StringComparer.Ordinal);

    private WholeClient(RedisServer redis)
    {
        _ = RedisAddress.TryParse($"redis://127.0.0.1:{redis.Port}", out var address);
        var options = new RedisOptions { Address = address!, Time = TimeProvider.System, Random = () => 0.5, Logger = NullLogger.Instance };
        _client = new RedisClient(options);
        _channels = new RedisChannels(options, _client);
        foreach (var verb in Enum.GetValues<SessionVerb>())
            _channels.Subscribe(SessionNames.ChannelOf(verb) + ".*", heard => _answers.GetOrAdd(heard.Channel, _ => []).Enqueue(Encoding.UTF8.GetString(heard.Payload.Span)));
        _channels.Subscribe(SessionNames.Rank, heard =>
        {
            var cloud = JsonDocument.Parse(heard.Payload).RootElement.GetProperty("id").GetString()!;
            _ranks.AddOrUpdate(cloud, 1, (_, times) => times + 1);
        });
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <summary>Connects and waits until these nodes have said several times how busy they are, so that each knows the others.</summary>
    public static async Task<WholeClient> StartAsync(RedisServer redis, params WholeNode[] nodes)
    {
        var client = new WholeClient(redis);
        await client._channels.WaitUntilSubscribedAsync(Token).WaitAsync(RedisServer.Patience, Token);
        await client.UntilHeardAsync(nodes);
        return client;
    }

    /// <summary>Waits for further words of these nodes.</summary>
    public async Task UntilHeardAsync(params WholeNode[] nodes)
    {
        foreach (var node in nodes) _ranks[node.Cloud] = 0;
        await TestVillage.UntilAsync(() => nodes.All(node => _ranks[node.Cloud] >= 3));
    }

    /// <summary>The answers to a request until now.</summary>
    public IReadOnlyList<string> AnswersTo(SessionVerb verb, string id) => _answers.TryGetValue(new RequestKey(verb, id).AnswerChannel, out var answers) ? [.. answers] : [];

    /// <summary>All answers to requests of a kind, by their channels.</summary>
    public IReadOnlyList<(string Channel, IReadOnlyList<string> Answers)> All(SessionVerb verb) =>
        [.. _answers.Where(one => one.Key.StartsWith(SessionNames.ChannelOf(verb) + ".", StringComparison.Ordinal)).Select(one => (one.Key, (IReadOnlyList<string>)[.. one.Value]))];

    /// <summary>Publishes; whether the Redis took it.</summary>
    public async Task<bool> TryPublishAsync(string channel, ReadOnlyMemory<byte> payload)
    {
        try
        {
            await _channels.PublishAsync(channel, payload, Token);
            return true;
        }
        catch (PcException)
        {
            return false; // it is away
        }
    }

    public Task<bool> TryPublishAsync(SessionVerb verb, string payload) => TryPublishAsync(SessionNames.ChannelOf(verb), Encoding.UTF8.GetBytes(payload));

    /// <summary>Runs a command.</summary>
    public Task<RespReply> CommandAsync(params string[] words) => _client.RunAsync(Token, words);

    /// <summary>Asks, and again with the same id when nothing came for a while, as clients do.</summary>
    public async Task<JsonElement> AskAsync(SessionVerb verb, string id, string payload)
    {
        var clock = Stopwatch.StartNew();
        for (var next = TimeSpan.Zero; AnswersTo(verb, id).Count == 0;)
        {
            Assert.True(clock.Elapsed < RedisServer.Patience, $"nobody has answered {verb} {id}");
            if (clock.Elapsed >= next && await TryPublishAsync(verb, payload)) next = clock.Elapsed + AskAgain;
            await Task.Delay(5, Token);
        }
        return JsonDocument.Parse(AnswersTo(verb, id)[0]).RootElement;
    }

    public Task<JsonElement> CreateAsync(string id, string script) => AskAsync(SessionVerb.Create, id, JsonSerializer.Serialize(new { id, script }));

    /// <summary>Asks about a session, or for its end.</summary>
    public Task<JsonElement> AskAsync(SessionVerb verb, string id, JsonElement created) =>
        AskAsync(verb, id, JsonSerializer.Serialize(new { id, session = created.GetProperty("id").GetString() }));

    public async ValueTask DisposeAsync()
    {
        await _channels.DisposeAsync();
        await _client.DisposeAsync();
    }
}
