using PeoplesCloud.Swarm;

namespace PeoplesCloud.Simulation;

/// <summary>What is played. Each scenario opens with its goal, then the method; all end healed and in agreement.</summary>
public static class Scenarios
{
    private static readonly SortedDictionary<string, Func<SimWorld, SimReport>> All = new(StringComparer.Ordinal)
    {
        ["calm"] = Calm,
        ["lockstep"] = Lockstep,
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
        ["chaos"] = Chaos,
    };

    /// <summary>All names.</summary>
    public static IReadOnlyCollection<string> Names => All.Keys;

    /// <summary>Plays one run.</summary>
    /// <exception cref="SimFailureException">A checker failed; the message holds the line that reruns it.</exception>
    /// <exception cref="ArgumentException">There is no such scenario, or it needs more nodes.</exception>
    public static SimReport Run(SimRun run)
    {
        if (!All.TryGetValue(run.Scenario, out var play)) throw new ArgumentException($"no scenario {run.Scenario}; there are: {string.Join(", ", Names)}", nameof(run));
        if (run.Nodes < 5) throw new ArgumentException("a simulation needs 5 nodes at least", nameof(run));
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

    // Single entries by random members, each until all hold it: the slowest, in rounds.
    private static double Agreement(SimWorld world)
    {
        var slowest = 0.0;
        var allowed = Math.Log2(world.Nodes.Count) + 3;
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
        Must(world, world.Nodes[1].Write(new MemberRemoved(removed.Peer, 0)), "an admin could not remove a member");
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
        Must(world, senior.Write(new MemberRemoved(junior.Peer, 0)), "the senior could not write");
        Must(world, junior.Write(new MemberRemoved(senior.Peer, 0)), "the junior could not write");
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
        var half = Half(world);
        half.Remove(forker.Index);
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

    // Goal: all of it at once. Method: every second something breaks or heals, by dice.
    private static SimReport Chaos(SimWorld world)
    {
        foreach (var node in world.Nodes) node.Skew = TimeSpan.FromMinutes((world.Random.NextDouble() - 0.5) * 240);
        world.StartAll();
        world.RunFor(Seconds(10));
        world.CrashChance = 0.001;
        for (var i = 0; i < 50; i++)
        {
            switch (world.Random.Next(8))
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
                default:
                    WriteSome(world, i);
                    break;
            }
            world.RunFor(Seconds(1));
        }
        world.Heal();
        world.Network.MaxDelay = Seconds(0.06);
        world.MustConverge(Seconds(180));
        return world.Report();
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
