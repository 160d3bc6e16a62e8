using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Api;
using PeoplesCloud.Daemon.Joining;
using PeoplesCloud.Daemon.Mesh;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Tests.Joining;

/// <summary>Joining by name, address and secret: real nodes, real connections.</summary>
public sealed class JoinBySecretTests
{
    private const string Secret = "correct horse battery";

    [Fact]
    public async Task A_node_joins_by_name_address_and_secret()
    {
        await using var oak = await TestNode.StartAsync("oak");
        await using var fir = await TestNode.StartAsync("fir");
        await CreateAsync(oak);
        var joined = await JoinAsync(fir, oak, Secret);
        Assert.Equal(("friends", "member", 2), (joined.Name, joined.Role, joined.Members));
        foreach (var node in new[] { oak, fir }) await node.WaitForAsync("friends", swarm => swarm.Members.Count == 2 && swarm.Members.All(member => member.State is "here" or "awake"));
        // Again, because the answer was lost perhaps: nothing changes.
        Assert.Equal(2, (await JoinAsync(fir, oak, Secret)).Members);
        // The secret is in no file of either home.
        foreach (var home in new[] { oak.Home, fir.Home })
            Assert.All(Directory.GetFiles(home, "*", SearchOption.AllDirectories), file => Assert.False(Contains(file, Secret), file));
    }

    [Fact]
    public async Task A_wrong_secret_and_an_unknown_name_get_the_same_answer()
    {
        await using var oak = await TestNode.StartAsync("oak");
        await using var fir = await TestNode.StartAsync("fir");
        await CreateAsync(oak);
        await oak.CreateAsync("without-secret");
        var wrong = await AssertRefusedAsync(ErrorCode.JoinSecretWrong, JoinAsync(fir, oak, "correct horse batterY"));
        var unknown = await AssertRefusedAsync(ErrorCode.JoinSecretWrong, JoinAsync(fir, oak, Secret, "strangers"));
        var secretless = await AssertRefusedAsync(ErrorCode.JoinSecretWrong, JoinAsync(fir, oak, Secret, "without-secret"));
        Assert.Equal(wrong.Message.Replace("friends", "*", StringComparison.Ordinal), unknown.Message.Replace("strangers", "*", StringComparison.Ordinal));
        Assert.Equal(wrong.Message.Replace("friends", "*", StringComparison.Ordinal), secretless.Message.Replace("without-secret", "*", StringComparison.Ordinal));
        Assert.Empty((await fir.Client.GetAsync("/v1/list", TestNode.Json.ListReply)).Swarms);
        Assert.Single((await oak.ListAsync("friends")).Members);
    }

    [Fact]
    public async Task Any_admin_who_is_awake_lets_others_in_and_a_member_does_not()
    {
        await using var oak = await TestNode.StartAsync("oak");
        await using var elm = await TestNode.StartAsync("elm");
        await using var ash = await TestNode.StartAsync("ash");
        await using var fir = await TestNode.StartAsync("fir");
        await CreateAsync(oak);
        await elm.JoinAsync((await oak.Client.PostAsync("/v1/swarms/friends/invite", new InviteRequest("admin", 1, 1), TestNode.Json.InviteRequest, TestNode.Json.InviteReply)).Ticket);
        await JoinAsync(ash, oak, Secret);
        var elmsSwarm = elm.Node.Swarms.Require("friends");
        await WaitAsync(elmsSwarm, state => state.JoinSecret is { Set.Boxes.Count: 2 } && state.ActiveMembers.Count() == 3, "elm holds the secret");
        await oak.StopAsync();
        await AssertRefusedAsync(ErrorCode.JoinSecretWrong, JoinAsync(fir, ash, Secret));
        Assert.Equal(4, (await JoinAsync(fir, elm, Secret)).Members);
        await oak.StartAgainAsync();
    }

    [Fact]
    public async Task A_removal_ends_the_secret_and_a_new_one_is_good_again()
    {
        await using var oak = await TestNode.StartAsync("oak");
        await using var fir = await TestNode.StartAsync("fir");
        await CreateAsync(oak);
        await JoinAsync(fir, oak, Secret);
        await oak.Client.PostAsync("/v1/swarms/friends/remove", new RemoveRequest("fir"), TestNode.Json.RemoveRequest);
        await AssertRefusedAsync(ErrorCode.JoinSecretWrong, JoinAsync(fir, oak, Secret));
        await SetAsync(oak, new SecretRequest("another secret", "guest"));
        await AssertRefusedAsync(ErrorCode.JoinSecretWrong, JoinAsync(fir, oak, Secret));
        await using var elm = await TestNode.StartAsync("elm");
        Assert.Equal("guest", (await JoinAsync(elm, oak, "another secret")).Role);
        await SetAsync(oak, new SecretRequest(null));
        await AssertRefusedAsync(ErrorCode.JoinSecretWrong, JoinAsync(fir, oak, "another secret"));
        await AssertRefusedAsync(ErrorCode.NotAllowed, SetAsync(elm, new SecretRequest("a secret of a guest")));
    }

    [Fact] // A man in the middle who passes everything on as it is: both sides know the secret, and yet neither believes the other.
    public async Task A_man_in_the_middle_gets_nobody_in()
    {
        await using var oak = await TestNode.StartAsync("oak");
        await using var fir = await TestNode.StartAsync("fir");
        await using var mallory = new JoinPeer();
        await CreateAsync(oak);
        var passed = 0;
        mallory.Host.Handle(JoinProtocol.Id, async (victim, token) =>
        {
            await using var inviter = await mallory.OpenAsync(oak);
            for (var i = 0; i < 2; i++)
            {
                await JoinProtocol.WriteAsync(inviter, (await JoinPeer.ReadAsync(victim))!, token);
                await JoinProtocol.WriteAsync(victim, (await JoinPeer.ReadAsync(inviter))!, token);
                Interlocked.Increment(ref passed);
            }
        });
        var at = await mallory.ListenAsync();
        await AssertRefusedAsync(ErrorCode.JoinSecretWrong, JoinAsync(fir, at, Secret));
        Assert.Equal(2, passed); // hello and offer, proof and verdict: all of it went through
        Assert.Equal("oak", Assert.Single((await oak.ListAsync("friends")).Members).Name);
        Assert.Empty((await fir.Client.GetAsync("/v1/list", TestNode.Json.ListReply)).Swarms);
        // Without mallory the same secret is right.
        Assert.Equal(2, (await JoinAsync(fir, oak, Secret)).Members);
    }

    [Fact] // One who does not know the secret and says that all is well, with a swarm of its own to offer.
    public async Task An_inviter_who_does_not_know_the_secret_is_not_believed()
    {
        await using var fir = await TestNode.StartAsync("fir");
        await using var mallory = new JoinPeer();
        var refusal = (JoinRefusal?)null;
        mallory.Host.Handle(JoinProtocol.Id, async (victim, token) =>
        {
            var hello = await JoinPeer.ReadAsync(victim);
            using var side = new InvitingSide(mallory.Host.Self, victim.RemotePeer, victim.ChannelBinding.Span, hello, JoinVerifier.Decoy([1], "friends"));
            await JoinProtocol.WriteAsync(victim, side.Offer, token);
            await JoinPeer.ReadAsync(victim);
            await JoinProtocol.WriteAsync(victim, new JoinVerdict(refusal is null ? new byte[32] : null, refusal).Encode(), token);
            await JoinProtocol.WriteAsync(victim, new byte[100], token);
        });
        var at = await mallory.ListenAsync();
        await AssertRefusedAsync(ErrorCode.JoinUntrusted, JoinAsync(fir, at, Secret));
        refusal = new JoinRefusal(JoinRefusalReason.NotAdmitted, default, 1000, "type your password into https://example.org");
        await AssertRefusedAsync(ErrorCode.JoinUntrusted, JoinAsync(fir, at, Secret));
        Assert.Empty((await fir.Client.GetAsync("/v1/list", TestNode.Json.ListReply)).Swarms);
    }

    [Fact]
    public async Task Guessing_is_cut_off_also_when_many_guess_at_once_and_across_a_restart()
    {
        var most = GuessLimits.Joining.PerPrefix;
        await using var oak = await TestNode.StartAsync("oak");
        await using var fir = await TestNode.StartAsync("fir");
        await CreateAsync(oak);
        await using (var guesser = new JoinPeer())
        {
            var answers = new List<JoinRefusal?>();
            while (answers.Count < most + 4) // four at a time: more than the limit are under way when it is reached
                answers.AddRange(await Task.WhenAll(Enumerable.Range(0, 4).Select(i => Task.Run(() => guesser.GuessAsync(oak, i % 2 == 0 ? "friends" : "strangers", $"wrong secret {answers.Count + i}")))));
            Assert.Equal(most, answers.Count(answer => answer!.Reason == JoinRefusalReason.Wrong));
            Assert.All(answers.Where(answer => answer!.Reason != JoinRefusalReason.Wrong), answer =>
            {
                Assert.Equal(JoinRefusalReason.TooManyGuesses, answer!.Reason);
                Assert.InRange(answer.Wait, TimeSpan.FromMinutes(1), GuessLimits.Joining.Window);
            });
        }
        var error = await AssertRefusedAsync(ErrorCode.JoinGuessesUsedUp, JoinAsync(fir, oak, Secret));
        Assert.Contains("try again after", error.Hint, StringComparison.Ordinal);
        await oak.StopAsync();
        await oak.StartAgainAsync();
        await AssertRefusedAsync(ErrorCode.JoinGuessesUsedUp, JoinAsync(fir, oak, Secret));
    }

    [Fact]
    public async Task What_is_no_message_ends_the_stream_and_nothing_else()
    {
        await using var oak = await TestNode.StartAsync("oak");
        await using var fir = await TestNode.StartAsync("fir");
        await using var stranger = new JoinPeer();
        await CreateAsync(oak);
        byte[][] nonsense = [[], [1, 2, 3], new byte[SwarmLimits.MaxJoinMessageBytes], new JoinHello((JoinKind)7, "friends").Encode()];
        foreach (var bytes in nonsense)
        {
            await using var stream = await stranger.OpenAsync(oak);
            await JoinProtocol.WriteAsync(stream, bytes, Cancelled);
            await Assert.ThrowsAnyAsync<IOException>(() => JoinPeer.ReadAsync(stream));
        }
        await using (var stream = await stranger.OpenAsync(oak))
        {
            await stream.Output.WriteAsync(new byte[] { 0xff, 0xff, 0xff, 0xff, 0x0f }, Cancelled); // a length of gigabytes
            await Assert.ThrowsAnyAsync<IOException>(() => JoinPeer.ReadAsync(stream));
        }
        Assert.Equal(2, (await JoinAsync(fir, oak, Secret)).Members);
    }

    [Fact]
    public async Task More_at_once_than_the_door_is_wide_are_told_so()
    {
        await using var oak = await TestNode.StartAsync("oak");
        await using var fir = await TestNode.StartAsync("fir");
        await using var stranger = new JoinPeer();
        await CreateAsync(oak);
        var waiting = new List<Libp2pStream>();
        for (var i = 0; i < JoinDoor.MaxAtOncePerPrefix; i++)
        {
            var stream = await stranger.OpenAsync(oak);
            waiting.Add(stream);
            await JoinProtocol.WriteAsync(stream, new JoinHello(JoinKind.Secret, "friends").Encode(), Cancelled);
            Assert.NotNull(await JoinPeer.ReadAsync(stream)); // inside, and silent from now on
        }
        await AssertRefusedAsync(ErrorCode.JoinBusy, JoinAsync(fir, oak, Secret));
        foreach (var stream in waiting)
        {
            stream.Reset();
            await stream.DisposeAsync();
        }
        // The door sees at its own pace that they went.
        using var limit = new CancellationTokenSource(TestNode.Patience);
        while (true)
        {
            try
            {
                Assert.Equal(2, (await JoinAsync(fir, oak, Secret)).Members);
                break;
            }
            catch (ApiException e) when (e.Reply.Code == $"PC{(int)ErrorCode.JoinBusy}" && !limit.IsCancellationRequested)
            {
                await Task.Yield();
            }
        }
    }

    [Fact]
    public async Task Texts_that_cannot_be_right_are_refused_before_anything_is_done()
    {
        await using var oak = await TestNode.StartAsync("oak");
        await AssertRefusedAsync(ErrorCode.JoinSecretInvalid, CreateAsync(oak, "short"));
        await AssertRefusedAsync(ErrorCode.JoinSecretInvalid, CreateAsync(oak, new string('x', 1025)));
        var error = await AssertRefusedAsync(ErrorCode.JoinSecretInvalid, CreateAsync(oak, "two lines\nof secret"));
        Assert.DoesNotContain("lines", error.Message, StringComparison.Ordinal);
        Assert.Empty((await oak.Client.GetAsync("/v1/list", TestNode.Json.ListReply)).Swarms);
        foreach (var peer in new[] { "", "oak:port", "oak:0", "oak:70000", "[::1", "/ip4/127.0.0.1", "a b:1" })
            await AssertRefusedAsync(ErrorCode.JoinPeerInvalid, JoinAsync(oak, peer, Secret));
        await AssertRefusedAsync(ErrorCode.PeerUnreachable, JoinAsync(oak, "127.0.0.1:1", Secret));
        await using var other = new JoinPeer(); // a node of another program
        await AssertRefusedAsync(ErrorCode.JoinUnsupported, JoinAsync(oak, await other.ListenAsync(), Secret));
    }

    [Theory]
    [InlineData("192.0.2.7:4300", "/ip4/192.0.2.7/tcp/4300")]
    [InlineData("192.0.2.7", "/ip4/192.0.2.7/tcp/4242")]
    [InlineData("[2001:db8::7]:4300", "/ip6/2001:db8::7/tcp/4300")]
    [InlineData("2001:db8::7", "/ip6/2001:db8::7/tcp/4242")]
    [InlineData("oak.example:4300", "/dns4/oak.example/tcp/4300 /dns6/oak.example/tcp/4300")]
    [InlineData("oak", "/dns4/oak/tcp/4242 /dns6/oak/tcp/4242")]
    [InlineData("/ip4/192.0.2.7/tcp/4300", "/ip4/192.0.2.7/tcp/4300")]
    public void Addresses_are_read_as_people_write_them(string text, string addresses) =>
        Assert.Equal(addresses, string.Join(' ', PeerAddress.Parse(text)));

    private static Task<SwarmReply> CreateAsync(TestNode node, string secret = Secret) =>
        node.Client.PostAsync("/v1/swarms", new CreateRequest("friends", secret), TestNode.Json.CreateRequest, TestNode.Json.SwarmReply);

    private static Task<SwarmReply> JoinAsync(TestNode node, TestNode at, string secret, string swarm = "friends") =>
        JoinAsync(node, $"127.0.0.1:{at.Node.Host.ListenAddresses[0].Port}", secret, swarm);

    private static Task<SwarmReply> JoinAsync(TestNode node, string at, string secret, string swarm = "friends") =>
        node.Client.PostAsync("/v1/swarms/join-secret", new JoinSecretRequest(swarm, at, secret), TestNode.Json.JoinSecretRequest, TestNode.Json.SwarmReply);

    private static Task<SecretReply> SetAsync(TestNode node, SecretRequest request) =>
        node.Client.PostAsync("/v1/swarms/friends/secret", request, TestNode.Json.SecretRequest, TestNode.Json.SecretReply);

    internal static async Task<ErrorReply> AssertRefusedAsync(ErrorCode code, Task task)
    {
        var error = (await Assert.ThrowsAsync<ApiException>(() => task)).Reply;
        Assert.Equal($"PC{(int)code}", error.Code);
        return error;
    }

    private static async Task WaitAsync(Daemon.Swarms.LocalSwarm swarm, Func<SwarmState, bool> wanted, string what)
    {
        var came = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        swarm.Changed += changed =>
        {
            if (wanted(changed.State)) came.TrySetResult();
        };
        if (wanted(swarm.State)) return;
        try
        {
            await came.Task.WaitAsync(TestNode.Patience, Cancelled);
        }
        catch (TimeoutException)
        {
            Assert.Fail($"never came true: {what}");
        }
    }

    private static bool Contains(string file, string text)
    {
        try
        {
            using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            using var bytes = new MemoryStream();
            stream.CopyTo(bytes);
            return bytes.ToArray().AsSpan().IndexOf(System.Text.Encoding.UTF8.GetBytes(text)) >= 0;
        }
        catch (IOException)
        {
            return false; // the socket
        }
    }

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;
}
