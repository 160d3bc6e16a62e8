using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Api;
using PeoplesCloud.Daemon.Joining;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Tests.Joining;

/// <summary>Three words that one person tells another.</summary>
public sealed class SpokenCodeTests
{
    [Fact]
    public async Task A_node_joins_by_three_words_once()
    {
        await using var oak = await TestNode.StartAsync("oak");
        await using var fir = await TestNode.StartAsync("fir");
        await using var elm = await TestNode.StartAsync("elm");
        await oak.CreateAsync("friends");
        var invited = await InviteAsync(oak, "guest");
        Assert.InRange(invited.Expires, DateTimeOffset.UtcNow.AddMinutes(8), DateTimeOffset.UtcNow.AddMinutes(11));
        var joined = await JoinAsync(fir, oak, invited.Words.ToUpperInvariant().Replace('-', ' '));
        Assert.Equal(("friends", "guest", 2), (joined.Name, joined.Role, joined.Members));
        await JoinAsync(fir, oak, invited.Words); // its answer was lost perhaps
        await JoinBySecretTests.AssertRefusedAsync(ErrorCode.SpokenCodeUnknown, JoinAsync(elm, oak, invited.Words));
        await oak.WaitForAsync("friends", swarm => swarm.Members.Count == 2);
    }

    [Fact]
    public async Task A_code_that_was_guessed_wrong_five_times_is_void()
    {
        await using var oak = await TestNode.StartAsync("oak");
        await using var fir = await TestNode.StartAsync("fir");
        await using var guesser = new JoinPeer();
        await oak.CreateAsync("friends");
        var code = SpokenCode.Parse((await InviteAsync(oak)).Words);
        var other = SpokenCode.Parse((await InviteAsync(oak)).Words);
        for (var i = 0; i < SpokenCodes.MaxGuesses; i++)
            Assert.Equal(JoinRefusalReason.Wrong, (await guesser.GuessAsync(oak, code.Plate, $"{code.Plate}-wrong-{i}", JoinKind.Code))!.Reason);
        await JoinBySecretTests.AssertRefusedAsync(ErrorCode.SpokenCodeUnknown, JoinAsync(fir, oak, code.Text));
        Assert.Equal(2, (await JoinAsync(fir, oak, other.Text)).Members); // the other one is as good as before
    }

    [Fact]
    public async Task A_wrong_word_a_removal_and_a_restart()
    {
        await using var oak = await TestNode.StartAsync("oak");
        await using var fir = await TestNode.StartAsync("fir");
        await using var elm = await TestNode.StartAsync("elm");
        await elm.JoinAsync((await oak.CreateAsync("friends")).Ticket!);
        var code = SpokenCode.Parse((await InviteAsync(oak)).Words);
        var wrong = $"{code.Plate}-{string.Join('-', SpokenWords.All.Except(code.Text.Split('-')).Take(2))}";
        await JoinBySecretTests.AssertRefusedAsync(ErrorCode.JoinSecretWrong, JoinAsync(fir, oak, wrong));
        await JoinBySecretTests.AssertRefusedAsync(ErrorCode.SpokenCodeInvalid, JoinAsync(fir, oak, "blue-oter-lamp"));
        await JoinBySecretTests.AssertRefusedAsync(ErrorCode.NotAllowed, InviteAsync(elm)); // a member
        await oak.WaitForAsync("friends", swarm => swarm.Members.Count == 2);
        await oak.Client.PostAsync("/v1/swarms/friends/remove", new RemoveRequest("elm"), TestNode.Json.RemoveRequest);
        await JoinBySecretTests.AssertRefusedAsync(ErrorCode.SpokenCodeUnknown, JoinAsync(fir, oak, code.Text)); // elm may have heard it
        var later = await InviteAsync(oak);
        await oak.StopAsync();
        await oak.StartAgainAsync();
        await JoinBySecretTests.AssertRefusedAsync(ErrorCode.SpokenCodeUnknown, JoinAsync(fir, oak, later.Words));
    }

    private static Task<WordsReply> InviteAsync(TestNode node, string? role = null) =>
        node.Client.PostAsync("/v1/swarms/friends/words", new WordsRequest(role), TestNode.Json.WordsRequest, TestNode.Json.WordsReply);

    private static Task<SwarmReply> JoinAsync(TestNode node, TestNode at, string code) =>
        node.Client.PostAsync("/v1/swarms/join-code", new JoinCodeRequest(code, $"127.0.0.1:{at.Node.Host.ListenAddresses[0].Port}"), TestNode.Json.JoinCodeRequest, TestNode.Json.SwarmReply);
}
