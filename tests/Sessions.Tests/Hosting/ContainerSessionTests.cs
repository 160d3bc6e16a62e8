using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using PeoplesCloud.Base;
using PeoplesCloud.Runtimes;
using PeoplesCloud.Runtimes.Tests.Docker;
using PeoplesCloud.Sessions.Containers;
using PeoplesCloud.Sessions.Engine;
using PeoplesCloud.Sessions.Messages;

namespace PeoplesCloud.Sessions.Tests.Hosting;

/// <summary>What only sessions in containers do: options of docker-py, and a life beyond the daemon's.</summary>
public sealed class ContainerSessionTests(SharedEngine engine)
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Options_of_a_script_hold_in_its_container()
    {
        var world = Directory.CreateTempSubdirectory("world-");
        try
        {
            await using var bed = new DockerFolder(await engine.StartedAsync());
            bed.Policy = bed.Policy with { Volumes = [world.FullName] };
            var look = "id -u; echo $A-$B-$PATH; readlink /proc/self/cwd; echo in > /w/file; touch /x || echo read-only; touch /small/x; cat /etc/hostname; echo; stat -f -c %b /small; sleep 1000";
            var options = $$"""
                "port": 8000, "entrypoint": "sh -c", "environment": {"A": 1, "B": "hush"}, "hostname": "game", "labels": {"game": "one"}, "mem_limit": "64m", "nano_cpus": 500000000,
                "cpu_shares": 100000, "pids_limit": 1000, "network_mode": "bridge", "read_only": true, "tmpfs": {"/small": "size=64k,mode=1777"}, "user": "0:0", "working_dir": "/usr", "auto_remove": true,
                "volumes": {"{{world.FullName}}": {"bind": "/w", "mode": "rw"} }
                """;
            await bed.StartAsync("aa", DockerFolder.Script([look], options));
            await SessionBed.UntilAsync(() => bed.LogOf("aa").Contains("\n16\n", StringComparison.Ordinal));
            Assert.Equal(
                ["0", "1-hush-/usr/bin:/bin", "/usr", "read-only", "game", "16"],
                bed.LogOf("aa").Split('\n', StringSplitOptions.RemoveEmptyEntries).Where(line => !line.StartsWith("touch:", StringComparison.Ordinal)));
            Assert.Equal("in\n", await File.ReadAllTextAsync(Path.Combine(world.FullName, "file"), Token));
            // Of both limits the smaller; never a restart by the engine, never more rights than a container has.
            Assert.Equal(
                "67108864 67108864 500000000 1024 66 true no none false one",
                await bed.InspectAsync("aa", "{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}} {{.HostConfig.NanoCpus}} {{.HostConfig.CpuShares}} {{.HostConfig.PidsLimit}} {{.HostConfig.ReadonlyRootfs}} {{.HostConfig.RestartPolicy.Name}} {{.HostConfig.NetworkMode}} {{.HostConfig.Privileged}} {{.Config.Labels.game}}"));
            Assert.Equal("[ALL] [no-new-privileges]", await bed.InspectAsync("aa", "{{.HostConfig.CapDrop}} {{.HostConfig.SecurityOpt}}"));
            // What a script says to its program is in no file of the engine's.
            Assert.DoesNotContain("hush", await bed.InspectAsync("aa", "{{json .}}"), StringComparison.Ordinal);
        }
        finally
        {
            world.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task What_cannot_be_started_is_said_in_the_engines_words_and_leaves_nothing()
    {
        await using var bed = new DockerFolder(await engine.StartedAsync());
        var missing = await RefusedAsync(bed, "no-such-image-of-anybody:1\n{'port': 8000}");
        Assert.Equal(ErrorCode.DockerImageMissing, missing.Code);
        Assert.Contains("no-such-image-of-anybody", missing.Message, StringComparison.Ordinal);
        var command = await RefusedAsync(bed, DockerFolder.Script(["no-such-command"]));
        Assert.Equal(ErrorCode.DockerRefused, command.Code);
        Assert.Contains("no-such-command was not found", command.Message, StringComparison.Ordinal);
        var user = await RefusedAsync(bed, DockerFolder.Script(["sh"], "\"port\": 8000, \"user\": \"nobody-here\""));
        Assert.Equal(ErrorCode.DockerRefused, user.Code);
        Assert.Contains("nobody-here", user.Message, StringComparison.Ordinal);
        Assert.Equal(ErrorCode.SessionOptionRefused, (await RefusedAsync(bed, DockerFolder.Script(["sh"], "\"port\": 8000, \"volumes\": [\"/etc:/e:ro\"]"))).Code);
        Assert.Equal(ErrorCode.SessionScriptRefused, (await RefusedAsync(bed, "#!/bin/sh\necho")).Code);
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        var port = await RefusedAsync(bed, DockerFolder.Script(["sh"], $"\"port\": 8000, \"ports\": {{\"81/tcp\": {((IPEndPoint)taken.LocalEndpoint).Port}}}"));
        Assert.Equal(ErrorCode.SessionNoPort, port.Code);
        Assert.Equal(0, await bed.LeftAsync());
        Assert.Empty(Directory.EnumerateFileSystemEntries(bed.Sessions));
    }

    [Fact]
    public async Task A_further_port_of_the_host_leads_into_the_container_too()
    {
        await using var bed = new DockerFolder(await engine.StartedAsync());
        int port;
        using (var free = new TcpListener(IPAddress.Loopback, 0))
        {
            free.Start();
            port = ((IPEndPoint)free.LocalEndpoint).Port;
        }
        bed.Host.Start("aa", new SessionRequest(new(SessionVerb.Create, "a1"), bed.Echo().Replace("\"port\": 8000", $"\"port\": 1, \"ports\": {{\"8000/tcp\": [[\"127.0.0.1\", {port}], null], \"8000/udp\": null}}", StringComparison.Ordinal), "", null));
        var ports = (await bed.NextAsync<SessionInput.Started>()).Ports!;
        Assert.Equal((port, 2, 1), (ports["8000/tcp"][0], ports["8000/tcp"].Count, ports["8000/udp"].Count));
        foreach (var one in ports["8000/tcp"]) Assert.Equal("tcp hello", await SessionBed.TcpAsync(one, "hello"));
        Assert.Equal("udp hello", await SessionBed.UdpAsync(ports["8000/udp"][0], "hello"));
    }

    [Fact]
    public async Task One_that_fails_is_started_again_as_often_as_its_policy_says()
    {
        await using var bed = new DockerFolder(await engine.StartedAsync());
        await bed.StartAsync("aa", DockerFolder.Script(["sh", "-c", "echo ran >> /count; cat /count; exit 3"], "\"port\": 8000, \"restart_policy\": {\"Name\": \"on-failure\", \"MaximumRetryCount\": 2}"));
        Assert.Equal(3, (await bed.NextAsync<SessionInput.Exited>()).ExitCode);
        // Its container is the same each time: what it wrote is there.
        Assert.Equal(1 + 2 + 3, bed.LogOf("aa").Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
        Assert.Equal(0, await bed.LeftAsync());
    }

    [Fact]
    public async Task Sessions_go_on_when_the_daemon_stops_and_the_next_one_takes_them_over()
    {
        // Goal: after a stop and a start each session is what it was: one that runs, on its port and in its network; one that sleeps; one that ended meanwhile.
        await using var bed = new DockerFolder(await engine.StartedAsync(), NetworkMode.Internet);
        var echo = bed.Echo().Replace("print('ready'", "print(open('/proc/net/route').read().count('eth0'), 'ready'", StringComparison.Ordinal).Replace("b'tcp ' + c.recv(100)", "b'%d ' % open('/proc/net/route').read().count('eth0') + c.recv(100)", StringComparison.Ordinal);
        var port = await bed.StartAsync("aa", echo);
        var routes = (await SessionBed.TcpAsync(port, "x")).Split(' ')[0];
        Assert.NotEqual("0", routes);
        Assert.StartsWith($"{routes} ready", bed.LogOf("aa"), StringComparison.Ordinal); // its network stood before its first instruction
        var sleeper = await bed.StartAsync("bb", bed.Echo(), idle: TimeSpan.FromSeconds(1));
        Assert.True((await bed.NextAsync<SessionInput.Slept>()).Asleep);
        await bed.StartAsync("cc", bed.Shell("read -r x < /pipe; exit 9".Replace("read -r x < /pipe", "while ! test -e /go; do sleep 0.1; done", StringComparison.Ordinal)));
        await bed.StopAsync();
        Assert.Equal(2, (await bed.ContainersAsync()).Length);
        var ending = await bed.InspectAsync("cc", "{{.Id}}");
        _ = await bed.Engine.RunAsync("exec", ending, "sh", "-c", "echo > /go");
        Assert.Equal("9", await bed.Engine.RunAsync("wait", ending));

        bed.StartAgain();
        var found = new[] { await bed.NextAsync<SessionInput.Found>(), await bed.NextAsync<SessionInput.Found>(), await bed.NextAsync<SessionInput.Found>() };
        Assert.Equal([("aa", SessionState.Running), ("bb", SessionState.Asleep), ("cc", SessionState.Exited)], found.Select(one => (one.Session, one.State)).Order());
        Assert.Equal(new SessionInput.Exited("cc", 9), await bed.NextAsync<SessionInput.Exited>());
        Assert.Equal([port, sleeper, 0], bed.Host.Sessions.Select(view => view.Port));
        Assert.Equal($"{routes} again", await SessionBed.TcpAsync(port, "again"));
        Assert.Equal("tcp wake", await SessionBed.TcpAsync(sleeper, "wake"));
        foreach (var id in new[] { "aa", "bb", "cc" }) bed.Host.Stop(id);
        for (var i = 0; i < 3; i++) _ = await bed.NextAsync<SessionInput.Stopped>();
        Assert.Equal(0, await bed.LeftAsync());
        Assert.DoesNotContain(Directory.EnumerateDirectories(bed.Sessions), folder => SessionNames.IsId(Path.GetFileName(folder)));
    }

    [Fact]
    public async Task What_belongs_to_no_session_or_may_no_longer_run_is_removed_by_the_next_daemon()
    {
        await using var bed = new DockerFolder(await engine.StartedAsync());
        bed.Policy = bed.Policy with { ReadOnly = ["/usr"] };
        foreach (var id in new[] { "aa", "bb", "cc" }) await bed.StartAsync(id, DockerFolder.Script(["sleep", "1000"], "\"port\": 8000, \"volumes\": [\"/usr/share:/s:ro\"]"));
        await bed.StopAsync();
        // 1. One whose record was lost, one whose container was removed by hand, one that its owner no longer allows.
        Directory.Delete(Path.Combine(bed.Sessions, "aa"), recursive: true);
        _ = await bed.Engine.RunAsync("rm", "--force", await bed.InspectAsync("bb", "{{.Id}}"));
        bed.Policy = bed.Policy with { ReadOnly = [] };
        bed.StartAgain();
        var found = new[] { await bed.NextAsync<SessionInput.Found>(), await bed.NextAsync<SessionInput.Found>() };
        Assert.Equal([("bb", SessionState.Ended), ("cc", SessionState.Ended)], found.Select(one => (one.Session, one.State)).Order());
        Assert.Equal(0, await bed.LeftAsync());
    }

    // An image can bring a label, so that whoever runs it has a container with it.
    [Fact]
    public async Task A_container_that_only_has_our_label_is_nobodys_business()
    {
        await using var bed = new DockerFolder(await engine.StartedAsync());
        string[] labels = ["run", "--detach", "--label", $"peoples-cloud.session-owner={bed.Owner}", "--label", "peoples-cloud.session=aa"];
        _ = await bed.Engine.RunAsync([.. labels, "--name", $"pc-session-{bed.Owner}-aa", Dockerd.Image, "sleep", "1000"]);
        var theirs = await bed.Engine.RunAsync([.. labels, Dockerd.Image, "sleep", "1000"]);
        bed.Host.Resume();
        // Ours belongs to no session and goes; the engine names the newest first, and that would have gone before.
        string[] left;
        do left = await bed.ContainersAsync("--all");
        while (left.Length > 1);
        Assert.Equal([theirs], left);
    }

    [Fact]
    public async Task When_no_daemon_comes_back_containers_end_themselves()
    {
        await using var bed = new DockerFolder(await engine.StartedAsync());
        await bed.StopAsync();
        bed.StartAgain(aloneTime: TimeSpan.FromSeconds(5)); // longer than a busy machine keeps the daemon from saying that it is there
        await bed.StartAsync("aa", DockerFolder.Script(["sleep", "1000"]));
        var container = await bed.InspectAsync("aa", "{{.Id}}");
        await bed.StopAsync();
        Assert.Equal("137", await bed.Engine.RunAsync("wait", container));
        bed.StartAgain();
        Assert.Equal(137, (await bed.NextAsync<SessionInput.Exited>()).ExitCode);
    }

    [Fact]
    public async Task When_the_engine_is_away_that_is_the_error_and_its_sessions_are_found_when_it_is_back()
    {
        Assert.SkipWhen(Dockerd.Obstacle is not null, Dockerd.Obstacle ?? "");
        await using var own = await Dockerd.StartAsync(busyboxOnly: true);
        await using var bed = new DockerFolder(own);
        await using var other = new DockerFolder(own);
        var mark = $"9{Environment.ProcessId.ToString("000000", CultureInfo.InvariantCulture)}3";
        await bed.StartAsync("aa", bed.Shell("sleep 1000"));
        await bed.StopAsync();
        other.Host.Resume();
        await other.StartAsync("dd", other.Shell("sleep 1000"));
        await other.StartAsync("ee", other.Shell($"sleep {mark}; true"));
        await own.KillAsync();
        // One that is removed meanwhile has ended when that is said; the others run on.
        other.Host.Stop("ee");
        _ = await other.NextAsync<SessionInput.Stopped>();
        Assert.Equal(0, SessionBed.ProcessesWith(mark));
        Assert.Equal("dd", Assert.Single(other.Host.Sessions).Id);
        bed.StartAgain();
        bed.Host.Start("bb", new SessionRequest(new(SessionVerb.Create, "a1"), bed.Shell("sleep 1000"), "", null));
        Assert.Equal(ErrorCode.DockerUnreachable, (await bed.NextAsync<SessionInput.StartFailed>()).Error.Code);
        Assert.Equal(ErrorCode.DockerUnreachable, bed.Host.Obstacle?.Code);
        await own.StartAgainAsync();
        // This engine ends its containers when it starts; that is what is said of it.
        Assert.Equal("aa", (await bed.NextAsync<SessionInput.Found>()).Session);
        Assert.Null(bed.Host.Obstacle);
        await bed.StartAsync("cc", bed.Shell("sleep 1000"));
        Assert.Single(await bed.ContainersAsync());
        Assert.Equal("dd", (await other.NextAsync<SessionInput.Exited>()).Session);
        await other.UntilNothingIsLeftAsync();
    }

    [Fact]
    public async Task One_that_fills_the_disk_is_ended()
    {
        await using var bed = new DockerFolder(await engine.StartedAsync());
        bed.Policy = bed.Policy with { Most = bed.Policy.Most with { DiskBytes = 1 << 20 } };
        bed.Host.Resume();
        await bed.StartAsync("aa", bed.Shell("while :; do cat /bin/busybox >> /big; sleep 0.05; done"));
        Assert.Equal(137, (await bed.NextAsync<SessionInput.Exited>()).ExitCode);
        Assert.Equal(0, await bed.LeftAsync());
    }

    private static async Task<PcException> RefusedAsync(DockerFolder bed, string script)
    {
        bed.Host.Start("aa", new SessionRequest(new(SessionVerb.Create, "a1"), script, "", null));
        return (await bed.NextAsync<SessionInput.StartFailed>()).Error;
    }
}
