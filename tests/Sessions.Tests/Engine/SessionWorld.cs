using System.Globalization;
using System.Text;
using System.Text.Json;
using PeoplesCloud.Base;
using PeoplesCloud.Sessions.Engine;
using PeoplesCloud.Sessions.Messages;
using PeoplesCloud.Sessions.Ranks;

namespace PeoplesCloud.Sessions.Tests.Engine;

/// <summary>What goes wrong in a <see cref="SessionWorld"/>; each a probability for one message or command.</summary>
internal sealed record Trouble
{
    public double Lost { get; init; }

    public double Doubled { get; init; }

    public double Late { get; init; }

    /// <summary>Of a command to the Redis: half of those were carried out.</summary>
    public double CommandFails { get; init; }

    public double StartFails { get; init; }
}

/// <summary>A fault of ours that a checker must notice.</summary>
internal enum Sabotage
{
    None,

    /// <summary>Every claim is won, and an answer is published whoever else has.</summary>
    SkipTheClaim,

    /// <summary>What is to be published as an answer is published twice.</summary>
    AnswerTwice,

    /// <summary>Some answers are not published.</summary>
    AnswerNothing,

    /// <summary>Answers come after two seconds.</summary>
    AnswerLate,

    /// <summary>Sessions that are to end run on.</summary>
    LeaveRunning,

    /// <summary>Every node may publish what it coordinates.</summary>
    GrantToAll,
}

/// <summary>
/// Nodes, the channels between them, a Redis that keeps keys, and clients, in one thread and in time that is counted, all from one seed. Records every
/// answer of nodes of ours, and every session that runs.
/// </summary>
internal sealed class SessionWorld
{
    private readonly Random _random;
    private readonly SessionEngineOptions _options;
    private readonly PriorityQueue<Action, (TimeSpan At, int Order)> _events = new();
    private readonly Dictionary<string, (string Value, TimeSpan Until)> _keys = new(StringComparer.Ordinal);
    private readonly Sabotage _sabotage;
    private bool _redisIsAway;
    private int _order;

    public SessionWorld(int seed, int nodes, SessionAgreement agreement, Trouble? trouble = null, SessionLimits? limits = null, Sabotage sabotage = Sabotage.None)
    {
        _sabotage = sabotage;
        _random = new Random(seed);
        Trouble = trouble ?? new();
        _options = new SessionEngineOptions { Agreement = agreement, Limits = limits ?? new() };
        for (var i = 0; i < nodes; i++) AddNode();
    }

    public Trouble Trouble { get; set; }

    public TimeSpan Now { get; private set; } = TimeSpan.FromHours(7);

    public double UnixSeconds => 1_900_000_000 + Now.TotalSeconds;

    public List<WorldNode> Nodes { get; } = [];

    /// <summary>Everything that nodes of ours answered.</summary>
    public List<(RequestKey Key, string Payload, TimeSpan At, string From)> Answers { get; } = [];

    /// <summary>Called for what is published, as other programs hear it.</summary>
    public event Action<string, ReadOnlyMemory<byte>>? Published;

    /// <summary>Messages that were lost, doubled or late so far.</summary>
    public int Mishaps { get; private set; }

    public WorldNode AddNode()
    {
        var bytes = new byte[8];
        _random.NextBytes(bytes);
        var cloud = SessionNames.CloudId(bytes);
        var counter = 0;
        var node = new WorldNode(cloud, new SessionEngine(cloud, _options, () => cloud[..8] + (++counter).ToString("x8", CultureInfo.InvariantCulture)), Now);
        Nodes.Add(node);
        After(TimeSpan.FromMilliseconds(_random.Next(500)), () => TickOf(node));
        return node;
    }

    public static void Kill(WorldNode node)
    {
        node.IsUp = false;
        node.Running.Clear();
    }

    /// <summary>A client publishes at a node: on a Redis all hear it alike.</summary>
    public void Request(RequestKey key, string payload, WorldNode? at = null)
    {
        var bytes = Encoding.UTF8.GetBytes(payload);
        foreach (var node in Nodes)
        {
            var here = node == at;
            if (here) Feed(node, new SessionInput.RequestHeard(key.Verb, SessionRequestReader.Read(key.Verb, bytes), PublishedHere: true));
            else Deliver(node, () => Feed(node, new SessionInput.RequestHeard(key.Verb, SessionRequestReader.Read(key.Verb, bytes), PublishedHere: false)));
        }
        Published?.Invoke(SessionNames.ChannelOf(key.Verb), bytes);
    }

    /// <summary>The Redis is killed, and starts again without its keys; each node reaches it a moment later.</summary>
    public void KillRedis(TimeSpan away)
    {
        _redisIsAway = true;
        foreach (var node in Nodes) node.IsConnected = false;
        After(away, () =>
        {
            _redisIsAway = false;
            _keys.Clear();
            foreach (var node in Nodes)
            {
                After(Milliseconds(1, 1500), () =>
                {
                    if (_redisIsAway) return;
                    node.IsConnected = true;
                    Feed(node, new SessionInput.KeysInDoubt());
                });
            }
        });
    }

    /// <summary>Another program publishes something.</summary>
    public void Foreign(string channel, string payload) => Publish(null, channel, Encoding.UTF8.GetBytes(payload));

    public void After(TimeSpan delay, Action what) => _events.Enqueue(what, (Now + delay, _order++));

    public void Run(TimeSpan time)
    {
        var end = Now + time;
        while (_events.TryPeek(out var what, out var at) && at.At <= end)
        {
            _events.Dequeue();
            Now = at.At;
            what();
        }
        Now = end;
    }

    public void Feed(WorldNode node, SessionInput? input)
    {
        if (!node.IsUp) return;
        foreach (var effect in node.Engine.Handle(input, new SessionMoment(Now - node.Born, UnixSeconds))) Do(node, effect);
        if (node.Engine.NextWake is { } wake && (node.Wakes is not { } planned || wake + node.Born < planned))
        {
            var at = wake + node.Born;
            node.Wakes = at;
            _events.Enqueue(() =>
            {
                if (node.Wakes != at) return;
                node.Wakes = null;
                Feed(node, null);
            }, (at > Now ? at : Now, _order++));
        }
    }

    private void TickOf(WorldNode node)
    {
        if (!node.IsUp) return;
        Feed(node, new SessionInput.Tick(node.Load, 10, node.Refusal));
        After(TimeSpan.FromMilliseconds(500), () => TickOf(node));
    }

    private void Do(WorldNode node, SessionEffect effect)
    {
        switch (effect)
        {
            case SessionEffect.Publish publish:
                Publish(node, publish.Channel, publish.Payload);
                break;
            case SessionEffect.Start start:
                node.Starts++;
                After(Milliseconds(5, 30), () => Started(node, start.Session));
                break;
            case SessionEffect.Stop stop:
                After(Milliseconds(1, 50), () =>
                {
                    if (!node.IsUp) return;
                    if (_sabotage != Sabotage.LeaveRunning) node.Running.Remove(stop.Session);
                    Feed(node, new SessionInput.Stopped(stop.Session));
                });
                break;
            case SessionEffect.Claim claim:
                Command(node, () => Claim(node, claim), unknown: () => new SessionInput.ClaimEnded(claim.Key, ClaimOutcome.Unknown));
                break;
            case SessionEffect.Renew renew:
                Command(node, () =>
                {
                    if (Find(renew.Key.AnswerChannel) == node.Cloud) _keys[renew.Key.AnswerChannel] = (node.Cloud, Now + _options.ClaimLife);
                    return null;
                }, unknown: () => null);
                break;
            case SessionEffect.Restore restore:
                // On the connection on which the node says afterwards that it is there.
                var restored = restore.Key.AnswerChannel;
                if (node.IsConnected && Find(restored) is null) _keys[restored] = ("a:" + Encoding.UTF8.GetString(restore.Payload.Span), Now + TimeSpan.FromMinutes(10) - restore.Age);
                break;
            case SessionEffect.Answer answer:
                Command(node, () => Answer(node, answer), unknown: () => new SessionInput.AnswerEnded(answer.Key, ClaimOutcome.Unknown));
                break;
        }
    }

    private void Started(WorldNode node, string session)
    {
        if (!node.IsUp) return;
        if (Happens(Trouble.StartFails))
        {
            Feed(node, new SessionInput.StartFailed(session, new PcException(ErrorCode.SessionScriptRefused, "it cannot be run")));
            return;
        }
        if (node.Running.Count >= node.Room)
        {
            Feed(node, new SessionInput.StartFailed(session, new PcException(ErrorCode.HostRefuses, "rule sessions: runs as many as it may")));
            return;
        }
        if (node.Fault is { } fault)
        {
            Feed(node, new SessionInput.StartFailed(session, fault));
            return;
        }
        node.Running.Add(session);
        Feed(node, new SessionInput.Started(session, "host", 20000));
    }

    private SessionInput.ClaimEnded Claim(WorldNode node, SessionEffect.Claim claim)
    {
        var name = claim.Key.AnswerChannel + (claim.Again ? "/again" : "");
        var standing = Find(name);
        if (standing is null || _sabotage == Sabotage.SkipTheClaim)
        {
            _keys[name] = (node.Cloud, Now + (claim.Again ? TimeSpan.FromSeconds(2) : _options.ClaimLife));
            return new SessionInput.ClaimEnded(claim.Key, ClaimOutcome.Won);
        }
        if (!standing.StartsWith("a:", StringComparison.Ordinal)) return new SessionInput.ClaimEnded(claim.Key, ClaimOutcome.Held);
        var age = TimeSpan.FromMinutes(10) - (_keys[name].Until - Now);
        return new SessionInput.ClaimEnded(claim.Key, ClaimOutcome.Answered, Encoding.UTF8.GetBytes(standing[2..]), age);
    }

    private SessionInput.AnswerEnded Answer(WorldNode node, SessionEffect.Answer answer)
    {
        var name = answer.Key.AnswerChannel;
        var text = "a:" + Encoding.UTF8.GetString(answer.Payload.Span);
        var standing = Find(name);
        if (standing == text) return new SessionInput.AnswerEnded(answer.Key, ClaimOutcome.Won, answer.Payload);
        if (standing is null || standing == node.Cloud || _sabotage == Sabotage.SkipTheClaim)
        {
            _keys[name] = (text, Now + TimeSpan.FromMinutes(10));
            Publish(node, name, answer.Payload);
            return new SessionInput.AnswerEnded(answer.Key, ClaimOutcome.Won);
        }
        return standing.StartsWith("a:", StringComparison.Ordinal)
            ? new SessionInput.AnswerEnded(answer.Key, ClaimOutcome.Answered, Encoding.UTF8.GetBytes(standing[2..]))
            : new SessionInput.AnswerEnded(answer.Key, ClaimOutcome.Held);
    }

    private string? Find(string name) => _keys.TryGetValue(name, out var key) && key.Until > Now ? key.Value : null;

    private void Command(WorldNode node, Func<SessionInput?> carryOut, Func<SessionInput?> unknown)
    {
        var fails = Happens(Trouble.CommandFails) || !node.IsConnected;
        var isCarriedOut = node.IsConnected && (!fails || Happens(0.5));
        After(Milliseconds(0.1, 2), () =>
        {
            // What is on its way when the Redis is killed was carried out, or was not; nobody hears which.
            if (_redisIsAway) (isCarriedOut, fails) = (false, true);
            var result = isCarriedOut ? carryOut() : null;
            if (fails || !node.IsConnected) result = unknown();
            if (result is not null) After(Milliseconds(0.1, 2), () => Feed(node, result));
        });
    }

    private void Publish(WorldNode? from, string channel, ReadOnlyMemory<byte> payload, bool isLate = false)
    {
        var key = SessionNames.RequestOfAnswer(channel);
        if (from is { IsConnected: false } || (from is null && _redisIsAway)) return;
        if (from is not null && key is not null && _sabotage == Sabotage.AnswerNothing && Happens(0.2)) return;
        if (from is not null && key is not null && _sabotage == Sabotage.AnswerLate && !isLate)
        {
            After(TimeSpan.FromSeconds(2.5), () => Publish(from, channel, payload, isLate: true));
            return;
        }
        if (from is not null && key is { } twice && _sabotage == Sabotage.AnswerTwice) Answers.Add((twice, Encoding.UTF8.GetString(payload.Span), Now, from.Cloud));
        if (from is not null && key is { } answered) Answers.Add((answered, Encoding.UTF8.GetString(payload.Span), Now, from.Cloud));
        Published?.Invoke(channel, payload);
        foreach (var node in Nodes)
        {
            if (channel == SessionNames.Rank && RankMessage.Read(payload.Span) is { } rank) Deliver(node, () => Feed(node, new SessionInput.RankHeard(rank)));
            else if (key is { } about) Deliver(node, () => Feed(node, new SessionInput.AnswerHeard(about, payload)));
            else if ((channel == SessionNames.Nodes || channel == SessionNames.NodeChannel(node.Cloud)) && NodeMessage.Read(payload.Span) is { } said)
            {
                var message = said.Kind == NodeMessageKind.Held && _sabotage == Sabotage.GrantToAll ? said with { Kind = NodeMessageKind.Granted, Answer = default } : said;
                Deliver(node, () => Feed(node, new SessionInput.NodeHeard(message, channel != SessionNames.Nodes)));
            }
        }
    }

    private void Deliver(WorldNode node, Action what)
    {
        if (!node.IsConnected) return;
        if (Happens(Trouble.Lost))
        {
            Mishaps++;
            return;
        }
        if (Happens(Trouble.Doubled))
        {
            Mishaps++;
            After(Milliseconds(0.1, 40), what);
        }
        if (Happens(Trouble.Late))
        {
            Mishaps++;
            After(Milliseconds(20, 200), what);
            return;
        }
        // What is not late comes in order, as on one connection.
        var at = Now + Milliseconds(0.1, 3);
        if (at < node.LastDelivery) at = node.LastDelivery;
        node.LastDelivery = at;
        _events.Enqueue(what, (at, _order++));
    }

    private bool Happens(double probability) => probability > 0 && _random.NextDouble() < probability;

    private TimeSpan Milliseconds(double from, double to) => TimeSpan.FromMilliseconds(from + (_random.NextDouble() * (to - from)));
}

/// <summary>One node of ours.</summary>
internal sealed class WorldNode(string cloud, SessionEngine engine, TimeSpan born)
{
    public string Cloud => cloud;

    public SessionEngine Engine => engine;

    public TimeSpan Born => born;

    public bool IsUp { get; set; } = true;

    public double Load { get; set; } = 10;

    public PcException? Refusal { get; set; }

    /// <summary>Why it can start no session, although it takes them.</summary>
    public PcException? Fault { get; set; }

    /// <summary>Whether it reaches the Redis.</summary>
    public bool IsConnected { get; set; } = true;

    /// <summary>How many sessions its owner lets it run, which shows only at the start.</summary>
    public int Room { get; set; } = int.MaxValue;

    /// <summary>Sessions whose processes run.</summary>
    public HashSet<string> Running { get; } = new(StringComparer.Ordinal);

    public int Starts { get; set; }

    public TimeSpan? Wakes { get; set; }

    /// <summary>When the last message in order reaches it.</summary>
    public TimeSpan LastDelivery { get; set; }
}

/// <summary>Requests of a test, and what may be said of their answers.</summary>
internal static class Requests
{
    public static RequestKey Create(this SessionWorld world, string id, WorldNode? at = null)
    {
        var key = new RequestKey(SessionVerb.Create, id);
        world.Request(key, $$"""{"id": "{{id}}", "script": "#!/bin/sh\nsleep 240"}""", at);
        return key;
    }

    public static RequestKey Ask(this SessionWorld world, SessionVerb verb, string id, string session, WorldNode? at = null)
    {
        var key = new RequestKey(verb, id);
        world.Request(key, $$"""{"id": "{{id}}", "session": "{{session}}"}""", at);
        return key;
    }

    /// <summary>The one answer; fails when there is none or more than one.</summary>
    public static JsonElement AnswerTo(this SessionWorld world, RequestKey key) =>
        JsonDocument.Parse(Assert.Single(world.Answers, answer => answer.Key == key).Payload).RootElement;

    public static string SessionOf(this SessionWorld world, RequestKey key) => world.AnswerTo(key).GetProperty("id").GetString()!;
}
