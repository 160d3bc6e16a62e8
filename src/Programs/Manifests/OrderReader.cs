using System.Globalization;
using PeoplesCloud.Base;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Programs.Bundles;
using PeoplesCloud.Programs.Deploying;
using PeoplesCloud.Runtimes;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Programs.Manifests;

/// <summary>What is to be deployed, from flags and the folder's pc.toml together; docs/layouts/manifest.md.</summary>
public static class OrderReader
{
    private const long MinMemoryBytes = 16L << 20; // what a sandbox takes at least
    private const long MaxBytes = 1L << 40;

    /// <summary>Puts an order together; flags win over pc.toml, and what neither says has its default.</summary>
    /// <param name="folder">The program's folder; absolute.</param>
    /// <param name="flags">What the command line says, by the keys of pc.toml; environment variables as env.NAME.</param>
    /// <param name="language">The language that the command line names; null when it names none.</param>
    /// <param name="name">The same for the program's name.</param>
    /// <param name="host">The member that should run it; null chooses by rank.</param>
    /// <exception cref="PcException"><see cref="ErrorCode.ManifestInvalid"/> with all problems; <see cref="ErrorCode.PathNotFound"/>,
    /// <see cref="ErrorCode.PathNotFolder"/>, <see cref="ErrorCode.FileUnreadable"/>.</exception>
    public static DeployOrder Read(string folder, IReadOnlyDictionary<string, IReadOnlyList<string>>? flags, string? language = null, string? name = null, PeerId? host = null)
    {
        FolderScanner.RequireFolder(folder);
        var problems = new List<string>();
        var given = (flags ?? new Dictionary<string, IReadOnlyList<string>>(StringComparer.Ordinal)).Select(flag => new ProgramSetting(flag.Key, flag.Value, flag.Value.Count != 1, FlagOf(flag.Key)));
        var settings = new ProgramSettings([.. given, .. ProgramFile.Read(folder, problems)], problems);

        var defaults = new RunLimits();
        var order = new DeployOrder(folder, language ?? settings.Text("language"), name ?? settings.Text("name"), host)
        {
            Limits = new RunLimits
            {
                MemoryBytes = settings.Bytes("memory", MinMemoryBytes, MaxBytes) ?? defaults.MemoryBytes,
                Cpus = settings.Number("cpus", 0.05, 1024) ?? defaults.Cpus,
                Pids = settings.Integer("pids", 1, 4096) ?? defaults.Pids,
                DiskBytes = settings.Bytes("disk", 1L << 20, MaxBytes) ?? defaults.DiskBytes,
            },
            Network = settings.Network("network") ?? NetworkMode.Internet,
            Manifest = ReadManifest(settings, problems),
        };
        if (order.Manifest.Command is null && settings.SourceOf("run") is null && Procfile.Read(folder, problems) is { } procfile) order = order with { Manifest = Started(order.Manifest, procfile) };
        if (problems.Count == 0) return order;
        throw new PcException(ErrorCode.ManifestInvalid, $"what the program asks for is not possible: {string.Join("; ", problems)}");
    }

    private static ProgramManifest ReadManifest(ProgramSettings settings, List<string> problems)
    {
        var before = problems.Count;
        var manifest = new ProgramManifest
        {
            Command = settings.Command("run"),
            Runtime = settings.Word("runtime", "sandbox", "docker"),
            Image = settings.Text("image"),
            Ports = settings.Ports("ports"),
            Environment = settings.Environment(),
            Secrets = settings.List("secrets"),
            Data = settings.Word("data", "true", "false") == "true",
            WhenAlone = settings.Word("when-alone", "run", "stop"),
            Schedule = Schedule(settings),
            Open = settings.Word("open", "owner", "members") is "members" ? ProgramManifest.OpenToMembers : null,
        };
        // What no single key shows: a port twice, a variable that is also a secret, too much of everything.
        if (problems.Count == before && manifest.Problem is { } problem) problems.Add(problem);
        return manifest;
    }

    // As everywhere that Procfiles are read, a web process listens on $PORT.
    private static ProgramManifest Started(ProgramManifest manifest, Procfile procfile)
    {
        var started = manifest with { Command = ProgramSettings.ShellLine(procfile.Command) };
        if (!procfile.IsWeb || manifest.Environment.ContainsKey("PORT") || manifest.Secrets.Contains("PORT", StringComparer.Ordinal)) return started;
        var port = manifest.Ports.FirstOrDefault(port => port.Protocol == ProgramPort.Http) ?? (manifest.Ports is [var first, ..] ? first : new ProgramPort(Procfile.WebPort, "web", ProgramPort.Http));
        return started with
        {
            Ports = manifest.Ports.Count > 0 ? manifest.Ports : [port],
            Environment = new Dictionary<string, string>(manifest.Environment, StringComparer.Ordinal) { ["PORT"] = port.Number.ToString(CultureInfo.InvariantCulture) },
        };
    }

    private static string? Schedule(ProgramSettings settings)
    {
        if (settings.Text("schedule") is not { } text) return null;
        if (CronSchedule.TryParse(text) is { } schedule) return schedule.Text;
        settings.Refuse("schedule", "minute hour day month weekday as cron has them, such as \"*/15 * * * *\", or @hourly, @daily, @weekly, @monthly, @yearly; before them TZ=Area/City for times of a zone that this machine knows");
        return null;
    }

    private static string FlagOf(string key) => key.StartsWith(ProgramSettings.EnvironmentPrefix, StringComparison.Ordinal) ? "--env" : key switch
    {
        "ports" => "--port",
        "secrets" => "--secret",
        _ => $"--{key}",
    };
}
