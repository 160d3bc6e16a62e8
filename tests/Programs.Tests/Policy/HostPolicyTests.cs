using System.Text;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Programs.Policy;
using PeoplesCloud.Runtimes;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Programs.Tests.Policy;

/// <summary>What a policy lets run, rule by rule.</summary>
public sealed class HostPolicyTests
{
    private static readonly PeerId Oak = Peer(1);
    private static readonly PeerId Fir = Peer(2);
    private static readonly DateTimeOffset Saturday = new(2031, 3, 1, 14, 0, 0, TimeSpan.FromHours(1));
    private static readonly ProgramLimits Limits = new(256L << 20, 1000, 128, 256L << 20, "internet");

    [Fact]
    public void What_nobody_forbids_runs() => Assert.Null(new HostPolicy().Refusal(Asked(), HostUse.None, Saturday));

    [Fact]
    public void A_refusal_names_the_rule_and_what_was_asked_for()
    {
        Assert.Equal("rule enabled: does not host", Why(new HostPolicy { Hosts = false }));
        Assert.Equal("rule languages: runs nodejs only", Why(new HostPolicy { Languages = ["nodejs"] }));
        Assert.Equal("rule languages: runs nothing only", Why(new HostPolicy { Languages = [] }));
        Assert.Equal("rule runtimes: runs programs in docker only", Why(new HostPolicy { Runtimes = ["docker"] }));
        Assert.Equal("rule network: allows the network none, internet was asked for", Why(new HostPolicy { Network = NetworkMode.None }));
        Assert.Equal("rule pause: its owner paused it until 15:30", Why(new HostPolicy { Pause = new HostPause(Saturday.ToUniversalTime().AddMinutes(90)) }));
        Assert.Equal("rule hours: hosts mon,tue 22:00-06:00 only, by its clock", Why(new HostPolicy { Hours = [Hours("mon-tue 22:00-06:00")] }));
        Assert.Equal("rule total_memory: gives programs 512 MiB of memory together, 212 MiB are left, 256 MiB were asked for", Why(new HostPolicy { TotalMemoryBytes = 512L << 20 }, new HostUse(1, 300L << 20, 100)));
        Assert.Equal("rule total_cpus: gives programs 1.5 cores together, 0.75 are left, 1 was asked for", Why(new HostPolicy { TotalCpus = 1.5 }, new HostUse(1, 0, 750)));
        var small = new RunLimits { MemoryBytes = 128L << 20, Cpus = 0.5, Pids = 64, DiskBytes = 128L << 20 };
        Assert.Equal("rule memory: allows 128 MiB of memory, 256 MiB were asked for", Why(new HostPolicy { Most = small }));
        Assert.Equal("rule cpus: allows 0.5 cores, 1 was asked for", Why(new HostPolicy { Most = small with { MemoryBytes = 1L << 30 } }));
        Assert.Equal("rule pids: allows 64 processes, 128 were asked for", Why(new HostPolicy { Most = small with { MemoryBytes = 1L << 30, Cpus = 2 } }));
        Assert.Equal("rule disk: allows 128 MiB of disk, 256 MiB were asked for", Why(new HostPolicy { Most = small with { MemoryBytes = 1L << 30, Cpus = 2, Pids = 1024 } }));
        Assert.Equal("rule programs: runs 1 program already, its limit", Why(new HostPolicy { Programs = 1 }, new HostUse(1, 0, 0)));
        Assert.Equal("rule programs: runs 1 program already, its limit; members that gave more go first (rule favours)", Why(new HostPolicy { Programs = 1, FavoursFirst = true }, new HostUse(1, 0, 0)));
        Assert.Equal("rule longest_run: allows a run of 2h, it ran for that long", new HostPolicy { LongestRun = TimeSpan.FromHours(2) }.Refusal(Asked() with { Ran = TimeSpan.FromHours(2) }, HostUse.None, Saturday)!.Text);
    }

    [Fact]
    public void A_session_is_refused_by_the_rules_that_are_about_the_host_and_gets_no_more_than_one_program()
    {
        var asked = new RunLimits { MemoryBytes = 256L << 20, Cpus = 1 };
        Assert.Null(new HostPolicy { Deployers = DeployerRule.Only(admins: false, []), Languages = [], Programs = 0 }.SessionRefusal(asked, "sandbox", 3, HostUse.None, Saturday));
        Assert.Equal("rule enabled: does not host", Of(new HostPolicy { Hosts = false }));
        Assert.Equal("rule pause: its owner paused it", Of(new HostPolicy { Pause = new HostPause(null) }));
        Assert.Equal("rule hours: hosts mon,tue 22:00-06:00 only, by its clock", Of(new HostPolicy { Hours = [Hours("mon-tue 22:00-06:00")] }));
        Assert.Equal("rule runtimes: runs programs in docker only", Of(new HostPolicy { Runtimes = ["docker"] }));
        Assert.Equal("rule sessions: runs 3 sessions already, its limit", Of(new HostPolicy { Sessions = 3 }));
        Assert.Equal("rule total_memory: gives programs 512 MiB of memory together, 212 MiB are left, 256 MiB were asked for", Of(new HostPolicy { TotalMemoryBytes = 512L << 20 }, HostUse.None.Beside(300L << 20, 0.1)));
        Assert.Equal("rule total_cpus: gives programs 1.5 cores together, 0.75 are left, 1 was asked for", Of(new HostPolicy { TotalCpus = 1.5 }, new HostUse(1, 0, 500).Beside(0, 0.25)));

        var limits = new HostPolicy { Most = new RunLimits { MemoryBytes = 128L << 20, Cpus = 0.5, Pids = 64, DiskBytes = 1L << 30 } }.LimitsOf(new RunLimits { MemoryBytes = 256L << 20, Cpus = 0.25, Pids = 128, DiskBytes = 256L << 20 });
        Assert.Equal((128L << 20, 0.25, 64, 256L << 20), (limits.MemoryBytes, limits.Cpus, limits.Pids, limits.DiskBytes));

        string Of(HostPolicy policy, HostUse? others = null) => policy.SessionRefusal(asked, "sandbox", 3, others ?? HostUse.None, Saturday)!.Text;
    }

    [Fact]
    public void Only_named_members_and_the_host_itself_deploy()
    {
        var policy = new HostPolicy { Deployers = DeployerRule.Only(admins: false, [Oak]) };
        Assert.Null(policy.Refusal(Asked(), HostUse.None, Saturday));
        Assert.Equal($"rule deployers: takes programs of {Oak} only", policy.Refusal(Asked() with { Owner = Fir, OwnerIsAdmin = true }, HostUse.None, Saturday)!.Text);
        Assert.Null(policy.Refusal(Asked() with { Owner = Fir, IsOwn = true }, HostUse.None, Saturday));
        Assert.Null((policy with { Deployers = DeployerRule.Only(admins: true, []) }).Refusal(Asked() with { Owner = Fir, OwnerIsAdmin = true }, HostUse.None, Saturday));
        Assert.Equal("nobody", DeployerRule.Only(admins: false, []).Text);
        Assert.NotNull((policy with { Deployers = DeployerRule.Only(admins: false, []) }).Refusal(Asked(), HostUse.None, Saturday));
    }

    [Theory]
    [InlineData("22:00-06:00", "2031-03-01 23:30", true)]
    [InlineData("22:00-06:00", "2031-03-01 05:59", true)]
    [InlineData("22:00-06:00", "2031-03-01 06:00", false)]
    [InlineData("fri 22:00-06:00", "2031-03-01 05:00", true)] // it is Saturday morning, and the night began on Friday
    [InlineData("sat 22:00-06:00", "2031-03-01 05:00", false)]
    [InlineData("sat,sun 00:00-24:00", "2031-03-01 23:59", true)]
    [InlineData("sat-mon 9:00-17:00", "2031-03-03 12:00", true)]
    [InlineData("MON-FRI 00:00-24:00", "2031-03-01 12:00", false)]
    public void Hours_are_by_the_clock_on_the_wall(string text, string local, bool contained) =>
        Assert.Equal(contained, Hours(text).Contains(DateTimeOffset.Parse(local + " +05:30", System.Globalization.CultureInfo.InvariantCulture)));

    [Theory]
    [InlineData("")]
    [InlineData("22:00")]
    [InlineData("22:00-22:00")]
    [InlineData("24:00-06:00")]
    [InlineData("25:00-06:00")]
    [InlineData("22:60-06:00")]
    [InlineData("someday 22:00-06:00")]
    [InlineData("mon- 22:00-06:00")]
    [InlineData("mon tue 22:00-06:00")]
    [InlineData("-22:00-06:00")]
    public void What_is_no_part_of_the_week_is_refused(string text) => Assert.False(HostHours.TryParse(text, out _));

    [Theory]
    [InlineData("2h", 7200)]
    [InlineData("1h30m", 5400)]
    [InlineData("1d", 86400)]
    [InlineData("90s", 90)]
    public void Durations_are_read_and_written(string text, int seconds)
    {
        Assert.True(Durations.TryParse(text, out var duration));
        Assert.Equal(TimeSpan.FromSeconds(seconds), duration);
        Assert.True(Durations.TryParse(Durations.Text(duration), out var again));
        Assert.Equal(duration, again);
    }

    [Theory]
    [InlineData("")]
    [InlineData("2")]
    [InlineData("h")]
    [InlineData("0s")]
    [InlineData("30m1h")]
    [InlineData("1h1h")]
    [InlineData("1s1s")]
    [InlineData("-1h")]
    [InlineData("999999999d")]
    [InlineData("99999999999d")]
    public void What_is_no_duration_is_refused(string text) => Assert.False(Durations.TryParse(text, out _));

    [Fact]
    public void Texts_of_a_person_never_break_the_parsers()
    {
        foreach (var text in new[] { "mon-fri 08:00-18:00", "1h30m", "22:00-06:00", "\u00ff", "::--", "mon,,tue 1:00-2:00" })
        {
            for (var cut = 0; cut <= text.Length; cut++)
            {
                HostHours.Fuzz(Encoding.Latin1.GetBytes(text[..cut]));
                Durations.Fuzz(Encoding.Latin1.GetBytes(text[..cut]));
            }
        }
    }

    private static PolicyQuestion Asked() => new(Oak, OwnerIsAdmin: false, IsOwn: false, "py3", "sandbox", Limits, TimeSpan.Zero);

    private static string? Why(HostPolicy policy, HostUse? others = null) => policy.Refusal(Asked(), others ?? HostUse.None, Saturday)?.Text;

    private static HostHours Hours(string text) => HostHours.TryParse(text, out var hours) ? hours : throw new ArgumentException(text, nameof(text));

    private static PeerId Peer(byte fill) => PeerId.FromEd25519(Enumerable.Repeat(fill, 32).ToArray());
}
