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

    // The number of steps that are nobody's installer; "fail" fails.
    private static int Say(InstallView view, params string[] steps) =>
        steps.Count(step => step == "fail" ? throw new PcException(ErrorCode.StartFailed, "no host could start it") : !view.Takes(step));
}
