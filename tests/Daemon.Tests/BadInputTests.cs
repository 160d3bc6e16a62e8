using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using PeoplesCloud.Base.Files;
using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Api;
using PeoplesCloud.Daemon.Mesh;
using PeoplesCloud.Daemon.Tests.Mesh;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Tests;

public sealed class BadInputTests
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Garbage_on_the_mesh_port_harms_nobody()
    {
        await using var oak = await TestNode.StartAsync("oak");
        var ticket = (await oak.CreateAsync("friends")).Ticket!;
        Assert.True(oak.Node.Host.ListenAddresses[0].TryGetEndPoint(out var endPoint));
        for (var i = 0; i < 20; i++)
        {
            using var socket = new TcpClient();
            await socket.ConnectAsync(endPoint, Cancelled);
            try
            {
                await socket.GetStream().WriteAsync(RandomNumberGenerator.GetBytes(1 << i % 15), Cancelled);
            }
            catch (IOException)
            {
                // It was cut off already: as good.
            }
        }
        await using var elm = await TestNode.StartAsync("elm");
        Assert.Equal(2, (await elm.JoinAsync(ticket)).Members);
    }

    [Theory]
    [InlineData("\u0000\u0001\u0002 nonsense\r\n\r\n")]
    [InlineData("GET / HTTP/9.9\r\n\r\n")]
    [InlineData("GET /v1/status HTTP/1.1\r\nHost: pc\r\nContent-Length: 99999999999999999999\r\n\r\n")]
    [InlineData("POST /v1/swarms HTTP/1.1\r\nHost: pc\r\nTransfer-Encoding: chunked\r\n\r\nZZZ\r\n")]
    public async Task Garbage_on_the_socket_is_answered_and_forgotten(string garbage)
    {
        await using var oak = await TestNode.StartAsync("oak");
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(Path.Combine(oak.Home, "pc.sock")), Cancelled);
        await socket.SendAsync(Encoding.Latin1.GetBytes(garbage), Cancelled);
        var answer = new byte[4096];
        var read = await socket.ReceiveAsync(answer, Cancelled).AsTask().WaitAsync(TestNode.Patience, Cancelled);
        Assert.Matches("^HTTP/1.1 (400|505) ", Encoding.Latin1.GetString(answer, 0, read));
        Assert.Equal("oak", (await oak.Client.GetAsync("/v1/status", TestNode.Json.StatusReply)).Name);
    }

    [Theory]
    [InlineData("POST", "/v1/swarms", "{", ErrorCode.BadRequest, 400)]
    [InlineData("POST", "/v1/swarms", "null", ErrorCode.BadRequest, 400)]
    [InlineData("POST", "/v1/swarms", "{\"name\":\"../x\"}", ErrorCode.NameInvalid, 400)]
    [InlineData("POST", "/v1/swarms", "{\"name\":\"a\\nb\"}", ErrorCode.NameInvalid, 400)]
    [InlineData("POST", "/v1/add", "{\"path\":\"relative\",\"recursive\":false}", ErrorCode.BadRequest, 400)]
    [InlineData("POST", "/v1/add", "{\"path\":\"/no/such/file\",\"recursive\":false}", ErrorCode.AddPathNotFound, 404)]
    [InlineData("POST", "/v1/get", "{\"cid\":\"nonsense\",\"output\":\"/tmp/x\"}", ErrorCode.InvalidCid, 400)]
    [InlineData("GET", "/v1/list?swarm=nobody", null, ErrorCode.SwarmUnknown, 404)]
    [InlineData("GET", "/v1/nothing", null, ErrorCode.UnknownRoute, 404)]
    [InlineData("PUT", "/v1/status", null, ErrorCode.UnknownRoute, 404)]
    [InlineData("DELETE", "/v1/pins/QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn", null, ErrorCode.NotPinned, 404)]
    [InlineData("GET", "/v1/cat/QmbFMke1KXqnYyBBWxB74N4c5SBnJMVAiMNRcGu6x1AwQH", null, ErrorCode.BlockNotFound, 404)]
    [InlineData("POST", "/v1/swarms/friends/deploy", "{\"path\":\"/no/such/folder\"}", ErrorCode.PathNotFound, 404)]
    [InlineData("POST", "/v1/swarms/friends/remove", "{\"member\":\"nobody\"}", ErrorCode.MemberUnknown, 404)]
    [InlineData("POST", "/v1/swarms/friends/invite", "{\"role\":\"king\"}", ErrorCode.BadRequest, 400)]
    [InlineData("POST", "/v1/swarms/friends/programs/nothing/stop", "", ErrorCode.ProgramNotFound, 404)]
    [InlineData("GET", "/v1/swarms/friends/programs/nothing/logs", null, ErrorCode.ProgramNotFound, 404)]
    [InlineData("POST", "/v1/swarms", "{\"name\":\"friends\"}", ErrorCode.SwarmNameTaken, 403)]
    public async Task A_bad_request_gets_one_clear_error(string method, string path, string? body, ErrorCode code, int status)
    {
        await using var oak = await TestNode.StartAsync("oak");
        await oak.CreateAsync("friends");
        using var response = await oak.Client.SendAsync(new HttpMethod(method), path, body is null ? null : new StringContent(body, Encoding.UTF8, "application/json"));
        var error = System.Text.Json.JsonSerializer.Deserialize(await response.Content.ReadAsStringAsync(Cancelled), TestNode.Json.ErrorReply)!;
        Assert.Equal(($"PC{(int)code}", status), (error.Code, (int)response.StatusCode));
        Assert.NotEmpty(error.Message);
        Assert.NotEmpty(error.Hint);
    }

    [Fact]
    public async Task A_body_that_is_too_long_is_not_read()
    {
        await using var oak = await TestNode.StartAsync("oak");
        using var response = await oak.Client.SendAsync(HttpMethod.Post, "/v1/swarms", new ByteArrayContent(new byte[1 << 20]));
        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
    }

    [Fact]
    public async Task A_ticket_that_cannot_be_used_says_why()
    {
        await using var oak = await TestNode.StartAsync("oak");
        await using var elm = await TestNode.StartAsync("elm");
        await using var fir = await TestNode.StartAsync("fir");
        var ticket = (await oak.CreateAsync("friends")).Ticket!;

        await AssertRefusedAsync(ErrorCode.TicketMalformed, fir.JoinAsync("hello"));
        await AssertRefusedAsync(ErrorCode.TicketTruncated, fir.JoinAsync(ticket[..^9]));
        await AssertRefusedAsync(ErrorCode.TicketDamaged, fir.JoinAsync(ticket[..^20] + (ticket[^20] == 'a' ? 'b' : 'a') + ticket[^19..]));

        var once = await oak.Client.PostAsync("/v1/swarms/friends/invite", new InviteRequest("guest", 1, null), TestNode.Json.InviteRequest, TestNode.Json.InviteReply);
        Assert.Equal("guest", (await elm.JoinAsync(once.Ticket)).Role);
        await AssertRefusedAsync(ErrorCode.TicketUsedUp, fir.JoinAsync(once.Ticket));
        await AssertRefusedAsync(ErrorCode.NotAllowed, elm.Client.PostAsync("/v1/swarms/friends/invite", new InviteRequest(null, null, null), TestNode.Json.InviteRequest, TestNode.Json.InviteReply));

        var shortly = await oak.Client.PostAsync("/v1/swarms/friends/invite", new InviteRequest(null, null, 1e-9), TestNode.Json.InviteRequest, TestNode.Json.InviteReply);
        await AssertRefusedAsync(ErrorCode.TicketExpired, fir.JoinAsync(shortly.Ticket));

        // For another swarm than the inviter's: the same key, a swarm that it is not in.
        Assert.True(Ticket.TryParse(ticket, out var parsed, out _));
        await AssertRefusedAsync(ErrorCode.TicketUnknown, fir.JoinAsync((parsed with { Swarm = new SwarmId(EntryHash.Of("other"u8)) }).ToText()));

        // A removal ends the tickets that the removed one may know.
        await oak.Client.PostAsync("/v1/swarms/friends/remove", new RemoveRequest("elm"), TestNode.Json.RemoveRequest);
        await AssertRefusedAsync(ErrorCode.TicketClosed, fir.JoinAsync(ticket));
        await elm.WaitForAsync("friends", swarm => swarm.Role == "removed");
    }

    [Fact]
    public async Task A_ticket_whose_inviter_sleeps_says_so()
    {
        await using var elm = await TestNode.StartAsync("elm");
        string ticket;
        await using (var oak = await TestNode.StartAsync("oak")) ticket = (await oak.CreateAsync("friends")).Ticket!;
        var error = await AssertRefusedAsync(ErrorCode.PeerUnreachable, elm.JoinAsync(ticket));
        Assert.Contains("inviter of friends", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_name_that_fits_several_members_is_not_guessed()
    {
        await using var oak = await TestNode.StartAsync("oak");
        await using var elm = await TestNode.StartAsync("elm");
        await elm.JoinAsync((await oak.CreateAsync("friends")).Ticket!);
        await AssertRefusedAsync(ErrorCode.NameAmbiguous, oak.Client.PostAsync("/v1/swarms/friends/remove", new RemoveRequest("12D3KooW"), TestNode.Json.RemoveRequest));
    }

    [Fact]
    public void What_nobody_foresaw_is_logged_and_said_to_be_a_bug()
    {
        var error = Daemon.Http.Errors.Explain(new InvalidOperationException("secret detail"), "GET /v1/x", Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance);
        Assert.Equal(ErrorCode.Internal, error.Code);
        Assert.DoesNotContain("secret detail", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_machine_without_sqlite_is_told_what_to_install()
    {
        var error = Assert.Throws<PcException>(() => Daemon.Storage.SqliteLibrary.Load("libsqlite3-that-is-missing.so"));
        Assert.Equal(ErrorCode.SqliteMissing, error.Code);
    }

    [Fact]
    public async Task Guessing_secrets_is_cut_off()
    {
        await using var oak = await TestNode.StartAsync("oak");
        await oak.CreateAsync("friends");
        var swarm = oak.Node.Swarms.Require("friends");
        await using var guesser = new MeshPeer("guesser", oak);
        var codes = new List<string>();
        for (var i = 0; i <= GuessLimits.Tickets.PerPrefix; i++)
        {
            var request = new Swarm.JoinRequest(swarm.Id, RandomNumberGenerator.GetBytes(16), "guesser", new byte[32], DateTimeOffset.UtcNow);
            var (_, error) = await guesser.AskAsync("POST", "/mesh/v1/join", request.Encode());
            Assert.DoesNotContain("friends", error!.Message, StringComparison.Ordinal);
            codes.Add(error.Code);
        }
        Assert.Equal([.. Enumerable.Repeat($"PC{(int)ErrorCode.TicketUnknown}", GuessLimits.Tickets.PerPrefix), $"PC{(int)ErrorCode.TooManyAttempts}"], codes);
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(1)]
    public async Task A_clock_that_is_a_day_off_is_named_when_joining(int days)
    {
        await using var oak = await TestNode.StartAsync("oak");
        await using var elm = await TestNode.StartAsync("elm", time: new ShiftedTime(TimeSpan.FromDays(days)));
        var ticket = (await oak.CreateAsync("friends")).Ticket!;
        var error = await AssertRefusedAsync(ErrorCode.ClockWrong, elm.JoinAsync(ticket));
        Assert.Contains("clock", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_configured_port_that_is_taken_is_an_error_and_the_default_one_moves_on()
    {
        await using var oak = await TestNode.StartAsync("oak");
        var home = TestNode.NewHome();
        var taken = TestNode.ConfigOf(home, "elm", hosts: false) with { Port = oak.Node.Host.ListenAddresses[0].Port };
        var error = await Assert.ThrowsAsync<PcException>(() => DaemonNode.StartAsync(taken, TimeProvider.System, SystemDisk.Instance, Cancelled));
        Assert.Equal(ErrorCode.PortTaken, error.Code);

        await using (var first = await DaemonNode.StartAsync(taken with { Port = null }, TimeProvider.System, SystemDisk.Instance, Cancelled))
        {
            var other = TestNode.NewHome();
            await using (var second = await DaemonNode.StartAsync(taken with { Port = null, Home = other }, TimeProvider.System, SystemDisk.Instance, Cancelled))
            {
                Assert.True(second.Host.ListenAddresses[0].Port > first.Host.ListenAddresses[0].Port);
            }
            Directory.Delete(other, recursive: true);
        }
        Directory.Delete(home, recursive: true);
    }

    [Fact]
    public async Task A_second_daemon_on_a_home_is_refused_and_leaves_the_first_alone()
    {
        await using var oak = await TestNode.StartAsync("oak");
        var error = await Assert.ThrowsAsync<PcException>(() => DaemonNode.StartAsync(TestNode.ConfigOf(oak.Home, "oak", false), TimeProvider.System, SystemDisk.Instance, Cancelled));
        Assert.Equal(ErrorCode.HomeInUse, error.Code);
        Assert.Equal("oak", (await oak.Client.GetAsync("/v1/status", TestNode.Json.StatusReply)).Name);
    }

    private static async Task<ErrorReply> AssertRefusedAsync(ErrorCode code, Task task)
    {
        var error = (await Assert.ThrowsAsync<ApiException>(() => task)).Reply;
        Assert.Equal($"PC{(int)code}", error.Code);
        return error;
    }

    /// <summary>The system's clock, wrong by a constant.</summary>
    private sealed class ShiftedTime(TimeSpan by) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => System.GetUtcNow() + by;
    }
}
