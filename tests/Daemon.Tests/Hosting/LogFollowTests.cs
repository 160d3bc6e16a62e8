using System.Globalization;
using PeoplesCloud.Daemon.Api;

namespace PeoplesCloud.Daemon.Tests.Hosting;

/// <summary>What pc logs -f shows while its program moves.</summary>
public sealed class LogFollowTests
{
    // Each process says who it is, and counts.
    private const string Bot = "import os, time\nname, count = os.urandom(4).hex(), 0\nwhile True:\n    count += 1\n    print(name, count, flush=True)\n    time.sleep(0.05)\n";

    [Fact]
    public async Task A_log_is_followed_over_a_restart_of_its_host_and_to_a_newer_version_on_another_one()
    {
        await using var oak = await TestNode.StartAsync("oak");
        await using var elm = await TestNode.StartAsync("elm", hosts: true);
        await using var fir = await TestNode.StartAsync("fir", hosts: true);
        var ticket = (await oak.CreateAsync("friends")).Ticket!;
        await elm.JoinAsync(ticket);
        using var bot = new ProgramFolder(Bot);
        await oak.DeployAsync("friends", bot.Path, "bot");
        var lines = new Lines();
        var following = lines.FollowAsync(oak);

        // 1. A restart by its owner, on the same host.
        await lines.UntilAsync(1, 5);
        await oak.Client.PostAsync("/v1/swarms/friends/programs/bot/restart", RunningApiJson.Default.RestartReply);
        await lines.UntilAsync(2, 5);

        // 2. A newer version on another host, while the first one is away.
        await fir.JoinAsync(ticket);
        await oak.WaitForAsync("friends", swarm => swarm.Members.Count(member => member.Hosts) == 2);
        await elm.StopAsync();
        await oak.DeployAsync("friends", bot.Path, "bot");
        await lines.UntilAsync(3, 5);
        Assert.Contains("a newer version of bot follows", lines.Told);
        Assert.Equal("fir", lines.Host);

        // 3. It ends with the program.
        await oak.StopProgramAsync("friends", "bot");
        await following.WaitAsync(TestNode.Patience, Token);
        lines.AssertWhole();
        await elm.StartAgainAsync();
    }

    [Fact]
    public async Task A_log_goes_on_behind_its_last_line_when_the_host_comes_back()
    {
        await using var oak = await TestNode.StartAsync("oak");
        await using var elm = await TestNode.StartAsync("elm", hosts: true);
        await elm.JoinAsync((await oak.CreateAsync("friends")).Ticket!);
        using var bot = new ProgramFolder(Bot);
        await oak.DeployAsync("friends", bot.Path, "bot");
        var lines = new Lines();
        var following = lines.FollowAsync(oak);
        await lines.UntilAsync(1, 5);
        await elm.StopAsync();
        await elm.StartAgainAsync(hosts: true);
        await lines.UntilAsync(2, 5);
        await oak.StopProgramAsync("friends", "bot");
        await following.WaitAsync(TestNode.Patience, Token);
        lines.AssertWhole();
    }

    [Fact]
    public async Task A_log_is_waited_for_when_its_host_is_away_from_the_start()
    {
        await using var oak = await TestNode.StartAsync("oak");
        await using var elm = await TestNode.StartAsync("elm", hosts: true);
        await elm.JoinAsync((await oak.CreateAsync("friends")).Ticket!);
        using var bot = new ProgramFolder(Bot);
        await oak.DeployAsync("friends", bot.Path, "bot");
        await elm.StopAsync();
        await using var log = oak.LogsAsync("friends", "bot").GetAsyncEnumerator(Token);
        Assert.True(await log.MoveNextAsync().AsTask().WaitAsync(TestNode.Patience, Token));
        Assert.StartsWith("elm cannot be reached now", log.Current.Text);
        await elm.StartAgainAsync(hosts: true);
        do Assert.True(await log.MoveNextAsync().AsTask().WaitAsync(TestNode.Patience, Token));
        while (log.Current.Stream != "out");
    }

    // Goal: one program, one id: its log is followed wherever its lease goes. Method: its host is drained; the next one is cut off the network and goes on
    // by itself until its lease ends.
    [Fact]
    public async Task A_log_is_followed_to_the_next_host_when_its_program_is_handed_over_and_when_its_host_is_lost()
    {
        await using var oak = await TestNode.StartAsync("oak");
        await using var elm = await TestNode.StartAsync("elm", hosts: true);
        await using var fir = await TestNode.StartAsync("fir", hosts: true);
        await using var ash = await TestNode.StartAsync("ash", hosts: true);
        TestNode[] hosts = [elm, fir, ash];
        var ticket = (await oak.CreateAsync("friends")).Ticket!;
        foreach (var host in hosts) await host.JoinAsync(ticket);
        await oak.WaitForAsync("friends", swarm => swarm.Members.Count(member => member is { Hosts: true, State: "awake" }) == 3);
        using var bot = new ProgramFolder(Bot);
        var first = (await oak.DeployAsync("friends", bot.Path, "bot")).Host;
        foreach (var host in hosts) await host.WaitForAsync("friends", swarm => swarm.Programs is [{ State: "running" }]);
        var lines = new Lines();
        var following = lines.FollowAsync(oak);
        await lines.UntilAsync(1, 5);

        // 1. In order.
        await hosts.Single(host => host.Name == first).Client.PostAsync("/v1/drain", new DrainRequest(End: false), TestNode.Json.DrainRequest, TestNode.Json.DrainReply);
        await lines.UntilAsync(2, 5);
        var second = lines.Host;
        Assert.NotEqual(first, second);
        Assert.Contains($"goes on on {second}", lines.Told);

        // 2. Not in order: nobody can reach its host any more.
        await hosts.Single(host => host.Name == second).Node.Host.DisposeAsync();
        await lines.UntilAsync(3, 5);
        Assert.Equal(hosts.Single(host => host.Name != first && host.Name != second).Name, lines.Host);
        Assert.Contains($"goes on on {lines.Host}", lines.Told);

        // 3. It ends with the program, which is one all the time.
        await oak.StopProgramAsync("friends", "bot");
        await following.WaitAsync(TestNode.Patience, Token);
        lines.AssertWhole();
        Assert.Single(oak.Node.Swarms.Require("friends").State.Programs);
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <summary>The lines of all processes, in order.</summary>
    private sealed class Lines
    {
        private readonly SemaphoreSlim _more = new(0);
        private readonly Lock _gate = new();
        private readonly List<(string Process, List<int> Counts)> _processes = [];

        public List<string> Told { get; } = [];

        public string Host { get; private set; } = "";

        public async Task FollowAsync(TestNode node)
        {
            await foreach (var line in node.LogsAsync("friends", "bot"))
            {
                lock (_gate)
                {
                    if (line.Stream != "out")
                    {
                        Told.Add(line.Text);
                        continue;
                    }
                    var words = line.Text.Split(' ');
                    if (_processes.Count == 0 || _processes[^1].Process != words[0]) _processes.Add((words[0], []));
                    _processes[^1].Counts.Add(int.Parse(words[1], CultureInfo.InvariantCulture));
                    Host = line.Host;
                }
                _more.Release();
            }
        }

        /// <summary>Waits for so many lines of the process of this number.</summary>
        public async Task UntilAsync(int process, int count)
        {
            while (true)
            {
                lock (_gate)
                {
                    if (_processes.Count >= process && _processes[process - 1].Counts.Count >= count) return;
                }
                Assert.True(await _more.WaitAsync(TestNode.Patience, Token), string.Join('\n', Told));
            }
        }

        /// <summary>Each process once, and of each every line from its first, once.</summary>
        public void AssertWhole()
        {
            Assert.Equal(_processes.Count, _processes.Select(one => one.Process).Distinct().Count());
            foreach (var (_, counts) in _processes) Assert.Equal(Enumerable.Range(1, counts.Count), counts);
            Assert.DoesNotContain(Told, text => text.Contains("missing here", StringComparison.Ordinal));
        }
    }
}
