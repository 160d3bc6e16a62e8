using System.Globalization;
using System.Text.Json;
using PeoplesCloud.Base;
using PeoplesCloud.Sessions.Engine;
using PeoplesCloud.Sessions.Messages;

namespace PeoplesCloud.Sessions.Tests.Engine;

public sealed class SessionEngineTests
{
    private static readonly TimeSpan Settle = TimeSpan.FromSeconds(3);

    public static TheoryData<SessionAgreement> Agreements => new(SessionAgreement.Claimed, SessionAgreement.Coordinated);

    [Theory]
    [MemberData(nameof(Agreements))]
    public void The_least_busy_node_starts_the_session_and_its_answer_has_the_known_keys(SessionAgreement agreement)
    {
        var world = World(agreement);
        world.Nodes[2].Load = 1;
        world.Run(Settle);
        var key = world.Create("a1", Entry(world));
        world.Run(Settle);
        var answer = world.AnswerTo(key);
        Assert.Equal(["cloud", "id", "hostname", "port"], answer.EnumerateObject().Select(property => property.Name));
        Assert.Equal(world.Nodes[2].Cloud, answer.GetProperty("cloud").GetString());
        Assert.Equal([answer.GetProperty("id").GetString()!], world.Nodes[2].Running);
    }

    [Theory]
    [MemberData(nameof(Agreements))]
    public void A_repeated_request_gets_the_first_answer_again_and_starts_nothing(SessionAgreement agreement)
    {
        var world = World(agreement);
        var key = world.Create("a1", Entry(world));
        world.Run(Settle);
        for (var i = 0; i < 3; i++)
        {
            world.Create("a1", world.Nodes[i]);
            world.Run(TimeSpan.FromMinutes(3));
        }
        Assert.Equal(4, world.Answers.Count(answer => answer.Key == key));
        Assert.Single(world.Answers.Select(answer => answer.Payload).Distinct(StringComparer.Ordinal));
        Assert.Equal(1, world.Nodes.Sum(node => node.Starts));

        // After ten minutes it is a new request.
        world.Run(TimeSpan.FromMinutes(2));
        world.Create("a1", Entry(world));
        world.Run(Settle);
        Assert.Equal(2, world.Nodes.Sum(node => node.Starts));
    }

    [Fact]
    public void The_first_answer_is_given_again_by_others_when_who_gave_it_is_gone()
    {
        var world = World(SessionAgreement.Claimed);
        var key = world.Create("a1");
        world.Run(Settle);
        SessionWorld.Kill(world.Nodes.Single(node => node.Cloud == world.Answers[0].From));
        world.Run(Settle);
        world.Create("a1");
        world.Run(Settle);
        Assert.Equal(2, world.Answers.Count(answer => answer.Key == key));
        Assert.Equal(world.Answers[0].Payload, world.Answers[1].Payload);

        // Also by one that was not there then: the Redis knows.
        foreach (var node in world.Nodes.ToList()) SessionWorld.Kill(node);
        world.AddNode();
        world.Run(Settle);
        world.Create("a1");
        world.Run(Settle);
        Assert.Equal(world.Answers[0].Payload, world.Answers[2].Payload);
        Assert.Equal(1, world.Nodes.Sum(node => node.Starts));
    }

    [Theory]
    [MemberData(nameof(Agreements))]
    public void Status_says_what_became_of_a_session_and_remove_ends_it_once(SessionAgreement agreement)
    {
        var world = World(agreement);
        var first = world.SessionOf(Done(world, world.Create("a1", Entry(world))));
        var second = world.SessionOf(Done(world, world.Create("a2", Entry(world))));
        var owner = world.Nodes.Single(node => node.Running.Contains(first));

        var running = world.AnswerTo(Done(world, world.Ask(SessionVerb.Status, "b1", first, Entry(world))));
        Assert.Equal(["cloud", "id", "status"], running.EnumerateObject().Select(property => property.Name));
        Assert.True(running.GetProperty("status").GetBoolean());
        Assert.Equal(first, running.GetProperty("id").GetString());

        owner.Running.Remove(first);
        world.Feed(owner, new SessionInput.Exited(first, 7));
        var exited = world.AnswerTo(Done(world, world.Ask(SessionVerb.Status, "b2", first, Entry(world))));
        Assert.False(exited.GetProperty("status").GetBoolean());
        Assert.Equal(("exited", 7), (exited.GetProperty("state").GetString(), exited.GetProperty("exit").GetInt32()));

        var removed = world.AnswerTo(Done(world, world.Ask(SessionVerb.Remove, "c1", second, Entry(world))));
        Assert.Equal(["cloud", "id", "session", "status"], removed.EnumerateObject().Select(property => property.Name));
        Assert.True(removed.GetProperty("status").GetBoolean());
        Assert.Equal(second, removed.GetProperty("session").GetString());
        Assert.Empty(world.Nodes.SelectMany(node => node.Running));

        var again = world.AnswerTo(Done(world, world.Ask(SessionVerb.Remove, "c2", second, Entry(world))));
        Assert.False(again.GetProperty("status").GetBoolean());
        var nobody = world.AnswerTo(Done(world, world.Ask(SessionVerb.Status, "b3", "ffff", Entry(world))));
        Assert.Equal(["cloud", "id", "status"], nobody.EnumerateObject().Select(property => property.Name));
        Assert.False(nobody.GetProperty("status").GetBoolean());
    }

    [Theory]
    [MemberData(nameof(Agreements))]
    public void What_cannot_be_read_is_answered_once_with_an_error_when_its_id_can(SessionAgreement agreement)
    {
        var world = World(agreement);
        var key = new RequestKey(SessionVerb.Create, "a 1");
        world.Request(key, """{"id": "a 1", "script": "true"}""", Entry(world));
        world.Request(new(SessionVerb.Create, "b1"), """{"id": "b1", "script": """, Entry(world));
        world.Request(new(SessionVerb.Create, ""), "[]", Entry(world));
        world.Run(Settle);
        var error = world.AnswerTo(key);
        Assert.Equal(["cloud", "id", "error"], error.EnumerateObject().Select(property => property.Name));
        Assert.Equal("PC7100", error.GetProperty("error").GetProperty("code").GetString());
        Assert.Equal("PC7100", world.AnswerTo(new(SessionVerb.Create, "b1")).GetProperty("error").GetProperty("code").GetString());
        Assert.Equal(2, world.Answers.Count);
        Assert.Equal(0, world.Nodes.Sum(node => node.Starts));
    }

    [Theory]
    [MemberData(nameof(Agreements))]
    public void Ten_thousand_requests_at_once_are_answered_or_refused_clearly(SessionAgreement agreement)
    {
        var world = World(agreement, limits: new SessionLimits { Sessions = 6000 });
        var keys = Enumerable.Range(0, 10_000).Select(i => world.Create(i.ToString("x", CultureInfo.InvariantCulture), Entry(world))).ToList();
        world.Run(TimeSpan.FromMinutes(3));
        var codes = new Dictionary<string, int>(StringComparer.Ordinal);
        var byKey = world.Answers.ToLookup(answer => answer.Key);
        foreach (var key in keys)
        {
            var answer = JsonDocument.Parse(Assert.Single(byKey[key]).Payload).RootElement;
            var code = answer.TryGetProperty("error", out var error) ? error.GetProperty("code").GetString()! : "";
            codes[code] = codes.GetValueOrDefault(code) + 1;
        }
        Assert.Equal($"PC{(int)ErrorCode.SessionsBusy}", Assert.Single(codes.Keys, code => code.Length > 0));
        Assert.True(codes[""] >= 4096, $"{codes[""]} sessions were started");
        Assert.Equal(codes[""], world.Nodes.Sum(node => node.Running.Count));
    }

    [Theory]
    [MemberData(nameof(Agreements))]
    public void A_burst_is_spread_over_the_nodes_before_their_ranks_tell(SessionAgreement agreement)
    {
        var world = World(agreement);
        for (var i = 0; i < 300; i++) world.Create(i.ToString("x", CultureInfo.InvariantCulture), Entry(world));
        world.Run(TimeSpan.FromSeconds(10));
        Assert.Equal(300, world.Answers.Count);
        Assert.All(world.Nodes, node => Assert.InRange(node.Running.Count, 60, 140));
    }

    [Theory]
    [MemberData(nameof(Agreements))]
    public void When_no_node_takes_sessions_the_reason_is_the_answer(SessionAgreement agreement)
    {
        var world = World(agreement);
        foreach (var node in world.Nodes) node.Refusal = new PcException(ErrorCode.SessionsFull, "its owner paused it");
        world.Run(Settle);
        var key = Done(world, world.Create("a1", Entry(world)));
        Assert.Equal($"PC{(int)ErrorCode.SessionsFull}", world.AnswerTo(key).GetProperty("error").GetProperty("code").GetString());

        // One that does takes it, however busy.
        world.Nodes[1].Refusal = null;
        world.Nodes[1].Load = 100;
        world.Run(Settle);
        _ = world.SessionOf(Done(world, world.Create("a2", Entry(world))));
        Assert.Single(world.Nodes[1].Running);
    }

    [Fact]
    public void A_node_that_is_silent_for_a_second_runs_nothing_until_it_speaks_again()
    {
        var world = World(SessionAgreement.Coordinated);
        var entry = Entry(world)!;
        entry.Refusal = new PcException(ErrorCode.SessionsFull, "its owner paused it");
        world.Run(Settle);
        // Nothing that nodes say to each other arrives, their ranks included, once they are known.
        var session = world.SessionOf(Done(world, world.Create("a1", entry)));
        world.Trouble = new Trouble { Lost = 1 };
        var status = world.Ask(SessionVerb.Status, "b1", session, entry);
        world.Run(TimeSpan.FromSeconds(12));
        Assert.False(world.AnswerTo(status).GetProperty("status").GetBoolean()); // whoever is silent for a second is gone

        world.Trouble = new();
        world.Run(Settle);
        Assert.True(world.AnswerTo(Done(world, world.Ask(SessionVerb.Status, "b2", session, entry))).GetProperty("status").GetBoolean());
    }

    [Fact]
    public void A_node_that_ranks_and_never_answers_is_passed_over_and_what_only_it_knows_is_an_error()
    {
        var world = World(SessionAgreement.Coordinated);
        var mute = SessionNames.CloudId([1, 2, 3, 4, 5, 6]);
        void Rank()
        {
            world.Foreign(SessionNames.Rank, $$"""{"id": "{{mute}}", "score": 0, "time": {{world.UnixSeconds.ToString(CultureInfo.InvariantCulture)}}, "sessions": ["77"]}""");
            world.After(TimeSpan.FromMilliseconds(500), Rank);
        }
        Rank();
        world.Run(Settle);
        var asked = world.Now;
        _ = world.SessionOf(Done(world, world.Create("a1", Entry(world))));
        Assert.InRange(world.Answers[0].At - asked, TimeSpan.FromMilliseconds(400), TimeSpan.FromMilliseconds(500));

        var status = world.Ask(SessionVerb.Status, "b1", "77", Entry(world));
        world.Run(TimeSpan.FromSeconds(12));
        Assert.Equal($"PC{(int)ErrorCode.SessionNodesSilent}", world.AnswerTo(status).GetProperty("error").GetProperty("code").GetString());
    }

    [Theory]
    [MemberData(nameof(Agreements))]
    public void A_foreign_node_that_ranks_lowest_answers_first_and_when_it_does_not_one_of_ours_does(SessionAgreement agreement)
    {
        var world = World(agreement);
        var foreignAnswers = true;
        void Rank()
        {
            world.Foreign(SessionNames.Rank, $$"""{"id": "6b5f271b", "score": 0, "time": {{(world.UnixSeconds + 1e6).ToString(CultureInfo.InvariantCulture)}}, "sessions": []}""");
            world.After(TimeSpan.FromMilliseconds(501), Rank);
        }
        Rank();
        world.Published += (channel, payload) =>
        {
            if (channel != SessionNames.ChannelOf(SessionVerb.Create) || !foreignAnswers) return;
            var id = JsonDocument.Parse(payload).RootElement.GetProperty("id").GetString();
            world.After(TimeSpan.FromMilliseconds(254), () => world.Foreign($"{channel}.{id}", "{'cloud': '6b5f271b', 'id': '6b5e3c69'}"));
        };
        world.Run(Settle);
        world.Create("a1", Entry(world));
        world.Run(Settle);
        Assert.Empty(world.Answers);
        Assert.Equal(0, world.Nodes.Sum(node => node.Starts));

        foreignAnswers = false;
        var asked = world.Now;
        var key = Done(world, world.Create("a2", Entry(world)));
        _ = world.SessionOf(key);
        Assert.InRange(world.Answers.Single(answer => answer.Key == key).At - asked, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(2));
    }

    [Fact]
    public void An_answer_that_was_given_while_the_request_waited_here_is_not_given_again_and_an_older_one_is()
    {
        foreach (var (waited, age, isAgain) in new[] { (30.0, 20.0, false), (30.0, 0.1, false), (1.0, 60.0, true) })
        {
            var engine = new SessionEngine(SessionNames.CloudId([1, 2, 3, 4, 5, 6]), new SessionEngineOptions { Agreement = SessionAgreement.Claimed }, () => "aa");
            var key = new RequestKey(SessionVerb.Create, "a1");
            IReadOnlyList<SessionEffect> Handle(SessionInput? input, double seconds) => engine.Handle(input, new SessionMoment(TimeSpan.FromSeconds(seconds), 1e9 + seconds));
            Handle(new SessionInput.Tick(0, 0, null), 0);
            var claim = Handle(new SessionInput.RequestHeard(key.Verb, SessionRequestReader.Read(key.Verb, """{"id": "a1", "script": "true"}"""u8), PublishedHere: false), 0);
            Assert.Contains(claim, effect => effect is SessionEffect.Claim { Again: false });
            Handle(new SessionInput.ClaimEnded(key, ClaimOutcome.Answered, """{"cloud": "bb", "id": "cc"}"""u8.ToArray(), TimeSpan.FromSeconds(age)), waited);
            var later = Handle(null, waited + 2);
            Assert.Equal(isAgain, later.Any(effect => effect is SessionEffect.Claim { Again: true }));
        }
    }

    [Fact]
    public void What_one_host_cannot_start_another_does_and_what_none_can_is_an_error_in_time()
    {
        var world = new SessionWorld(seed: 4, nodes: 3, SessionAgreement.Claimed);
        world.Run(Settle);
        world.Nodes[0].Load = 0; // ranks lowest
        world.Nodes[0].Fault = new PcException(ErrorCode.SandboxNetworkFailed, "no device");
        world.Run(Settle);
        Assert.NotEqual(world.Nodes[0].Cloud, world.AnswerTo(Done(world, world.Create("a1"))).GetProperty("cloud").GetString());
        Assert.True(world.Nodes[0].Starts > 0);

        foreach (var node in world.Nodes) node.Fault = world.Nodes[0].Fault;
        var asked = world.Now;
        Assert.Equal($"PC{(int)ErrorCode.SandboxNetworkFailed}", world.AnswerTo(Done(world, world.Create("a2"))).GetProperty("error").GetProperty("code").GetString());
        Assert.True(world.Answers[^1].At - asked < TimeSpan.FromSeconds(2), $"after {world.Answers[^1].At - asked}");
    }

    [Fact]
    public void A_session_of_an_earlier_life_is_told_as_it_is()
    {
        var world = World(SessionAgreement.Claimed);
        world.Feed(world.Nodes[0], new SessionInput.Found("aa", SessionState.Ended));
        world.Feed(world.Nodes[0], new SessionInput.Found("bb", SessionState.Running));
        var ended = world.AnswerTo(Done(world, world.Ask(SessionVerb.Status, "b1", "aa")));
        Assert.Equal((false, "ended"), (ended.GetProperty("status").GetBoolean(), ended.GetProperty("state").GetString()));
        Assert.True(world.AnswerTo(Done(world, world.Ask(SessionVerb.Status, "b2", "bb"))).GetProperty("status").GetBoolean());
        world.Feed(world.Nodes[0], new SessionInput.Slept("bb", Asleep: true));
        var asleep = world.AnswerTo(Done(world, world.Ask(SessionVerb.Status, "b3", "bb")));
        Assert.Equal((true, "asleep"), (asleep.GetProperty("status").GetBoolean(), asleep.GetProperty("state").GetString()));
    }

    [Theory]
    [MemberData(nameof(Agreements))]
    public void What_the_owner_of_one_node_refuses_at_the_start_another_one_takes_and_when_none_does_the_rule_is_the_answer(SessionAgreement agreement)
    {
        var world = World(agreement);
        foreach (var node in world.Nodes) node.Room = 0;
        world.Nodes[1].Room = 1;
        world.Nodes[2].Load = 1;
        world.Run(Settle);
        var first = world.Create("a1", Entry(world));
        world.Run(Settle);
        Assert.Equal(world.Nodes[1].Cloud, world.AnswerTo(first).GetProperty("cloud").GetString());
        Assert.Equal(1, world.Nodes.Sum(node => node.Running.Count));

        var second = world.Create("a2", Entry(world));
        world.Run(Settle);
        Assert.Equal($"PC{(int)ErrorCode.HostRefuses}", world.AnswerTo(second).GetProperty("error").GetProperty("code").GetString());
        Assert.Equal(1, world.Nodes.Sum(node => node.Running.Count));
        Assert.Equal(2, world.Answers.Count);
    }

    private static SessionWorld World(SessionAgreement agreement, SessionLimits? limits = null)
    {
        var world = new SessionWorld(seed: 4, nodes: 3, agreement, limits: limits);
        world.Run(Settle);
        return world;
    }

    // Where clients publish: on our own endpoint one node's, on a Redis nobody's.
    private static WorldNode? Entry(SessionWorld world) => world.Nodes[0];

    private static RequestKey Done(SessionWorld world, RequestKey key)
    {
        world.Run(Settle);
        return key;
    }
}
