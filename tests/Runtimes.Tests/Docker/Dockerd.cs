using System.Diagnostics;
using System.Net.Sockets;
using PeoplesCloud.Runtimes.Sandbox;

namespace PeoplesCloud.Runtimes.Tests.Docker;

/// <summary>
/// A Docker engine of the tests' own, and of the benchmarks': dockerd with its own folders and socket in a network namespace of its own, so that neither the machine's
/// engine nor its firewall is touched. It has no registry: its images are made of this machine's programs.
/// </summary>
public sealed class Dockerd : IAsyncDisposable
{
    /// <summary>What dockerd is started by: on a machine without it the tests of Docker are skipped, and say so.</summary>
    private static readonly string? Program = TestImage.Find("dockerd");

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private readonly string _folder = Directory.CreateTempSubdirectory("dockerd-").FullName;
    private readonly string? _network;
    private Process? _process;

    private Dockerd(string? network) => _network = network;

    /// <summary>The image that the tests run in: a shell, Python and Node.js, and no more.</summary>
    public const string Image = "pc-tests:latest";

    /// <summary>Why there is none here, null when there is.</summary>
    public static string? Obstacle { get; } =
        Program is null ? "dockerd is not installed"
        : !Environment.IsPrivilegedProcess ? "dockerd needs root"
        : null;

    /// <summary>Where all its files are.</summary>
    public string Folder => _folder;

    /// <summary>The engine's socket.</summary>
    public string Socket => Path.Combine(_folder, "docker.sock");

    /// <summary>Where it writes what it does.</summary>
    public string Log => Path.Combine(_folder, "log");

    /// <summary>Starts it and makes its image.</summary>
    /// <param name="network">The name of the network namespace that it is in; null for one of its own.</param>
    /// <param name="busyboxOnly">Whether a shell is all that the image holds.</param>
    public static async Task<Dockerd> StartAsync(string? network = null, bool busyboxOnly = false)
    {
        var docker = new Dockerd(network);
        try
        {
            await docker.StartAgainAsync();
            await docker.ImportAsync(busyboxOnly);
            return docker;
        }
        catch
        {
            await docker.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts dockerd with what it had before.</summary>
    public async Task StartAgainAsync()
    {
        var line = $"ip link set lo up; exec dockerd --data-root {_folder}/data --exec-root {_folder}/exec --pidfile {_folder}/pid --host unix://{Socket} --bridge=none --iptables=false --ip-masq=false >>{Log} 2>&1";
        File.Delete(Socket);
        _process = Start();
        var patience = Stopwatch.StartNew();
        while (!await AnswersAsync())
        {
            if (patience.Elapsed > Patience) throw new InvalidOperationException($"dockerd did not start: {string.Join('\n', File.ReadLines(Log).TakeLast(5))}");
            if (_process.HasExited)
            {
                // It gives its containerd 15 s, which a busy machine may not have for it.
                KillContainerd();
                _process.Dispose();
                _process = Start();
            }
            await Task.Delay(20);
        }

        // Not ip netns exec, which hides /sys/fs/cgroup.
        Process Start() => Process.Start(_network is null
            ? new ProcessStartInfo("unshare", ["--net", "/bin/sh", "-c", line]) { UseShellExecute = false }
            : new ProcessStartInfo("nsenter", [$"--net=/run/netns/{_network}", "/bin/sh", "-c", line]) { UseShellExecute = false })!;
    }

    /// <summary>Ends dockerd and its containerd without warning; containers run on.</summary>
    public async Task KillAsync()
    {
        _process!.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
        _process = null;
        KillContainerd();
    }

    /// <summary>Kills what runs in containers and who watches it, as it ends when a machine does.</summary>
    public void KillContainers()
    {
        foreach (var shim in ProcessesWith(_folder + "/"))
        {
            foreach (var process in PeoplesCloud.Runtimes.Sandbox.Limits.ProcessTree.Children(shim)) _ = LibC.kill(process, LibC.Kill);
            _ = LibC.kill(shim, LibC.Kill);
        }
    }

    /// <summary>Runs the docker command against it and returns what it says.</summary>
    public async Task<string> RunAsync(params IEnumerable<string> words) => await RunAsync(null, words);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_process is not null)
        {
            // In order: it ends its containers and containerd, and unmounts what it has mounted.
            _ = LibC.kill(_process.Id, LibC.Terminate);
            using var patience = new CancellationTokenSource(Patience);
            await _process.WaitForExitAsync(patience.Token);
            _process.Dispose();
        }
        KillContainerd();
        foreach (var shim in ProcessesWith(_folder + "/")) _ = LibC.kill(shim, LibC.Kill);
        // One that was killed has left its mounts.
        foreach (var mount in File.ReadLines("/proc/self/mounts").Select(line => line.Split(' ')[1]).Where(mount => mount.StartsWith(_folder + "/", StringComparison.Ordinal)).Reverse())
            _ = TestImage.Output("umount", ["--lazy", mount]);
        Directory.Delete(_folder, recursive: true);
    }

    private async Task<bool> AnswersAsync()
    {
        try
        {
            using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(Socket));
            await socket.SendAsync("GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n"u8.ToArray());
            var buffer = new byte[64];
            return await socket.ReceiveAsync(buffer) > 0 && buffer.AsSpan().IndexOf(" 200 "u8) > 0;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    private async Task<string> RunAsync(Func<Stream, Task>? input, IEnumerable<string> words)
    {
        var start = new ProcessStartInfo("docker", ["--host", $"unix://{Socket}", .. words]) { UseShellExecute = false, RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        using var process = Process.Start(start)!;
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        if (input is not null) await input(process.StandardInput.BaseStream);
        process.StandardInput.Close();
        await process.WaitForExitAsync();
        return process.ExitCode == 0 ? (await output).Trim() : throw new InvalidOperationException($"docker {string.Join(' ', words)}: {await errors}");
    }

    private Task<string> ImportAsync(bool busyboxOnly) => RunAsync(input => TestImage.WriteAsync(input, busyboxOnly), ["import", .. TestImage.Settings, "-", Image]);

    private static IEnumerable<int> ProcessesWith(string text)
    {
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
        {
            if (!int.TryParse(Path.GetFileName(folder), out var pid)) continue;
            string line;
            try
            {
                line = File.ReadAllText(Path.Combine(folder, "cmdline"));
            }
            catch (IOException)
            {
                continue; // It has ended.
            }
            if (line.Contains(text, StringComparison.Ordinal)) yield return pid;
        }
    }

    private void KillContainerd()
    {
        var file = Path.Combine(_folder, "exec/containerd/containerd.pid");
        if (!File.Exists(file)) return;
        if (int.TryParse(File.ReadAllText(file), out var pid)) _ = LibC.kill(pid, LibC.Kill);
        // The next dockerd would take it for alive as long as nobody has collected it.
        File.Delete(file);
    }
}
