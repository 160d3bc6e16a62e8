using PeoplesCloud.Cli.Commands;
using PeoplesCloud.Cli.Output;
using PeoplesCloud.Daemon.Api;

namespace PeoplesCloud.Cli.Tests;

public sealed class FavoursTests
{
    [Fact]
    public void Favours_and_balances_are_shown()
    {
        using var output = new StringWriter { NewLine = "\n" };
        var reply = new FavoursReply(
            "friends",
            [new FavourInfo("elm", "e", "oak", "o", 3, 2, 5400, 3600L * 1024, 3 << 20)],
            [new BalanceInfo("elm", "e", 3600, 0, 0, 0), new BalanceInfo("oak", "o", 0, 3600, 0, 0)]);
        FavoursCommand.Write(reply, new Terminal(output, TextWriter.Null, false, false, false));
        Assert.Equal("""
            HOST  FOR  RECEIPTS  SIGNED  PROCESSOR  MEMORY      TRAFFIC
            elm   oak  3         2       1.50 h     1.00 GiB h  3.0 MiB

            MEMBER  GAVE    TOOK    BALANCE
            elm     1.00 h  0.00 h  +1.00 h
            oak     0.00 h  1.00 h  -1.00 h

            """.ReplaceLineEndings("\n"), output.ToString());
    }

    [Fact]
    public void No_receipts_are_explained()
    {
        using var output = new StringWriter { NewLine = "\n" };
        FavoursCommand.Write(new FavoursReply("friends", [], []), new Terminal(output, TextWriter.Null, false, false, false));
        Assert.StartsWith("no receipts in friends yet", output.ToString(), StringComparison.Ordinal);
        Assert.Null(CommandLine.Refusal(["favours", "friends", "--json"]));
    }
}
