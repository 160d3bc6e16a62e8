using System.Globalization;
using System.Text.Json;
using PeoplesCloud.Sessions.Engine;
using PeoplesCloud.Sessions.Messages;

namespace PeoplesCloud.Sessions.Tests.Engine;

/// <summary>
/// Goal: whatever is lost, doubled, late or killed, no request has two answers from nodes of ours, each has one within 2 s while who heard it stays
/// up, and nothing runs that no answer names. Method: worlds from seeds with random requests and mishaps, and a checker over what was published.
/// PC_SESSION_SEEDS says how many worlds of each kind.
/// </summary>
public sealed class SessionSimulationTests
{
    private static readonly int Seeds = int.TryParse(Environment.GetEnvironmentVariable("PC_SESSION_SEEDS"), CultureInfo.InvariantCulture, out var seeds) ? seeds : 40;
    private static readonly TimeSpan Promise = TimeSpan.FromSeconds(2);

    [Theory]
    [InlineData(SessionAgreement.Claimed)]
    [InlineData(SessionAgreement.Coordinated)]
    public void Without_trouble_each_request_has_one_answer_in_time(SessionAgreement agreement) =>
        Each(seed => RunWorld(seed, agreement, new(), kills: false));

    [Theory]
    [InlineData(SessionAgreement.Claimed)]
    [InlineData(SessionAgreement.Coordinated)]
    public void Nodes_that_are_killed_leave_no_request_that_a_living_one_heard(SessionAgreement agreement) =>
        Each(seed => RunWorld(seed, agreement, new(), kills: true));

    [Theory]
    [InlineData(SessionAgreement.Claimed)]
    [InlineData(SessionAgreement.Coordinated)]
    public void Lost_doubled_and_late_messages_make_no_second_answer(SessionAgreement agreement) =>
        Each(seed => RunWorld(seed, agreement, new() { Lost = 0.05, Doubled = 0.05, Late = 0.1 }, kills: false));

    [Fact]
    public void A_redis_that_fails_in_the_middle_makes_no_second_answer_and_no_orphan() =>
        Each(seed => RunWorld(seed, SessionAgreement.Claimed, new() { CommandFails = 0.2, StartFails = 0.05 }, kills: true));

    [Fact]
    public void A_redis_that_is_killed_and_forgets_its_keys_makes_no_second_answer() =>
        Each(seed => RunWorld(seed, SessionAgreement.Claimed, new(), kills: false, redisDies: true));

    [Fact]
    public void A_request_that_is_published_at_two_endpoints_at_once_has_one_answer() =>
        Each(seed => RunWorld(seed, SessionAgreement.Coordinated, new(), kills: false, twins: 0.5));

    /// <summary>The checkers themselves: each fault is noticed, by the words of the promise that it breaks.</summary>
    [Theory]
    [InlineData(Sabotage.SkipTheClaim, SessionAgreement.Claimed, "different answers")]
    [InlineData(Sabotage.AnswerTwice, SessionAgreement.Claimed, "has 2 answers")]
    [InlineData(Sabotage.AnswerTwice, SessionAgreement.Coordinated, "has 2 answers")]
    [InlineData(Sabotage.AnswerNothing, SessionAgreement.Claimed, "was never answered")]
    [InlineData(Sabotage.AnswerNothing, SessionAgreement.Coordinated, "was never answered")]
    [InlineData(Sabotage.AnswerLate, SessionAgreement.Coordinated, "was answered after")]
    [InlineData(Sabotage.LeaveRunning, SessionAgreement.Claimed, "runs")]
    [InlineData(Sabotage.GrantToAll, SessionAgreement.Coordinated, "answers")]
    internal void A_broken_promise_is_noticed(Sabotage sabotage, SessionAgreement agreement, string words)
    {
        var broken = Assert.Throws<InvalidOperationException>(() => Each(seed => RunWorld(seed, agreement, new(), kills: false, sabotage: sabotage, twins: sabotage == Sabotage.GrantToAll ? 0.5 : 0)));
        Assert.Contains(words, broken.InnerException!.Message, StringComparison.Ordinal);
    }

    private static void Each(Action<int> world)
    {
        for (var seed = 1; seed <= Seeds; seed++)
        {
            try
            {
                world(seed);
            }
            catch (Exception e)
            {
                throw new InvalidOperationException($"the world of seed {seed} broke a promise", e);
            }
        }
    }

    private static void RunWorld(int seed, SessionAgreement agreement, Trouble trouble, bool kills, bool redisDies = false, double twins = 0, Sabotage sabotage = Sabotage.None)
    {
        var random = new Random(seed * 7919);
        var world = new SessionWorld(seed, nodes: 2 + random.Next(5), agreement, trouble, sabotage: sabotage);
        world.Run(TimeSpan.FromSeconds(2));
        var asked = new List<Asked>();
        var sessions = new List<string>();
        var removed = new HashSet<string>(StringComparer.Ordinal);
        var survivor = world.Nodes[0];

        // 1. Six seconds of requests at random times, some for sessions that were answered, some for none.
        for (var i = 0; i < 60; i++)
        {
            var id = (i + (seed * 1000)).ToString("x", CultureInfo.InvariantCulture);
            world.After(TimeSpan.FromMilliseconds(random.Next(6000)), () =>
            {
                var up = world.Nodes.Where(node => node.IsUp).ToList();
                var at = agreement == SessionAgreement.Coordinated ? up[random.Next(up.Count)] : null;
                sessions = [.. world.Answers.Where(answer => answer.Key.Verb == SessionVerb.Create && !answer.Payload.Contains("error", StringComparison.Ordinal)).Select(answer => JsonDocument.Parse(answer.Payload).RootElement.GetProperty("id").GetString()!)];
                var session = sessions.Count > 0 && random.Next(5) > 0 ? sessions[random.Next(sessions.Count)] : "ffff";
                var key = random.Next(4) switch
                {
                    0 => world.Ask(SessionVerb.Status, id, session, at),
                    1 => world.Ask(SessionVerb.Remove, id, session, at),
                    _ => world.Create(id, at),
                };
                if (key.Verb == SessionVerb.Remove) removed.Add(session);
                if (twins > 0 && random.NextDouble() < twins) Again(world, key, session, up[random.Next(up.Count)], at!, TimeSpan.FromMilliseconds(random.NextDouble() * 4));
                asked.Add(new Asked(key, world.Now, at));
            });
        }
        // 2. All but one node may be killed; new ones come.
        if (kills)
        {
            foreach (var victim in world.Nodes.Skip(1).Where(_ => random.Next(2) == 0).ToList()) world.After(TimeSpan.FromMilliseconds(random.Next(6000)), () => SessionWorld.Kill(victim));
            world.After(TimeSpan.FromMilliseconds(random.Next(6000)), () => world.AddNode());
        }
        if (redisDies)
        {
            for (var i = 0; i < 2; i++) world.After(TimeSpan.FromMilliseconds((i * 3000) + random.Next(2500)), () => world.KillRedis(TimeSpan.FromMilliseconds(random.Next(50, 400))));
        }
        world.Run(TimeSpan.FromSeconds(6));
        world.Trouble = new();
        world.Run(TimeSpan.FromSeconds(20));
        if (redisDies)
        {
            // What was published meanwhile nobody heard, or nobody heard its answer: clients ask again.
            foreach (var request in asked.Where(request => request.Key.Verb == SessionVerb.Create)) world.Create(request.Key.Id);
            world.Run(TimeSpan.FromSeconds(10));
        }

        // 3. What was promised.
        foreach (var request in asked)
        {
            var answers = world.Answers.Where(answer => answer.Key == request.Key).ToList();
            Assert.True(answers.Select(answer => answer.Payload).Distinct(StringComparer.Ordinal).Count() <= 1, $"{request.Key} has different answers: {string.Join(" | ", answers.Select(answer => $"{answer.From} {answer.Payload}"))}");
            if (world.Mishaps == 0 && !redisDies && (twins == 0 || request.Key.Verb == SessionVerb.Create)) Assert.True(answers.Count <= 1, $"{request.Key} has {answers.Count} answers");
            var mustAnswer = agreement == SessionAgreement.Claimed ? survivor.IsUp && trouble.Lost == 0 && trouble.CommandFails == 0 && (!redisDies || request.Key.Verb == SessionVerb.Create) : request.At!.IsUp;
            if (!mustAnswer) continue;
            Assert.True(answers.Count > 0, $"{request.Key} was never answered");
            if (trouble.Lost == 0 && !redisDies) Assert.True(answers[0].At - request.Time <= Promise, $"{request.Key} was answered after {answers[0].At - request.Time}");
        }
        var answered = world.Answers.Where(answer => answer.Key.Verb == SessionVerb.Create).Select(answer => JsonDocument.Parse(answer.Payload).RootElement.GetProperty("id").GetString()!).ToHashSet(StringComparer.Ordinal);
        foreach (var node in world.Nodes.Where(node => node.IsUp))
        {
            var stray = node.Running.Except(answered, StringComparer.Ordinal).ToList();
            Assert.True(stray.Count == 0, $"{string.Join(", ", stray)} runs and no answer names it");
            var ended = node.Running.Intersect(removed, StringComparer.Ordinal).Where(session => world.Answers.Any(answer => answer.Key.Verb == SessionVerb.Remove && answer.Payload.Contains(session, StringComparison.Ordinal) && answer.Payload.Contains("\"status\":true", StringComparison.Ordinal))).ToList();
            Assert.True(ended.Count == 0, $"{string.Join(", ", ended)} runs and was removed");
            Assert.Equal(node.Running.Order(StringComparer.Ordinal), node.Engine.Sessions);
            Assert.Equal(0, node.Engine.Requests);
            if (trouble.Lost == 0 && !kills && !redisDies && twins == 0) Assert.Equal(answered.Where(session => session.StartsWith(node.Cloud[..8], StringComparison.Ordinal)).Except(removed, StringComparer.Ordinal).Order(StringComparer.Ordinal), node.Engine.Sessions);
        }
    }

    // The same, published at a second node before it can have heard of the first.
    private static void Again(SessionWorld world, RequestKey key, string session, WorldNode at, WorldNode first, TimeSpan later)
    {
        if (at == first) return;
        world.After(later, () => _ = key.Verb == SessionVerb.Create ? world.Create(key.Id, at) : world.Ask(key.Verb, key.Id, session, at));
    }

    private sealed record Asked(RequestKey Key, TimeSpan Time, WorldNode? At);
}
