using PeoplesCloud.Daemon.Api;
using PeoplesCloud.Daemon.Tests.Hosting;

namespace PeoplesCloud.Daemon.Tests.Schedules;

/// <summary>Programs that run at times, with real sandboxes, on nodes in this process whose ordinary clocks a test sets.</summary>
public sealed class ScheduleTests
{
    private const string Bot = "print('i-ran', flush=True)\n";

    private readonly SetTime _time = new(new DateTimeOffset(2027, 3, 1, 10, 20, 0, TimeSpan.Zero));

    // Goal: each time is run once, by whoever holds the program then. Method: hosts go away between times and come back; what each host's log has is counted.
    [Fact]
    public async Task Each_time_runs_once_in_the_whole_swarm_whoever_has_the_program()
    {
        await using var oak = await TestNode.StartAsync("oak", time: _time);
        await using var elm = await TestNode.StartAsync("elm", hosts: true, time: _time);
        await using var fir = await TestNode.StartAsync("fir", hosts: true, time: _time);
        await using var ash = await TestNode.StartAsync("ash", hosts: true, time: _time);
        TestNode[] hosts = [elm, fir, ash];
        var ticket = (await oak.CreateAsync("friends")).Ticket!;
        foreach (var host in hosts) await host.JoinAsync(ticket);
        await oak.WaitForAsync("friends", list => list.Members.Count(member => member is { Hosts: true, State: "awake" }) == 3);
        using var folder = Folder(Bot, "@hourly");
        var first = (await oak.DeployAsync("friends", folder.Path)).Host;

        // 1. It waits, and everybody sees for what.
        var waiting = await oak.WaitForAsync("friends", list => list.Programs is [{ State: "scheduled" }]);
        Assert.Equal((new DateTimeOffset(2027, 3, 1, 11, 0, 0, TimeSpan.Zero), null), (waiting.Programs[0].Schedule!.Next, waiting.Programs[0].Schedule!.Last));
        Assert.Equal(first, waiting.Programs[0].Host);

        // 2. Its time comes.
        await ComesAsync(11, oak, [oak, .. hosts]);
        Assert.Equal([(11, "ok", first)], await TimesAsync(oak));

        // 3. Its host goes: the next time is another's, which does not run the first again.
        var away = hosts.Single(host => host.Name == first);
        await away.StopAsync();
        var moved = await oak.WaitForAsync("friends", list => list.Programs is [{ State: "scheduled" } program] && program.Host != first);
        await ComesAsync(12, oak, [oak, .. hosts.Where(host => host != away)]);
        Assert.Equal([(11, "ok", first), (12, "ok", moved.Programs[0].Host!)], await TimesAsync(oak));

        // 4. It comes back, and the others go to sleep or away: it has the program again and runs neither again.
        await away.StartAgainAsync(hosts: true, time: _time);
        await oak.WaitForAsync("friends", list => list.Members.Count(member => member is { Hosts: true, State: "awake" }) == 3);
        var second = hosts.Single(host => host.Name == moved.Programs[0].Host);
        await second.StopAsync();
        await oak.WaitForAsync("friends", list => list.Programs is [{ State: "scheduled" } program] && program.Host != second.Name);
        await ComesAsync(13, oak, [oak, .. hosts.Where(host => host != second)]);
        Assert.Equal([11, 12, 13], (await TimesAsync(oak)).Select(time => time.Hour));
        Assert.Equal(3, hosts.Sum(Runs));
        await second.StartAgainAsync(hosts: true, time: _time);
    }

    // Goal: what was missed is made up for once or said to be skipped, and no run is begun beside another. Method: one host whose clock is set.
    [Fact]
    public async Task Missed_times_and_times_during_a_run_are_told()
    {
        await using var elm = await TestNode.StartAsync("elm", hosts: true, time: _time);
        await elm.CreateAsync("friends");
        using var folder = Folder("import os, time\nwith open('data/count', 'a') as count: count.write('x')\nprint('i-ran', flush=True)\nwhile os.path.getsize('data/count') > 2: time.sleep(0.05)\n", "@hourly", data: true);
        await elm.DeployAsync("friends", folder.Path);
        await elm.WaitForAsync("friends", list => list.Programs is [{ State: "scheduled" }]);

        // 1. 11 to 13 are slept through; at 13:20 the last of them is made up for.
        Come(13, 20, elm);
        await elm.WaitForAsync("friends", list => list.Programs is [{ State: "scheduled", Schedule.Last: { Result: "ok", Due.Hour: 13 } }]);
        Assert.Equal([(12, "skipped", "no host was there, nor for 1 before it"), (13, "ok", null)], (await HistoryAsync(elm)).Select(time => (time.Due.Hour, time.Result, time.Detail)));

        // 2. Until 14:40 nobody is there: 15 is nearer.
        Come(14, 40, elm);
        await elm.WaitForAsync("friends", list => list.Programs is [{ Schedule.Last: { Result: "skipped", Due.Hour: 14 } }]);

        // 3. It is started by hand; 15 is run after it, and goes on for ever, over 16.
        await elm.Client.PostAsync("/v1/swarms/friends/programs/test-bot/restart", RunningApiJson.Default.RestartReply);
        await TestNode.UntilAsync(() => Runs(elm) == 2);
        await elm.WaitForAsync("friends", list => list.Programs is [{ State: "scheduled" }]);
        Come(15, 0, elm);
        await TestNode.UntilAsync(() => Runs(elm) == 3);
        Come(16, 0, elm);
        await elm.WaitForAsync("friends", list => list.Programs is [{ State: "running", Schedule.Last: { Result: "skipped", Due.Hour: 16 } }]);

        Assert.Equal("the run of 15:00 UTC was still going", (await HistoryAsync(elm)).Single(time => time.Due.Hour == 16).Detail);
    }

    // Goal: one host alone runs again what its daemon's end cut off. Method: a run goes on over the next time, and the daemon is started anew.
    [Fact]
    public async Task A_run_that_was_cut_off_with_its_only_host_is_made_up_for()
    {
        await using var elm = await TestNode.StartAsync("elm", hosts: true, time: _time);
        await elm.CreateAsync("friends");
        using var folder = Folder("import os, time\nwith open('data/count', 'a') as count: count.write('x')\nprint('i-ran', flush=True)\nwhile os.path.getsize('data/count') < 2: time.sleep(0.05)\n", "@hourly", data: true);
        await elm.DeployAsync("friends", folder.Path);
        await elm.WaitForAsync("friends", list => list.Programs is [{ State: "scheduled" }]);
        Come(11, 0, elm);
        await TestNode.UntilAsync(() => Runs(elm) == 1);
        Come(12, 0, elm);
        await elm.WaitForAsync("friends", list => list.Programs is [{ State: "running", Schedule.Last: { Result: "skipped", Due.Hour: 12 } }]);

        await elm.StopAsync();
        _time.Set(12, 10);
        await elm.StartAgainAsync(hosts: true, time: _time);
        await elm.WaitForAsync("friends", list => list.Programs is [{ State: "scheduled", Schedule.Last: { Result: not "skipped", Due.Hour: 12 } }]);
        Assert.Equal([(11, "lost", "a host that is gone had begun it or was about to; a later time has come"), (12, "ok", null)], (await HistoryAsync(elm)).Select(time => (time.Due.Hour, time.Result, time.Detail)));
    }

    [Fact]
    public async Task A_run_that_fails_is_told_and_not_started_again_before_its_next_time()
    {
        await using var elm = await TestNode.StartAsync("elm", hosts: true, time: _time);
        await elm.CreateAsync("friends");
        using var folder = Folder("print('i-ran', flush=True)\nraise SystemExit(3)\n", "TZ=Asia/Kathmandu 0 * * * *");
        await elm.DeployAsync("friends", folder.Path);
        await elm.WaitForAsync("friends", list => list.Programs is [{ State: "scheduled", Schedule.Next: { Hour: 11, Minute: 15 } }]);
        Come(11, 15, elm);
        await elm.WaitForAsync("friends", list => list.Programs is [{ State: "scheduled", Restarts: 0, Schedule.Last.Result: "failed" }]);
        Assert.Equal("crashed with exit code 3", Assert.Single(await HistoryAsync(elm)).Detail);
        Assert.Equal(1, Runs(elm));
    }

    // A little later than the hour, as timers are; everybody's clock is right.
    private async Task ComesAsync(int hour, TestNode asked, TestNode[] awake)
    {
        Come(hour, 0, awake);
        await asked.WaitForAsync("friends", list => list.Programs is [{ State: "scheduled", Schedule.Last: { } last }] && last.Due.Hour == hour);
    }

    private void Come(int hour, int minute, params ReadOnlySpan<TestNode> awake)
    {
        _time.Set(hour, minute);
        foreach (var node in awake) node.Node.Schedules.LookSoon();
    }

    private static async Task<List<(int Hour, string Result, string Host)>> TimesAsync(TestNode node) => [.. (await HistoryAsync(node)).Select(time => (time.Due.Hour, time.Result, time.Host))];

    private static async Task<IReadOnlyList<HistoryTime>> HistoryAsync(TestNode node) =>
        (await node.Client.GetAsync("/v1/swarms/friends/programs/test-bot/history", RunningApiJson.Default.HistoryReply)).Times!;

    // What any process of it on a host ever printed.
    private static int Runs(TestNode host) => Directory.EnumerateFiles(Path.Combine(host.Home, "programs"), "log*", SearchOption.AllDirectories).Sum(log => File.ReadAllText(log).Split("i-ran").Length - 1);

    private static ProgramFolder Folder(string bot, string schedule, bool data = false)
    {
        var folder = new ProgramFolder(bot);
        File.WriteAllText(Path.Combine(folder.Path, "pc.toml"), $"schedule = \"{schedule}\"\n{(data ? "data = true\n" : "")}");
        return folder;
    }

    /// <summary>An ordinary clock that is set by hand and goes on from there; timers are real.</summary>
    private sealed class SetTime(DateTimeOffset start) : TimeProvider
    {
        private long _offset = (start - DateTimeOffset.UnixEpoch).Ticks;
        private readonly long _began = System.GetTimestamp();

        public override DateTimeOffset GetUtcNow() => DateTimeOffset.UnixEpoch + TimeSpan.FromTicks(Interlocked.Read(ref _offset)) + System.GetElapsedTime(_began);

        public void Set(int hour, int minute)
        {
            var wanted = new DateTimeOffset(2027, 3, 1, hour, minute, 0, TimeSpan.Zero);
            Interlocked.Add(ref _offset, (wanted - GetUtcNow()).Ticks);
        }
    }
}
