using System.Diagnostics;
using System.Globalization;
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

    /// <summary>The process's side. Arguments: home, name, host or no-host, port.</summary>
    public static Task<int> RunAsync(string[] args) => DaemonHost.RunAsync(
        TestNode.ConfigOf(args[0], args[1], args[2] == "host") with { Port = int.Parse(args[3], CultureInfo.InvariantCulture) }, Console.Out, CancellationToken.None);

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
