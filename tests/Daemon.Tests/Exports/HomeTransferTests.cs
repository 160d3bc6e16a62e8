using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Exports;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Tests.Exports;

/// <summary>Export and import of real nodes' homes.</summary>
public sealed class HomeTransferTests : IDisposable
{
    private readonly string _folder = TestNode.NewHome();

    private string this[string name] => Path.Combine(_folder, name);

    private string Export => this["oak.tar"];

    // Goal: everything that the node kept is there on the other machine. Method: a node that runs is exported with its blocks and
    // stopped; another starts on what was imported and is asked for each thing.
    [Fact]
    public async Task A_node_is_the_same_on_another_machine()
    {
        var oak = await TestNode.StartAsync("oak");
        await oak.CreateAsync("friends");
        await File.WriteAllTextAsync(this["note.txt"], "keep me", Token);
        var cid = (await oak.AddAsync(this["note.txt"], isPublic: true)).Single().Cid;
        await oak.Client.PostAsync("/v1/host/pause", new Api.PauseRequest(null), Api.HostApiJson.Default.PauseRequest, Api.HostApiJson.Default.PolicyReply);
        Directory.CreateDirectory(Path.Combine(oak.Home, "programs", "abcdefghijklmnopqrstuvwxyz"));
        await File.WriteAllTextAsync(Path.Combine(oak.Home, "programs", "abcdefghijklmnopqrstuvwxyz", "finished"), "", Token);
        var (self, id) = (oak.Node.Self, (await oak.ListAsync("friends")).Id);

        var exported = HomeTransfer.Export(oak.Home, Export, withBlocks: true);
        Assert.Equal((self.ToString(), true, 1), (exported.PeerId, exported.WasRunning, exported.Pins));
        Assert.True(exported.Blocks > 0);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Export));
        Assert.Equal(["note.txt", "oak.tar"], Directory.GetFileSystemEntries(_folder).Select(Path.GetFileName).Order()); // nothing is left beside it
        await oak.DisposeAsync();

        var imported = HomeTransfer.Import(Export, this["home"]);
        Assert.Equal((self.ToString(), exported.Blocks, 1), (imported.PeerId, imported.Blocks, imported.Pins));
        Assert.All(Directory.GetFiles(this["home"], "*", SearchOption.AllDirectories), file => Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file)));
        Assert.All(Directory.GetDirectories(this["home"], "*", SearchOption.AllDirectories).Append(this["home"]), folder => Assert.Equal((UnixFileMode)0b111_000_000, File.GetUnixFileMode(folder)));
        Assert.True(File.Exists(this["home/programs/abcdefghijklmnopqrstuvwxyz/finished"]));

        await using var again = await TestNode.StartAsync("oak", home: this["home"]);
        Assert.Equal(self, again.Node.Self);
        Assert.Equal(id, (await again.ListAsync("friends")).Id);
        Assert.Equal([cid], (await again.Client.GetAsync("/v1/pins", TestNode.Json.PinsReply)).Public);
        Assert.True((await again.Client.GetAsync("/v1/host", Api.HostApiJson.Default.HostReply)).Paused);
        using var content = await again.Client.SendAsync(HttpMethod.Get, $"/v1/cat/{cid}");
        Assert.Equal("keep me", await content.Content.ReadAsStringAsync(Token));
    }

    // Goal: an old export forks no feed. Method: elm writes after it was exported, its home is lost, the export put in its place, and
    // it writes again; both entries must count and nobody may see a fork.
    [Fact]
    public async Task A_restored_node_learns_its_own_last_entries_before_it_writes()
    {
        await using var oak = await TestNode.StartAsync("oak");
        var elm = await TestNode.StartAsync("elm");
        await oak.CreateAsync("friends");
        var invite = await oak.Client.PostAsync("/v1/swarms/friends/invite", new Api.InviteRequest("admin", null, null), TestNode.Json.InviteRequest, TestNode.Json.InviteReply);
        await elm.JoinAsync(invite.Ticket);
        HomeTransfer.Export(elm.Home, Export, withBlocks: false);
        await InviteAsync(elm);
        await WaitForTicketsOfAsync(oak, elm.Node.Self, 1);
        await elm.DisposeAsync();

        HomeTransfer.Import(Export, this["home"]);
        await using var restored = await TestNode.StartAsync("elm", home: this["home"]);
        await InviteAsync(restored);
        await WaitForTicketsOfAsync(oak, restored.Node.Self, 2);
        Assert.Empty(oak.Node.Swarms.Require("friends").State.Forked);
    }

    [Fact]
    public async Task Nothing_is_written_over()
    {
        Assert.Equal(ErrorCode.HomeMissing, CodeOf(() => HomeTransfer.Export(this["none"], Export, false)));
        await using var oak = await TestNode.StartAsync("oak");
        HomeTransfer.Export(oak.Home, Export, false);
        Assert.Equal(ErrorCode.ExportExists, CodeOf(() => HomeTransfer.Export(oak.Home, Export, false)));
        Assert.Equal(ErrorCode.PathNotFound, CodeOf(() => HomeTransfer.Export(oak.Home, this["none/oak.tar"], false)));
        Assert.Equal(ErrorCode.HomeNotEmpty, CodeOf(() => HomeTransfer.Import(Export, oak.Home)));
        Assert.Equal(ErrorCode.PathNotFound, CodeOf(() => HomeTransfer.Import(this["none"], this["home"])));
        Assert.Equal(ErrorCode.HomeUnusable, CodeOf(() => HomeTransfer.Import(Export, this[new string('x', 120)])));
        Directory.CreateDirectory(this["empty"]);
        Assert.Equal(oak.Node.Self.ToString(), HomeTransfer.Import(Export, this["empty"]).PeerId);
        Assert.Equal(ErrorCode.HomeNotEmpty, CodeOf(() => HomeTransfer.Import(Export, this["empty"])));
    }

    [Fact]
    public async Task A_damaged_export_changes_nothing()
    {
        await using (var oak = await TestNode.StartAsync("oak"))
        {
            await oak.CreateAsync("friends");
            HomeTransfer.Export(oak.Home, Export, false);
        }
        var whole = await File.ReadAllBytesAsync(Export, Token);
        foreach (var length in new[] { 0, 511, 512, whole.Length / 2, whole.Length - 1024, whole.Length - 1 })
        {
            await File.WriteAllBytesAsync(this["cut.tar"], whole[..length], Token);
            Assert.Equal(ErrorCode.ExportDamaged, CodeOf(() => HomeTransfer.Import(this["cut.tar"], this["home"])));
        }
        Assert.Equal(["cut.tar", "oak.tar"], Directory.GetFileSystemEntries(_folder).Select(Path.GetFileName).Order());
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private static ErrorCode CodeOf(Action action) => Assert.Throws<PcException>(action).Code;

    private static async Task InviteAsync(TestNode node) =>
        await node.Client.PostAsync("/v1/swarms/friends/invite", new Api.InviteRequest(null, null, null), TestNode.Json.InviteRequest, TestNode.Json.InviteReply);

    private static Task<Api.SwarmInfo> WaitForTicketsOfAsync(TestNode seenBy, Libp2p.PeerId issuer, int count) =>
        seenBy.WaitForAsync("friends", _ => seenBy.Node.Swarms.Require("friends").State.Tickets.Values.Count(ticket => ticket.Issuer == issuer) >= count);
}
