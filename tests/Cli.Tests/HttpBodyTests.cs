using PeoplesCloud.Base;
using PeoplesCloud.Cli.Api;
using PeoplesCloud.Daemon.Api;

namespace PeoplesCloud.Cli.Tests;

public sealed class HttpBodyTests
{
    [Fact]
    public void It_sends_a_message_with_its_length()
    {
        using var daemon = new ScriptedDaemon(ScriptedDaemon.Answer("200 OK", ""));
        new DaemonClient(daemon.Home).Post("/v1/swarms", new CreateRequest("café"), LocalApiJson.Default.CreateRequest);
        var request = daemon.Asked;
        Assert.StartsWith("POST /v1/swarms HTTP/1.1\r\n", request, StringComparison.Ordinal);
        Assert.Contains("\r\nContent-Type: application/json\r\n", request, StringComparison.Ordinal);
        Assert.Contains("\"name\":", request, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n7;note=1\r\n, world\r\n0\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\ntransfer-encoding:  Chunked \r\n\r\nC\r\nhello, world\r\n0\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nhello, world and what is not the answer")]
    [InlineData("HTTP/1.0 200 OK\r\n\r\nhello, world")]
    public void A_body_ends_where_its_head_says(string answer)
    {
        using var daemon = new ScriptedDaemon(answer);
        using var reader = new StreamReader(new DaemonClient(daemon.Home).Open("GET", "/v1/cat/x", null));
        Assert.Equal("hello, world", reader.ReadToEnd());
    }

    [Theory]
    [InlineData("this is no HTTP\r\n\r\n")]
    [InlineData("HTTP/1.1 2x0 OK\r\n\r\n")]
    [InlineData("HTTP/1.1\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\na header without its sign\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\nabc")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nabc")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nnot json")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnull")]
    [InlineData("HTTP/1.1 500 Oops\r\nContent-Length: 8\r\n\r\nnot json")]
    public void An_answer_that_cannot_be_understood_is_an_error_of_its_own(string answer)
    {
        using var daemon = new ScriptedDaemon(answer);
        var error = Assert.Throws<PcException>(() => new DaemonClient(daemon.Home).Get("/v1/list", LocalApiJson.Default.ListReply));
        Assert.Equal(ErrorCode.DaemonAnswer, error.Code);
    }

    [Theory]
    [InlineData("")]
    [InlineData("HTTP/1.1 200")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Len")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"swarms\":[]}")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nd\r\n{\"swarms\":[]}\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{\"swarms\":[]}")]
    public void A_connection_that_ends_too_early_is_a_daemon_that_went_away(string answer)
    {
        using var daemon = new ScriptedDaemon(answer);
        var error = Assert.Throws<PcException>(() => new DaemonClient(daemon.Home).Get("/v1/list", LocalApiJson.Default.ListReply));
        Assert.Equal(ErrorCode.DaemonWentAway, error.Code);
    }

    [Fact]
    public void A_line_without_an_end_is_refused_before_it_fills_memory()
    {
        using var daemon = new ScriptedDaemon("HTTP/1.1 200 OK\r\nX: " + new string('a', 1_000_000));
        Assert.Equal(ErrorCode.DaemonAnswer, Assert.Throws<PcException>(() => new DaemonClient(daemon.Home).Open("GET", "/", null)).Code);
    }

    [Fact]
    public void Headers_without_an_end_are_refused()
    {
        using var daemon = new ScriptedDaemon("HTTP/1.1 200 OK\r\n" + string.Concat(Enumerable.Repeat("Name: value\r\n", 50_000)));
        Assert.Equal(ErrorCode.DaemonAnswer, Assert.Throws<PcException>(() => new DaemonClient(daemon.Home).Open("GET", "/", null)).Code);
    }

    [Fact]
    public void A_home_without_a_daemon_is_told_how_to_start_one()
    {
        var client = new DaemonClient("/nowhere/at/all");
        Assert.False(client.Answers(out _));
        var error = Assert.Throws<PcException>(() => client.Get("/v1/list", LocalApiJson.Default.ListReply));
        Assert.Equal(ErrorCode.NoDaemon, error.Code);
        Assert.EndsWith(" --home /nowhere/at/all up", error.Hint, StringComparison.Ordinal);
    }

    [Fact]
    public void A_part_of_a_path_cannot_become_another_route() =>
        Assert.Equal("/v1/swarms/..%2Fshutdown%3Fa%0D%0A/leave", Invocation.SwarmPath("../shutdown?a\r\n", "leave"));
}
