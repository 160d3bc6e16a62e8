using Microsoft.Extensions.Logging.Abstractions;
using PeoplesCloud.Daemon.Configuration;
using PeoplesCloud.Daemon.Home;
using PeoplesCloud.Daemon.Hosting;
using PeoplesCloud.Runtimes;
using PeoplesCloud.Runtimes.Docker;

namespace PeoplesCloud.Daemon;

/// <summary>Looks for Docker and Podman on this machine, for <c>pc doctor</c>: what is there, whether it answers, and what to try when it is of no use to programs.</summary>
internal static class EngineCheck
{
    private const string SameAsRun = "/var/run/docker.sock"; // a link to /run on every system of today

    /// <summary>What holds in the containers of the engine that is open to programs; else each engine that there is, with why programs do not run in it.</summary>
    /// <param name="home">The node's home.</param>
    /// <param name="setting">What its owner set; <see cref="DockerSocket"/>.</param>
    /// <param name="environment">The environment.</param>
    /// <param name="exists">Whether there is a file of this path.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public static async Task<IReadOnlyList<RuntimeReport>> ProbeAsync(string home, string setting, IReadOnlyDictionary<string, string?> environment, Func<string, bool> exists, CancellationToken cancellationToken)
    {
        if (DockerSocket.Find(setting, environment, exists) is { } open) return await ProbeAsync(home, open, cancellationToken);
        var reports = new List<RuntimeReport>();
        foreach (var socket in DockerSocket.All(environment).Where(exists).Where(socket => socket != SameAsRun || !exists("/run/docker.sock")))
        {
            var engine = (await ProbeAsync(home, socket, cancellationToken))[0];
            reports.Add(engine.Holds ? engine with { Holds = false, How = $"{engine.How} is not open to programs; to open it, set docker = \"unix://{socket}\" under [host] in the configuration" } : engine);
        }
        return reports.Count > 0 ? reports : [new RuntimeReport("docker", Holds: false, Advice(environment, exists))];
    }

    private static async Task<IReadOnlyList<RuntimeReport>> ProbeAsync(string home, string socket, CancellationToken cancellationToken)
    {
        await using var runtime = new DockerRuntime(DockerHost.OptionsOf(socket, new HomePaths(home), "doctor"), TimeProvider.System, NullLogger.Instance);
        return await runtime.ProbeAsync(cancellationToken);
    }

    private static string Advice(IReadOnlyDictionary<string, string?> environment, Func<string, bool> exists)
    {
        if (IsInstalled("dockerd")) return "Docker is installed and does not run; try: systemctl start docker";
        if (IsInstalled("podman")) return "Podman is installed and has no socket; try: systemctl enable --now podman.socket (as root; for your own user systemctl --user)";
        return "there is none, and programs that need no container image do without; to have one: apt-get install docker.io, or podman";

        bool IsInstalled(string program) => (environment.GetValueOrDefault("PATH") ?? "").Split(':').Append("/usr/sbin").Append("/usr/bin").Any(folder => folder.Length > 0 && exists(Path.Combine(folder, program)));
    }
}
