using PeoplesCloud.Swarm;

namespace PeoplesCloud.Simulation;

/// <summary>
/// What is played with leases: 2 to 5 guardians by the seed, clocks off by up to 1 %, timers that are late. Each scenario opens with its goal; all
/// end healed, with one holder for each program within a bound.
/// </summary>
public static class LeaseScenarios
{
    private static readonly SortedDictionary<string, Action<LeaseWorld>> All = new(StringComparer.Ordinal)
    {
        ["lease-calm"] = Calm,
        ["lease-crashes"] = Crashes,
        ["lease-partition"] = Partition,
        ["lease-lossy"] = Lossy,
        ["lease-suspend"] = Suspend,
        ["lease-jumps"] = Jumps,
        ["lease-handover"] = HandOver,
        ["lease-generations"] = Generations,
        ["lease-alone"] = Alone,
        ["lease-gone"] = Gone,
        ["lease-edge"] = Edge,
        ["lease-chosen"] = Chosen,
        ["lease-liar"] = Liar,
        ["lease-chaos"] = Chaos,
    };

    /// <summary>
    /// How long after healing there is a holder at the latest. A guardian that came back just then does not vote for one backing (4.3 s), a lease that
    /// a lost host had is backed for as long, and with a stagger, some rounds that collide and the time of gossip that makes 15 s.
    /// </summary>
    internal static readonly TimeSpan Bound = Seconds(15);

    /// <summary>All names.</summary>
    public static IReadOnlyCollection<string> Names => All.Keys;

    /// <summary>Plays one run; <see cref="SimRun.Nodes"/> is left aside.</summary>
    /// <exception cref="SimFailureException">A checker failed; the message holds the line that reruns it.</exception>
    public static SimReport Run(SimRun run) => Run(run, LeaseChecks.None);

    internal static SimReport Run(SimRun run, LeaseChecks without)
    {
        if (!All.TryGetValue(run.Scenario, out var play)) throw new ArgumentException($"no scenario {run.Scenario}; there are: {string.Join(", ", Names)}", nameof(run));
        var world = new LeaseWorld(run, without);
        try
        {
            play(world);
            return world.Report();
        }
        catch (Exception e) when (e is not SimFailureException)
        {
            throw world.Fail($"{e.GetType().Name}: {e.Message}{Environment.NewLine}{e.StackTrace}");
        }
    }

    // Goal: whoever was chosen holds within a moment, and for ever. Method: nothing goes wrong.
    private static void Calm(LeaseWorld world)
    {
        world.Populate(5, Odd(world), programs: 3);
        world.RunFor(Seconds(6)); // old enough to vote
        foreach (var program in world.Programs) PickGuardian(world).Handle(new LeaseInput.Wish(program));
        if (!world.RunUntil(() => world.Programs.All(program => world.Checkers.Holders(program).Any()), Seconds(1))) throw world.Fail("whoever was chosen does not hold after a second");
        world.Checkers.MustHold(Bound);
        if (world.Checkers.Acquisitions != world.Programs.Count) throw world.Fail("a lease went elsewhere although all is well");
    }

    // Goal: what a voter forgets by a restart, also within a lease, makes no second holder. Method: hosts go down for moments and for long, and walls
    // keep others from what the voter forgot.
    private static void Crashes(LeaseWorld world)
    {
        world.Populate(5, Odd(world), programs: 2);
        Trouble(world, 60, every: 1.2, () =>
        {
            world.CrashFor(PickNode(world), Seconds(world.Random.Next(3) == 0 ? 8 * world.Random.NextDouble() : 2 * world.Random.NextDouble()));
            if (world.Random.Next(4) == 0) Wall(world);
            if (world.Random.Next(3) == 0) Refuse(world);
        });
        Heal(world);
    }

    // Goal: no two sides hold. Method: walls between halves, one-way walls, single broken ways.
    private static void Partition(LeaseWorld world)
    {
        world.Populate(5, Odd(world), programs: 2);
        Trouble(world, 80, every: 5, () => Wall(world));
        Heal(world);
    }

    // Goal: old messages do no harm. Method: loss, duplicates, and ways that take up to several seconds.
    private static void Lossy(LeaseWorld world)
    {
        world.Populate(5, Odd(world), programs: 2);
        world.Network.Loss = 0.3 * world.Random.NextDouble();
        world.Network.Duplicates = 0.2;
        Trouble(world, 60, every: 4, () =>
        {
            world.Network.MaxDelay = Seconds(world.Random.Next(2) == 0 ? 0.3 : 6 * world.Random.NextDouble());
            if (world.Random.Next(3) == 0) world.CrashFor(PickNode(world), Seconds(5 * world.Random.NextDouble()));
        });
        Heal(world);
    }

    // Goal: who sleeps with a lease wakes without it. Method: laptops are closed for seconds and minutes.
    private static void Suspend(LeaseWorld world)
    {
        world.Populate(5, Odd(world), programs: 2);
        Trouble(world, 90, every: 2, () => world.SuspendFor(PickNode(world), Seconds(world.Random.Next(4) == 0 ? 40 * world.Random.NextDouble() : 6 * world.Random.NextDouble())));
        Heal(world);
    }

    // Goal: a clock that jumps an hour costs its host the lease and its vote for a while, nothing else. Method: clocks jump, either way.
    private static void Jumps(LeaseWorld world)
    {
        world.Populate(5, Odd(world), programs: 2);
        Trouble(world, 60, every: 2, () =>
        {
            PickNode(world).Jump(TimeSpan.FromHours(world.Random.Next(2) == 0 ? 1 : -1));
            if (world.Random.Next(3) == 0) Wall(world);
        });
        Heal(world);
    }

    // Goal: a lease that is given back is held by whom it was meant for within a second. Method: hosts are drained one after the other.
    private static void HandOver(LeaseWorld world)
    {
        world.Populate(5, world.Random.Next(2, 6), programs: 2);
        world.RunFor(Bound);
        for (var turn = 0; turn < 10; turn++)
        {
            if (world.Checkers.Holders(world.Programs[0]).SingleOrDefault() is not { } holder) throw world.Fail("nobody holds");
            var next = Pick(world, [.. world.Nodes.Take(world.FirstGuardians.Count).Where(node => node != holder)]);
            holder.Handle(new LeaseInput.Drain());
            foreach (var program in holder.Runs.Keys.ToList())
            {
                holder.Runs.Remove(program); // the program has ended
                holder.Handle(new LeaseInput.Release(program, next.Peer));
                if (!world.RunUntil(() => next.Runs.ContainsKey(program), Seconds(1))) throw world.Fail($"node {next.Index} does not hold a second after the lease was handed to it");
            }
            world.RunFor(Seconds(3 * world.Random.NextDouble()));
            holder.Handle(new LeaseInput.Drain(false));
        }
        Heal(world);
    }

    // Goal: the host that the owner chose has the lease first, also when it needs longer than a lease to come round, and nobody waits for it once it had
    // it, or when it is gone. Method: the chosen one is slow, or dies; then it runs the program and dies.
    private static void Chosen(LeaseWorld world)
    {
        world.WhenAlone = world.Random.Next(2) == 0 ? WhenAlone.Run : WhenAlone.Stop;
        world.Populate(5, world.Random.Next(3, 6), programs: 1);
        world.RunFor(Bound);
        for (var turn = 0; turn < 5; turn++)
        {
            if (world.Checkers.Holders(world.Programs[0]).SingleOrDefault() is not { } before) throw world.Fail("nobody holds");
            var chosen = Pick(world, [.. world.Nodes.Take(world.FirstGuardians.Count).Where(node => node != before)]);
            chosen.CanRun = false;
            world.Choose(chosen);
            before.Runs.Remove(world.Programs[0]); // the program has ended
            before.Handle(new LeaseInput.Release(world.Programs[0], chosen.Peer));
            var dies = world.Random.Next(4) == 0;
            if (dies)
            {
                world.CrashFor(chosen, Seconds(30));
                chosen.CanRun = true;
                MustBeHeld(world, Seconds(12), null); // gossip finds out, and rounds collide
            }
            else
            {
                world.RunFor(Seconds(5 + 6 * world.Random.NextDouble()));
                if (world.Checkers.Holders(world.Programs[0]).Any()) throw world.Fail($"it was not left to node {chosen.Index}");
                chosen.CanRun = true;
                chosen.Watch();
                chosen.Handle(new LeaseInput.Wish(world.Programs[0]));
                MustBeHeld(world, Seconds(2), chosen);
                world.RunFor(Seconds(1));
                world.CrashFor(chosen, Seconds(30));
                MustBeHeld(world, world.Options.Backing * 1.01 + Seconds(4), null);
            }
            world.RunFor(Seconds(40));
        }
        Heal(world);
    }

    private static void MustBeHeld(LeaseWorld world, TimeSpan within, LeaseNode? by)
    {
        if (!world.RunUntil(() => world.Checkers.Holders(world.Programs[0]).Any(holder => by is null || holder == by), within))
            throw world.Fail($"{(by is null ? "nobody" : $"node {by.Index} does not")} hold{(by is null ? "s" : "")} after {within.TotalSeconds:F1} s");
    }

    // Goal: a lease that has just ended is nobody else's before its program stands still. Method: one guardian is cut off until it takes the lease to be over, then
    // the other for about a lease, and the first is back when the lease ends: its majority is the holder's own vote.
    private static void Edge(LeaseWorld world)
    {
        world.Populate(3, guardians: 3, programs: 1);
        for (var turn = 0; turn < 6; turn++)
        {
            world.RunFor(Bound);
            if (world.Checkers.Holders(world.Programs[0]).SingleOrDefault() is not { } holder) throw world.Fail("nobody holds");
            var others = world.Nodes.Where(node => node != holder).ToList();
            var asker = Pick(world, others);
            foreach (var node in world.Nodes) Cut(world, asker, node);
            world.RunFor(world.Options.Backing + Seconds(1));
            Cut(world, holder, others.Single(node => node != asker));
            world.RunFor(world.Options.Lease - Seconds(world.Random.NextDouble()));
            world.Unblock(asker, holder);
            world.RunFor(Seconds(2));
            world.Unblock();
        }
        Heal(world);
    }

    // Goal: sets of guardians change without two holders, whoever has heard of it. Method: sets are proposed and approved while hosts crash and walls stand.
    private static void Generations(LeaseWorld world)
    {
        world.Populate(6, Odd(world), programs: 2);
        var proposals = 0;
        Trouble(world, 90, every: 2.5, () =>
        {
            if (world.Random.Next(2) == 0) ProposeSet(world, ++proposals);
            if (world.Random.Next(3) == 0) Wall(world);
            if (world.Random.Next(3) == 0) world.CrashFor(PickNode(world), Seconds(5 * world.Random.NextDouble()));
            ApproveSets(world);
        });
        Heal(world);
    }

    // Goal: without a majority a program goes on, and two halves that hear of each other end it within a lease and a second. Method: walls,
    // crashes and sleeps, with two guardians or three.
    private static void Alone(LeaseWorld world)
    {
        world.WhenAlone = WhenAlone.Run;
        AllowOverlaps(world);
        world.Populate(4, world.Random.Next(2, 4), programs: 2);
        Trouble(world, 90, every: 6, () =>
        {
            Wall(world);
            if (world.Random.Next(3) == 0) world.CrashFor(PickNode(world), Seconds(8 * world.Random.NextDouble()));
            if (world.Random.Next(3) == 0) world.SuspendFor(PickNode(world), Seconds(20 * world.Random.NextDouble()));
            if (world.Random.Next(3) == 0) Refuse(world);
        });
        Heal(world);
    }

    // Goal: of two hosts the other takes over soon after the first one's daemon died, and not before the lease is over. Method: the holder's daemon dies, and
    // its kernel refuses; gossip still believes that it is awake.
    private static void Gone(LeaseWorld world)
    {
        world.WhenAlone = WhenAlone.Run;
        world.RefusalChance = 1;
        world.Populate(3, guardians: 2, programs: 1);
        world.RunFor(Bound);
        for (var turn = 0; turn < 5; turn++)
        {
            if (world.Checkers.Holders(world.Programs[0]).SingleOrDefault() is not { } holder) throw world.Fail("nobody holds");
            var other = world.Nodes.Take(2).Single(node => node != holder);
            world.CrashFor(holder, Seconds(8));
            var late = world.Options.Backing * 1.01 + world.Options.Stagger + Seconds(0.4); // a round trip, and a timer that is late
            if (!world.RunUntil(() => other.Runs.ContainsKey(world.Programs[0]), late)) throw world.Fail($"node {other.Index} does not hold {late.TotalSeconds:F1} s after node {holder.Index} died");
            world.RunFor(Seconds(20));
        }
        Heal(world);
    }

    // Goal: a guardian that votes for everybody makes two holders at most until they hear of each other; nobody else is taken for a liar.
    // Method: one of three lies; a wall stands between the other two now and then.
    private static void Liar(LeaseWorld world)
    {
        AllowOverlaps(world);
        world.Populate(3, guardians: 3, programs: 1);
        var liar = world.Nodes[world.Random.Next(3)];
        liar.Lies = true;
        liar.Runs.Clear();
        for (var turn = 0; turn < 6; turn++)
        {
            var honest = world.Nodes.Where(node => node != liar).ToList();
            world.Block(honest[0], honest[1]);
            world.Block(honest[1], honest[0]);
            world.RunFor(Seconds(5 + 15 * world.Random.NextDouble()));
            world.Unblock();
            world.RunFor(Seconds(10 * world.Random.NextDouble()));
        }
        Heal(world);
    }

    // Goal: all of it together. Method: everything, at once.
    private static void Chaos(LeaseWorld world)
    {
        world.Populate(6, Odd(world), programs: 3);
        world.Network.Loss = 0.1 * world.Random.NextDouble();
        world.Network.Duplicates = 0.1;
        var proposals = 0;
        Trouble(world, 90, every: 1.5, () =>
        {
            var node = PickNode(world);
            switch (world.Random.Next(9))
            {
                case 0:
                    Wall(world);
                    break;
                case 1:
                    world.CrashFor(node, Seconds(6 * world.Random.NextDouble()));
                    break;
                case 2:
                    world.SuspendFor(node, Seconds(15 * world.Random.NextDouble()));
                    break;
                case 3:
                    node.Jump(TimeSpan.FromHours(world.Random.Next(2) == 0 ? 1 : -1));
                    break;
                case 4:
                    world.Network.MaxDelay = Seconds(3 * world.Random.NextDouble());
                    break;
                case 5:
                    ProposeSet(world, ++proposals);
                    break;
                case 6:
                    Refuse(world);
                    break;
                case 7:
                    foreach (var program in node.Runs.Keys.ToList())
                    {
                        if (!node.IsAwake) break;
                        node.Runs.Remove(program);
                        node.Handle(new LeaseInput.Release(program, PickNode(world).Peer));
                    }
                    break;
                default:
                    node.Handle(new LeaseInput.Wish(world.Programs[0]));
                    break;
            }
            ApproveSets(world);
        });
        Heal(world);
    }

    // -- Parts ------------------------------------------------------------------------------------------------

    internal static void Trouble(LeaseWorld world, double seconds, double every, Action what)
    {
        world.RunFor(Seconds(6 * world.Random.NextDouble()));
        var until = world.Now + Seconds(seconds);
        while (world.Now < until)
        {
            what();
            world.RunFor(Seconds(every * 2 * world.Random.NextDouble()));
        }
    }

    internal static void Heal(LeaseWorld world)
    {
        world.Heal();
        for (var i = 0; i < 3; i++)
        {
            ApproveSets(world);
            world.RunFor(Seconds(1.5));
        }
        world.Checkers.MustHold(Bound);
    }

    // A bound of a double run: a lease and a second, and what gossip takes when they hear of each other through another.
    internal static void AllowOverlaps(LeaseWorld world)
    {
        world.Checkers.OverlapsAllowed = true;
        world.Checkers.MaxOverlap = world.Options.Lease + Seconds(1);
    }

    internal static void Wall(LeaseWorld world)
    {
        world.Unblock();
        var kind = world.Random.Next(4);
        var left = world.Nodes.Where(_ => world.Random.Next(2) == 0).ToHashSet();
        foreach (var from in world.Nodes)
        {
            foreach (var to in world.Nodes)
            {
                var blocked = kind switch
                {
                    0 => left.Contains(from) != left.Contains(to),
                    1 => left.Contains(from) && !left.Contains(to), // one way
                    2 => world.Random.Next(4) == 0,
                    _ => false,
                };
                if (blocked && from != to) world.Block(from, to);
            }
        }
    }

    private static void Cut(LeaseWorld world, LeaseNode one, LeaseNode other)
    {
        if (one == other) return;
        world.Block(one, other);
        world.Block(other, one);
    }

    // A firewall refuses in the place of a host that is well.
    private static void Refuse(LeaseWorld world)
    {
        var (from, to) = (PickNode(world), PickNode(world));
        from.Handle(new LeaseInput.Gone(to.Peer));
    }

    internal static void ProposeSet(LeaseWorld world, int number)
    {
        var program = Pick(world, world.Programs);
        var author = world.Nodes[^1]; // the owner: approvals of two proposals at once may split for good
        if (!author.IsAwake) return;
        var (generation, _) = author.Feeds.SetOf(program, world.FirstGuardians);
        if (author.Feeds.Proposals.Any(proposal => proposal.Program == program && proposal.Generation == generation + 1)) return;
        var members = world.Nodes.Select(node => node.Peer).ToArray();
        world.Random.Shuffle(members);
        author.Feeds.Proposals.Add((program, generation + 1, number, string.Join(' ', members.Take(world.Random.Next(1, 6)))));
    }

    // Each guardian that has heard of a proposal stops voting in the generation before, and then says that it approves.
    internal static void ApproveSets(LeaseWorld world)
    {
        foreach (var node in world.Nodes.Where(node => node.IsAwake))
        {
            foreach (var program in world.Programs)
            {
                var (generation, guardians) = node.Feeds.SetOf(program, world.FirstGuardians);
                if (!guardians.Contains(node.Peer) || node.Feeds.ApprovedNext(program, generation, node.Peer)) continue;
                var proposal = node.Feeds.Proposals.FirstOrDefault(proposal => proposal.Program == program && proposal.Generation == generation + 1);
                if (proposal.Guardians is null) continue;
                world.Approving?.Invoke(node, program, proposal.Generation);
                node.Feeds.Approvals.Add((program, proposal.Generation, proposal.Proposal, node.Peer));
                node.Watch();
            }
        }
    }

    internal static int Odd(LeaseWorld world) => world.Random.Next(4) switch { 0 => 2, 1 => 5, 2 => 4, _ => 3 };

    internal static LeaseNode PickNode(LeaseWorld world) => Pick(world, world.Nodes);

    private static LeaseNode PickGuardian(LeaseWorld world) => Pick(world, [.. world.Nodes.Take(world.FirstGuardians.Count)]);

    private static T Pick<T>(LeaseWorld world, IReadOnlyList<T> from) => from[world.Random.Next(from.Count)];

    private static TimeSpan Seconds(double seconds) => TimeSpan.FromSeconds(seconds);
}
