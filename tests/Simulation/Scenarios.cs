using PeoplesCloud.Swarm;

namespace PeoplesCloud.Simulation;

/// <summary>What is played. Each scenario opens with its goal, then the method; all end healed and in agreement.</summary>
public static class Scenarios
{
    private static readonly SortedDictionary<string, Func<SimWorld, SimReport>> All = new(StringComparer.Ordinal)
    {
        ["calm"] = Calm,
        ["lockstep"] = Lockstep,
        ["lively"] = Lively,
        ["lossy"] = Lossy,
        ["partition"] = Partition,
        ["one-way"] = OneWay,
        ["crashes"] = Crashes,
        ["clocks"] = Clocks,
        ["removal"] = Removal,
        ["mutual-removal"] = MutualRemoval,
        ["fork"] = Fork,
        ["backup"] = Backup,
        ["sleepers"] = Sleepers,
        ["suspended"] = Suspended,
        ["woken"] = Woken,
        ["leaving"] = Leaving,
        ["two-removals"] = TwoRemovals,
        ["chaos"] = Chaos,
        ["storm"] = Storm,
    };

    /// <summary>All names.</summary>
    public static IReadOnlyCollection<string> Names => All.Keys;

    /// <summary>How many nodes a scenario is played with at most: an entry seals a key to so many members only.</summary>
    public static int MaxNodes(string scenario) => scenario is "removal" or "mutual-removal" or "woken" or "leaving" or "two-removals" or "storm" ? SwarmLimits.MaxMembers : 2_000;

    /// <summary>Plays one run.</summary>
    /// <exception cref="SimFailureException">A checker failed; the message holds the line that reruns it.</exception>
    /// <exception cref="ArgumentException">There is no such scenario, or it needs more or fewer nodes.</exception>
    public static SimReport Run(SimRun run)
    {
        if (!All.TryGetValue(run.Scenario, out var play)) throw new ArgumentException($"no scenario {run.Scenario}; there are: {string.Join(", ", Names)}", nameof(run));
        if (run.Nodes < 5 || run.Nodes > MaxNodes(run.Scenario)) throw new ArgumentException($"{run.Scenario} is played with 5 to {MaxNodes(run.Scenario)} nodes", nameof(run));
        var world = new SimWorld(run);
        try
        {
            return play(world);
        }
        catch (Exception e) when (e is not SimFailureException)
        {
            throw world.Fail($"{e.GetType().Name}: {e.Message}{Environment.NewLine}{e.StackTrace}");
        }
    }

    // Goal: agreement in log2(n) + 3 rounds, and what rest costs. Method: nothing goes wrong; single entries by random members.
    private static SimReport Calm(SimWorld world)
    {
        world.StartAll();
        world.MustConverge(Seconds(60));
        world.RunFor(Seconds(5));

        var bytes = world.Bytes;
        world.RunFor(Seconds(20));
        var rest = (world.Bytes - bytes) / 20.0 / world.Nodes.Count;

        return world.Report(Agreement(world), rest);
    }

    // Goal: the same bound when a message takes a whole round, so that pushes within a round help nothing. Method: as calm, on a very long way.
    private static SimReport Lockstep(SimWorld world)
    {
        world.Options = new GossipOptions { ProbeTimeout = Seconds(2.5) };
        world.Network.MinDelay = Seconds(0.9);
        world.Network.MaxDelay = Seconds(1);
        world.StartAll();
        world.MustConverge(Seconds(90));
        return world.Report(Agreement(world));
    }

    // Goal: what gossip costs while something happens somewhere, whatever the size of the swarm. Method: each second one member, another
    // each time, says something new about itself, and each fifth second one writes an entry.
    private static SimReport Lively(SimWorld world)
    {
        world.StartAll();
        world.MustConverge(Seconds(90));
        world.RunFor(Seconds(20)); // what all said at the start is no news any more
        var bytes = world.Bytes;
        for (var second = 0; second < 30; second++)
        {
            var node = Pick(world);
            node.Say(rank: second);
            if (second % 5 == 0) WriteSome(world, second);
            world.RunFor(Seconds(1));
        }
        var lively = (world.Bytes - bytes) / 30.0 / world.Nodes.Count;
        world.MustConverge(Seconds(60));
        return world.Report(restBytesPerSecond: lively);
    }

    // Single entries by random members, each until all hold it: the slowest, in rounds.
    private static double Agreement(SimWorld world)
    {
        var slowest = 0.0;
        // In a small swarm the dice pass somebody over now and then (one entry in some hundreds), who then asks by itself: a digest, what is
        // missing, the entry. These are three messages more, which take next to nothing, or a round each where every message does.
        var asking = 1 + 2 * Math.Round(world.Network.MaxDelay / world.Options.RoundInterval);
        var allowed = Math.Log2(world.Nodes.Count) + 3 + (world.Nodes.Count < 50 ? asking : 0);
        for (var i = 0; i < 5; i++)
        {
            world.RunFor(Seconds(world.Random.NextDouble() * 2));
            var entry = WriteSome(world, i) ?? throw world.Fail("a member could not write");
            var began = world.Now;
            if (!world.RunUntil(() => world.Checkers.HoldersOf(entry) == world.Nodes.Count, Seconds(60))) throw world.Fail("an entry did not reach all within 60 s");
            slowest = Math.Max(slowest, (world.Now - began) / world.Options.RoundInterval);
            if (slowest > allowed) throw world.Fail($"agreement took {slowest:F1} rounds; {allowed:F1} are allowed");
        }
        world.MustConverge(Seconds(30));
        return slowest;
    }

    // Goal: loss, long and reordering delays and duplicates cost time only. Method: a bad mobile network for a minute.
    private static SimReport Lossy(SimWorld world)
    {
        world.Network.Loss = 0.25;
        world.Network.Duplicates = 0.1;
        world.Network.MaxDelay = Seconds(1.5);
        world.StartAll();
        WriteFor(world, Seconds(40), every: Seconds(3));
        world.Heal();
        world.Network.MaxDelay = Seconds(0.06);
        world.MustConverge(Seconds(120));
        return world.Report();
    }

    // Goal: both halves go on and become one. Method: no message crosses for half a minute.
    private static SimReport Partition(SimWorld world)
    {
        world.StartAll();
        WriteFor(world, Seconds(15), every: Seconds(1));
        Split(world, Half(world));
        WriteFor(world, Seconds(40), every: Seconds(1));
        world.Heal();
        world.MustConverge(Seconds(120));
        return world.Report();
    }

    // Goal: walls that let messages through in one direction only end nobody's life. Method: a third of all pairs.
    private static SimReport OneWay(SimWorld world)
    {
        world.StartAll();
        world.RunFor(Seconds(10));
        foreach (var from in world.Nodes)
        {
            foreach (var to in world.Nodes)
            {
                if (from != to && world.Random.NextDouble() < 0.33) world.Network.Blocked.Add((from.Index, to.Index));
            }
        }
        WriteFor(world, Seconds(40), every: Seconds(4));
        world.Heal();
        world.MustConverge(Seconds(120));
        return world.Report();
    }

    // Goal: nothing acknowledged is lost, no number is used twice. Method: crashes between any two effects, clocks that jump at restart.
    private static SimReport Crashes(SimWorld world)
    {
        world.StartAll();
        world.RunFor(Seconds(5));
        world.CrashChance = 0.003;
        world.Network.Loss = 0.05;
        for (var i = 0; i < 20; i++)
        {
            WriteSome(world, i);
            var node = Pick(world);
            node.Skew = Seconds((world.Random.NextDouble() - 0.5) * 600);
            world.RunFor(Seconds(2));
        }
        world.Heal();
        world.MustConverge(Seconds(120));
        return world.Report();
    }

    // Goal: wall clocks order nothing. Method: clocks up to 17 hours off either way, and restarts with other ones.
    private static SimReport Clocks(SimWorld world)
    {
        foreach (var node in world.Nodes) node.Skew = TimeSpan.FromHours((world.Random.NextDouble() - 0.5) * 34);
        world.StartAll();
        world.RunFor(Seconds(12));
        for (var i = 0; i < 8; i++)
        {
            WriteSome(world, i);
            var node = Pick(world);
            world.CrashAndRestart(node);
            node.Skew = TimeSpan.FromHours((world.Random.NextDouble() - 0.5) * 34);
            world.RunFor(Seconds(3));
        }
        world.Heal();
        world.MustConverge(Seconds(120));
        return world.Report();
    }

    // Goal: what a removed member writes later never counts, however it is dated, even when an honest member built on it.
    // Method: the member and a friend are cut off, the member is removed, writes on, the friend builds on it, then the wall falls.
    private static SimReport Removal(SimWorld world)
    {
        world.StartAll();
        world.RunFor(Seconds(12));
        var (removed, friend) = (world.Nodes[3], world.Nodes[4]);
        _ = removed.Write(NewProgram(1));
        world.MustConverge(Seconds(60));
        Split(world, [removed.Index, friend.Index]);
        Must(world, world.Nodes[1].Remove(removed.Peer), "an admin could not remove a member");
        removed.Honest = false;
        for (var i = 0; i < 5; i++)
        {
            _ = removed.Write(NewProgram(100 + i));
            world.RunFor(Seconds(3));
            _ = friend.Write(NewProgram(200 + i));
        }
        world.Heal();
        world.MustConverge(Seconds(120));
        var state = world.Nodes[0].Replica!.State;
        if (state.Programs.Values.Count(program => program.Owner == removed.Peer) != 1) throw world.Fail("programs of the removed member count");
        if (state.Programs.Values.Count(program => program.Owner == friend.Peer) != 5) throw world.Fail("programs of the honest friend do not count");
        return world.Report();
    }

    // Goal: two admins who remove each other at once end the same everywhere: the more senior stays. Method: they are cut apart,
    // each with somebody who can tell the others later (whoever sees an admin removed no longer listens to it).
    private static SimReport MutualRemoval(SimWorld world)
    {
        world.StartAll();
        world.MustConverge(Seconds(60));
        var (senior, junior) = (world.Nodes[0], world.Nodes[1]);
        var half = Half(world);
        half.ExceptWith([0, 2]);
        half.UnionWith([1, 3]);
        Split(world, half);
        Must(world, senior.Remove(junior.Peer), "the senior could not write");
        Must(world, junior.Remove(senior.Peer), "the junior could not write");
        junior.Honest = false; // not for what it did, but since it is out
        world.RunFor(Seconds(15));
        world.Heal();
        world.MustConverge(Seconds(180));
        var state = world.Nodes[2].Replica!.State;
        if (state.Find(senior.Peer) is null || state.Find(junior.Peer) is not null) throw world.Fail("the more senior admin did not stay");
        return world.Report();
    }

    // Goal: a fork is known to all, stops counting, and ends with a readmission. Method: a home restored into the other half writes
    // a number again.
    private static SimReport Fork(SimWorld world)
    {
        world.StartAll();
        world.MustConverge(Seconds(60));
        var forker = world.Nodes[4];
        world.Checkers.Forkers.Add(forker.Peer);
        var backup = forker.Store.Load(world.Swarm);
        var half = Half(world); // with somebody on each side who sees what the forker writes there
        half.ExceptWith([forker.Index, 3]);
        half.Add(2);
        Split(world, half);
        Must(world, forker.Write(NewProgram(1)), "the member could not write");
        _ = forker.Write(NewProgram(2));
        world.RunFor(Seconds(10));
        half.Add(forker.Index);
        Split(world, half);
        forker.RestoreFrom(backup);
        forker.Start();
        forker.Replica!.ConfirmOwnHead(); // as if it did not ask
        Must(world, forker.Write(NewProgram(3)), "the restored member could not write");
        world.RunFor(Seconds(10));
        world.Heal();
        world.MustConverge(Seconds(120));
        foreach (var node in world.Nodes)
        {
            var state = node.Replica!.State;
            if (!state.Forked.ContainsKey(forker.Peer)) throw world.Fail($"node {node.Index} does not know of the fork");
            if (state.Programs.Values.Any(program => program.Owner == forker.Peer)) throw world.Fail($"on node {node.Index} forked entries count");
        }
        var readmission = world.Nodes[1].Replica!.Readmit(forker.Peer, world.Nodes[1].Time.Wall);
        Must(world, world.Nodes[1].Acknowledge(readmission), "an admin could not readmit");
        world.MustConverge(Seconds(120));
        Must(world, forker.Write(NewProgram(4)), "the readmitted member could not write");
        world.MustConverge(Seconds(60));
        if (!world.Nodes[0].Replica!.State.Programs.Values.Any(program => program.Owner == forker.Peer && program.Deployed.Name == "program-4")) throw world.Fail("the readmitted member's entry does not count");
        return world.Report();
    }

    // Goal: an honest member whose disk is an old copy does not fork. Method: it tries to write at every moment after its start.
    private static SimReport Backup(SimWorld world)
    {
        world.StartAll();
        world.MustConverge(Seconds(60));
        var member = world.Nodes[3];
        var backup = member.Store.Load(world.Swarm);
        for (var i = 0; i < 3; i++) Must(world, member.Write(NewProgram(i)), "the member could not write");
        world.MustConverge(Seconds(60));
        member.RestoreFrom(backup);
        member.Start();
        for (var i = 0; i < 60; i++)
        {
            world.RunFor(Seconds(0.25));
            _ = member.Write(NewProgram(10 + i));
        }
        world.MustConverge(Seconds(60));
        if (!member.Replica!.OwnHeadConfirmed) throw world.Fail("the member never learned that its feed is complete");
        return world.Report();
    }

    // Goal: whoever sleeps is seen asleep by all, and awake again after waking. Method: a fifth stop, then start.
    private static SimReport Sleepers(SimWorld world)
    {
        world.StartAll();
        world.MustConverge(Seconds(60));
        var sleepers = world.Nodes.Where(node => node.Index % 5 == 2).ToList();
        foreach (var node in sleepers) node.Crash();
        var awake = world.Nodes.Where(node => node.IsUp).ToList();
        var within = Seconds(60 + 3 * world.Nodes.Count);
        bool AllKnow() => awake.TrueForAll(node => sleepers.TrueForAll(sleeper => node.Engine!.ViewOf(sleeper.Peer)!.Liveness == Liveness.Asleep));
        var until = world.Now + within;
        while (!AllKnow() && world.Now < until) world.RunFor(Seconds(1));
        if (!AllKnow()) throw world.Fail($"sleepers were not noticed within {within.TotalSeconds} s");
        world.Heal();
        world.MustConverge(Seconds(120));
        return world.Report();
    }

    // Goal: who is suspended is seen asleep, wakes without having noticed, catches up and doubts nobody for long. Method: a fifth are
    // suspended again and again, with monotonic clocks that stand still or run on; all clocks drift by up to a hundredth.
    private static SimReport Suspended(SimWorld world)
    {
        Drift(world);
        world.StartAll();
        world.MustConverge(Seconds(60));
        for (var i = 0; i < 6; i++)
        {
            foreach (var node in world.Nodes.Where(_ => world.Random.Next(5) == 0)) world.SuspendFor(node, Seconds(2 + world.Random.NextDouble() * 90));
            WriteSome(world, i);
            world.RunFor(Seconds(10 + world.Random.NextDouble() * 40));
        }
        world.Heal();
        world.MustConverge(Seconds(120));
        return world.Report();
    }

    // Goal: a member that just woke does not take a member for one who was removed while it slept, though that one reaches it first.
    // Method: the sleeper is suspended or stopped; the removed one is walled off from all others, so that it does not know either, and
    // alone with the sleeper at first. Whenever the sleeper says that it has caught up, it must know.
    private static SimReport Woken(SimWorld world)
    {
        world.StartAll();
        world.MustConverge(Seconds(60));
        var (sleeper, removed) = (world.Nodes[2], world.Nodes[3]);
        var suspend = world.Random.Next(2) == 0;
        if (suspend) sleeper.Suspend(clockStandsStill: world.Random.Next(2) == 0);
        else sleeper.Crash();
        Split(world, [removed.Index]);
        Must(world, world.Nodes[1].Remove(removed.Peer), "an admin could not remove a member");
        removed.Honest = false;
        world.RunFor(Seconds(20));
        var among = new HashSet<int> { removed.Index, sleeper.Index };
        Split(world, among);
        if (suspend) sleeper.Resume();
        else sleeper.Start();
        world.RunFor(Seconds(world.Random.NextDouble() * 0.4));
        if (sleeper.Engine!.IsSettled(sleeper.Time)) throw world.Fail("the sleeper believes to have caught up with nobody but the removed member");
        if (world.Random.Next(2) == 0) _ = removed.Write(NewProgram(1));
        // Now the others reach it too, the removed one still it alone.
        world.Network.Blocked.Clear();
        foreach (var node in world.Nodes.Where(node => !among.Contains(node.Index))) world.Network.Blocked.UnionWith([(removed.Index, node.Index), (node.Index, removed.Index)]);
        if (!world.RunUntil(() => sleeper.Engine!.IsSettled(sleeper.Time), Seconds(30))) throw world.Fail("the sleeper never caught up");
        if (sleeper.Replica!.State.Find(removed.Peer) is not null) throw world.Fail("the sleeper believes to have caught up, and that the removed member is one");
        world.Heal();
        world.MustConverge(Seconds(120));
        if (world.Nodes[0].Replica!.State.Programs.Count != 0) throw world.Fail("a program of the removed member counts");
        return world.Report();
    }

    // Goal: after somebody left, an admin makes a new key that it does not open, and only once or twice. Method: all admins are there, or
    // some are asleep; a wall may stand between them.
    private static SimReport Leaving(SimWorld world)
    {
        world.StartAll();
        world.MustConverge(Seconds(60));
        foreach (var node in world.Nodes.Where(node => node.Index != 0 && world.Random.Next(6) == 0 && node.Index % 10 != 4)) world.SuspendFor(node, Seconds(world.Random.NextDouble() * 60));
        if (world.Random.Next(2) == 0) Split(world, Half(world));
        var leaver = world.Nodes[4];
        Must(world, leaver.Write(new MemberLeft()), "a member could not leave");
        leaver.Honest = false;
        world.RunFor(Seconds(40));
        world.Heal();
        world.MustConverge(Seconds(120));
        var generation = world.Nodes[0].Replica!.State.Key.Generation;
        if (generation is < 2 or > 4) throw world.Fail($"the key has generation {generation} after one member left");
        return world.Report();
    }

    // Goal: two admins who remove two members at once give the others one key in the end, which neither of the removed opens (a checker
    // tries). Method: they are cut apart with a half each.
    private static SimReport TwoRemovals(SimWorld world)
    {
        world.StartAll();
        world.MustConverge(Seconds(60));
        var half = Half(world);
        half.ExceptWith([0, 2]);
        half.UnionWith([1]);
        Split(world, half);
        foreach (var (admin, member) in new[] { (0, 3), (1, 4) })
        {
            Must(world, world.Nodes[admin].Remove(world.Nodes[member].Peer), "an admin could not remove a member");
            world.Nodes[member].Honest = false;
        }
        world.RunFor(Seconds(20));
        world.Heal();
        world.MustConverge(Seconds(120));
        if (world.Nodes[0].Replica!.State.Key.Generation < 3) throw world.Fail("no key was made after the two met");
        return world.Report();
    }

    // Goal: all of it at once. Method: every second something breaks or heals, by dice.
    private static SimReport Chaos(SimWorld world)
    {
        foreach (var node in world.Nodes) node.Skew = TimeSpan.FromMinutes((world.Random.NextDouble() - 0.5) * 240);
        Drift(world);
        world.StartAll();
        world.RunFor(Seconds(10));
        world.CrashChance = 0.001;
        for (var i = 0; i < 50; i++) Break(world, i);
        world.Heal();
        world.Network.MaxDelay = Seconds(0.06);
        world.MustConverge(Seconds(180));
        return world.Report();
    }

    // Goal: removals, departures and new keys in the midst of all that. Method: chaos, in which admins remove members (never the
    // creator, by whom the simulator judges who is in) and members leave, one in ten of all.
    private static SimReport Storm(SimWorld world)
    {
        Drift(world);
        world.StartAll();
        world.RunFor(Seconds(10));
        world.CrashChance = 0.001;
        for (var i = 0; i < 50; i++)
        {
            if (i % 10 == 5)
            {
                var goes = world.Nodes[2 + world.Random.Next(Math.Max(1, world.Nodes.Count / 10))];
                var gone = world.Random.Next(3) == 0 ? goes.Write(new MemberLeft()) : world.Nodes[world.Random.Next(2)].Remove(goes.Peer);
                if (gone is not null) goes.Honest = false; // not for what it does, but since it is out
            }
            Break(world, i);
        }
        world.Heal();
        world.Network.MaxDelay = Seconds(0.06);
        world.MustConverge(Seconds(180));
        return world.Report();
    }

    // One second in which something breaks or heals, by dice.
    private static void Break(SimWorld world, int number)
    {
        switch (world.Random.Next(10))
        {
            case 0:
                Split(world, Half(world));
                break;
            case 1:
                world.Network.Blocked.Clear();
                break;
            case 2:
                world.Network.Loss = world.Random.NextDouble() * 0.5;
                break;
            case 3:
                world.Network.MaxDelay = Seconds(0.05 + world.Random.NextDouble() * 2);
                break;
            case 4:
                world.CrashAndRestart(Pick(world));
                break;
            case 5:
                foreach (var other in world.Nodes.Where(_ => world.Random.Next(3) == 0)) world.Network.Blocked.Add((Pick(world).Index, other.Index));
                break;
            case 8:
                world.SuspendFor(Pick(world), Seconds(world.Random.NextDouble() * 40));
                break;
            case 9: // a wall with a hole in one direction
                var half = Half(world);
                Split(world, half);
                world.Network.Blocked.RemoveWhere(pair => half.Contains(pair.From));
                break;
            default:
                WriteSome(world, number);
                break;
        }
        world.RunFor(Seconds(1));
    }

    // Clocks that are up to a hundredth fast or slow.
    private static void Drift(SimWorld world)
    {
        foreach (var node in world.Nodes) node.Rate = 1 + (world.Random.NextDouble() - 0.5) * 0.02;
    }

    private static TimeSpan Seconds(double seconds) => TimeSpan.FromSeconds(seconds);

    private static SimNode Pick(SimWorld world) => world.Nodes[world.Random.Next(world.Nodes.Count)];

    private static HashSet<int> Half(SimWorld world) => [.. world.Nodes.Where(_ => world.Random.Next(2) == 0).Select(node => node.Index)];

    // No message crosses between these and the others.
    private static void Split(SimWorld world, HashSet<int> some)
    {
        world.Network.Blocked.Clear();
        foreach (var from in world.Nodes)
        {
            foreach (var to in world.Nodes)
            {
                if (some.Contains(from.Index) != some.Contains(to.Index)) world.Network.Blocked.Add((from.Index, to.Index));
            }
        }
    }

    private static void WriteFor(SimWorld world, TimeSpan time, TimeSpan every)
    {
        var until = world.Now + time;
        for (var i = 0; world.Now < until; i++)
        {
            WriteSome(world, i);
            world.RunFor(every);
        }
    }

    // A deploy; or, by an admin, the choice of a host, where concurrent ones of one generation must end the same everywhere.
    private static StoredEntry? WriteSome(SimWorld world, int number)
    {
        var node = Pick(world);
        if (node.Replica is not { } replica) return null;
        var programs = replica.State.Programs.Keys.ToList();
        if (programs.Count > 0 && world.Random.Next(2) == 0)
        {
            var admin = world.Nodes[world.Random.Next(2)];
            var placed = new ProgramPlaced(programs[world.Random.Next(programs.Count)], Pick(world).Peer, 1);
            if (admin.Replica is { } knowing && knowing.WouldRefuse(placed) is null) return admin.Write(placed);
        }
        return node.Write(NewProgram(number));
    }

    private static ProgramDeployed NewProgram(int number) => FeedStoreContract.Deploy($"program-{number}");

    private static void Must(SimWorld world, StoredEntry? written, string otherwise)
    {
        if (written is null) throw world.Fail(otherwise);
    }
}
