using System.Diagnostics;
using System.Net.Sockets;
using PeoplesCloud.Runtimes.Sandbox;

namespace PeoplesCloud.Runtimes.Tests.Docker;

/// <summary>
/// Podman's service of the tests' own: with its own folders and socket, so that the machine's containers are not touched. It has no
/// registry: its image is made of this machine's programs.
/// </summary>
public sealed class Podman : IAsyncDisposable
{
    private static readonly string? Program = TestImage.Find("podman");

    private readonly string _folder = Directory.CreateTempSubdirectory("podman-").FullName;
    private Process? _process;

    private Podman()
    {
    }

    /// <summary>Why there is none here, null when there is.</summary>
    public static string? Obstacle { get; } =
        Program is null ? "podman is not installed"
        : !Environment.IsPrivilegedProcess ? "this Podman needs root"
        : null;

    /// <summary>The engine's socket.</summary>
    public string Socket => Path.Combine(_folder, "podman.sock");

    // Files of its own everywhere; without systemd, control groups are made by hand.
    private string[] Own => ["--root", $"{_folder}/data", "--runroot", $"{_folder}/run", "--tmpdir", $"{_folder}/tmp", "--cgroup-manager", "cgroupfs", "--events-backend", "file"];

    /// <summary>Starts it and makes its image.</summary>
    public static async Task<Podman> StartAsync()
    {
        var podman = new Podman();
        try
        {
            await podman.StartServiceAsync();
            await podman.RunAsync(input => TestImage.WriteAsync(input, busyboxOnly: false), "import", [.. TestImage.Settings, "-", Dockerd.Image]);
            return podman;
        }
        catch
        {
            await podman.DisposeAsync();
            throw;
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_process is not null)
        {
            _ = LibC.kill(_process.Id, LibC.Terminate);
            await _process.WaitForExitAsync();
            _process.Dispose();
        }
        // Containers do not end with the service; it has unmounted nothing of theirs.
        try
        {
            await RunAsync(null, "rm", "--all", "--force", "--time", "0");
        }
        finally
        {
            foreach (var mount in File.ReadLines("/proc/self/mounts").Select(line => line.Split(' ')[1]).Where(mount => mount.StartsWith(_folder + "/", StringComparison.Ordinal)).Reverse())
                _ = TestImage.Output("umount", ["--lazy", mount]);
            Directory.Delete(_folder, recursive: true);
        }
    }

    private async Task StartServiceAsync()
    {
        _process = Process.Start(new ProcessStartInfo(Program!, [.. Own, "system", "service", "--time=0", $"unix://{Socket}"]) { UseShellExecute = false });
        using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(2));
        while (!await AnswersAsync()) await Task.Delay(20, patience.Token);
    }

    private async Task<bool> AnswersAsync()
    {
        try
        {
            using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(Socket));
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    private async Task<string> RunAsync(Func<Stream, Task>? input, string command, params IEnumerable<string> words)
    {
        var start = new ProcessStartInfo(Program!, [.. Own, command, .. words]) { UseShellExecute = false, RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        using var process = Process.Start(start)!;
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        if (input is not null) await input(process.StandardInput.BaseStream);
        process.StandardInput.Close();
        await process.WaitForExitAsync();
        return process.ExitCode == 0 ? await output : throw new InvalidOperationException($"podman {command}: {await errors}");
    }
}
