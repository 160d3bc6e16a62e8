namespace PeoplesCloud.Simulation;

/// <summary>
/// What is played with the times of a scheduled program, upon the leases: no time is run twice, and after healing each is run. Each scenario opens with
/// its goal.
/// </summary>
public static class ScheduleScenarios
{
    private static readonly SortedDictionary<string, Action<LeaseWorld, Func<ScheduleWorld>>> All = new(StringComparer.Ordinal)
    {
        ["schedule-calm"] = Calm,
        ["schedule-kills"] = Kills,
        ["schedule-partition"] = Partition,
        ["schedule-suspend"] = Suspend,
        ["schedule-clocks"] = Clocks,
        ["schedule-generations"] = Generations,
        ["schedule-alone"] = Alone,
        ["schedule-chaos"] = Chaos,
    };

    /// <summary>All names.</summary>
    public static IReadOnlyCollection<string> Names => All.Keys;

    /// <summary>Plays one run; <see cref="SimRun.Nodes"/> is left aside.</summary>
    /// <exception cref="SimFailureException">A checker failed; the message holds the line that reruns it.</exception>
    public static SimReport Run(SimRun run) => Run(run, Swarm.ScheduleChecks.None);

    internal static SimReport Run(SimRun run, Swarm.ScheduleChecks without)
    {
        if (!All.TryGetValue(run.Scenario, out var play)) throw new ArgumentException($"no scenario {run.Scenario}; there are: {string.Join(", ", Names)}", nameof(run));
        var world = new LeaseWorld(run, Swarm.LeaseChecks.None);
        ScheduleWorld? schedules = null;
        try
        {
            play(world, () => schedules = new ScheduleWorld(world, without));
            LeaseScenarios.Heal(world);
            schedules!.MustRunAll();
            return world.Report() with { Entries = schedules.Starts };
        }
        catch (Exception e) when (e is not SimFailureException)
        {
            throw world.Fail($"{e.GetType().Name}: {e.Message}{Environment.NewLine}{e.StackTrace}");
        }
    }

    // Goal: each time is run by somebody. Method: nothing goes wrong.
    private static void Calm(LeaseWorld world, Func<ScheduleWorld> begin)
    {
        world.Populate(5, LeaseScenarios.Odd(world), programs: 1);
        begin().IsCalm = true;
        world.RunFor(Seconds(15));
    }

    // Goal: who has a time and dies, and who forgot what it knew, makes no second run. Method: hosts go down for moments and for long.
    private static void Kills(LeaseWorld world, Func<ScheduleWorld> begin)
    {
        world.Populate(5, Guardians(world), programs: 1);
        begin();
        LeaseScenarios.Trouble(world, 120, every: 2, () =>
        {
            world.CrashFor(LeaseScenarios.PickNode(world), Seconds(world.Random.Next(3) == 0 ? 12 * world.Random.NextDouble() : 2 * world.Random.NextDouble()));
            if (world.Random.Next(4) == 0) LeaseScenarios.Wall(world);
        });
    }

    // Goal: no two sides run one time. Method: walls between halves, one-way walls, loss, and ways that take seconds.
    private static void Partition(LeaseWorld world, Func<ScheduleWorld> begin)
    {
        world.Populate(5, Guardians(world), programs: 1);
        begin();
        world.Network.Loss = 0.2 * world.Random.NextDouble();
        world.Network.Duplicates = 0.1;
        LeaseScenarios.Trouble(world, 120, every: 4, () =>
        {
            LeaseScenarios.Wall(world);
            world.Network.MaxDelay = Seconds(world.Random.Next(2) == 0 ? 0.3 : 4 * world.Random.NextDouble());
        });
    }

    // Goal: who wakes runs nothing that others ran. Method: laptops are closed for seconds and minutes.
    private static void Suspend(LeaseWorld world, Func<ScheduleWorld> begin)
    {
        world.Populate(5, Guardians(world), programs: 1);
        begin();
        LeaseScenarios.Trouble(world, 120, every: 3, () => world.SuspendFor(LeaseScenarios.PickNode(world), Seconds(world.Random.Next(4) == 0 ? 40 * world.Random.NextDouble() : 6 * world.Random.NextDouble())));
    }

    // Goal: a clock that is set runs nothing twice and uses up no times. Method: one ordinary clock after the other jumps for a while, by seconds and by an hour.
    private static void Clocks(LeaseWorld world, Func<ScheduleWorld> begin)
    {
        world.Populate(5, Guardians(world), programs: 1);
        var schedules = begin();
        LeaseScenarios.Trouble(world, 120, every: 5, () =>
        {
            SetClock(world, schedules, world.Random.Next(3) switch { 0 => 3600, 1 => -3600, _ => 60 * world.Random.NextDouble() - 30 });
            if (world.Random.Next(3) == 0) world.CrashFor(LeaseScenarios.PickNode(world), Seconds(6 * world.Random.NextDouble()));
        });
    }

    // Goal: sets of guardians change and no time is run in two generations. Method: sets are proposed and approved while hosts crash and walls stand.
    private static void Generations(LeaseWorld world, Func<ScheduleWorld> begin)
    {
        world.Populate(6, Guardians(world), programs: 1);
        begin();
        var proposals = 0;
        LeaseScenarios.Trouble(world, 120, every: 1.5, () =>
        {
            if (world.Random.Next(2) == 0) LeaseScenarios.ProposeSet(world, ++proposals);
            if (world.Random.Next(4) == 0) LeaseScenarios.Wall(world);
            if (world.Random.Next(4) == 0) world.CrashFor(LeaseScenarios.PickNode(world), Seconds(5 * world.Random.NextDouble()));
            LeaseScenarios.ApproveSets(world);
        });
    }

    // Goal: what goes on without a majority goes on, and all is well afterwards. Method: walls and crashes, with two guardians or three; times may be run twice.
    private static void Alone(LeaseWorld world, Func<ScheduleWorld> begin)
    {
        world.WhenAlone = Swarm.WhenAlone.Run;
        LeaseScenarios.AllowOverlaps(world);
        world.Populate(4, world.Random.Next(2, 4), programs: 1);
        begin();
        LeaseScenarios.Trouble(world, 90, every: 6, () =>
        {
            LeaseScenarios.Wall(world);
            if (world.Random.Next(3) == 0) world.CrashFor(LeaseScenarios.PickNode(world), Seconds(8 * world.Random.NextDouble()));
        });
    }

    // Goal: all of it together. Method: everything, at once.
    private static void Chaos(LeaseWorld world, Func<ScheduleWorld> begin)
    {
        world.Populate(6, Guardians(world), programs: 1);
        var schedules = begin();
        world.Network.Loss = 0.1 * world.Random.NextDouble();
        world.Network.Duplicates = 0.1;
        var proposals = 0;
        LeaseScenarios.Trouble(world, 120, every: 1.5, () =>
        {
            var node = schedules.Nodes[world.Random.Next(schedules.Nodes.Count)];
            switch (world.Random.Next(6))
            {
                case 0:
                    LeaseScenarios.Wall(world);
                    break;
                case 1:
                    world.CrashFor(node.Host, Seconds(6 * world.Random.NextDouble()));
                    break;
                case 2:
                    world.SuspendFor(node.Host, Seconds(15 * world.Random.NextDouble()));
                    break;
                case 3:
                    SetClock(world, schedules, 20 * world.Random.NextDouble() - 10); // by more, a guardian that is the only one would use up the times to come
                    break;
                case 4:
                    world.Network.MaxDelay = Seconds(2 * world.Random.NextDouble());
                    break;
                default:
                    LeaseScenarios.ProposeSet(world, ++proposals);
                    break;
            }
            LeaseScenarios.ApproveSets(world);
        });
    }

    // One is wrong by much; the others by what clocks are wrong by.
    private static void SetClock(LeaseWorld world, ScheduleWorld schedules, double seconds)
    {
        foreach (var node in schedules.Nodes) node.Skew = Seconds(node.Skew.TotalSeconds % 1);
        world.RunFor(world.Network.MaxDelay * 2); // one at a time: two together would agree on a time that has not come
        schedules.Nodes[world.Random.Next(schedules.Nodes.Count)].Skew = Seconds(seconds);
    }

    // Those among which times are run at most once by default.
    private static int Guardians(LeaseWorld world) => world.Random.Next(3) == 0 ? 5 : 3;

    private static TimeSpan Seconds(double seconds) => TimeSpan.FromSeconds(seconds);
}
