using PeoplesCloud.Base;
using PeoplesCloud.Base.Files;
using PeoplesCloud.Daemon.Configuration;
using PeoplesCloud.Daemon.Hosting;
using PeoplesCloud.Programs.Policy;

namespace PeoplesCloud.Daemon.Tests.Hosting;

/// <summary>What a host's owner sets is kept, wins over the configuration, and is read as it was written.</summary>
public sealed class PolicyBookTests : IDisposable
{
    private readonly string _folder = TestNode.NewHome();
    private readonly JumpingTime _time = new();
    private readonly Dictionary<string, string> _configured = new(StringComparer.Ordinal) { ["memory"] = "1GiB", ["programs"] = "3" };

    private string FilePath => Path.Combine(_folder, "host.toml");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void What_is_set_wins_over_the_configuration_and_outlives_the_daemon()
    {
        var book = Open();
        Assert.Equal((1L << 30, 3), (book.Current.Most.MemoryBytes, book.Current.Programs));
        book.Set(new Dictionary<string, string> { ["memory"] = "256MiB", ["hours"] = "22:00-06:00; sat,sun 00:00-24:00", ["deployers"] = "admins", ["network"] = "none", ["longest_run"] = "1d12h" });
        var again = Open();
        Assert.Equal((256L << 20, 3, 2, TimeSpan.FromHours(36)), (again.Current.Most.MemoryBytes, again.Current.Programs, again.Current.Hours.Count, again.Current.LongestRun));
        Assert.Equal(["config", "set", "default"], again.Rules.Where(rule => rule.Setting.Name is "memory" or "programs" or "pids").Select(rule => rule.From));
        again.Set(new Dictionary<string, string> { ["memory"] = "default" });
        Assert.Equal(1L << 30, Open().Current.Most.MemoryBytes);
    }

    [Fact]
    public void What_is_set_in_the_home_above_holds_here_until_it_is_set_here()
    {
        var file = Path.Combine(_folder, "above.toml");
        var above = new PolicyBook(file, new HostPolicy(), new Dictionary<string, string>(), SystemDisk.Instance, _time, _time);
        var book = new PolicyBook(FilePath, new HostPolicy(), _configured, SystemDisk.Instance, _time, _time, file);
        Assert.Equal(1L << 30, book.Current.Most.MemoryBytes);
        // 1. It wins over the configuration, is noticed while the daemon runs, and is known as what it is.
        above.Set(new Dictionary<string, string> { ["memory"] = "300MiB", ["pids"] = "7" });
        above.Pause(TimeSpan.FromHours(1));
        _time.Pass(TimeSpan.FromSeconds(1));
        Assert.Equal((300L << 20, 7, 3), (book.Current.Most.MemoryBytes, book.Current.Most.Pids, book.Current.Programs));
        Assert.NotNull(book.Current.Pause);
        Assert.Equal(["config", "home", "home"], book.Rules.Where(rule => rule.Setting.Name is "memory" or "programs" or "pids").Select(rule => rule.From));
        // 2. What is set here wins; a pause above is not taken back here.
        book.Set(new Dictionary<string, string> { ["memory"] = "200MiB" });
        book.Resume();
        Assert.Equal((200L << 20, 7), (book.Current.Most.MemoryBytes, book.Current.Most.Pids));
        Assert.NotNull(book.Current.Pause);
        _time.Pass(TimeSpan.FromHours(1));
        Assert.Null(book.Current.Pause);
        // 3. What cannot be read changes nothing, and lets no daemon start; without a file nothing is said.
        File.WriteAllText(file, "memory = lots");
        _time.Pass(TimeSpan.FromSeconds(1));
        Assert.Equal(7, book.Current.Most.Pids);
        Assert.Equal(ErrorCode.HostPolicyDamaged, Assert.Throws<PcException>(() => new PolicyBook(FilePath, new HostPolicy(), _configured, SystemDisk.Instance, _time, _time, file)).Code);
        File.Delete(file);
        _time.Pass(TimeSpan.FromSeconds(1));
        Assert.Equal(new HostPolicy().Most.Pids, book.Current.Most.Pids);
    }

    [Fact]
    public void Every_rule_reads_what_it_shows()
    {
        var changed = HostSettings.Apply(new HostPolicy(), new Dictionary<string, string>
        {
            ["enabled"] = "false", ["deployers"] = "nobody", ["languages"] = "py3,nodejs", ["runtimes"] = "docker", ["programs"] = "0", ["memory"] = "300MB", ["cpus"] = "0.5", ["disk"] = "1TiB", ["pids"] = "7",
            ["total_memory"] = "2GiB", ["total_cpus"] = "1.25", ["network"] = "lan", ["hours"] = "fri-sun 20:00-02:00", ["longest_run"] = "90m", ["favours"] = "first",
        });
        foreach (var policy in new[] { new HostPolicy(), changed })
        {
            foreach (var setting in HostSettings.All)
            {
                var text = setting.Text(policy);
                Assert.Equal(text, setting.Text(setting.With(new HostPolicy(), text)!));
            }
        }
    }

    [Fact]
    public void All_problems_are_said_and_nothing_is_changed()
    {
        var book = Open();
        var error = Assert.Throws<PcException>(() => book.Set(new Dictionary<string, string> { ["memory"] = "lots", ["pids"] = "5000", ["network"] = "none", ["hours"] = "night's" }));
        Assert.Equal(ErrorCode.HostRuleInvalid, error.Code);
        foreach (var words in new[] { "memory = 'lots': bytes such as", "pids = '5000': a whole number from 1 to 4096", "hours = 'night's': always, or" }) Assert.Contains(words, error.Message, StringComparison.Ordinal);
        Assert.False(File.Exists(FilePath));
        Assert.Equal(ErrorCode.HostRuleUnknown, Assert.Throws<PcException>(() => book.Set(new Dictionary<string, string> { ["memroy"] = "1GiB" })).Code);
        Assert.Equal(Runtimes.NetworkMode.Internet, book.Current.Network);
    }

    [Fact]
    public void A_slip_in_a_language_or_runtime_is_noticed_and_what_another_version_kept_is_no_damage()
    {
        var book = Open();
        var error = Assert.Throws<PcException>(() => book.Set(new Dictionary<string, string> { ["languages"] = "py3,pyhton", ["runtimes"] = "podman" }));
        Assert.Equal(ErrorCode.HostRuleInvalid, error.Code);
        Assert.Contains("'pyhton' is not known; all, or of py3, nodejs", error.Message, StringComparison.Ordinal);
        Assert.Contains("'podman' is not known; all, or sandbox, docker", error.Message, StringComparison.Ordinal);
        book.Set(new Dictionary<string, string> { ["languages"] = "py3,exec", ["runtimes"] = "all" });
        File.WriteAllText(FilePath, "[host]\nlanguages = 'fortran'\n");
        Assert.Equal(["fortran"], Open().Current.Languages);
    }

    [Fact]
    public void A_pause_is_as_long_as_was_said_however_the_clock_is_set()
    {
        var book = Open();
        book.Pause(TimeSpan.FromHours(2));
        Assert.NotNull(book.Current.Pause);
        _time.JumpWall(TimeSpan.FromHours(3));
        Assert.Equal(_time.GetUtcNow() + TimeSpan.FromHours(2), book.Current.Pause!.Until); // by the clock as it is now
        _time.Pass(TimeSpan.FromMinutes(119));
        Assert.NotNull(book.Current.Pause);
        _time.JumpWall(TimeSpan.FromHours(-9));
        _time.Pass(TimeSpan.FromMinutes(1));
        Assert.Null(book.Current.Pause);
    }

    [Fact]
    public void A_pause_goes_on_while_the_machine_sleeps()
    {
        var lengths = new JumpingTime();
        var book = new PolicyBook(FilePath, new HostPolicy(), _configured, SystemDisk.Instance, _time, lengths);
        book.Pause(TimeSpan.FromHours(2));
        lengths.Pass(TimeSpan.FromHours(2)); // asleep: the ordinary timestamps stand still
        Assert.Null(book.Current.Pause);
    }

    [Fact]
    public void A_pause_outlives_the_daemon()
    {
        Open().Pause(TimeSpan.FromHours(2));
        _time.Pass(TimeSpan.FromMinutes(90));
        var again = Open();
        Assert.NotNull(again.Current.Pause);
        _time.Pass(TimeSpan.FromMinutes(31));
        Assert.Null(again.Current.Pause);
        Assert.Null(Open().Current.Pause);
        again.Pause(null);
        _time.Pass(TimeSpan.FromDays(400));
        Assert.Equal(new HostPause(null), Open().Current.Pause);
        Assert.True(again.Resume());
        Assert.Null(Open().Current.Pause);
        Assert.False(again.Resume());
    }

    [Theory]
    [InlineData("")]
    [InlineData("[host]\nmemory = \"lots\"\n")]
    [InlineData("[host]\nmemroy = \"1GiB\"\n")]
    [InlineData("[pause]\nuntil = \"soon\"\n")]
    [InlineData("garbage")]
    public void A_damaged_file_is_no_open_door(string text)
    {
        File.WriteAllText(FilePath, text);
        Assert.Equal(ErrorCode.HostPolicyDamaged, Assert.Throws<PcException>(Open).Code);
    }

    private PolicyBook Open() => new(FilePath, new HostPolicy(), _configured, SystemDisk.Instance, _time, _time);

    /// <summary>A clock on the wall that can be set, and one that only goes on.</summary>
    private sealed class JumpingTime : TimeProvider
    {
        private DateTimeOffset _wall = new(2031, 2, 28, 23, 30, 7, TimeSpan.Zero);
        private TimeSpan _passed = TimeSpan.FromDays(3);

        public override DateTimeOffset GetUtcNow() => _wall;

        public override long GetTimestamp() => (long)(_passed.TotalSeconds * TimestampFrequency);

        public void Pass(TimeSpan span) => (_wall, _passed) = (_wall + span, _passed + span);

        public void JumpWall(TimeSpan span) => _wall += span;
    }
}
