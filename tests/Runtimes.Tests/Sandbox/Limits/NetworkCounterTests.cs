using System.Text;
using PeoplesCloud.Runtimes.Sandbox.Limits;

namespace PeoplesCloud.Runtimes.Tests.Sandbox.Limits;

public sealed class NetworkCounterTests
{
    private const string Head = """
        Inter-|   Receive                                                |  Transmit
         face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed

        """;

    [Theory]
    [InlineData("", 0)]
    [InlineData("    lo:    500       5    0    0    0     0          0         0      500       5    0    0    0     0       0          0\n", 0)]
    [InlineData("  eth0: 1000 1 0 0 0 0 0 0 234 1 0 0 0 0 0 0\n", 1234)]
    [InlineData("  eth0:1000 1 0 0 0 0 0 0 234 1 0 0 0 0 0 0\n  tap1: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n", 1236)]
    [InlineData("  eth0: 1000 1 0 0 0 0 0 0\n  eth1: x 1 0 0 0 0 0 0 234 1 0 0 0 0 0 0\n  eth2: 99999999999999999999 1 0 0 0 0 0 0 2", 0)]
    public void All_devices_but_the_loopback_are_summed_up(string devices, long expected) => Assert.Equal(expected, NetworkCounter.Sum(Encoding.ASCII.GetBytes(Head + devices)));

    [Fact]
    public void Of_a_process_that_has_gone_nothing_is_known()
    {
        using var counter = new NetworkCounter(int.MaxValue);
        Assert.Equal(-1, counter.Read());
    }
}
