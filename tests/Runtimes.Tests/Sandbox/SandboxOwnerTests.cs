using PeoplesCloud.Runtimes.Sandbox;

namespace PeoplesCloud.Runtimes.Tests.Sandbox;

/// <summary>The name that tells the living from the dead.</summary>
public sealed class SandboxOwnerTests
{
    [Fact]
    public void This_process_is_alive_and_reads_its_own_name()
    {
        var owner = SandboxOwner.Create();

        Assert.True(owner.IsAlive);
        Assert.Equal(owner, SandboxOwner.Parse(owner.ToString()));
        Assert.NotEqual(owner, SandboxOwner.Create());
    }

    [Fact]
    public void A_process_that_got_the_number_of_a_dead_one_is_another()
    {
        var owner = SandboxOwner.Create();

        Assert.False((owner with { Started = owner.Started - 1 }).IsAlive);
        Assert.False(new SandboxOwner(int.MaxValue, 1, 1).IsAlive);
    }

    [Theory]
    [InlineData("")]
    [InlineData("1.2")]
    [InlineData("1.2.3.4")]
    [InlineData("-1.2.3")]
    [InlineData("uids")]
    [InlineData("99999999999.2.3")]
    public void What_is_no_name_is_left_alone(string text) => Assert.Null(SandboxOwner.Parse(text));
}
