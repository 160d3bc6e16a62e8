using PeoplesCloud.Base;
using PeoplesCloud.Cli.Api;
using PeoplesCloud.Daemon.Api;

namespace PeoplesCloud.Cli.Tests;

public sealed class DaemonClientTests
{
    private static PinsReply Pins(ScriptedDaemon daemon) => new DaemonClient(daemon.Home).Get("/v1/pins", LocalApiJson.Default.PinsReply);

    [Fact]
    public void A_plain_answer_is_read()
    {
        using var daemon = new ScriptedDaemon(ScriptedDaemon.Answer("200 OK", """{"pins":["a","b"]}"""));
        Assert.Equal(["a", "b"], Pins(daemon).Pins);
        Assert.StartsWith("GET /v1/pins HTTP/1.1\r\n", daemon.Asked);
    }

    [Fact]
    public void An_answer_in_chunks_is_put_together()
    {
        using var daemon = new ScriptedDaemon(ScriptedDaemon.Chunked("{\"pins\"", ":[\"a\"", "]}"));
        Assert.Equal(["a"], Pins(daemon).Pins);
    }

    [Fact]
    public void Events_come_one_by_one_and_an_error_among_them_is_thrown()
    {
        using var daemon = new ScriptedDaemon(ScriptedDaemon.Chunked(
            "{\"kind\":\"step\",\"text\":\"one\"}\n", "{\"kind\":\"error\",\"error\":{\"code\":\"PC6020\",\"message\":\"nobody\",\"hint\":\"ask\",\"exit\":5}}\n"));
        var seen = new List<string?>();
        var error = Assert.Throws<DaemonErrorException>(() =>
        {
            foreach (var happened in new DaemonClient(daemon.Home).PostForEvents("/v1/add", new AddRequest("/x", false, null), LocalApiJson.Default.AddRequest, LocalApiJson.Default.EventAddedReply))
                seen.Add(happened.Text);
        });
        Assert.Equal(["one"], seen);
        Assert.Equal(("PC6020", 5), (error.Reply.Code, error.Reply.Exit));
    }

    [Fact]
    public void An_error_of_the_daemon_is_the_command_s()
    {
        using var daemon = new ScriptedDaemon(ScriptedDaemon.Answer("404 Not Found", """{"code":"PC1103","message":"no","hint":"look","exit":4}"""));
        var error = Assert.Throws<DaemonErrorException>(() => Pins(daemon));
        Assert.Equal(4, Failure.Describe(error).Exit);
    }

    [Theory]
    [InlineData("""{"pins":""")]
    [InlineData("null")]
    [InlineData("hello")]
    public void An_answer_that_is_no_json_is_an_error(string body)
    {
        using var daemon = new ScriptedDaemon(ScriptedDaemon.Answer("200 OK", body));
        Assert.Equal(ErrorCode.DaemonAnswer, Assert.Throws<PcException>(() => Pins(daemon)).Code);
    }

    [Theory]
    [InlineData("")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"pins\":[")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{")]
    public void A_daemon_that_goes_away_is_an_error(string answer)
    {
        using var daemon = new ScriptedDaemon(answer);
        Assert.Equal(ErrorCode.DaemonWentAway, Assert.Throws<PcException>(() => Pins(daemon)).Code);
    }

    [Fact]
    public void Without_a_socket_there_is_no_daemon()
    {
        var error = Assert.Throws<PcException>(() => new DaemonClient("/nowhere-at-all").Get("/v1/pins", LocalApiJson.Default.PinsReply));
        Assert.Equal((ErrorCode.NoDaemon, ExitCode.NoDaemon), (error.Code, error.ExitCode));
        Assert.False(new DaemonClient("/nowhere-at-all").Answers(out _));
    }
}
