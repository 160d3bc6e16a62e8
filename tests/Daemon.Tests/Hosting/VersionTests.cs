using System.Net.Http.Json;
using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Api;

namespace PeoplesCloud.Daemon.Tests.Hosting;

public sealed class VersionTests
{
    private const string Good = "import time\nprint('good', flush=True)\nwhile True: time.sleep(1)\n";
    private const string Better = "import time\nprint('better', flush=True)\nwhile True: time.sleep(1)\n";
    private const string Bad = "import sys\nsys.exit(3)\n";
    private const string Web = "import http.server\nhttp.server.ThreadingHTTPServer(('', 8080), http.server.SimpleHTTPRequestHandler).serve_forever()\n";
    private const string Slow = """
        import http.server, time
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'
            def do_GET(self):
                time.sleep(0.2)
                self.send_response(200)
                self.send_header('Content-Length', str(len('VERSION')))
                self.end_headers()
                self.wfile.write(b'VERSION')
            def log_message(self, *words): pass
        http.server.ThreadingHTTPServer(('', 8080), Handler).serve_forever()
        """;
    private const string Deaf = "import time\nwhile True: time.sleep(1)\n";

    [Fact]
    public async Task A_new_version_that_exits_makes_room_for_the_one_before_and_versions_can_be_run_again()
    {
        await using var oak = await TestNode.StartAsync("oak");
        await using var elm = await TestNode.StartAsync("elm", hosts: true);
        await elm.JoinAsync((await oak.CreateAsync("friends")).Ticket!);
        using var good = new ProgramFolder(Good);
        using var bad = new ProgramFolder(Bad);
        using var better = new ProgramFolder(Better);
        await oak.DeployAsync("friends", good.Path, "bot");

        var failed = await Assert.ThrowsAsync<ApiException>(() => UpdateAsync(oak, bad));
        Assert.Equal($"PC{(int)ErrorCode.UpdateRolledBack}", failed.Reply.Code);
        Assert.Contains("crashed with exit code 3", failed.Reply.Message, StringComparison.Ordinal);
        Assert.Contains("runs again on elm", failed.Reply.Message, StringComparison.Ordinal);
        await oak.LogsAsync("friends", "bot").FirstAsync(line => line.Text == "good", Token);

        Assert.Equal(4, (await UpdateAsync(oak, better)).Version);
        await oak.LogsAsync("friends", "bot").FirstAsync(line => line.Text == "better", Token);

        // The files of the versions before are kept on both, and they run again.
        Assert.Equal(0, (await Contents.CollectTests.CollectAsync(oak, dryRun: false)).RemovedBlocks);
        Assert.Equal(5, (await RollbackAsync(oak, null)).Version);
        await oak.LogsAsync("friends", "bot").FirstAsync(line => line.Text == "good", Token);
        Assert.Equal(6, (await RollbackAsync(oak, 4)).Version);
        await oak.LogsAsync("friends", "bot").FirstAsync(line => line.Text == "better", Token);
        failed = await Assert.ThrowsAsync<ApiException>(() => RollbackAsync(oak, 9));
        Assert.Equal($"PC{(int)ErrorCode.ProgramVersionUnknown}", failed.Reply.Code);

        await elm.WaitForAsync("friends", swarm => swarm.Programs is [{ State: "running" }]);
        var history = await elm.Client.GetAsync("/v1/swarms/friends/programs/bot/history", RunningApiJson.Default.HistoryReply);
        Assert.Equal([1, 2, 3, 4, 5, 6], history.Versions.Select(version => version.Version));
        Assert.Equal([null, null, 1, null, 1, 4], history.Versions.Select(version => version.SameAs));
        Assert.Equal(["stopped", "stopped", "stopped", "stopped", "stopped", "live"], history.Versions.Select(version => version.State));
        Assert.All(history.Versions, version => Assert.True(version.Kept));

        // Another member does not change it.
        failed = await Assert.ThrowsAsync<ApiException>(() => RollbackAsync(elm, null));
        Assert.Equal($"PC{(int)ErrorCode.NotPermitted}", failed.Reply.Code);
    }

    // Goal: what is done while a new version is watched stays so. Method: it is stopped, and in the next update another one is deployed meanwhile.
    [Fact]
    public async Task Who_stops_or_deploys_a_program_while_its_new_version_is_watched_has_the_last_word()
    {
        await using var oak = await TestNode.StartAsync("oak", hosts: true);
        await oak.CreateAsync("friends");
        using var good = new ProgramFolder(Good);
        using var better = new ProgramFolder(Better);
        await oak.DeployAsync("friends", good.Path, "bot");
        var updating = UpdateAsync(oak, better);
        await LiveAsync(oak, versions: 2);
        await oak.StopProgramAsync("friends", "bot");
        Assert.Equal($"PC{(int)ErrorCode.StoppedMeanwhile}", (await Assert.ThrowsAsync<ApiException>(() => updating)).Reply.Code);
        Assert.All(oak.Node.Swarms.Require("friends").State.Programs.Values, program => Assert.True(program.Stopped));

        await oak.DeployAsync("friends", good.Path, "bot");
        updating = UpdateAsync(oak, better);
        await LiveAsync(oak, versions: 4);
        await oak.DeployAsync("friends", good.Path, "bot");
        Assert.Equal($"PC{(int)ErrorCode.StoppedMeanwhile}", (await Assert.ThrowsAsync<ApiException>(() => updating)).Reply.Code);
        Assert.Equal(5, oak.Node.Swarms.Require("friends").State.Programs.Count);
        Assert.False(oak.Node.Swarms.Require("friends").State.Programs.Values.MaxBy(program => program.DeployedAt)!.Stopped);
        await oak.WaitForAsync("friends", swarm => swarm.Programs is [{ State: "running" }]);

        // The newest is there and the one before is not any more.
        static Task LiveAsync(TestNode node, int versions) => node.WaitForAsync("friends", swarm =>
            swarm.Programs is [{ State: "running" } live] && node.Node.Swarms.Require("friends").State.Programs is var all && all.Count == versions && all.Values.MaxBy(program => program.DeployedAt)!.Deployed.Bundle.ToString() == live.Hash);
    }

    [Fact]
    public async Task A_new_version_with_ports_takes_over_when_it_answers_and_not_before()
    {
        await using var oak = await TestNode.StartAsync("oak", hosts: true);
        await oak.CreateAsync("friends");
        using var web = new ProgramFolder(Web);
        using var deaf = new ProgramFolder(Deaf);
        File.WriteAllText(Path.Combine(web.Path, "pc.toml"), "ports = [\"8080/http\"]\n");
        File.WriteAllText(Path.Combine(deaf.Path, "pc.toml"), "ports = [\"8080/http\"]\n");
        await oak.DeployAsync("friends", web.Path, "bot");
        var first = Assert.Single(oak.Node.Swarms.Require("friends").State.Programs.Values);

        var failed = await Assert.ThrowsAsync<ApiException>(() => UpdateAsync(oak, deaf));
        Assert.Contains("nothing answers on its port 8080", failed.Reply.Message, StringComparison.Ordinal);
        Assert.Equal(first.Id, Assert.Single(oak.Node.Swarms.Require("friends").State.Programs.Values, program => !program.Stopped).Id);
        await oak.WaitForAsync("friends", swarm => swarm.Programs is [{ State: "running", Restarts: 0 }]);

        // While the newer one is tried, both run and the name is the older one's.
        var updating = UpdateAsync(oak, web);
        await oak.WaitForAsync("friends", swarm => swarm.Programs.Count(program => program.State == "running") == 2);
        Assert.Equal(first.Id, Daemon.Hosting.ProgramService.Find(oak.Node.Swarms.Require("friends").State, "bot", liveOnly: true).Id);
        Assert.Equal(3, (await updating).Version);
        var live = Assert.Single(oak.Node.Swarms.Require("friends").State.Programs.Values, program => !program.Stopped);
        Assert.NotEqual(first.Id, live.Id);
        await oak.WaitForAsync("friends", swarm => swarm.Programs is [{ State: "running", Restarts: 0 }]);
    }

    // Goal: nobody who asks a web program notices its update. Method: four browsers ask all the time, and each answer takes a while, so that some are always under way.
    [Fact]
    public async Task No_request_is_lost_while_a_web_program_is_updated()
    {
        await using var oak = await TestNode.StartAsync("oak");
        await using var elm = await TestNode.StartAsync("elm", hosts: true);
        await elm.JoinAsync((await oak.CreateAsync("friends")).Ticket!);
        using var first = new ProgramFolder(Slow.Replace("VERSION", "first", StringComparison.Ordinal));
        using var second = new ProgramFolder(Slow.Replace("VERSION", "second", StringComparison.Ordinal));
        foreach (var folder in new[] { first, second }) File.WriteAllText(Path.Combine(folder.Path, "pc.toml"), "ports = [\"8080/http\"]\n");
        await oak.DeployAsync("friends", first.Path, "bot");
        var url = oak.Node.Web!.UrlOf("friends", "bot")!;
        using var asking = new CancellationTokenSource();
        var answers = new System.Collections.Concurrent.ConcurrentQueue<string>();
        var browsers = Enumerable.Range(0, 4).Select(_ => Task.Run(async () =>
        {
            using var browser = new HttpClient(Tunnels.WebTests.Handler(new Uri(url).Port));
            while (!asking.IsCancellationRequested)
            {
                using var answer = await browser.GetAsync(new Uri(url), Token);
                answers.Enqueue(await answer.Content.ReadAsStringAsync(Token));
            }
        })).ToList();

        Assert.Equal(2, (await UpdateAsync(oak, second)).Version);
        // And until the version before has ended.
        await oak.WaitForAsync("friends", swarm => swarm.Programs is [{ State: "running" }]);
        await asking.CancelAsync();
        await Task.WhenAll(browsers);

        Assert.Equal(["first", "second"], answers.Distinct());
        var history = await oak.Client.GetAsync("/v1/swarms/friends/programs/bot/history", RunningApiJson.Default.HistoryReply);
        Assert.Equal(["stopped", "live"], history.Versions.Select(version => version.State));
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private static Task<UpdateReply> UpdateAsync(TestNode node, ProgramFolder folder) =>
        FollowAsync(node, "update", JsonContent.Create(new DeployRequest(folder.Path, null, null, null), LocalApiJson.Default.DeployRequest));

    private static Task<UpdateReply> RollbackAsync(TestNode node, int? version) =>
        FollowAsync(node, "rollback", JsonContent.Create(new RollbackRequest(version), RunningApiJson.Default.RollbackRequest));

    private static async Task<UpdateReply> FollowAsync(TestNode node, string what, HttpContent content)
    {
        UpdateReply? reply = null;
        await foreach (var happened in node.Client.EventsAsync(HttpMethod.Post, $"/v1/swarms/friends/programs/bot/{what}", content, RunningApiJson.Default.EventUpdateReply)) reply = happened.Result ?? reply;
        return reply!;
    }
}
