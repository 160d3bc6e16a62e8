using PeoplesCloud.Simulation;

namespace PeoplesCloud.Swarm.Tests;

public sealed class LeaseSimulationTests
{
    /// <summary>A run takes some ten milliseconds, so that each change plays dozens; PC_SIM_SEEDS multiplies them.</summary>
    private const int SeedsOfAChange = 8;

    /// <summary>Within so many seeds a rule that is left out must be noticed.</summary>
    private const int SeedsOfAMutation = 400;

    public static TheoryData<string> Names() => [.. LeaseScenarios.Names];

    [Theory]
    [MemberData(nameof(Names))]
    public void Never_two_holders_and_soon_one(string scenario)
    {
        for (var seed = 1UL; seed <= (ulong)(SeedsOfAChange * Seeds.Count); seed++) LeaseScenarios.Run(new SimRun(scenario, seed, 5));
    }

    // Goal: the simulator is worth something. Method: each rule is left out, and some seed must break a promise.
    [Theory]
    [InlineData(LeaseChecks.OneBacking, "lease-partition")]
    [InlineData(LeaseChecks.Youth, "lease-crashes")]
    [InlineData(LeaseChecks.Yield, "lease-alone")]
    [InlineData(LeaseChecks.NextEpoch, "lease-crashes")]
    [InlineData(LeaseChecks.Quarantine, "lease-generations")]
    [InlineData(LeaseChecks.Majority, "lease-partition")]
    [InlineData(LeaseChecks.Jump, "lease-jumps")]
    [InlineData(LeaseChecks.OwnStop, "lease-edge")]
    [InlineData(LeaseChecks.GoneHolder, "lease-crashes")]
    internal void A_rule_that_is_left_out_is_noticed(LeaseChecks without, string scenario)
    {
        for (var seed = 1UL; seed <= SeedsOfAMutation; seed++)
        {
            try
            {
                LeaseScenarios.Run(new SimRun(scenario, seed, 5), without);
            }
            catch (SimFailureException)
            {
                return;
            }
        }
        Assert.Fail($"without {without} {SeedsOfAMutation} runs of {scenario} kept every promise");
    }

    [Fact]
    public void The_same_seed_plays_the_same_run()
    {
        var run = new SimRun("lease-chaos", 0x5eed, 5);
        var (first, second) = (LeaseScenarios.Run(run), LeaseScenarios.Run(run));
        Assert.Equal((first.Trace, first.Messages, first.Bytes), (second.Trace, second.Messages, second.Bytes));
        Assert.NotEqual(first.Trace, LeaseScenarios.Run(run with { Seed = 0x5eee }).Trace);
    }
}
