using System.Net;
using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Api;
using PeoplesCloud.Daemon.Configuration;
using PeoplesCloud.Daemon.Tests.Hosting;

namespace PeoplesCloud.Daemon.Tests.Sessions;

/// <summary>What the owner of a host gives holds for sessions and programs together: on a real node with a real sandbox.</summary>
public sealed class SessionPolicyTests
{
    private static SessionsApiJson Json => SessionsApiJson.Default;

    [Fact]
    public async Task Sessions_and_programs_share_what_their_host_gives_and_a_refusal_names_the_rule()
    {
        await using var oak = await TestNode.StartAsync("oak", hosts: true, configure: config => config with
        {
            Sessions = new SessionsConfig { Swarm = "friends", Listen = new IPEndPoint(IPAddress.Loopback, 0), Hostname = "localhost" },
        });
        await oak.CreateAsync("friends");

        // 1. Two sessions of 256 MiB are half a GiB.
        await SetAsync(oak, "total_memory", "512MiB");
        var first = await CreateAsync(oak);
        _ = await CreateAsync(oak);
        Assert.Equal(("2", "512MiB", "2"), await UsedAsync(oak));
        Assert.Contains("rule total_memory: gives programs 512 MiB of memory together, ", await RefusalAsync(oak), StringComparison.Ordinal);

        // 2. A program does not fit beside them, and does when one of them is gone; then no session does.
        using var folder = new ProgramFolder("import time\nprint('ready', flush=True)\ntime.sleep(300)\n");
        var refused = await Assert.ThrowsAsync<ApiException>(() => oak.DeployAsync("friends", folder.Path));
        Assert.Contains("rule total_memory", refused.Reply.Message, StringComparison.Ordinal);
        await oak.Client.PostAsync($"/v1/sessions/{first.Id}/remove", Json.SessionRemovedReply);
        await oak.DeployAsync("friends", folder.Path);
        Assert.Equal(("1", "512MiB", "2"), await UsedAsync(oak));
        Assert.Contains("rule total_memory", await RefusalAsync(oak), StringComparison.Ordinal);

        // 3. What one may ask for, and how many there may be.
        await SetAsync(oak, "total_memory", "default");
        await SetAsync(oak, "sessions", "1");
        Assert.Contains("rule sessions: runs 1 session already, its limit", await RefusalAsync(oak), StringComparison.Ordinal);
        await SetAsync(oak, "sessions", "2");
        await SetAsync(oak, "memory", "64MiB");
        _ = await CreateAsync(oak);
        Assert.Equal(("2", "320MiB", "2"), await UsedAsync(oak)); // the program asks for more, and waits

        // 4. A pause ends them, as it does programs.
        await oak.Client.PostAsync("/v1/host/pause", new PauseRequest(null), HostApiJson.Default.PauseRequest, HostApiJson.Default.PolicyReply);
        await TestNode.UntilAsync(() => oak.Node.Sessions!.Count == 0);
        Assert.Contains("rule pause", await RefusalAsync(oak), StringComparison.Ordinal);
        await oak.Client.PostAsync("/v1/host/resume", HostApiJson.Default.PolicyReply);
        _ = await CreateAsync(oak);
    }

    [Fact]
    public void What_one_session_may_use_is_configured_and_its_range_is_checked()
    {
        var home = TestNode.NewHome();
        try
        {
            var limits = Load("memory = \"1GiB\"\ncpus = \"1.5\"\npids = 300\ndisk = \"2GiB\"").Limits;
            Assert.Equal((1L << 30, 1.5, 300, 2L << 30), (limits.MemoryBytes, limits.Cpus, limits.Pids, limits.DiskBytes));
            var error = Assert.Throws<PcException>(() => Load("memory = \"1\"\ncpus = \"lots\"\npids = 0"));
            foreach (var key in new[] { "sessions.memory = '1'", "sessions.cpus = 'lots'", "sessions.pids = '0'" }) Assert.Contains(key, error.Message, StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(home, recursive: true);
        }

        SessionsConfig Load(string lines)
        {
            File.WriteAllText(Path.Combine(home, "config.toml"), $"[sessions]\n{lines}\n");
            return DaemonConfig.Load(null, new Dictionary<string, string?> { ["home"] = home }, new Dictionary<string, string?>()).Sessions;
        }
    }

    private static async Task<(string Sessions, string Memory, string Cpus)> UsedAsync(TestNode node)
    {
        var rules = (await node.Client.GetAsync("/v1/host", HostApiJson.Default.HostReply)).Rules;
        return (UsedOf("sessions"), UsedOf("total_memory"), UsedOf("total_cpus"));

        string UsedOf(string rule) => rules.Single(known => known.Rule == rule).Used ?? "";
    }

    private static Task<PolicyReply> SetAsync(TestNode node, string rule, string value) =>
        node.Client.PostAsync("/v1/host", new HostSetRequest(new Dictionary<string, string>(StringComparer.Ordinal) { [rule] = value }), HostApiJson.Default.HostSetRequest, HostApiJson.Default.PolicyReply);

    private static Task<SessionCreatedReply> AskAsync(TestNode node) =>
        node.Client.PostAsync("/v1/sessions", new SessionCreateRequest("exec sleep 300"), Json.SessionCreateRequest, Json.SessionCreatedReply);

    private static Task<SessionCreatedReply> CreateAsync(TestNode node) => Asking.AgainAsync(() => AskAsync(node));

    private static async Task<string> RefusalAsync(TestNode node) =>
        (await Asking.AgainAsync(async () => (await Assert.ThrowsAsync<ApiException>(() => AskAsync(node))).Reply, refused => refused.Code == $"PC{(int)ErrorCode.HostRefuses}")).Message;
}
