using PeoplesCloud.Base;
using PeoplesCloud.Content;
using PeoplesCloud.Daemon.Api;

namespace PeoplesCloud.Daemon.Tests.Contents;

public sealed class CollectTests
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_is_unpinned_goes_with_its_grants_and_what_is_pinned_stays()
    {
        await using var oak = await TestNode.StartAsync("oak");
        await using var elm = await TestNode.StartAsync("elm");
        await elm.JoinAsync((await oak.CreateAsync("friends")).Ticket!);
        var (kept, gone) = (await AddAsync(oak, "kept"), await AddAsync(oak, "gone"));
        using (await oak.Client.SendAsync(HttpMethod.Delete, $"/v1/pins/{gone}"))
        {
        }

        Assert.Equal(new CollectReply(1, 12, 1, 12, true), await CollectAsync(oak, dryRun: true));
        Assert.Equal(new CollectReply(1, 12, 1, 12, false), await CollectAsync(oak, dryRun: false));
        Assert.Equal("kept", await CatAsync(oak, kept));
        Assert.Equal("kept", await CatAsync(elm, kept));
        await AssertNotFoundAsync(oak, gone);

        // The grant went too: the same bytes, added for another swarm, are not for the friends.
        await oak.CreateAsync("family");
        Assert.Equal(gone, await AddAsync(oak, "gone", "family"));
        await AssertNotFoundAsync(elm, gone);
    }

    [Fact]
    public async Task A_pin_that_is_not_whole_is_said()
    {
        await using var oak = await TestNode.StartAsync("oak");
        var path = Path.Combine(oak.Home, "large");
        await File.WriteAllBytesAsync(path, new byte[300_000], Stop);
        var root = Cid.Parse((await oak.AddAsync(path)).Single().Cid);
        var digest = Convert.ToHexStringLower(root.Digest);
        File.Delete(Path.Combine(oak.Home, "blocks", digest[..1], digest));
        var error = await Assert.ThrowsAsync<ApiException>(() => CollectAsync(oak, dryRun: false));
        Assert.Equal($"PC{(int)ErrorCode.PinIncomplete}", error.Reply.Code);
    }

    internal static Task<CollectReply> CollectAsync(TestNode node, bool dryRun) =>
        node.Client.PostAsync("/v1/gc", new CollectRequest(dryRun), TestNode.Json.CollectRequest, TestNode.Json.CollectReply);

    private static async Task<string> AddAsync(TestNode node, string text, string? swarm = null)
    {
        var path = Path.Combine(node.Home, "to-add");
        await File.WriteAllTextAsync(path, text, Stop);
        return (await node.AddAsync(path, swarm: swarm)).Single().Cid;
    }

    private static async Task<string> CatAsync(TestNode node, string cid)
    {
        using var response = await node.Client.SendAsync(HttpMethod.Get, $"/v1/cat/{cid}");
        return await response.Content.ReadAsStringAsync(Stop);
    }

    private static async Task AssertNotFoundAsync(TestNode node, string cid)
    {
        using var response = await node.Client.SendAsync(HttpMethod.Get, $"/v1/cat/{cid}");
        Assert.Contains($"PC{(int)ErrorCode.BlockNotFound}", await response.Content.ReadAsStringAsync(Stop), StringComparison.Ordinal);
    }
}
