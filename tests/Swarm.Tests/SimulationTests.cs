using PeoplesCloud.Simulation;

namespace PeoplesCloud.Swarm.Tests;

public sealed class SimulationTests
{
    public static TheoryData<string, int> Cases()
    {
        var cases = new TheoryData<string, int>();
        foreach (var name in Scenarios.Names) cases.Add(name, 24);
        foreach (var name in Scenarios.Names) cases.Add(name, 5);
        // Agreement in log2(n) + 3 rounds: as it is used, and when every message takes a whole round.
        cases.Add("calm", Seeds.Nodes);
        cases.Add("lockstep", Seeds.Nodes);
        return cases;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Every_promise_holds_at_every_step(string scenario, int nodes)
    {
        for (var seed = 1UL; seed <= (ulong)Seeds.Count; seed++) Scenarios.Run(new SimRun(scenario, seed, nodes));
    }

    [Fact]
    public void The_same_seed_plays_the_same_run()
    {
        var run = new SimRun("chaos", 0x5eed, 12);
        var (first, second) = (Scenarios.Run(run), Scenarios.Run(run));
        Assert.Equal((first.Trace, first.Messages, first.Bytes), (second.Trace, second.Messages, second.Bytes));
        Assert.NotEqual(first.Trace, Scenarios.Run(run with { Seed = 0x5eee }).Trace);
    }

    [Fact]
    public void The_command_prints_the_line_that_reruns_a_run()
    {
        Assert.Equal("./dev sim --seed 0x1f3a --scenario partition --nodes 200", new SimRun("partition", 0x1f3a, 200).RerunLine);
        var output = new StringWriter();
        Assert.Equal(0, SimCommand.Run(["--scenario", "calm", "--seed", "0x1f", "--nodes", "5"], output));
        Assert.StartsWith("ok calm 0x1f nodes 5:", output.ToString(), StringComparison.Ordinal);
        Assert.Equal(2, SimCommand.Run(["--scenario", "nothing"], output));
        Assert.Equal(2, SimCommand.Run(["--nodes", "x"], output));
    }
}
