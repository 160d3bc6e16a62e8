using System.Diagnostics;
using System.Globalization;
using System.Net;
using PeoplesCloud.Daemon.Configuration;
using PeoplesCloud.Daemon.Tests.PowerCuts;
using PeoplesCloud.Simulation.Disk;

namespace PeoplesCloud.Daemon.Tests.Crash;

/// <summary>A daemon in a process of its own, so that it can be killed.</summary>
internal sealed class DaemonProcess : IAsyncDisposable
{
    public const string Mode = "daemon-to-kill";

    public const string StoppingMode = "daemon-that-stops-at-a-step";

    private readonly Process _process;

    private DaemonProcess(Process process) => _process = process;

    /// <summary>The process's side. Arguments: home, name, host or no-host, port, and for sessions in Docker the engine's socket.</summary>
    public static Task<int> RunAsync(string[] args)
    {
        var config = TestNode.ConfigOf(args[0], args[1], args[2] == "host") with { Port = int.Parse(args[3], CultureInfo.InvariantCulture) };
        return DaemonHost.RunAsync(args.Length > 4 ? WithSessions(config, args[4]) : config, Console.Out, CancellationToken.None);
    }

    /// <summary>A node whose sessions run in Docker.</summary>
    public static DaemonConfig WithSessions(DaemonConfig config, string engine) => config with
    {
        Docker = $"unix://{engine}",
        Sessions = new SessionsConfig { Swarm = "friends", Listen = new IPEndPoint(IPAddress.Loopback, 0), Hostname = "localhost", Mode = "docker" },
    };

    /// <summary>The side of one that stops for ever at its k-th step on the disk after it served, ours or SQLite's. Arguments: home, name, step.</summary>
    public static async Task<int> RunStoppingAsync(string[] args)
    {
        var trace = new DiskTrace(args[0]);
        RecordingVfs.Record(trace);
        var stopAt = int.Parse(args[2], CultureInfo.InvariantCulture);
        await using var node = await DaemonNode.StartAsync(TestNode.ConfigOf(args[0], args[1], hosts: false), TimeProvider.System, new RecordingDisk(trace), CancellationToken.None);
        var steps = 0;
        trace.OnStep = step =>
        {
            if (++steps < stopAt) return;
            Console.WriteLine($"at {step.GetType().Name}");
            new ManualResetEvent(false).WaitOne();
        };
        Console.WriteLine($"ready {node.Self}");
        await node.StopRequested;
        return 0;
    }

    /// <summary>Starts one that stops at a step; <see cref="StoppedAsync"/> says when it is there.</summary>
    public static async Task<DaemonProcess> StartStoppingAsync(string home, string name, int step) =>
        (await StartAsync(StoppingMode, home, name, step.ToString(CultureInfo.InvariantCulture))).Process;

    /// <summary>Starts one and waits until it serves; answers its line.</summary>
    public static Task<(DaemonProcess Process, string Ready)> StartAsync(string home, string name, bool hosts, int port = 0) =>
        StartAsync(Mode, home, name, hosts ? "host" : "no-host", port.ToString(CultureInfo.InvariantCulture));

    /// <summary>Starts one whose sessions run in Docker.</summary>
    public static async Task<DaemonProcess> StartWithSessionsAsync(string home, string name, string engine) => (await StartAsync(Mode, home, name, "host", "0", engine)).Process;

    /// <summary>Completes with the step's name when the process stands at its step.</summary>
    public async Task<string> StoppedAsync() => await _process.StandardOutput.ReadLineAsync() ?? "its end";

    private static async Task<(DaemonProcess Process, string Ready)> StartAsync(params string[] arguments)
    {
        var process = Process.Start(new ProcessStartInfo(Environment.ProcessPath!, arguments) { RedirectStandardOutput = true, UseShellExecute = false })!;
        var line = await process.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken).AsTask().WaitAsync(TestNode.Patience);
        Assert.StartsWith("ready ", line, StringComparison.Ordinal);
        return (new DaemonProcess(process), line!);
    }

    /// <summary>kill -9.</summary>
    public async Task KillAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited) await KillAsync();
        _process.Dispose();
    }
}
