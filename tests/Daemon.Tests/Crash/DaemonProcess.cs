using System.Diagnostics;
using System.Globalization;

namespace PeoplesCloud.Daemon.Tests.Crash;

/// <summary>A daemon in a process of its own, so that it can be killed.</summary>
internal sealed class DaemonProcess : IAsyncDisposable
{
    public const string Mode = "daemon-to-kill";

    private readonly Process _process;

    private DaemonProcess(Process process) => _process = process;

    /// <summary>The process's side. Arguments: home, name, host or no-host, port.</summary>
    public static Task<int> RunAsync(string[] args) => DaemonHost.RunAsync(
        TestNode.ConfigOf(args[0], args[1], args[2] == "host") with { Port = int.Parse(args[3], CultureInfo.InvariantCulture) }, Console.Out, CancellationToken.None);

    /// <summary>Starts one and waits until it serves; answers its line.</summary>
    public static async Task<(DaemonProcess Process, string Ready)> StartAsync(string home, string name, bool hosts, int port = 0)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!, [Mode, home, name, hosts ? "host" : "no-host", port.ToString(CultureInfo.InvariantCulture)]) { RedirectStandardOutput = true, UseShellExecute = false };
        var process = Process.Start(start)!;
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
