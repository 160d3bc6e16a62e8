using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Api;

namespace PeoplesCloud.Daemon.Tests.Hosting;

/// <summary>The owner of a host decides: on two real nodes with a real sandbox.</summary>
public sealed class HostPolicyTests
{
    private const string Bot = "import time\ndata = bytearray(40 << 20)\nopen('/app/written', 'wb').write(b'x' * (8 << 20))\nprint('ready', flush=True)\nwhile True:\n    time.sleep(0.1)\n";

    private static HostApiJson Json => HostApiJson.Default;

    [Fact]
    public async Task A_refused_deploy_names_the_rule_and_the_host()
    {
        await using var oak = await TestNode.StartAsync("oak");
        await using var elm = await TestNode.StartAsync("elm", hosts: true);
        await elm.JoinAsync((await oak.CreateAsync("friends")).Ticket!);
        await oak.WaitForAsync("friends", swarm => swarm.Members.Any(member => member is { Name: "elm", Hosts: true, State: "awake" }));
        using var folder = new ProgramFolder(Bot);
        foreach (var (rule, value, words) in new[]
        {
            ("memory", "128MiB", "elm: rule memory: allows 128 MiB of memory, 256 MiB were asked for"),
            ("cpus", "0.5", "elm: rule cpus: allows 0.5 cores, 1 was asked for"),
            ("pids", "100", "elm: rule pids: allows 100 processes, 128 were asked for"),
            ("disk", "100MiB", "elm: rule disk: allows 100 MiB of disk, 256 MiB were asked for"),
            ("network", "none", "elm: rule network: allows the network none, internet was asked for"),
            ("languages", "nodejs", "elm: rule languages: runs nodejs only"),
            ("runtimes", "docker", "elm: rule runtimes: runs programs in docker only"),
            ("programs", "0", "elm: rule programs: runs 0 programs already, its limit"),
            ("total_memory", "200MiB", "elm: rule total_memory: gives programs 200 MiB of memory together, 200 MiB are left, 256 MiB were asked for"),
            ("deployers", "elm", "elm: rule deployers: takes programs of"),
            ("enabled", "false", "elm: does not host"),
        })
        {
            await SetAsync(elm, rule, value);
            var refused = await Assert.ThrowsAsync<ApiException>(() => oak.DeployAsync("friends", folder.Path));
            Assert.Equal($"PC{(int)ErrorCode.NoHost}", refused.Reply.Code);
            Assert.Contains(words, refused.Reply.Message, StringComparison.Ordinal);
            await SetAsync(elm, rule, "default");
        }
        await SetAsync(elm, "deployers", "oak");
        Assert.Equal("elm", (await oak.DeployAsync("friends", folder.Path)).Host);
    }

    [Fact]
    public async Task What_is_used_is_measured_and_a_rule_that_changes_holds_at_once()
    {
        await using var oak = await TestNode.StartAsync("oak");
        await using var elm = await TestNode.StartAsync("elm", hosts: true);
        await elm.JoinAsync((await oak.CreateAsync("friends")).Ticket!);
        using var folder = new ProgramFolder(Bot);
        await oak.DeployAsync("friends", folder.Path);
        await foreach (var line in oak.LogsAsync("friends", "test-bot"))
            if (line.Text == "ready") break;

        var program = Assert.Single((await elm.Client.GetAsync("/v1/host", Json.HostReply)).Programs);
        Assert.Equal(("friends", "test-bot", "oak", "running"), (program.Swarm, program.Program, program.Owner, program.State));
        Assert.InRange(program.MemoryUsed!.Value, 40L << 20, program.MemoryAllowed);
        Assert.InRange(program.DiskUsed!.Value, 8L << 20, program.DiskAllowed);
        Assert.InRange(program.PidsUsed!.Value, 1, program.PidsAllowed);
        Assert.InRange(program.CpusUsed!.Value, 0, program.CpusAllowed + 0.2);

        // Beside each rule what is used of it, where that is more than one program's.
        await SetAsync(elm, "longest_run", "12h");
        var shown = (await SetAsync(elm, "hours", "00:00-24:00")).Host;
        Assert.Equal(("1", "256MiB", "1", "internet", "open"), (UsedOf("programs"), UsedOf("total_memory"), UsedOf("total_cpus"), UsedOf("network"), UsedOf("hours")));
        Assert.NotNull(UsedOf("longest_run"));
        program = Assert.Single(shown.Programs);
        Assert.Equal((43_200, "internet", true), (program.RanAllowedSeconds, program.Network, program.NetworkBytes >= 0));
        string? UsedOf(string rule) => shown.Rules.Single(one => one.Rule == rule).Used;

        // A smaller limit ends it, and says so to whoever set it, in the log and to its owner.
        var ended = Assert.Single((await SetAsync(elm, "memory", "128MiB")).Ended);
        Assert.Equal(("test-bot", "oak", "rule memory: allows 128 MiB of memory, 256 MiB were asked for"), (ended.Program, ended.Owner, ended.Why));
        await oak.WaitForAsync("friends", swarm => swarm.Programs is [{ State: "waiting", Detail: "rule memory: allows 128 MiB of memory, 256 MiB were asked for" }]);
        var log = new List<string>();
        await foreach (var line in oak.LogsAsync("friends", "test-bot", follow: false)) log.Add(line.Text);
        Assert.Contains("was ended by this host's owner: rule memory: allows 128 MiB of memory, 256 MiB were asked for", log);

        // It goes on when it may again; a pause ends it too, and a restart of the daemon does not end the pause.
        await SetAsync(elm, "memory", "default");
        await oak.WaitForAsync("friends", swarm => swarm.Programs is [{ State: "running" }]);
        Assert.Single((await PauseAsync(elm, "2h")).Ended);
        await elm.StopAsync();
        await elm.StartAgainAsync(hosts: true);
        await oak.WaitForAsync("friends", swarm => swarm.Programs is [{ State: "waiting" }]);
        Assert.True((await elm.Client.GetAsync("/v1/host", Json.HostReply)).Paused);
        Assert.True((await elm.Client.PostAsync("/v1/host/resume", Json.PolicyReply)).Resumed);
        await oak.WaitForAsync("friends", swarm => swarm.Programs is [{ State: "running" }]);
    }

    [Fact]
    public async Task What_makes_no_sense_is_refused()
    {
        await using var elm = await TestNode.StartAsync("elm", hosts: true);
        Assert.Equal($"PC{(int)ErrorCode.DurationInvalid}", (await Assert.ThrowsAsync<ApiException>(() => PauseAsync(elm, "a while"))).Reply.Code);
        Assert.Equal($"PC{(int)ErrorCode.MemberUnknown}", (await Assert.ThrowsAsync<ApiException>(() => SetAsync(elm, "deployers", "nobody-we-know"))).Reply.Code);
        Assert.Equal($"PC{(int)ErrorCode.HostRuleUnknown}", (await Assert.ThrowsAsync<ApiException>(() => SetAsync(elm, "coffee", "black"))).Reply.Code);
    }

    private static Task<PolicyReply> SetAsync(TestNode node, string rule, string value) =>
        node.Client.PostAsync("/v1/host", new HostSetRequest(new Dictionary<string, string> { [rule] = value }), Json.HostSetRequest, Json.PolicyReply);

    private static Task<PolicyReply> PauseAsync(TestNode node, string time) => node.Client.PostAsync("/v1/host/pause", new PauseRequest(time), Json.PauseRequest, Json.PolicyReply);
}
