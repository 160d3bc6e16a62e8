using PeoplesCloud.Simulation;

namespace PeoplesCloud.Swarm.Tests;

public sealed class ScheduleSimulationTests
{
    /// <summary>A run takes some tens of milliseconds; PC_SIM_SEEDS multiplies them.</summary>
    private const int SeedsOfAChange = 12;

    private const int SeedsOfAMutation = 300;

    public static TheoryData<string> Names() => [.. ScheduleScenarios.Names];

    [Theory]
    [MemberData(nameof(Names))]
    public void No_time_is_run_twice_and_in_the_end_each_is_run(string scenario)
    {
        for (var seed = 1UL; seed <= (ulong)(SeedsOfAChange * Seeds.Count); seed++) ScheduleScenarios.Run(new SimRun(scenario, seed, 5));
    }

    // Goal: the simulator is worth something. Method: each rule is left out, and some seed must break a promise. It begins shortly before one that did when this was written.
    [Theory]
    [InlineData(ScheduleChecks.Once, "schedule-kills", 138)]
    [InlineData(ScheduleChecks.Majority, "schedule-kills", 1)]
    [InlineData(ScheduleChecks.Durable, "schedule-kills", 1)]
    [InlineData(ScheduleChecks.Seal, "schedule-generations", 106)]
    [InlineData(ScheduleChecks.Floor, "schedule-generations", 158)]
    internal void A_rule_that_is_left_out_is_noticed(ScheduleChecks without, string scenario, int first)
    {
        for (var seed = (ulong)first; seed < (ulong)(first + SeedsOfAMutation); seed++)
        {
            try
            {
                ScheduleScenarios.Run(new SimRun(scenario, seed, 5), without);
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
        var run = new SimRun("schedule-chaos", 0x5eed, 5);
        var (first, second) = (ScheduleScenarios.Run(run), ScheduleScenarios.Run(run));
        Assert.Equal((first.Trace, first.Messages, first.Entries), (second.Trace, second.Messages, second.Entries));
    }
}
