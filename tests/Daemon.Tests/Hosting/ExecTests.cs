using System.Net.Sockets;
using System.IO.Pipelines;
using System.Text;
using System.Text.Json;
using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Api;
using PeoplesCloud.Daemon.Audits;
using PeoplesCloud.Daemon.Execs;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Runtimes;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Tests.Hosting;

public sealed class ExecTests
{
    private const string Bot = "import time\nopen('note', 'w').write('kept')\nprint('born', flush=True)\nwhile True: time.sleep(1)\n";

    // oak owns the program on elm; ash is a member without a right to it, yew an admin who owns nothing.
    [Fact]
    public async Task A_command_runs_beside_a_program_on_another_host_for_those_who_may_and_wrote_it_down()
    {
        await using var oak = await TestNode.StartAsync("oak");
        await using var elm = await TestNode.StartAsync("elm", hosts: true);
        await using var ash = await TestNode.StartAsync("ash");
        var ticket = (await oak.CreateAsync("friends")).Ticket!;
        await elm.JoinAsync(ticket);
        await ash.JoinAsync(ticket);
        await using var yew = await TestNode.StartAsync("yew");
        await yew.JoinAsync((await oak.Client.PostAsync("/v1/swarms/friends/invite", new InviteRequest("admin", 1, null), TestNode.Json.InviteRequest, TestNode.Json.InviteReply)).Ticket);
        using var bot = new ProgramFolder(Bot);
        await oak.DeployAsync("friends", bot.Path, "bot");
        await oak.LogsAsync("friends", "bot").FirstAsync(line => line.Text == "born", Token);
        // It is to ask elm by itself below, so it has to have heard of where elm is.
        await ash.WaitForAsync("friends", swarm => swarm.Programs.Count == 1 && swarm.Members.Any(member => member is { Name: "elm", State: "awake" }));

        // Both ways, binary-safe, with the exit code.
        Assert.Equal((7, "kept", "bad"), await ExecAsync(oak, [], "sh", "-c", "cat note; printf bad >&2; exit 7"));
        var sent = new byte[300_000];
        new Random(1).NextBytes(sent);
        var (code, echoed, _) = await ExecAsync(oak, sent, "cat");
        Assert.Equal((0, Encoding.Latin1.GetString(sent)), (code, echoed));
        Assert.Equal(127, (await ExecAsync(oak, [], "no-such-command")).Code);

        // Kept for ever, without the arguments.
        var controls = elm.Node.Swarms.Require("friends").State.Programs.Values.Single().Controls;
        Assert.Equal(["sh and 2 words", "cat", "no-such-command"], controls.Select(control => control.Detail));
        Assert.All(controls, control => Assert.Equal((ControlAction.Exec, oak.Node.Self), (control.Action, control.Author)));

        // Who has no right is refused by its own daemon, and by the host when it asks with a daemon of its own making.
        var refused = await Assert.ThrowsAsync<PcException>(() => ExecAsync(ash, [], "id"));
        Assert.Equal(ErrorCode.NotPermitted, refused.Code);
        var program = oak.Node.Swarms.Require("friends").State.Programs.Values.Single();
        foreach (var (node, entry, words) in new[] { (ash, controls[1].Entry, "cat"), (oak, controls[1].Entry, "cat"), (oak, controls[1].Entry, "id"), (oak, program.Id, "cat") })
        {
            refused = await Assert.ThrowsAsync<PcException>(() => AskAsync(node, elm.Node.Self, new ExecOpen(oak.Node.Swarms.Require("friends").Id.ToString(), program.Id.ToString(), entry.ToString(), [words])));
            Assert.Equal(ErrorCode.NotPermitted, refused.Code);
        }

        // An admin may, and its name stands in everybody's feeds and in the audit, before the command has run.
        await yew.WaitForAsync("friends", swarm => swarm.Programs.Count == 1 && swarm.Members.Any(member => member is { Name: "elm", State: "awake" }));
        Assert.Equal((0, "kept", ""), await ExecAsync(yew, [], "cat", "note"));
        var byAdmin = elm.Node.Swarms.Require("friends").State.Programs.Values.Single().Controls[^1];
        Assert.Equal((ControlAction.Exec, yew.Node.Self, "cat and 1 word"), (byAdmin.Action, byAdmin.Author, byAdmin.Detail));
        using (var answer = await elm.Client.SendAsync(HttpMethod.Get, "/v1/swarms/friends/audit"))
        {
            var audit = AuditReports.Of(await answer.Content.ReadAsByteArrayAsync(Token), "it", new AuditFilter(null, "yew", null), verify: true);
            Assert.True(audit.Verified);
            Assert.Contains(audit.Entries, entry => entry.Author == "yew" && entry.Text.StartsWith("ran a command beside bot (", StringComparison.Ordinal) && entry.Text.EndsWith(": cat and 1 word", StringComparison.Ordinal));
        }

        // The end of the program is told.
        var running = ExecAsync(oak, [], "sleep", "1000");
        await oak.Node.Swarms.Require("friends").WaitForControlsAsync(program.Id, 5);
        await oak.StopProgramAsync("friends", "bot");
        Assert.Contains((await Assert.ThrowsAsync<PcException>(() => running)).Code, new[] { ErrorCode.ExecFailed, ErrorCode.NotPermitted });
    }

    [Fact]
    public async Task A_command_runs_beside_a_program_on_the_caller_s_own_node()
    {
        await using var oak = await TestNode.StartAsync("oak", hosts: true);
        await oak.CreateAsync("friends");
        using var bot = new ProgramFolder(Bot);
        await oak.DeployAsync("friends", bot.Path, "bot");
        await oak.LogsAsync("friends", "bot").FirstAsync(line => line.Text == "born", Token);
        Assert.Equal((0, "kept", ""), await ExecAsync(oak, [], "cat", "note"));
        Assert.Equal(ErrorCode.BadRequest, (await Assert.ThrowsAsync<PcException>(() => ExecAsync(oak, [], "cat", new string('x', 65 << 10)))).Code);
        Assert.Equal($"PC{(int)ErrorCode.BadRequest}", (await Assert.ThrowsAsync<ApiException>(() => oak.Client.PostAsync("/v1/swarms/friends/programs/bot/exec", RunningApiJson.Default.RestartReply))).Reply.Code);
    }

    [Fact]
    public async Task Stats_tell_what_a_program_takes_of_what_it_may()
    {
        await using var oak = await TestNode.StartAsync("oak");
        await using var elm = await TestNode.StartAsync("elm", hosts: true);
        await elm.JoinAsync((await oak.CreateAsync("friends")).Ticket!);
        using var bot = new ProgramFolder("kept = b'x' * (40 << 20)\nopen('/tmp/f', 'wb').write(b'y' * (3 << 20))\nprint('born', flush=True)\nwhile True: pass\n");
        await oak.DeployAsync("friends", bot.Path, "bot");
        await oak.LogsAsync("friends", "bot").FirstAsync(line => line.Text == "born", Token);

        var use = Assert.Single((await oak.Client.GetAsync("/v1/swarms/friends/stats", RunningApiJson.Default.StatsReply)).Programs);

        Assert.Equal(("bot", "oak", "elm", "running", null), (use.Program, use.Owner, use.Host, use.State, use.Problem));
        Assert.InRange(use.MemoryBytes!.Value, 40L << 20, use.MemoryBytesAllowed);
        Assert.Equal(("internet", true), (use.Network, use.NetworkBytes >= 0));
        Assert.Equal((256L << 20, 1.0, 128, 256L << 20, 8L << 20), (use.MemoryBytesAllowed, use.CoresAllowed, use.PidsAllowed, use.DiskBytesAllowed, use.LogBytesAllowed!.Value));
        Assert.InRange(use.Cores!.Value, 0.01, 1.5);
        Assert.Equal(1, use.Pids);
        Assert.InRange(use.DiskBytes!.Value, 3L << 20, 5L << 20);
        Assert.True(use.LogBytes > 0 && use.UpSeconds > 0 && use.CpuSeconds > 0);

        // A host that is away is said to be so.
        await elm.StopAsync();
        use = Assert.Single((await oak.Client.GetAsync("/v1/swarms/friends/stats?program=bot", RunningApiJson.Default.StatsReply)).Programs);
        Assert.Equal("unknown", use.State);
        Assert.NotNull(use.Problem);
        await elm.StartAgainAsync(hosts: true);
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    // As pc does it: an upgraded connection on the socket.
    private static async Task<(int Code, string Out, string Err)> ExecAsync(TestNode node, byte[] input, params string[] command)
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(Path.Combine(node.Home, "pc.sock")), Token);
        await using var stream = new NetworkStream(socket);
        await stream.WriteAsync(Encoding.ASCII.GetBytes($"POST /v1/swarms/friends/programs/bot/exec HTTP/1.1\r\nHost: pc\r\nConnection: Upgrade\r\nUpgrade: {ExecFrame.Upgrade}\r\n\r\n"), Token);
        var head = new StringBuilder();
        while (!head.ToString().EndsWith("\r\n\r\n", StringComparison.Ordinal))
        {
            var one = new byte[1];
            Assert.Equal(1, await stream.ReadAsync(one, Token));
            head.Append((char)one[0]);
        }
        Assert.StartsWith("HTTP/1.1 101", head.ToString(), StringComparison.Ordinal);
        return await RunAsync(new Duplex(PipeReader.Create(stream), PipeWriter.Create(stream)), JsonSerializer.SerializeToUtf8Bytes(new ExecRequest(command), ExecJson.Default.ExecRequest), input);
    }

    private static async Task<(int Code, string Out, string Err)> AskAsync(TestNode node, PeerId host, ExecOpen open)
    {
        await using var stream = await node.Node.Host.OpenStreamAsync(host, ExecFrame.Protocol, Token);
        return await RunAsync(stream, JsonSerializer.SerializeToUtf8Bytes(open, ExecJson.Default.ExecOpen), []);
    }

    private static async Task<(int Code, string Out, string Err)> RunAsync(IDuplexPipe pipe, byte[] open, byte[] input)
    {
        var (toOut, toErr) = (new MemoryStream(), new MemoryStream());
        var code = await ExecCaller.RunAsync(pipe, open, new MemoryStream(input), (kind, bytes) => (kind == OutputKind.Out ? toOut : toErr).WriteAsync(bytes, Token), Token).WaitAsync(TestNode.Patience, Token);
        return (code, Encoding.Latin1.GetString(toOut.ToArray()), Encoding.Latin1.GetString(toErr.ToArray()));
    }

    private sealed record Duplex(PipeReader Input, PipeWriter Output) : IDuplexPipe;
}

internal static class ControlWaits
{
    /// <summary>Waits until the feeds say that so many things were done with a program.</summary>
    public static async Task WaitForControlsAsync(this Daemon.Swarms.LocalSwarm swarm, EntryHash program, int count)
    {
        var changed = new SemaphoreSlim(0);
        void OnChanged(Daemon.Swarms.LocalSwarm _) => changed.Release();
        swarm.Changed += OnChanged;
        while (swarm.State.Programs[program].Controls.Count < count) Assert.True(await changed.WaitAsync(TestNode.Patience, TestContext.Current.CancellationToken));
        swarm.Changed -= OnChanged;
    }
}
