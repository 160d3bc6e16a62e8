using PeoplesCloud.Base;
using PeoplesCloud.Cli.Output;

namespace PeoplesCloud.Cli.Tests;

public sealed class InstallViewTests
{
    private readonly StringWriter _error = new() { NewLine = "\n" };

    [Fact]
    public void Elsewhere_than_on_a_terminal_every_line_is_written_as_it_comes()
    {
        var view = View(terminal: false, quiet: false);
        Assert.Equal(1, view.During(() => Say(view, "packed", "pip: Collecting greeting", "pip: \eERROR")));
        Assert.Equal("pip: Collecting greeting\npip: \u241bERROR\n", _error.ToString());
    }

    [Fact]
    public void A_terminal_sees_one_line_that_moves_and_all_of_them_when_it_fails()
    {
        var view = View(terminal: true, quiet: false);
        view.During(() => Say(view, "pip: Collecting a", "pip: Collecting b"));
        Assert.DoesNotContain("\n", _error.ToString(), StringComparison.Ordinal);
        Assert.Contains("pip: Collecting b", _error.ToString(), StringComparison.Ordinal);
        Assert.EndsWith("\r\e[2K", _error.ToString(), StringComparison.Ordinal);

        _error.GetStringBuilder().Clear();
        view = View(terminal: true, quiet: false);
        Assert.Throws<PcException>(() => view.During(() => Say(view, "pip: Collecting a", "pip: ERROR: no a", "fail")));
        Assert.EndsWith("\r\e[2Kpip: Collecting a\npip: ERROR: no a\n", _error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_terminal_sees_that_time_passes_while_a_tool_says_nothing()
    {
        var time = new TickingTime();
        var view = new InstallView(new Terminal(TextWriter.Null, _error, true, true, color: false), quiet: false, time);
        view.During(() =>
        {
            view.Takes("pip: Downloading large.whl");
            time.Pass(75);
            return 0;
        });
        Assert.Contains("   0 s pip: Downloading large.whl", _error.ToString(), StringComparison.Ordinal);
        Assert.Contains("  75 s pip: Downloading large.whl", _error.ToString(), StringComparison.Ordinal);
        Assert.True(time.IsStopped);
    }

    [Fact]
    public void With_json_the_lines_come_when_it_fails_only()
    {
        var view = View(terminal: true, quiet: true);
        view.During(() => Say(view, "npm: added 1 package"));
        Assert.Equal("", _error.ToString());
        Assert.Throws<PcException>(() => view.During(() => Say(view, "npm: npm error 404", "fail")));
        Assert.Equal("npm: added 1 package\nnpm: npm error 404\n", _error.ToString());
    }

    [Theory]
    [InlineData("docker: Step 1/4 : FROM python:3", 0.0)]
    [InlineData("docker: Step 4/4 : CMD [\"x\"]", 0.75)]
    [InlineData("docker: Step 5/4 : ", null)]
    [InlineData("docker: Step x/4", null)]
    [InlineData("pip: Step 1/4 : ", null)]
    public void A_Dockerfile_knows_how_far_it_is(string line, double? share) => Assert.Equal(share, InstallView.ShareOf(line));

    private InstallView View(bool terminal, bool quiet) => new(new Terminal(TextWriter.Null, _error, terminal, terminal, color: false), quiet);

    /// <summary>A clock that stands until it is told to go on, and its one timer.</summary>
    private sealed class TickingTime : TimeProvider
    {
        private Action _tick = () => { };
        private long _seconds;

        public bool IsStopped { get; private set; }

        public override long TimestampFrequency => 1;

        public override long GetTimestamp() => _seconds;

        public void Pass(int seconds)
        {
            _seconds += seconds;
            _tick();
        }

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            _tick = () => callback(state);
            return new Stopped(this);
        }

        private sealed class Stopped(TickingTime time) : ITimer
        {
            public bool Change(TimeSpan dueTime, TimeSpan period) => true;

            public void Dispose() => time.IsStopped = true;

            public ValueTask DisposeAsync()
            {
                Dispose();
                return ValueTask.CompletedTask;
            }
        }
    }

    // The number of steps that are nobody's installer; "fail" fails.
    private static int Say(InstallView view, params string[] steps) =>
        steps.Count(step => step == "fail" ? throw new PcException(ErrorCode.StartFailed, "no host could start it") : !view.Takes(step));
}
