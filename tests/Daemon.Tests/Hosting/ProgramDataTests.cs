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
