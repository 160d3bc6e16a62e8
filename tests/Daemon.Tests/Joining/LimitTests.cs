using PeoplesCloud.Base;
using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Base.Files;
using PeoplesCloud.Daemon.Joining;
using PeoplesCloud.Daemon.Mesh;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Tests.Joining;

/// <summary>Limits of guesses and of spoken codes, by a clock that the test moves.</summary>
public sealed class LimitTests
{
    private static readonly GuessLimits Limits = new(PerPrefix: 3, PerSubject: 5, Together: 8, TimeSpan.FromMinutes(10));

    private readonly MovedTime _time = new();

    [Fact]
    public void A_network_has_so_many_guesses_and_others_have_theirs()
    {
        var limiter = new GuessLimiter(Limits, _time);
        for (var i = 0; i < 3; i++) Assert.True(limiter.TryTake($"192.0.2.{i}", $"swarm-{i}", out _));
        _time.Move(TimeSpan.FromMinutes(4));
        Assert.False(limiter.TryTake("192.0.2.200", "another", out var wait));
        Assert.Equal(TimeSpan.FromMinutes(6), wait);
        Assert.True(limiter.TryTake("192.0.3.1", "another", out _));
        Assert.True(limiter.TryTake("2001:db8:1:1::1", "another", out _));
        _time.Move(TimeSpan.FromMinutes(6));
        Assert.True(limiter.TryTake("192.0.2.200", "another", out _));
    }

    [Theory]
    [InlineData("192.0.2.7", "192.0.2.255", true)]
    [InlineData("192.0.2.7", "192.0.3.7", false)]
    [InlineData("192.0.2.7", "::ffff:192.0.2.9", true)]
    [InlineData("2001:db8:1:ffff::1", "2001:db8:1:1::9", true)]
    [InlineData("2001:db8:1::1", "2001:db8:2::1", false)]
    [InlineData("oak.example", null, true)] // what has no address counts as one network
    public void A_network_is_a_24th_or_a_48th(string one, string? other, bool same) =>
        Assert.Equal(same, GuessLimiter.PrefixOf(one) == GuessLimiter.PrefixOf(other));

    [Fact]
    public void A_swarm_has_so_many_guesses_from_everybody_and_so_have_all_together()
    {
        var limiter = new GuessLimiter(Limits, _time);
        for (var i = 0; i < 5; i++) Assert.True(limiter.TryTake($"192.0.{i}.1", "friends", out _));
        Assert.False(limiter.TryTake("192.0.9.1", "friends", out _));
        for (var i = 0; i < 3; i++) Assert.True(limiter.TryTake($"198.51.{i}.1", "people", out _));
        Assert.False(limiter.TryTake("203.0.113.1", "strangers", out var wait));
        Assert.Equal(wait, limiter.WaitOf("203.0.113.1", "strangers"));
        _time.Move(Limits.Window);
        Assert.True(limiter.TryTake("203.0.113.1", "strangers", out _));
    }

    [Fact]
    public void A_right_guess_is_given_back()
    {
        var limiter = new GuessLimiter(Limits, _time);
        for (var i = 0; i < 100; i++)
        {
            Assert.True(limiter.TryTake("192.0.2.1", "friends", out _));
            limiter.GiveBack("192.0.2.1", "friends");
        }
        limiter.GiveBack("192.0.2.1", "friends"); // nothing to give back
    }

    [Fact]
    public void Guesses_are_remembered_across_a_restart_and_a_damaged_file_is_no_obstacle()
    {
        var folder = Directory.CreateTempSubdirectory("guesses-").FullName;
        try
        {
            var path = Path.Combine(folder, "guesses");
            var before = new GuessLimiter(Limits, _time, SystemDisk.Instance, path);
            for (var i = 0; i < 3; i++) Assert.True(before.TryTake("192.0.2.1", "friends", out _));
            before.Keep();
            _time.Move(TimeSpan.FromMinutes(1));
            var after = new GuessLimiter(Limits, _time, SystemDisk.Instance, path);
            Assert.False(after.TryTake("192.0.2.2", "people", out var wait));
            Assert.Equal(TimeSpan.FromMinutes(9), wait);
            // A clock that was set back by years does not lock anybody out for years.
            _time.Move(TimeSpan.FromDays(-1000));
            Assert.True(new GuessLimiter(Limits, _time, SystemDisk.Instance, path).TryTake("192.0.2.2", "people", out _));
            File.WriteAllText(path, "\0\n1 2\nx y z\n99999999999999999999 a b\n-5 a b\n");
            Assert.True(new GuessLimiter(Limits, _time, SystemDisk.Instance, path).TryTake("192.0.2.2", "people", out _));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public async Task A_code_ends_after_ten_minutes_or_by_its_use_or_by_wrong_guesses()
    {
        await using var oak = await TestNode.StartAsync("oak");
        await oak.CreateAsync("friends");
        var swarm = oak.Node.Swarms.Require("friends");
        var codes = new SpokenCodes(_time);
        var verifier = new JoinVerifier(new byte[16], ScryptCost.Default, [1, .. new byte[31]]);
        var random = new Random(3);
        (string Plate, OpenCode Code) Add()
        {
            var (code, open) = codes.Add(swarm, Role.Member, () => SpokenCode.New(random.Next), _ => verifier);
            return (code.Plate, open);
        }
        var (fir, elm) = (PeerId.FromEd25519(new byte[32]), PeerId.FromEd25519([1, .. new byte[31]]));

        var (plate, first) = Add();
        _time.Move(SpokenCodes.Validity - TimeSpan.FromSeconds(1));
        Assert.Same(first, codes.Find(plate, fir));
        _time.Move(TimeSpan.FromSeconds(1));
        Assert.Null(codes.Find(plate, fir));

        (plate, var second) = Add();
        Assert.True(codes.TryGuess(second));
        Assert.True(codes.TryUse(second, fir));
        Assert.False(codes.TryUse(second, elm)); // both were right, and fir was faster
        Assert.Same(second, codes.Find(plate, fir));
        Assert.Null(codes.Find(plate, elm));

        (plate, var third) = Add();
        for (var i = 0; i < SpokenCodes.MaxGuesses; i++) Assert.True(codes.TryGuess(third));
        Assert.False(codes.TryGuess(third));
        Assert.Null(codes.Find(plate, fir));

        _time.Move(SpokenCodes.Validity);
        var plates = Enumerable.Range(0, SpokenCodes.MaxOpen).Select(_ => Add().Plate).ToList();
        Assert.Equal(plates.Count, plates.Distinct().Count());
        Assert.Equal(ErrorCode.JoinBusy, Assert.Throws<PcException>(() => Add()).Code);
    }

    private sealed class MovedTime : TimeProvider
    {
        private DateTimeOffset _now = new(2031, 3, 30, 1, 59, 58, TimeSpan.Zero);

        public void Move(TimeSpan by) => _now += by;

        public override DateTimeOffset GetUtcNow() => _now;
    }
}
