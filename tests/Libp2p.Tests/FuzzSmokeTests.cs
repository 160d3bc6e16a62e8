using PeoplesCloud.Fuzz;

namespace PeoplesCloud.Libp2p.Tests;

/// <summary>Each fuzz target of Libp2p for about a second; ./dev fuzz runs them for longer.</summary>
public sealed class FuzzSmokeTests
{
    private static readonly string Corpus = Path.Combine(AppContext.BaseDirectory, "corpus");

    public static TheoryData<string> Targets() => [.. FuzzTarget.Find([typeof(Libp2pHost).Assembly]).Select(t => t.Name)];

    [Theory]
    [MemberData(nameof(Targets))]
    public void Damaged_bytes_are_refused_and_nothing_worse(string name)
    {
        var target = FuzzTarget.Find([typeof(Libp2pHost).Assembly]).Single(t => t.Name == name);
        var failure = target.RunFor(TimeSpan.FromSeconds(0.7), new Mutator(target.Seeds(Corpus), seed: 1), _ => { });
        Assert.True(failure is null, $"{failure?.Reason}\nagain: {failure?.Again}");
    }

    [Fact]
    public void All_targets_are_there() => Assert.Superset(
        new HashSet<string>(["dns-message", "hole-punch-message", "identify-message", "multiaddr", "multistream-message", "noise-handshake", "public-keys", "relay-message", "reservation-voucher", "tls-certificate", "web-socket-upgrade", "yamux-connection"], StringComparer.Ordinal),
        new HashSet<string>(Targets().Select(t => t.Data), StringComparer.Ordinal));

    [Fact]
    public void A_planted_bug_is_found_and_can_be_run_again()
    {
        // Fails for inputs that still begin as the seed does but claim more than they hold: what a parser gets wrong.
        var target = new FuzzTarget("planted", input => Base.Invariant.Check(input.Length < 2 || input[0] != 0x12 || input[1] < 0x80, "planted"));
        var failure = target.RunFor(TimeSpan.FromSeconds(30), new Mutator([[0x12, 0x01, 0x02]], seed: 5), _ => { });
        Assert.NotNull(failure);
        Assert.StartsWith("./dev fuzz planted --input 12", failure.Again, StringComparison.Ordinal);
        Assert.NotNull(target.RunOne(failure.Input));
        Assert.NotNull(new FuzzTarget("greedy", _ => GC.KeepAlive(new byte[100_000_000])).RunOne([]));
    }

    [Fact]
    public void The_same_seed_makes_the_same_inputs()
    {
        var (one, two) = (new Mutator([[1, 2, 3]], 9), new Mutator([[1, 2, 3]], 9));
        for (var i = 0; i < 1000; i++) Assert.Equal(one.Next(i), two.Next(i));
    }
}
