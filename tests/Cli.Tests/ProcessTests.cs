using PeoplesCloud.Base;
using PeoplesCloud.Cli.Output;
using PeoplesCloud.Cli.Processes;
using PeoplesCloud.Daemon.Api;

namespace PeoplesCloud.Cli.Tests;

public sealed class ProcessTests
{
    public static TheoryData<Exception, string, int> Failures => new()
    {
        { new PcException(ErrorCode.Usage, "x"), "PC1000", 2 },
        { new PcException(ErrorCode.NoDaemon, "x"), Failure.CodeText(ErrorCode.NoDaemon), 3 },
        { new UnauthorizedAccessException("x"), Failure.CodeText(ErrorCode.AccessDenied), 5 },
        { new IOException("x"), Failure.CodeText(ErrorCode.InputOutput), 1 },
        { new FileNotFoundException("x"), Failure.CodeText(ErrorCode.InputOutput), 1 },
        { new InvalidOperationException("x"), Failure.CodeText(ErrorCode.Internal), 1 },
        { new DaemonErrorException(new ErrorReply("PC4001", "x", "y", 4)), "PC4001", 4 },
        { new AggregateException(new PcException(ErrorCode.Usage, "x")), "PC1000", 2 },
    };

    [Theory]
    [MemberData(nameof(Failures), DisableDiscoveryEnumeration = true)]
    public void A_failure_has_the_code_and_exit_of_its_class(Exception exception, string code, int exit)
    {
        var reply = Failure.Describe(exception);
        Assert.Equal((code, exit), (reply.Code, reply.Exit));
        Assert.NotEmpty(reply.Hint);
    }

    [Fact]
    public void A_failure_is_two_lines_that_cannot_move_the_cursor()
    {
        using var error = new StringWriter { NewLine = "\n" };
        var terminal = new Terminal(TextWriter.Null, error, false, false, false);
        Assert.Equal(2, Failure.Report(new PcException(ErrorCode.Usage, "bad \e[2J\nname", "do\nthis"), terminal, json: false));
        Assert.Equal("error PC1000: bad \u241b[2J\u240aname\n  try: do\u240athis\n", error.ToString());
        Assert.Equal(130, Failure.Report(new OperationCanceledException(), terminal, json: false));
    }

    [Theory]
    [InlineData("plain-name_1./:@%+=,", "plain-name_1./:@%+=,")]
    [InlineData("", "''")]
    [InlineData("two words", "'two words'")]
    [InlineData("it's", "'it'\\''s'")]
    [InlineData("$(reboot)", "'$(reboot)'")]
    [InlineData("~", "'~'")]
    public void A_word_is_quoted_for_the_shell(string word, string quoted) => Assert.Equal(quoted, Launcher.Quote(word));

    [Fact]
    public void The_home_is_the_option_else_of_the_environment()
    {
        Assert.Equal(Path.GetFullPath("x"), HomeFolder.Resolve("x"));
        using (new Variable("PC_HOME", "/tmp/elsewhere/../home"))
        {
            Assert.Equal("/tmp/home", HomeFolder.Resolve(null));
            Assert.Equal("/tmp/home", HomeFolder.Resolve(""));
            Assert.Equal("/other", HomeFolder.Resolve("/other"));
        }

        using var none = new Variable("PC_HOME", null);
        using (new Variable("XDG_DATA_HOME", "/data")) Assert.Equal("/data/peoples-cloud", HomeFolder.Resolve(null));
        using (new Variable("XDG_DATA_HOME", "relative")) Assert.EndsWith("/.local/share/peoples-cloud", HomeFolder.Resolve(null), StringComparison.Ordinal);
        Assert.Equal("/h/pc.sock", HomeFolder.SocketOf("/h"));
    }

    [Fact]
    public void A_unit_starts_the_daemon_of_its_home_with_what_it_needs()
    {
        var environment = new Dictionary<string, string>(StringComparer.Ordinal) { ["PATH"] = "/usr/bin", ["PC_TOOLS"] = "/a b", ["SECRET"] = "hidden", ["DOTNET_ROOT"] = "" };
        var lines = BootUnit.Text("/opt/pc", "/home/100%/\"my\" $node", ["--name", "elm"], environment).Split('\n');
        Assert.Contains("ExecStart=/opt/pc daemon --home \"/home/100%%/\\\"my\\\" $$node\" --name elm", lines);
        Assert.Contains("Environment=PATH=/usr/bin", lines);
        Assert.Contains("Environment=\"PC_TOOLS=/a b\"", lines);
        // The same settings of the runtime as pc up gives it.
        Assert.Contains("Environment=DOTNET_TieredCompilation=0", lines);
        Assert.Contains("Environment=MALLOC_ARENA_MAX=1", lines);
        Assert.DoesNotContain(lines, line => line.Contains("SECRET", StringComparison.Ordinal) || line.Contains("DOTNET_ROOT", StringComparison.Ordinal));
        Assert.Equal(["[Unit]", "[Service]", "[Install]"], lines.Where(line => line.StartsWith('[')));
    }

    [Fact]
    public void A_home_cannot_add_lines_to_its_unit() =>
        Assert.DoesNotContain("ExecStop=/bin/x", BootUnit.Text("/opt/pc", "/h\nExecStop=/bin/x", [], new Dictionary<string, string>(StringComparer.Ordinal)).Split('\n'));

    [Fact]
    public void Homes_have_units_of_their_own()
    {
        Assert.Equal("peoples-cloud.service", BootUnit.NameOf(HomeFolder.Resolve(null)));
        Assert.NotEqual(BootUnit.NameOf("/a"), BootUnit.NameOf("/b"));
    }

    [Fact]
    public void The_ready_line_names_the_node()
    {
        Assert.Equal(new ReadyLine("12D3", "/ip4/127.0.0.1/tcp/1"), ReadyLine.Parse("ready 12D3 /ip4/127.0.0.1/tcp/1"));
        Assert.Null(ReadyLine.Parse("ready"));
        Assert.Null(ReadyLine.Parse("{\"code\":\"PC1000\"}"));
    }

    [Fact] // The program of this test run is no pc: it ends at once, without the line that a daemon says.
    public async Task A_daemon_that_ends_before_it_is_ready_points_to_its_log()
    {
        var home = Directory.CreateTempSubdirectory("pc-cli-").FullName;
        try
        {
            using var daemon = DaemonProcess.Start(home, [], inBackground: true);
            var error = Assert.Throws<PcException>(() => daemon.WaitUntilReady());
            Assert.Equal(ErrorCode.DaemonStartFailed, error.Code);
            Assert.Contains(Path.Combine(home, "logs", "daemon.log"), error.Hint, StringComparison.Ordinal);
            await daemon.EndedAsync(TestContext.Current.CancellationToken).WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);
        }
        finally
        {
            Directory.Delete(home, recursive: true);
        }
    }

    private sealed class Variable : IDisposable
    {
        private readonly string _name;
        private readonly string? _before;

        public Variable(string name, string? value)
        {
            _name = name;
            _before = Environment.GetEnvironmentVariable(name);
            Environment.SetEnvironmentVariable(name, value);
        }

        public void Dispose() => Environment.SetEnvironmentVariable(_name, _before);
    }
}
