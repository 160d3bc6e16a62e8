using PeoplesCloud.Daemon.Api;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Tests.Hosting;

/// <summary>A program's data among real nodes, over the mesh and with the sandbox.</summary>
public sealed class ProgramDataTests
{
    private const string Counter =
        """
        import os, time
        path = "data/count"
        count = int(open(path).read()) if os.path.exists(path) else 0
        print(f"begins with {count}", flush=True)
        while True:
            count += 1
            with open(path + ".new", "w") as f: f.write(str(count))
            os.rename(path + ".new", path)
            if count % 10 == 0: print(f"count {count}", flush=True)
            time.sleep(0.05)
        """;

    // Goal: a counter goes on where it was, on another host and after a redeploy, and the feed says how old its data was. Method: two
    // hosts guard it; the first is stopped in order, the second is told to run it.
    [Fact]
    public async Task A_programs_data_is_with_its_guardian_and_goes_on_on_the_next_host()
    {
        await using var oak = await TestNode.StartAsync("oak");
        await using var elm = await TestNode.StartAsync("elm", hosts: true);
        await using var fir = await TestNode.StartAsync("fir", hosts: true);
        var ticket = (await oak.CreateAsync("friends")).Ticket!;
        await elm.JoinAsync(ticket);
        await fir.JoinAsync(ticket);
        await oak.WaitForAsync("friends", swarm => swarm.Members.Count(member => member.Hosts) == 2);
        await elm.WaitForAsync("friends", swarm => swarm.Members.Count(member => member.Hosts) == 2);
        using var folder = new ProgramFolder(Counter);
        await File.WriteAllTextAsync(Path.Combine(folder.Path, "pc.toml"), "data = true\n", TestContext.Current.CancellationToken);

        var first = await oak.DeployAsync("friends", folder.Path, host: "elm");
        Assert.Equal(0, await FirstCountAsync(oak, first));
        await CountsAsync(oak, first, 30);
        var program = elm.Node.Swarms.Require("friends").State.Programs.Values.Single(program => !program.Stopped);
        var spec = Programs.ProgramSpec.Of(elm.Node.Swarms.Require("friends").Id, program);
        await TestNode.UntilAsync(() => fir.Node.ProgramData.StateOf(spec).Newest is { Stamp.Number: > 1 });

        // Another version on another host: it begins with what the first one has written last.
        await File.WriteAllTextAsync(Path.Combine(folder.Path, "bot.py"), Counter + "\n", TestContext.Current.CancellationToken);
        var second = await oak.DeployAsync("friends", folder.Path, host: "fir");
        Assert.Equal("fir", second.Host);
        var began = await FirstCountAsync(oak, second);
        Assert.True(began >= 30, $"it began with {began}");
        await foreach (var line in oak.LogsAsync("friends", second.Program, follow: false))
        {
            if (line.Stream == "pc" && line.Text.StartsWith("data: began with", StringComparison.Ordinal)) Assert.Matches("^data: began with 1 file, [0-9]+ bytes, [0-9]+ files? behind, [0-9.]+ s$", line.Text);
        }
        Assert.Empty(Directory.EnumerateFiles(Path.Combine(elm.Home, "programs-data"), "data.conflict-*", SearchOption.AllDirectories));
    }

    // Goal: the owner and admins see, fetch and remove copies on other hosts, and nobody else does. Method: oak owns the program on elm or fir;
    // ash is an admin and gum a member, neither of whom keeps anything.
    [Fact]
    public async Task The_copies_of_a_programs_data_are_listed_fetched_and_removed_by_who_may()
    {
        await using var oak = await TestNode.StartAsync("oak");
        await using var elm = await TestNode.StartAsync("elm", hosts: true);
        await using var fir = await TestNode.StartAsync("fir", hosts: true);
        await using var ash = await TestNode.StartAsync("ash");
        await using var gum = await TestNode.StartAsync("gum");
        var ticket = (await oak.CreateAsync("friends")).Ticket!;
        foreach (var node in new[] { elm, fir, gum }) await node.JoinAsync(ticket);
        var admin = await oak.Client.PostAsync("/v1/swarms/friends/invite", new InviteRequest("admin", 1, null), TestNode.Json.InviteRequest, TestNode.Json.InviteReply);
        await ash.JoinAsync(admin.Ticket);
        await oak.WaitForAsync("friends", swarm => swarm.Members.Count(member => member.Hosts) == 2 && swarm.Members.Count(member => member.State is "awake" or "here") == 5);
        using var folder = new ProgramFolder("import time\nopen('data/score', 'w').write('one')\nprint('born', flush=True)\nwhile True: time.sleep(1)\n");
        await File.WriteAllTextAsync(Path.Combine(folder.Path, "pc.toml"), "data = true\n", Token);
        await oak.DeployAsync("friends", folder.Path, host: "elm", name: "bot");
        foreach (var node in new[] { ash, gum }) await node.WaitForAsync("friends", swarm => swarm.Programs is [{ State: "running" }] && swarm.Members.Count(member => member.State is "awake" or "here") == 5);

        // The admin, who has no key of it, sees both copies when they are there.
        var list = await ListAsync(ash);
        using var limit = new CancellationTokenSource(TestNode.Patience);
        while (list.Copies is not [{ Files: 1, Newest: true }, { Files: 1, Newest: true }])
        {
            await Task.Delay(20, limit.Token);
            list = await ListAsync(ash);
        }
        Assert.Equal(("elm fir", "elm", false), (string.Join(" ", list.Copies.Select(copy => copy.On).Order(StringComparer.Ordinal)), list.RunsOn, list.Stopped));
        Assert.All(list.Copies, copy => Assert.Equal(("elm", 3L, 0), (copy.Holder, copy.Bytes, copy.Behind)));

        using var got = new ProgramFolder("");
        foreach (var (node, on) in new[] { (ash, "fir"), (oak, null), (oak, "elm") })
        {
            var output = Path.Combine(got.Path, $"of-{on ?? "any"}");
            var request = System.Net.Http.Json.JsonContent.Create(new DataGetRequest(output, on), DataApiJson.Default.DataGetRequest);
            var last = await node.Client.EventsAsync(HttpMethod.Post, "/v1/swarms/friends/programs/bot/data/get", request, DataApiJson.Default.EventDataGetReply).LastAsync(Token);
            Assert.Equal(1, last.Result!.Copy.Files);
            Assert.Equal("one", await File.ReadAllTextAsync(Path.Combine(output, "score"), Token));
        }

        // Who may not is refused here; a node of its own making is refused by the hosts (see DefaultDenyTests). What runs keeps its data.
        await AssertRefusedAsync(Base.ErrorCode.NotPermitted, ListAsync(gum));
        await AssertRefusedAsync(Base.ErrorCode.DataInUse, DropAsync(oak, new DataDropRequest()));
        await AssertRefusedAsync(Base.ErrorCode.DataNotFound, DropAsync(oak, new DataDropRequest("data.conflict-elm-7")));

        await oak.StopProgramAsync("friends", "bot");
        var dropped = await DropAsync(ash, new DataDropRequest());
        Assert.Equal(["elm", "fir"], dropped.Dropped);
        list = await ListAsync(oak);
        Assert.Equal((true, 0), (list.Stopped, list.Copies.Count));
        Assert.Empty(Directory.EnumerateDirectories(Path.Combine(elm.Home, "programs-data")));
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private static Task<DataReply> ListAsync(TestNode node) => node.Client.GetAsync("/v1/swarms/friends/programs/bot/data", DataApiJson.Default.DataReply);

    private static Task<DataDropReply> DropAsync(TestNode node, DataDropRequest request) =>
        node.Client.PostAsync("/v1/swarms/friends/programs/bot/data/drop", request, DataApiJson.Default.DataDropRequest, DataApiJson.Default.DataDropReply);

    private static async Task AssertRefusedAsync(Base.ErrorCode code, Task asked) => Assert.Equal($"PC{(int)code}", (await Assert.ThrowsAsync<ApiException>(() => asked)).Reply.Code);

    private static async Task<int> FirstCountAsync(TestNode node, DeployReply deployed)
    {
        await foreach (var line in node.LogsAsync("friends", deployed.Program))
            if (line.Text.StartsWith("begins with ", StringComparison.Ordinal)) return int.Parse(line.Text["begins with ".Length..], System.Globalization.CultureInfo.InvariantCulture);
        throw new InvalidOperationException("its log ended");
    }

    private static async Task CountsAsync(TestNode node, DeployReply deployed, int count)
    {
        await foreach (var line in node.LogsAsync("friends", deployed.Program))
            if (line.Text == $"count {count}") return;
    }
}
