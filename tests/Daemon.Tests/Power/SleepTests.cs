using System.Diagnostics;
using PeoplesCloud.Daemon.Api;
using PeoplesCloud.Daemon.Power;
using PeoplesCloud.Daemon.Tests.Hosting;

namespace PeoplesCloud.Daemon.Tests.Power;

/// <summary>What happens before the machine sleeps: with a real bus (dbus-daemon) and a stand-in for logind that speaks it by itself.</summary>
public sealed class SleepTests
{
    private const string Bot = "import time\nwhile True: time.sleep(0.1)\n";

    // Goal: a laptop that is closed gives its programs away first. Method: elm and fir both host; logind tells elm alone that the machine sleeps.
    [Fact]
    public async Task Before_its_machine_sleeps_a_host_gives_its_programs_away_and_only_then_lets_it_sleep()
    {
        Assert.SkipUnless(File.Exists("/usr/bin/dbus-daemon"), "dbus-daemon is not installed");
        await using var logind = await Logind.StartAsync();
        await using var oak = await TestNode.StartAsync("oak");
        await using var elm = await TestNode.StartAsync("elm", hosts: true, time: new PatientTime(), configure: config => config with { SystemBus = logind.Address });
        await using var fir = await TestNode.StartAsync("fir", hosts: true);
        Assert.Equal("inhibited sleep People's Cloud delay", await logind.HearsAsync());
        var ticket = (await oak.CreateAsync("friends")).Ticket!;
        await elm.JoinAsync(ticket);
        await fir.JoinAsync(ticket);
        foreach (var node in new[] { oak, elm, fir }) await node.WaitForAsync("friends", list => list.Members.Count(member => member is { Hosts: true, State: "awake" or "here" }) == 2);
        using var folder = new ProgramFolder(Bot);
        Assert.Equal("elm", (await oak.DeployAsync("friends", folder.Path, host: "elm")).Host);
        await elm.WaitForAsync("friends", list => list.Programs is [{ State: "running", Runs: [{ Ended: null }] }]);
        await fir.WaitForAsync("friends", list => list.Programs is [{ State: "running" }]);

        // 1. Somebody else who says so is nobody. (What comes later on the same connection shows that this was read.)
        await logind.SayAsync("forged");
        await logind.SayAsync("wake");
        await TestNode.UntilAsync(() => File.ReadAllText(Path.Combine(elm.Home, "logs", "daemon.log")).Contains("woke, or did not sleep", StringComparison.Ordinal));
        Assert.DoesNotContain("about to sleep", File.ReadAllText(Path.Combine(elm.Home, "logs", "daemon.log")), StringComparison.Ordinal);

        // 2. The machine is about to sleep. It may when the program has ended here and that is written down.
        await logind.SayAsync("sleep");
        Assert.Equal("released", await logind.HearsAsync());
        Assert.Empty(elm.Node.Leases.Of(elm.Node.Swarms.Require("friends").Id)!.Held);
        Assert.Equal(("elm", "handed over"), (await elm.ListAsync("friends")).Programs[0].Runs!.Select(run => (run.Host, run.Why)).First());
        var list = await oak.WaitForAsync("friends", list => list.Programs is [{ State: "running", Host: "fir", Runs: [_, { Ended: null }] }]);
        Assert.Equal(["elm", "fir"], list.Programs[0].Runs!.Select(run => run.Host));
        await TestNode.UntilAsync(() => Sees(oak, elm, draining: true));

        // 3. It wakes: it asks to be waited for again, and takes programs.
        await logind.SayAsync("wake");
        Assert.Equal("inhibited sleep People's Cloud delay", await logind.HearsAsync());
        await TestNode.UntilAsync(() => Sees(oak, elm, draining: false));
        Assert.Equal("elm", (await oak.DeployAsync("friends", folder.Path, name: "second", host: "elm")).Host);

        // 4. Who was drained by hand stays so.
        await elm.Client.PostAsync("/v1/drain", new DrainRequest(false), TestNode.Json.DrainRequest, TestNode.Json.DrainReply);
        await logind.SayAsync("sleep");
        Assert.Equal("released", await logind.HearsAsync());
        await logind.SayAsync("wake");
        Assert.StartsWith("inhibited", await logind.HearsAsync(), StringComparison.Ordinal);
        Assert.True(elm.Node.Leases.IsDraining);
    }

    [Fact]
    public async Task Without_a_bus_or_without_logind_nobody_is_asked_and_the_node_runs()
    {
        Assert.SkipUnless(File.Exists("/usr/bin/dbus-daemon"), "dbus-daemon is not installed");
        await using var logind = await Logind.StartAsync(speaks: false);
        foreach (var (address, said) in new[] { ("unix:path=/nowhere/bus", "No system bus tells"), ("tcp:host=localhost", "No system bus tells"), (logind.Address, "Nobody on the system bus delays") })
        {
            await using var elm = await TestNode.StartAsync("elm", hosts: true, configure: config => config with { SystemBus = address });
            await TestNode.UntilAsync(() => File.ReadAllText(Path.Combine(elm.Home, "logs", "daemon.log")).Contains(said, StringComparison.Ordinal));
        }
    }

    // A call with two texts, byte by byte as the specification has it.
    [Fact]
    public void A_message_is_these_bytes_and_every_truncation_is_too_short()
    {
        var bytes = BusMessage.Call(7, "a.b", "/c", "d.e", "F", "one", "");
        Assert.Equal(
            "6c0100010d000000070000004800000001016f00020000002f630000000000000201730003000000642e65000000000003017300010000004600000000000000"
            + "0601730003000000612e6200000000000801670002737300030000006f6e65000000000000",
            Convert.ToHexStringLower(bytes));
        Assert.True(BusMessage.TryRead([.. bytes, 1, 2, 3], out var message, out var length));
        Assert.Equal((BusKind.Call, 7u, "d.e", "F", "ss", bytes.Length), (message.Kind, message.Serial, message.Interface, message.Member, message.Signature, length));
        for (var cut = 0; cut < bytes.Length; cut++)
        {
            Assert.False(BusMessage.TryRead(bytes.AsSpan(0, cut), out _, out length));
            Assert.Equal(0, length);
        }
        bytes[4] = 0xff;
        bytes[5] = 0xff;
        Assert.False(BusMessage.TryRead(bytes, out _, out length));
        Assert.True(length < 0);
    }

    private static bool Sees(TestNode node, TestNode other, bool draining) =>
        node.Node.Swarms.Require("friends").Presence.GetValueOrDefault(other.Node.Self) is { Record.Info: var info } && info.Draining == draining;

    /// <summary>The machine waits longer than real ones do: a busy one takes seconds to give a program away.</summary>
    private sealed class PatientTime : TimeProvider
    {
        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
            base.CreateTimer(callback, state, dueTime == SleepWatch.LongestDelay ? TestNode.Patience : dueTime, period);
    }

    /// <summary>A bus of its own, and who is logind on it.</summary>
    private sealed class Logind : IAsyncDisposable
    {
        private readonly string _folder = Directory.CreateTempSubdirectory("bus-").FullName;
        private Process _bus = null!;
        private Process? _logind;

        public string Address => $"unix:path={_folder}/bus";

        public static async Task<Logind> StartAsync(bool speaks = true)
        {
            var logind = new Logind();
            var config = Path.Combine(logind._folder, "config");
            await File.WriteAllTextAsync(config, $"""
                <!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
                <busconfig>
                  <listen>{logind.Address}</listen>
                  <auth>EXTERNAL</auth>
                  <policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy>
                </busconfig>
                """, TestContext.Current.CancellationToken);
            logind._bus = Start("/usr/bin/dbus-daemon", $"--config-file={config}", "--nofork", "--print-address");
            await logind._bus.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken).AsTask().WaitAsync(TestNode.Patience, TestContext.Current.CancellationToken);
            if (!speaks) return logind;
            logind._logind = Start("python3", Path.Combine(AppContext.BaseDirectory, "Power", "logind.py"), $"{logind._folder}/bus");
            Assert.Equal("ready", await logind.HearsAsync());
            return logind;
        }

        public async Task SayAsync(string word)
        {
            await _logind!.StandardInput.WriteLineAsync(word);
            await _logind.StandardInput.FlushAsync();
        }

        public async Task<string?> HearsAsync() => await _logind!.StandardOutput.ReadLineAsync().WaitAsync(TestNode.Patience, TestContext.Current.CancellationToken);

        public async ValueTask DisposeAsync()
        {
            foreach (var process in new[] { _logind, _bus })
            {
                if (process is null) continue;
                process.Kill();
                await process.WaitForExitAsync();
                process.Dispose();
            }
            Directory.Delete(_folder, recursive: true);
        }

        private static Process Start(string program, params string[] arguments) =>
            Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, UseShellExecute = false })!;
    }
}
