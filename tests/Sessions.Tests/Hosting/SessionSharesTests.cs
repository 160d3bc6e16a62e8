using PeoplesCloud.Base;
using PeoplesCloud.Runtimes;
using PeoplesCloud.Sessions.Hosting;

namespace PeoplesCloud.Sessions.Tests.Hosting;

public sealed class SessionSharesTests
{
    private static readonly RunLimits Limits = new() { MemoryBytes = 256L << 20, Cpus = 0.5 };

    [Fact]
    public async Task What_a_host_gives_is_not_promised_twice_however_many_ask_at_once()
    {
        var shares = new SessionShares((asked, use) => use.MemoryBytes + asked.MemoryBytes <= 1L << 30 ? null : new PcException(ErrorCode.HostRefuses, "full"));
        var asking = Enumerable.Range(0, 64).Select(number => Task.Run(() =>
        {
            try
            {
                shares.Take($"{number:x}", Limits);
                return true;
            }
            catch (PcException)
            {
                return false;
            }
        })).ToList();
        var took = (await Task.WhenAll(asking)).Count(did => did);
        Assert.Equal((4, new SessionUse(4, 1L << 30, 2)), (took, shares.Use));
        Assert.Equal(ErrorCode.HostRefuses, shares.RefusalOf(Limits)!.Code);

        // One that ran before this process keeps its share, and what is given back is there again, once.
        shares.Keep("left", Limits);
        Assert.Equal(5, shares.Use.Count);
        foreach (var number in Enumerable.Range(0, 64)) shares.Return($"{number:x}");
        shares.Return("0");
        Assert.Equal(new SessionUse(1, 256L << 20, 0.5), shares.Use);
        Assert.Null(shares.RefusalOf(Limits));
    }
}
