using System.Diagnostics;
using PeoplesCloud.Runtimes.Tests.Docker;

namespace PeoplesCloud.Bench;

/// <summary>
/// Docker Swarm on this machine: managers that are engines of their own, each in a network namespace with a cable to one switch, and a service of one replica of
/// busybox. Default settings. Needs root.
/// </summary>
internal sealed class DockerSwarm : IAsyncDisposable
{
    private const string Service = "bot";

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    private readonly string _prefix = $"pc-swarm-{Environment.ProcessId}-";
    private readonly List<string> _namespaces = [];
    private readonly List<Dockerd> _engines = [];
    private readonly List<string> _ids = [];

    public static async Task<DockerSwarm> StartAsync(int managers)
    {
        var swarm = new DockerSwarm();
        try
        {
            await swarm.StartManagersAsync(managers);
            return swarm;
        }
        catch
        {
            await swarm.DisposeAsync();
            throw;
        }
    }

    /// <summary>Kills the node that the task is on, measures how long until the task runs on another, and starts the node again.</summary>
    public async Task<double> MoveAsync()
    {
        var host = await HostAsync(except: -1);
        var (_, leads) = await StatesAsync(host);
        var clock = Stopwatch.StartNew();
        await _engines[host].KillAsync();
        _engines[host].KillContainers();
        var next = await HostAsync(except: host);
        var time = clock.Elapsed.TotalSeconds;
        Console.WriteLine(string.Create(System.Globalization.CultureInfo.InvariantCulture, $"  from manager {host + 1}{(leads ? ", the leader," : "")} to {next + 1}: {time:0.0} s"));
        await _engines[host].StartAgainAsync();
        await UntilAsync(async () => (await StatesAsync(next)).Ready == _engines.Count, "all managers are back");
        return time;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var engine in _engines) await engine.DisposeAsync();
        foreach (var name in _namespaces) Run("ip", "netns", "del", name);
    }

    private async Task StartManagersAsync(int managers)
    {
        Add("switch");
        Run("ip", "-n", _prefix + "switch", "link", "add", "switch", "type", "bridge");
        Run("ip", "-n", _prefix + "switch", "link", "set", "switch", "up");
        for (var i = 0; i < managers; i++)
        {
            var (host, name) = ($"h{i}", _prefix + $"h{i}");
            Add(host);
            Run("ip", "-n", _prefix + "switch", "link", "add", host, "type", "veth", "peer", "name", "eth0", "netns", name);
            Run("ip", "-n", _prefix + "switch", "link", "set", host, "master", "switch");
            Run("ip", "-n", _prefix + "switch", "link", "set", host, "up");
            Run("ip", "-n", name, "address", "add", $"{AddressOf(i)}/24", "dev", "eth0");
            Run("ip", "-n", name, "link", "set", "eth0", "up");
            _engines.Add(await Dockerd.StartAsync(network: name, busyboxOnly: true));
        }
        await _engines[0].RunAsync("swarm", "init", "--advertise-addr", AddressOf(0), "--default-addr-pool", "10.99.0.0/16");
        var token = await _engines[0].RunAsync("swarm", "join-token", "--quiet", "manager");
        for (var i = 1; i < managers; i++) await _engines[i].RunAsync("swarm", "join", "--token", token, "--advertise-addr", AddressOf(i), $"{AddressOf(0)}:2377");
        foreach (var engine in _engines) _ids.Add(await engine.RunAsync("info", "--format", "{{.Swarm.NodeID}}"));
        await UntilAsync(async () => (await StatesAsync(0)).Ready == managers, "all managers are ready");
        await _engines[0].RunAsync("service", "create", "--quiet", "--detach", "--no-resolve-image", "--name", Service, "--network", "host", "--replicas", "1", Dockerd.Image, "sleep", "1000000");
    }

    private static string AddressOf(int manager) => $"10.98.0.{manager + 1}";

    // By the containers themselves: what the managers say of them comes later.
    private async Task<int> HostAsync(int except)
    {
        var found = -1;
        await UntilAsync(
            async () =>
            {
                for (var i = 0; i < _engines.Count && found < 0; i++)
                    if (i != except && (await _engines[i].RunAsync("ps", "--quiet", "--filter", $"label=com.docker.swarm.service.name={Service}")).Length > 0) found = i;
                return found >= 0;
            },
            "the task runs");
        return found;
    }

    // How many managers are ready, and whether this one leads, as it says itself.
    private async Task<(int Ready, bool Leads)> StatesAsync(int manager)
    {
        var lines = (await _engines[manager].RunAsync("node", "ls", "--format", "{{.ID}} {{.Status}} {{.ManagerStatus}}")).Split('\n');
        return (lines.Count(line => line.Contains(" Ready ", StringComparison.Ordinal) && !line.EndsWith("Unreachable", StringComparison.Ordinal)), lines.Any(line => line.StartsWith(_ids.ElementAtOrDefault(manager) ?? "-", StringComparison.Ordinal) && line.EndsWith("Leader", StringComparison.Ordinal)));
    }

    private static async Task UntilAsync(Func<Task<bool>> holds, string what)
    {
        var clock = Stopwatch.StartNew();
        while (true)
        {
            try
            {
                if (await holds()) return;
            }
            catch (InvalidOperationException) when (clock.Elapsed < Patience)
            {
                // Managers without a leader answer nothing.
            }
            if (clock.Elapsed > Patience) throw new InvalidOperationException($"Docker Swarm: {what}: not within {Patience.TotalMinutes} minutes");
            await Task.Delay(50);
        }
    }

    private void Add(string host)
    {
        Run("ip", "netns", "add", _prefix + host);
        _namespaces.Add(_prefix + host);
        Run("ip", "-n", _prefix + host, "link", "set", "lo", "up");
    }

    private static void Run(string program, params string[] words)
    {
        using var process = Process.Start(new ProcessStartInfo(program, words) { UseShellExecute = false, RedirectStandardError = true })!;
        var errors = process.StandardError.ReadToEnd();
        process.WaitForExit();
        if (process.ExitCode != 0) throw new InvalidOperationException($"{program} {string.Join(' ', words)}: {errors}");
    }
}
