using PeoplesCloud.Programs.Tests.Packages;

namespace PeoplesCloud.Daemon.Tests.Hosting;

/// <summary>Programs with packages on nodes in this process: real sandboxes, pip and npm, an index and a registry that they reach by network.</summary>
public sealed class PackagesTests : IClassFixture<PackageServer>
{
    private readonly PackageServer _server;

    public PackagesTests(PackageServer server) => _server = server;

    // Goal: a program with packages comes back although nobody serves them any more. Method: its guardian has them before it is needed; index and registry are
    // switched off, and the holder goes.
    [Fact]
    public async Task A_guardian_runs_a_program_with_packages_when_their_index_is_gone()
    {
        _server.Need("pip");
        var withNpm = File.Exists("/usr/bin/npm");
        await using var oak = await TestNode.StartAsync("oak");
        await using var elm = await TestNode.StartAsync("elm", hosts: true);
        await using var fir = await TestNode.StartAsync("fir", hosts: true);
        var ticket = (await oak.CreateAsync("friends")).Ticket!;
        foreach (var host in new[] { elm, fir }) await host.JoinAsync(ticket);
        await oak.WaitForAsync("friends", list => list.Members.Count(member => member is { Hosts: true, State: "awake" }) == 2);

        using var folder = new Programs.Tests.Support.TestFolder();
        folder.With("snake/bot.py", "import greeting, time\nprint(greeting.of('snake'), flush=True)\nwhile True: time.sleep(1)\n").With("snake/requirements.txt", _server.Requirements("greeting==1.0"));
        await oak.DeployAsync("friends", folder["snake"], host: "elm");
        if (withNpm)
        {
            _server.WithNpm(folder, "node", "pc-greeting").With("node/bot.js", "console.log(require('pc-greeting').of('node'));\nsetInterval(() => 0, 1000);\n");
            await oak.DeployAsync("friends", folder["node"], host: "elm");
        }
        string[] programs = withNpm ? ["node", "snake"] : ["snake"];
        await TestNode.UntilAsync(() => Installed(fir) == programs.Length, () => $"{Installed(fir)} of {programs.Length} are installed on fir");
        _server.SwitchOff();
        var asked = _server.Requests;

        await elm.StopAsync();
        await oak.WaitForAsync("friends", list => list.Programs.Count == programs.Length && list.Programs.All(program => program is { State: "running", Host: "fir" }));
        foreach (var program in programs)
            await foreach (var line in oak.LogsAsync("friends", program))
                if (line.Text == $"good day, {program}") break;
        Assert.Equal(asked, _server.Requests);
        await elm.StartAgainAsync(hosts: true);
    }

    // Whole ones: their digest is written before they have their names.
    private static int Installed(TestNode host) => Directory.Exists(Path.Combine(host.Home, "packages"))
        ? Directory.EnumerateDirectories(Path.Combine(host.Home, "packages")).Count(path => !Path.GetFileName(path).StartsWith("new-", StringComparison.Ordinal))
        : 0;
}
