using System.Globalization;
using System.Reflection;
using PeoplesCloud.Base;

namespace PeoplesCloud.Fuzz.Tests;

/// <summary>Each fuzz target for a moment (PC_FUZZ_SMOKE_SECONDS, half a second by default); ./dev fuzz has more time.</summary>
public sealed class FuzzTests
{
    private static readonly string Corpus = Path.Combine(AppContext.BaseDirectory, "corpus");
    private static readonly TimeSpan Moment = TimeSpan.FromSeconds(double.Parse(Environment.GetEnvironmentVariable("PC_FUZZ_SMOKE_SECONDS") ?? "0.5", CultureInfo.InvariantCulture));

    private static readonly IReadOnlyList<FuzzTarget> All = FuzzTarget.Find(Directory.GetFiles(AppContext.BaseDirectory, "PeoplesCloud.*.dll").Order(StringComparer.Ordinal).Select(Assembly.LoadFrom));

    public static TheoryData<string> Targets() => [.. All.Select(target => target.Name)];

    [Theory]
    [MemberData(nameof(Targets))]
    public void Damaged_bytes_are_refused_and_nothing_worse(string name)
    {
        var target = All.Single(t => t.Name == name);
        var failure = target.RunFor(Moment, new Mutator(target.Seeds(Corpus), seed: 1), _ => { });
        Assert.True(failure is null, $"{failure?.Reason}\nagain: {failure?.Again}");
    }

    // Whoever takes a target away, or names one twice, says so here.
    [Fact]
    public void Every_parser_of_a_stranger_s_bytes_has_a_target_and_every_corpus_its_own()
    {
        string[] expected =
        [
            "cid", "config-file", "daemon-answer", "dag-pb-node", "dns-message", "entry-lists", "folder-trees", "gateway-requests", "gossip-codec", "hole-punch-message", "identify-message", "join-hello", "join-reply", "join-request", "log-record",
            "mdns-datagrams", "mesh-bodies", "multiaddr", "multibase-text", "multistream-message", "noise-handshake", "opening-stream", "package-file", "peer-ids", "pins-file", "presence-record", "public-keys",
            "relay-message", "reservation-voucher", "spoken-code", "stored-entry", "tar-reader", "ticket", "tls-certificate", "unix-fs-data", "unix-fs-node", "varints", "web-socket-upgrade", "yamux-connection",
        ];
        Assert.Empty(expected.Except(All.Select(target => target.Name)));
        Assert.Equal(All.Count, All.Select(target => target.Name).Distinct(StringComparer.Ordinal).Count());
        Assert.Empty(Directory.GetFiles(Corpus).Select(Path.GetFileNameWithoutExtension).Except(All.Select(target => target.Name)));
    }

    [Fact]
    public void A_planted_bug_is_found_and_can_be_run_again()
    {
        // Fails for inputs that still begin as the seed does but claim more than they hold: what a parser gets wrong.
        var target = new FuzzTarget("planted", input => Invariant.Check(input.Length < 2 || input[0] != 0x12 || input[1] < 0x80, "planted"));
        var failure = target.RunFor(TimeSpan.FromSeconds(30), new Mutator([[0x12, 0x01, 0x02]], seed: 5), _ => { });
        Assert.NotNull(failure);
        Assert.StartsWith("./dev fuzz planted --input 12", failure.Again, StringComparison.Ordinal);
        Assert.NotNull(target.RunOne(failure.Input));
        Assert.NotNull(new FuzzTarget("greedy", _ => GC.KeepAlive(new byte[100_000_000])).RunOne([]));
    }

    [Fact]
    public void A_bug_behind_several_steps_is_found_by_what_the_steps_allocate()
    {
        // Five bytes in a row by chance would take a hundred years; each one that is right allocates more.
        var target = new FuzzTarget("steps", input =>
        {
            var right = 0;
            while (right < 5 && right < input.Length && input[right] == "steps"u8[right]) right++;
            GC.KeepAlive(new byte[1 << (4 * right)]);
            Invariant.Check(right < 5, "planted");
        });
        Assert.NotNull(target.RunFor(TimeSpan.FromSeconds(60), new Mutator([[0, 0, 0, 0, 0, 0]], seed: 5), _ => { }));
    }

    [Fact]
    public void The_same_seed_makes_the_same_inputs()
    {
        var (one, two) = (new Mutator([[1, 2, 3]], 9), new Mutator([[1, 2, 3]], 9));
        for (var i = 0; i < 1000; i++) Assert.Equal(one.Next(i), two.Next(i));
    }
}
