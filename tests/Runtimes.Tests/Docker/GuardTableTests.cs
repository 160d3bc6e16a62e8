using PeoplesCloud.Runtimes.Docker;

namespace PeoplesCloud.Runtimes.Tests.Docker;

/// <summary>What the guard makes of the daemon's lines.</summary>
public sealed class GuardTableTests
{
    private static readonly TimeSpan Ten = TimeSpan.FromSeconds(10);

    [Fact]
    public void A_container_is_due_when_its_time_is_up_and_not_before()
    {
        var table = new GuardTable();
        table.Take(GuardTable.Keep("abc", Ten));

        Assert.Empty(table.Due(Ten - TimeSpan.FromMilliseconds(1)));
        Assert.Equal("abc", Assert.Single(table.Due(Ten)).Container);
    }

    [Fact]
    public void The_last_word_counts_and_the_process_stays_known()
    {
        var table = new GuardTable();
        table.Take(GuardTable.Keep("abc", Ten));
        table.Take(GuardTable.Process("abc", new HostProcess(4711, 88012)));
        table.Take(GuardTable.Keep("abc", 2 * Ten));

        Assert.Empty(table.Due(Ten));
        Assert.Equal(new GuardedContainer("abc", 2 * Ten, new HostProcess(4711, 88012)), Assert.Single(table.Due(2 * Ten)));
    }

    [Fact]
    public void What_was_dropped_or_has_ended_is_not_due()
    {
        var table = new GuardTable();
        table.Take(GuardTable.Keep("abc", Ten));
        table.Take(GuardTable.Keep("def", Ten));
        table.Take(GuardTable.Drop("abc"));
        table.Ended("def");

        Assert.Empty(table.Due(2 * Ten));
        Assert.True(table.IsEmpty);
    }

    [Theory]
    [InlineData("")]
    [InlineData("keep")]
    [InlineData("keep abc")]
    [InlineData("keep abc soon")]
    [InlineData("keep abc 99999999999999999999")]
    [InlineData("keep abc 9223372036854775807")]
    [InlineData("process abc 1 1")]
    [InlineData("process abc x y")]
    [InlineData("words of a newer daemon")]
    public void Other_lines_change_nothing(string line)
    {
        var table = new GuardTable();
        table.Take(line);

        Assert.True(table.IsEmpty);
    }
}
