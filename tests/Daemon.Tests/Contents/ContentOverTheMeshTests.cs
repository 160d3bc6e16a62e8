using System.Net.Http.Json;
using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Api;

namespace PeoplesCloud.Daemon.Tests.Contents;

public sealed class ContentOverTheMeshTests
{
    [Fact]
    public async Task What_one_member_adds_another_gets_and_passes_on()
    {
        await using var oak = await TestNode.StartAsync("oak");
        await using var elm = await TestNode.StartAsync("elm");
        await using var fir = await TestNode.StartAsync("fir");
        var ticket = (await oak.CreateAsync("friends")).Ticket!;
        await elm.JoinAsync(ticket);
        await fir.JoinAsync(ticket);
        var folder = Path.Combine(oak.Home, "to-add");
        Directory.CreateDirectory(folder);
        var content = new byte[700_000]; // three blocks and a node above them
        new Random(1).NextBytes(content);
        await File.WriteAllBytesAsync(Path.Combine(folder, "large"), content, TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(Path.Combine(folder, "small"), "hello", TestContext.Current.CancellationToken);

        var root = (await oak.AddAsync(folder, recursive: true))[^1].Cid;
        await GetAsync(elm, root, Path.Combine(elm.Home, "got"));
        Assert.Equal(content, await File.ReadAllBytesAsync(Path.Combine(elm.Home, "got", "large"), TestContext.Current.CancellationToken));

        // The one who added it goes to sleep; who has it serves it.
        await fir.WaitForAsync("friends", swarm => swarm.Members.All(member => member.State is "here" or "awake"));
        await oak.StopAsync();
        await GetAsync(fir, root, Path.Combine(fir.Home, "got"));
        Assert.Equal("hello", await File.ReadAllTextAsync(Path.Combine(fir.Home, "got", "small"), TestContext.Current.CancellationToken));
        using var cat = await fir.Client.SendAsync(HttpMethod.Get, $"/v1/cat/{root}/small");
        Assert.Equal("hello", await cat.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
        await oak.StartAgainAsync();
    }

    [Fact]
    public async Task Content_of_version_1_goes_the_same_way()
    {
        await using var oak = await TestNode.StartAsync("oak");
        await using var elm = await TestNode.StartAsync("elm");
        await elm.JoinAsync((await oak.CreateAsync("friends")).Ticket!);
        var folder = Directory.CreateDirectory(Path.Combine(oak.Home, "d")).FullName;
        await File.WriteAllTextAsync(Path.Combine(folder, "a.txt"), "hello\n", TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(Path.Combine(folder, "b.txt"), "world\n", TestContext.Current.CancellationToken);

        // The tree "two-files" of the vectors.
        var added = await oak.AddAsync(folder, recursive: true, cidVersion: 1);
        Assert.Equal("bafkreicysg23kiwv34eg2d7qweipxwosdo2py4ldv42nbauguluen5v6am", added[0].Cid);
        Assert.Equal("bafybeiebfcvnu4542ztbnnbmo4sklt4u4l7qojvdekoseakophyy7ps3ja", added[^1].Cid);
        await GetAsync(elm, added[^1].Cid, Path.Combine(elm.Home, "got"));
        using var pin = await elm.Client.SendAsync(HttpMethod.Post, $"/v1/pins/{added[^1].Cid}");
        Assert.True(pin.IsSuccessStatusCode);
        using var cat = await elm.Client.SendAsync(HttpMethod.Get, $"/v1/cat/{added[^1].Cid}/b.txt");
        Assert.Equal("world\n", await cat.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));

        var error = await Assert.ThrowsAsync<ApiException>(() => oak.AddAsync(folder, recursive: true, cidVersion: 2));
        Assert.Equal($"PC{(int)ErrorCode.Usage}", error.Reply.Code);
    }

    [Fact]
    public async Task What_is_added_for_one_swarm_cannot_be_fetched_through_another()
    {
        await using var oak = await TestNode.StartAsync("oak");
        await using var elm = await TestNode.StartAsync("elm");
        await oak.CreateAsync("family");
        await elm.JoinAsync((await oak.CreateAsync("friends")).Ticket!);
        var file = Path.Combine(oak.Home, "secret");
        await File.WriteAllTextAsync(file, "for the family", TestContext.Current.CancellationToken);
        var cid = (await oak.AddAsync(file, swarm: "family")).Single().Cid;
        var error = await Assert.ThrowsAsync<ApiException>(() => GetAsync(elm, cid, Path.Combine(elm.Home, "got")));
        Assert.Equal($"PC{(int)ErrorCode.BlockNotFound}", error.Reply.Code);
    }

    private static async Task GetAsync(TestNode node, string cid, string output)
    {
        GetReply? reply = null;
        await foreach (var happened in node.Client.EventsAsync(HttpMethod.Post, "/v1/get", JsonContent.Create(new GetRequest(cid, output), TestNode.Json.GetRequest), TestNode.Json.EventGetReply))
            reply = happened.Result ?? reply;
        Assert.Equal(output, reply!.Output);
    }
}
