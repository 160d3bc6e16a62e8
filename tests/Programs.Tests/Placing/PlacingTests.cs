using FsCheck;
using FsCheck.Fluent;
using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Content;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Programs.Placing;
using PeoplesCloud.Programs.Tests.Support;

namespace PeoplesCloud.Programs.Tests.Placing;

public sealed class PlacingTests
{
    private static readonly PeerId[] Peers = [.. Enumerable.Range(1, 12).Select(i => PeerId.FromEd25519([.. Enumerable.Repeat((byte)i, 32)]))];

    [Fact]
    public void The_lowest_rank_hosts_and_each_member_hears_why()
    {
        IReadOnlyList<CandidateOffer> candidates =
        [
            Candidate(0, new HostOffer(false, [], 0, null)),
            Candidate(1, Offer(12.5)),
            Candidate(2, Offer(7.2)),
            Candidate(3, new HostOffer(true, ["nodejs"], 0, null)),
            Candidate(4, Offer(1) with { Refusal = "allows 1 GiB of memory, 2 GiB were asked for" }),
            new(Peers[5], "n5", false, null),
            new(Peers[6], "n6", true, null),
            new(Peers[7], "n7", true, null, "the connection was reset"),
        ];
        var result = Placement.Choose(candidates, "py3", null, new Random(1));
        Assert.Equal(Peers[2], result.Chosen);
        Assert.Equal([Peers[2], Peers[1]], result.Order);
        Assert.Equal(
            [
                (Verdict.DoesNotHost, "does not host"),
                (Verdict.HigherRank, "rank 12.5 is higher than 7.2"),
                (Verdict.Chosen, "lowest rank, 7.2"),
                (Verdict.LanguageMissing, "cannot run py3"),
                (Verdict.PolicyRefuses, "allows 1 GiB of memory, 2 GiB were asked for"),
                (Verdict.Asleep, "asleep"),
                (Verdict.NoAnswer, "gave no answer in time"),
                (Verdict.NoAnswer, "the connection was reset"),
            ],
            result.Candidates.Select(candidate => (candidate.Verdict, candidate.Why)));
        Assert.Null(result.Candidates[0].Rank);
        Assert.Equal(12.5, result.Candidates[1].Rank);
    }

    [Fact]
    public void Words_of_another_machine_cannot_forge_a_line()
    {
        var hostile = Placement.Choose([Candidate(0, Offer(1) with { Refusal = "no\n\u001b[2Jchosen\u202e" + new string('x', 10_000) }), new(Peers[1], "n1", true, null, "a\r\nb")], "py3", null, new Random(1));
        Assert.StartsWith("no  [2Jchosen xxx", hostile.Candidates[0].Why, StringComparison.Ordinal);
        Assert.Equal(303, hostile.Candidates[0].Why.Length);
        Assert.Equal("a  b", hostile.Candidates[1].Why);
    }

    [Fact]
    public void A_named_host_is_taken_whatever_its_rank()
    {
        var result = Placement.Choose([Candidate(0, Offer(1)), Candidate(1, Offer(99))], "py3", Peers[1], new Random(1));
        Assert.Equal([Peers[1]], result.Order);
        Assert.Equal([Verdict.NotNamed, Verdict.Chosen], result.Candidates.Select(candidate => candidate.Verdict));
    }

    [Fact]
    public void Nobody_is_chosen_when_nobody_can() =>
        Assert.Null(Placement.Choose([Candidate(0, new HostOffer(false, ["py3"], 1, null))], "py3", null, new Random(1)).Chosen);

    [Fact]
    public void Equal_ranks_are_decided_by_a_roll_that_is_fair_and_repeatable()
    {
        var candidates = Enumerable.Range(0, 3).Select(i => Candidate(i, Offer(5 + (i * 0.3)))).ToList();
        var random = new Random(42);
        var wins = new int[3];
        for (var i = 0; i < 3000; i++)
        {
            var result = Placement.Choose(candidates, "py3", null, random);
            wins[Array.IndexOf(Peers, result.Chosen!.Value)]++;
            Assert.Equal(2, result.Candidates.Count(candidate => candidate.Verdict == Verdict.LostTheRoll));
        }
        Assert.All(wins, count => Assert.InRange(count, 900, 1100));
        Assert.Equal(Placement.Choose(candidates, "py3", null, new Random(7)).Order, Placement.Choose(candidates, "py3", null, new Random(7)).Order);
    }

    [Fact]
    public void The_winner_of_a_roll_is_said_to_have_won_it()
    {
        // The higher number may win: the lower is as good, and nobody is told that the higher is the lowest.
        var candidates = new[] { Candidate(0, Offer(5.1)), Candidate(1, Offer(5.9)), Candidate(2, Offer(7)) };
        var result = Enumerable.Range(0, 100).Select(seed => Placement.Choose(candidates, "py3", null, new Random(seed))).First(result => result.Chosen == Peers[1]);
        Assert.Equal(
            [$"rank 5.1 is as good, the roll fell for {candidates[1].Name}", "rank 5.9, won the roll among 2 of equal rank", "rank 7.0 is higher than 5.9"],
            result.Candidates.Select(candidate => candidate.Why));
    }

    [Fact]
    public void A_new_version_stays_where_the_one_before_runs_unless_another_host_is_much_better()
    {
        var candidates = new[] { Candidate(0, Offer(14.5)), Candidate(1, Offer(5)), Candidate(2, Offer(40)) };
        var result = Placement.Choose(candidates, "py3", null, new Random(1), Peers[0]);
        Assert.Equal([Peers[0], Peers[1], Peers[2]], result.Order);
        Assert.Equal(
            ["rank 14.5, runs it already", "rank 5.0 is not lower by more than 10 than 14.5 of n0, which runs it already", "rank 40.0 is higher than 14.5"],
            result.Candidates.Select(candidate => candidate.Why));
        candidates[0] = Candidate(0, Offer(16));
        Assert.Equal(Peers[1], Placement.Choose(candidates, "py3", null, new Random(1), Peers[0]).Chosen);
        candidates[0] = Candidate(0, Offer(0) with { Refusal = "its owner paused it" });
        Assert.Equal(Peers[1], Placement.Choose(candidates, "py3", null, new Random(1), Peers[0]).Chosen);
    }

    [Fact]
    public void The_choice_does_not_depend_on_who_answered_first() => Prop.ForAll(Offers(), Gen.Choose(0, 1000).ToArbitrary(), (offers, seed) =>
    {
        var candidates = offers.Select((offer, i) => new CandidateOffer(Peers[i], $"n{i}", offer is not null, offer)).ToList();
        var result = Placement.Choose(candidates, "py3", null, new Random(seed));
        var reversed = Placement.Choose([.. Enumerable.Reverse(candidates)], "py3", null, new Random(seed));
        Assert.Equal(result.Order, reversed.Order);
        Assert.Equal(result.Candidates.OrderBy(candidate => candidate.Peer), reversed.Candidates.OrderBy(candidate => candidate.Peer));

        // Against the rule said plainly: of those that can, one with the lowest whole rank.
        var able = candidates.Where(candidate => candidate.Offer is { Hosts: true, Refusal: null } offer && offer.Languages.Contains("py3")).ToList();
        Assert.Equal(able.Count, result.Order.Count);
        Assert.Equal(able.Count > 0, result.Chosen is not null);
        if (result.Chosen is { } chosen) Assert.Equal(able.Min(candidate => Math.Floor(candidate.Offer!.Rank)), Math.Floor(candidates.First(candidate => candidate.Peer == chosen).Offer!.Rank));
        Assert.Equal(result.Order.Count > 0 ? 1 : 0, result.Candidates.Count(candidate => candidate.Verdict == Verdict.Chosen));
    }).QuickCheckThrowOnFailure();

    [Theory]
    [InlineData(double.NaN)]
    [InlineData(double.NegativeInfinity)]
    [InlineData(double.PositiveInfinity)]
    public void A_rank_that_is_no_number_is_the_worst(double rank) =>
        Assert.Equal(Peers[0], Placement.Choose([Candidate(0, Offer(400)), Candidate(1, Offer(rank))], "py3", null, new Random(1)).Chosen);

    [Fact]
    public void Guardians_are_the_host_and_up_to_four_others()
    {
        var bundle = Cid.V0(new byte[32]);
        var guardians = Rendezvous.Guardians(bundle, Peers[3], Peers);
        Assert.Equal(5, guardians.Count);
        Assert.Equal(Peers[3], guardians[0]);
        Assert.Equal(5, guardians.Distinct().Count());
        Assert.Equal(guardians, Rendezvous.Guardians(bundle, Peers[3], Peers.Reverse()));
        Assert.Equal([Peers[3], Peers[1]], Rendezvous.Guardians(bundle, Peers[3], [Peers[1], Peers[3]]));
        Assert.Equal([Peers[3]], Rendezvous.Guardians(bundle, Peers[3], []));
    }

    [Fact]
    public void A_host_that_comes_or_goes_moves_few_guardians()
    {
        var moved = 0;
        for (byte i = 0; i < 200; i++)
        {
            byte[] digest = [.. Enumerable.Repeat(i, 32)];
            var before = Rendezvous.Guardians(Cid.V0(digest), Peers[0], Peers);
            var after = Rendezvous.Guardians(Cid.V0(digest), Peers[0], Peers[..^1]);
            moved += before.Except(after).Count();
            Assert.Equal(before.Where(peer => peer != Peers[^1]), after.Take(before.Count(peer => peer != Peers[^1])));
        }
        Assert.InRange(moved, 40, 110); // 4 of 11 guard by chance: about 73 of 200 lose the one that went.
    }

    [Fact]
    public void Rank_is_what_runs_and_half_of_the_load()
    {
        Assert.Equal(2 + 45, HostRank.Of(2, new HostLoad(60, 30)));
        Assert.Equal(0, HostRank.Of(0, default));
    }

    [Fact]
    public void The_meter_reads_the_kernel_s_counters_as_a_difference()
    {
        var time = new ManualTime();
        var stat = "cpu  100 0 100 700 100 0 0 0 50 50\ncpu0 1 1 1 1\n";
        var meter = new ProcHostMeter(path => path == "/proc/stat" ? stat : "MemTotal:       1000 kB\nMemFree: 1 kB\nMemAvailable:    250 kB\n", time);
        Assert.Equal(new HostLoad(20, 75), meter.Read());

        stat = "cpu  160 0 115 725 100 0 0 0 50 50\n";
        time.Advance(TimeSpan.FromMilliseconds(100));
        Assert.Equal(20, meter.Read().CpuPercent);
        time.Advance(TimeSpan.FromMilliseconds(500));
        Assert.Equal(75, meter.Read().CpuPercent);
    }

    [Theory]
    [InlineData("")]
    [InlineData("cpu  \n")]
    [InlineData("cpu a b c d e f\n")]
    [InlineData("intr 5")]
    public void The_meter_survives_what_it_cannot_read(string text)
    {
        Assert.Equal(new HostLoad(0, 0), new ProcHostMeter(_ => text, new ManualTime()).Read());
        Assert.Equal(new HostLoad(0, 0), new ProcHostMeter(_ => throw new FileNotFoundException(), new ManualTime()).Read());
    }

    [Fact]
    public void The_meter_reads_this_machine()
    {
        var load = new ProcHostMeter(File.ReadAllText, TimeProvider.System).Read();
        Assert.InRange(load.CpuPercent, 0.001, 100);
        Assert.InRange(load.MemoryPercent, 0.001, 100);
    }

    private static HostOffer Offer(double rank) => new(true, ["py3", "nodejs"], rank, null);

    private static CandidateOffer Candidate(int index, HostOffer offer) => new(Peers[index], $"n{index}", true, offer);

    private static Arbitrary<HostOffer?[]> Offers()
    {
        var offer =
            from hosts in Gen.Frequency((4, Gen.Constant(true)), (1, Gen.Constant(false)))
            from language in Gen.Elements("py3", "nodejs")
            from rank in Gen.Choose(0, 40)
            from refusal in Gen.Frequency((4, Gen.Constant<string?>(null)), (1, Gen.Constant<string?>("no")))
            select (HostOffer?)new HostOffer(hosts, [language, "x"], rank / 8.0, refusal);
        return Gen.Frequency((6, offer), (1, Gen.Constant<HostOffer?>(null))).ArrayOf().Where(offers => offers.Length <= 12).ToArbitrary();
    }
}
