namespace PeoplesCloud.Daemon.Tests.Hosting;

public sealed class DeployTests
{
    // Goal: who deploys one name twice at once has it once. Method: to two hosts, of which neither can know of the other's.
    [Fact]
    public async Task Two_deploys_of_one_name_at_once_leave_the_later_one()
    {
        await using var oak = await TestNode.StartAsync("oak");
        await using var elm = await TestNode.StartAsync("elm", hosts: true);
        await using var fir = await TestNode.StartAsync("fir", hosts: true);
        var ticket = (await oak.CreateAsync("friends")).Ticket!;
        await elm.JoinAsync(ticket);
        await fir.JoinAsync(ticket);
        await oak.WaitForAsync("friends", list => list.Members.Count(member => member is { Hosts: true, State: "awake" }) == 2);
        using var folder = new ProgramFolder("import time\nwhile True: time.sleep(1)\n");
        var deployed = await Task.WhenAll(oak.DeployAsync("friends", folder.Path, "bot", "elm"), oak.DeployAsync("friends", folder.Path, "bot", "fir"));
        Assert.Equal(["elm", "fir"], deployed.Select(reply => reply.Host));
        var programs = oak.Node.Swarms.Require("friends").State.Programs.Values;
        Assert.Equal(programs.MaxBy(program => program.DeployedAt)!.Id, Assert.Single(programs, program => !program.Stopped).Id);
        foreach (var node in new[] { oak, elm, fir }) await node.WaitForAsync("friends", list => list.Programs is [{ State: "running" }]);
        var last = oak.Node.Swarms.Require("friends").State.Programs.Values.Single(program => !program.Stopped);
        await TestNode.UntilAsync(() => new[] { elm, fir }.SelectMany(node => node.Node.Leases.Of(node.Node.Swarms.Require("friends").Id)!.Held.Keys).SequenceEqual([last.Id]));
    }

    [Fact]
    public async Task A_program_deployed_on_one_node_runs_on_another_until_it_is_stopped()
    {
        await using var oak = await TestNode.StartAsync("oak");
        await using var elm = await TestNode.StartAsync("elm", hosts: true);
        var ticket = (await oak.CreateAsync("friends")).Ticket!;
        await elm.JoinAsync(ticket);
        using var folder = new ProgramFolder("count = 0\nimport time\nwhile True:\n    count += 1\n    print(f'line {count}', flush=True)\n    time.sleep(0.1)\n");

        var deployed = await oak.DeployAsync("friends", folder.Path);
        Assert.Equal("elm", deployed.Host);

        var lines = new List<string>();
        await foreach (var line in oak.LogsAsync("friends", deployed.Program))
        {
            if (line.Stream == "out") lines.Add(line.Text);
            if (lines.Count == 3) break;
        }
        Assert.Equal(["line 1", "line 2", "line 3"], lines);
        await oak.WaitForAsync("friends", swarm => swarm.Programs is [{ State: "running", Host: "elm" }]);

        // The bundle is needed on both: nothing goes. Afterwards it is not.
        Assert.Equal(0, (await Contents.CollectTests.CollectAsync(oak, dryRun: false)).RemovedBlocks);
        Assert.Equal(0, (await Contents.CollectTests.CollectAsync(elm, dryRun: false)).RemovedBlocks);
        var stopped = await oak.StopProgramAsync("friends", deployed.Program);
        Assert.Equal("elm", stopped.Host);
        await elm.WaitForAsync("friends", swarm => swarm.Programs.Count == 0);
        Assert.Equal(0, (await Contents.CollectTests.CollectAsync(elm, dryRun: false)).KeptBlocks);
    }
}

/// <summary>A folder with a program in it.</summary>
internal sealed class ProgramFolder : IDisposable
{
    public ProgramFolder(string botPy)
    {
        Path = System.IO.Path.Combine(TestNode.NewHome(), "test-bot");
        Directory.CreateDirectory(Path);
        File.WriteAllText(System.IO.Path.Combine(Path, "bot.py"), botPy);
    }

    public string Path { get; }

    public void Dispose() => Directory.Delete(System.IO.Path.GetDirectoryName(Path)!, recursive: true);
}
