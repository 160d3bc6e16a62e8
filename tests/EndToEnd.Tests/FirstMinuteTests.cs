using System.Diagnostics;

namespace PeoplesCloud.EndToEnd.Tests;

/// <summary>What a newcomer does first: the README's commands with real processes.</summary>
public sealed class FirstMinuteTests
{
    [Fact]
    public void Try_once_shows_a_bot_on_another_node_and_leaves_nothing()
    {
        using var place = new Place();
        var said = Pc.RunWith(place["home"], new Dictionary<string, string> { ["TMPDIR"] = place.Folder }, "try", "--once").Ok();
        Assert.Matches("hello-bot runs on (elm|fir), because", said.Out);
        Assert.Contains("does not host", said.Out);
        Assert.Contains("│ hello number 3", said.Out);
        Assert.Empty(Directory.GetFileSystemEntries(place.Folder, "pc-try-*"));
    }

    [Fact]
    public async Task Try_that_is_ended_by_a_signal_cleans_up()
    {
        using var place = new Place();
        using var process = Pc.Start(place["home"], Pc.Program, ["try"], new Dictionary<string, string> { ["TMPDIR"] = place.Folder });
        while (await process.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken) is { } line && !line.Contains("hello number 1 ", StringComparison.Ordinal)) { }
        var folder = Assert.Single(Directory.GetDirectories(place.Folder, "pc-try-*"));
        var pids = new[] { "oak", "elm", "fir" }.Select(name => Place.PidOf(Path.Combine(folder, name))).ToList();
        Pc.Terminate(process);
        Assert.Equal(0, Pc.Run(process).Exit);
        Assert.False(Directory.Exists(folder));
        Assert.DoesNotContain(pids, pid => Directory.Exists($"/proc/{pid}"));
    }

    [Fact]
    public void Try_whose_own_node_dies_ends_with_a_reason()
    {
        var said = TryAndKill(ofHost: false);
        Assert.Equal(1, said.Exit);
        Assert.Contains("error PC1004: the daemon of oak ended", said.Err);
    }

    // The bot goes on elsewhere, and its log with it.
    [Fact]
    public void Try_whose_host_dies_works_all_the_same()
    {
        var said = TryAndKill(ofHost: true);
        Assert.True(said.Exit == 0, said.Out + said.Err);
        Assert.Contains("it works: oak saw 3 lines of a bot that others run", said.Out);
    }

    private static Said TryAndKill(bool ofHost)
    {
        using var place = new Place();
        using var process = Pc.Start(place["home"], Pc.Program, ["try", "--once"], new Dictionary<string, string> { ["TMPDIR"] = place.Folder });
        var node = "oak";
        while (process.StandardOutput.ReadLine() is { } line && !line.StartsWith("its log", StringComparison.Ordinal))
            if (ofHost && line.StartsWith("hello-bot runs on ", StringComparison.Ordinal)) node = line.Split(' ')[3].TrimEnd(',');
        Place.Kill(Path.Combine(Assert.Single(Directory.GetDirectories(place.Folder, "pc-try-*")), node));
        return Pc.Run(process);
    }

    [Fact]
    public void The_commands_of_the_readme_work_in_their_order()
    {
        using var place = new Place();
        var oak = place.Up("oak", "--no-host");
        var elm = place.Up("elm");
        var created = Pc.Run(oak, "create", "--name", "friends").Ok();
        var ticket = created.Out.Split('\n').Single(line => line.Contains("pc join pc1", StringComparison.Ordinal)).Trim()["pc join ".Length..];
        Assert.Contains("joined swarm friends as member; it has 2 members", Pc.Run(elm, "join", ticket).Ok().Out);

        var deployed = Pc.Run(oak, "deploy", "friends", Pc.HelloBot).Ok();
        Assert.Contains("hello-bot (py3) runs on elm", deployed.Out);
        using (var logs = Pc.Start(oak, Pc.Program, ["logs", "-f", "friends", "hello-bot"], null))
        {
            var lines = new List<string>();
            while (lines.Count(line => line.StartsWith("hello number", StringComparison.Ordinal)) < 3 && logs.StandardOutput.ReadLine() is { } line) lines.Add(line);
            Assert.Contains("hello number 2 from a program that nobody's server runs", lines);
            logs.Kill();
        }

        var list = Pc.Run(oak, "list", "friends", "--json").Ok().Json.GetProperty("swarms")[0];
        Assert.Equal("elm", list.GetProperty("programs")[0].GetProperty("host").GetString());
        Assert.Contains("stopped hello-bot", Pc.Run(oak, "stop", "friends", "hello-bot").Ok().Out);
        Place.Until(() => Pc.Run(elm, "list", "--json"), said => !said.Out.Contains("\"running\"", StringComparison.Ordinal), "the bot ended");
        Assert.Contains("this node is down", Pc.Run(oak, "down").Ok().Out);
        Assert.Contains("this node was not up", Pc.Run(oak, "down").Ok().Out);
    }

    [Fact]
    public void A_bot_in_javascript_runs_on_another_node()
    {
        using var place = new Place();
        var oak = place.Up("oak", "--no-host");
        var elm = place.Up("elm");
        Place.Swarm("friends", oak, elm);
        Assert.Contains("hello-node (nodejs) runs on elm", Pc.Run(oak, "deploy", "friends", Path.Combine(Pc.Root, "samples", "hello-node")).Ok().Out);
        using var logs = Pc.Start(oak, Pc.Program, ["logs", "-f", "friends", "hello-node"], null);
        var line = "";
        while (line is not null && !line.StartsWith("hello number 2", StringComparison.Ordinal)) line = logs.StandardOutput.ReadLine();
        logs.Kill();
        Assert.Equal("hello number 2 from a program that nobody's server runs", line);
        Assert.Contains("\"language\":\"nodejs\"", Pc.Run(oak, "list", "--json").Ok().Out);
        Assert.Contains("nodejs", Pc.Run(elm, "doctor").Out);
    }

    [Fact]
    public async Task A_signal_to_the_launcher_ends_the_daemon_in_order()
    {
        using var place = new Place();
        using var process = Pc.Start(place["oak"], Pc.Launcher, ["daemon", "--port", "0", "--listen", "127.0.0.1"], null);
        var ready = await process.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken);
        while (ready?.StartsWith("ready ", StringComparison.Ordinal) == false) ready = await process.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken);
        Assert.Matches("^ready 12D3KooW[1-9A-Za-z]+ /ip4/127.0.0.1/tcp/[0-9]+/p2p/12D3KooW", ready!);
        Pc.Terminate(process);
        Assert.Equal(0, Pc.Run(process).Exit);
        Assert.False(File.Exists(Path.Combine(place["oak"], "pc.sock")));
    }

    [Fact]
    public void A_daemon_that_is_killed_is_up_again_and_down_is_for_good()
    {
        using var place = new Place();
        var home = place["oak"];
        Pc.Run(home, "up", "--name", "oak", "--port", "0", "--listen", "127.0.0.1").Ok();
        var first = Place.PidOf(home);
        Place.Kill(home);
        Place.Until(() => Pc.Run(home, "list", "--json"), said => said.Exit == 0, "the daemon is up again");
        var second = Place.PidOf(home);
        Assert.NotEqual(first, second);
        var keeper = int.Parse(File.ReadAllText($"/proc/{second}/stat").Split(") ")[^1].Split(' ')[1]);
        Assert.Contains("pc-keeper", File.ReadAllText($"/proc/{keeper}/cmdline"), StringComparison.Ordinal);
        using var kept = Process.GetProcessById(keeper);
        Pc.Run(home, "down").Ok();
        Assert.True(kept.WaitForExit(TimeSpan.FromSeconds(90)), "its keeper has ended");
    }

    [Fact]
    public void A_host_that_lost_power_runs_its_programs_again_when_it_is_back()
    {
        using var place = new Place();
        var oak = place.Up("oak", "--no-host");
        var port = $"{Place.FreePort()}";
        var elm = place.Up("elm", "--port", port);
        Place.Swarm("friends", oak, elm);
        Pc.Run(oak, "deploy", "friends", Pc.HelloBot).Ok();
        var cid = Pc.Run(elm, "add", place.File("note.txt", "keep me"), "--json").Ok().Json.GetProperty("cid").GetString()!;

        Place.Kill(elm);
        Place.Kill(oak);
        place.Up("elm", "--port", port); // oak finds it where it was
        place.Up("oak", "--no-host");

        Assert.Equal("keep me", Pc.Run(elm, "cat", cid).Ok().Out);
        Assert.Contains(cid, Pc.Run(elm, "pin", "ls").Ok().Out);
        var list = Place.Until(() => Pc.Run(oak, "list", "--json").Ok(), said => said.Out.Contains("\"state\":\"running\"", StringComparison.Ordinal), "hello-bot ran again").Json.GetProperty("swarms")[0];
        Assert.Equal(2, list.GetProperty("members").GetArrayLength());
        Assert.Equal("elm", list.GetProperty("programs")[0].GetProperty("host").GetString());
    }

    [Fact]
    public void Content_that_one_adds_another_gets()
    {
        using var place = new Place();
        var (oak, elm) = (place.Up("oak", "--no-host"), place.Up("elm", "--no-host"));
        Place.Swarm("friends", oak, elm);
        place.File("d/a.txt", "hello\n");
        place.File("d/b.txt", "world\n");
        // Vectors of tests/vectors/unixfs: what ipfs add -r prints.
        Assert.Equal(
            """
            added QmZULkCELmmk5XNfCgTnCyFgAVxBRBXyDHGGMVoLFLiXEN d/a.txt
            added QmaRGe7bVmVaLmxbrMiVNXqW4pRNNp3xq7hFtyRKA3mtJL d/b.txt
            added QmZaSAo5hX2gBd7uJEZUjcWfEpUnw5kE8P4g56bvZfgsxf d

            """, Pc.Run(oak, "add", "-r", place["d"]).Ok().Out);
        Assert.Equal("world\n", Pc.Run(elm, "cat", "QmZaSAo5hX2gBd7uJEZUjcWfEpUnw5kE8P4g56bvZfgsxf/b.txt").Ok().Out);
        Pc.Run(elm, "get", "QmZaSAo5hX2gBd7uJEZUjcWfEpUnw5kE8P4g56bvZfgsxf", "-o", place["copy"]).Ok();
        Assert.Equal("hello\n", File.ReadAllText(Path.Combine(place["copy"], "a.txt")));
        Pc.Run(elm, "pin", "add", "QmZULkCELmmk5XNfCgTnCyFgAVxBRBXyDHGGMVoLFLiXEN").Ok();
        Pc.Run(elm, "pin", "rm", "QmZULkCELmmk5XNfCgTnCyFgAVxBRBXyDHGGMVoLFLiXEN").Ok();
        Assert.DoesNotContain("QmZULkCELmmk5XNfCgTnCyFgAVxBRBXyDHGGMVoLFLiXEN", Pc.Run(elm, "pin", "ls").Ok().Out);
        Pc.Run(elm, "add", place["d"]).Refused("PC3012", 2);

        // The same in version 1: what ipfs add -r --cid-version 1 prints.
        const string Root = "bafybeiebfcvnu4542ztbnnbmo4sklt4u4l7qojvdekoseakophyy7ps3ja";
        Assert.Contains($"added {Root} d\n", Pc.Run(oak, "add", "-r", "--cid-version", "1", place["d"]).Ok().Out);
        Assert.Equal("world\n", Pc.Run(elm, "cat", $"{Root}/b.txt").Ok().Out);
        Pc.Run(elm, "pin", "add", Root).Ok();
        Assert.Contains(Root, Pc.Run(elm, "pin", "ls").Ok().Out);
        Pc.Run(elm, "add", "--cid-version", "2", place["d/a.txt"]).Refused("PC1000", 2);
    }

    [Fact]
    public void A_node_moves_to_another_home()
    {
        using var place = new Place();
        var (oak, elm) = (place.Up("oak", "--no-host"), place.Up("elm", "--no-host"));
        Place.Swarm("friends", oak, elm);
        var cid = Pc.Run(oak, "add", place.File("note.txt", "keep me"), "--json").Ok().Json.GetProperty("cid").GetString()!;
        var said = Pc.Run(oak, "export", "--with-blocks", place["oak.tar"]).Ok();
        Assert.Contains("whoever has this file is this node", said.Out);
        Pc.Run(oak, "export", place["oak.tar"]).Refused("PC1131", 5);
        Pc.Run(oak, "down").Ok();

        Pc.Run(place["moved"], "import", place["oak.tar"]).Ok();
        Pc.Run(place["moved"], "import", place["oak.tar"]).Refused("PC1132", 5);
        var moved = place.Up("moved", "--no-host");
        Assert.Equal("keep me", Pc.Run(moved, "cat", cid).Ok().Out);
        Place.Until(() => Pc.Run(elm, "list", "--json").Ok(), list => list.Out.Split("\"awake\"").Length == 2, "elm sees oak again");
        Pc.Run(moved, "invite", "friends").Ok(); // it writes
    }
}
