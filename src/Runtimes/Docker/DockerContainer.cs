using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using PeoplesCloud.Runtimes.Docker.Init;
using PeoplesCloud.Runtimes.Sandbox;

namespace PeoplesCloud.Runtimes.Docker;

/// <summary>What the Engine API is told to make of a run: everything that holds it in is here.</summary>
internal static class DockerContainer
{
    /// <summary>The label that says whose a container is.</summary>
    public const string OwnerLabel = "peoples-cloud.owner";

    /// <summary>The label that says which run it is.</summary>
    public const string RunLabel = "peoples-cloud.run";

    /// <summary>The label that says which daemon built an image. Containers of such an image have it too, whoever runs them, and so have images that are made of it: nothing is decided by it.</summary>
    public const string BuilderLabel = "peoples-cloud.builder";

    private const string Path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

    /// <summary>The body of "create a container".</summary>
    /// <param name="spec">The run.</param>
    /// <param name="owner">Whose it is.</param>
    /// <param name="image">The image, by its id.</param>
    /// <param name="config">What the image says about itself.</param>
    /// <param name="user">The user's number inside.</param>
    /// <param name="isPodman">Whether Podman is told.</param>
    /// <param name="init">Where the init's file is (<see cref="InitImage"/>). Command and environment are told to it, and to nobody else.</param>
    public static JsonObject Describe(RunSpec spec, string owner, string image, ImageConfig config, uint user, bool isPodman, string init)
    {
        // An image that brings its own files keeps them; else /app is made as in the sandbox.
        var hasApp = HasApp(spec);
        // Owned by its user: runc gives the folder the mode that the image has there, whatever is said here.
        var owned = isPodman ? "U" : string.Create(CultureInfo.InvariantCulture, $"uid={user},gid={user}");
        var own = string.Create(CultureInfo.InvariantCulture, $"rw,exec,nosuid,nodev,{owned},size={spec.Limits.DiskBytes}");
        var folders = new JsonObject { ["/tmp"] = $"{own},mode=1777" };
        if (hasApp) folders["/app"] = $"{own},mode=0755";
        // What an image calls a volume would be a folder of the engine's without any limit.
        foreach (var volume in config.Volumes) folders.TryAdd(volume, $"{own},mode=0755");
        var body = new JsonObject
        {
            ["Image"] = image,
            ["Hostname"] = "sandbox",
            ["User"] = string.Create(CultureInfo.InvariantCulture, $"{user}:{user}"),
            ["WorkingDir"] = hasApp ? "/app" : config.WorkingDirectory,
            ["Entrypoint"] = Strings([InitImage.Inside]),
            ["Cmd"] = Strings([]),
            ["Labels"] = new JsonObject { [OwnerLabel] = owner, [RunLabel] = spec.Id },
            ["StopSignal"] = "SIGTERM",
            ["Tty"] = false,
            ["OpenStdin"] = true,
            ["StdinOnce"] = true,
            ["AttachStdin"] = true,
            ["AttachStdout"] = true,
            ["AttachStderr"] = true,
            ["HostConfig"] = Confine(spec, folders, isPodman, init),
        };
        // Podman makes a timer of what it is told, even of this.
        if (!isPodman || config.HasHealthCheck) body["Healthcheck"] = new JsonObject { ["Test"] = Strings(["NONE"]) };
        return body;
    }

    /// <summary>Whether a run has the folder /app of its own.</summary>
    public static bool HasApp(RunSpec spec) => spec.Image is null || spec.SourceFolder is not null;

    /// <summary>What is run: what the owner says, else what the image does.</summary>
    public static IReadOnlyList<string> CommandOf(RunSpec spec, ImageConfig config) => spec.Command.Count > 0 ? spec.Command : [.. config.Entrypoint, .. config.Command];

    /// <summary>The whole environment: the image's, and what the owner says.</summary>
    public static IReadOnlyDictionary<string, string> EnvironmentOf(RunSpec spec, ImageConfig config)
    {
        var all = new Dictionary<string, string>(StringComparer.Ordinal) { ["PATH"] = Path };
        foreach (var (name, value) in config.Environment) all[name] = value;
        var path = all["PATH"];
        foreach (var (name, value) in spec.Environment) all[name] = value;
        // Where its programs are is the image's to say.
        all["PATH"] = path;
        (all["HOME"], all["LANG"], all["TMPDIR"]) = (HasApp(spec) ? "/app" : "/tmp", "C.UTF-8", "/tmp");
        return all;
    }

    private static JsonObject Confine(RunSpec spec, JsonObject folders, bool isPodman, string init) => new()
    {
        ["ReadonlyRootfs"] = true,
        ["CapDrop"] = Strings(["ALL"]),
        ["SecurityOpt"] = Strings(["no-new-privileges"]),
        ["Privileged"] = false,
        ["Init"] = true,
        ["NetworkMode"] = "none",
        ["IpcMode"] = "private",
        // Docker turns it off where it gives no address; the loopback's is always there.
        ["Sysctls"] = new JsonObject { ["net.ipv6.conf.all.disable_ipv6"] = "0" },
        ["Memory"] = spec.Limits.MemoryBytes,
        // With swap: as much as without, so none.
        ["MemorySwap"] = spec.Limits.MemoryBytes,
        ["NanoCpus"] = (long)(spec.Limits.Cpus * 1e9),
        // Docker's init and our keeper count; who starts the keeper is one more for a moment.
        ["PidsLimit"] = Math.Max(spec.Limits.Pids, 2) + 2,
        ["ShmSize"] = Math.Min(spec.Limits.DiskBytes, DockerLimits.SharedMemoryBytes),
        ["Tmpfs"] = folders,
        ["Mounts"] = Mounts(spec, init),
        ["Dns"] = Strings(spec.Network == NetworkMode.None ? [] : [SandboxNetwork.NameServer]),
        ["Ulimits"] = UserLimits(isPodman),
        // What it writes is handed over as it comes and kept by who receives it.
        ["LogConfig"] = new JsonObject { ["Type"] = "none" },
        // Who may run it is decided among the guardians, never by the engine.
        ["RestartPolicy"] = new JsonObject { ["Name"] = "no" },
        ["AutoRemove"] = false,
    };

    /// <summary>The limits of each process.</summary>
    public static JsonArray UserLimits(bool isPodman)
    {
        var limits = new JsonArray(One("core", 0), One("nofile", isPodman ? Math.Min(HostProcess.OwnLimit("Max open files") ?? RunLimits.OpenFiles, RunLimits.OpenFiles) : RunLimits.OpenFiles));
        // Docker's daemon passes its own number of processes on. Podman asks for a million, which not every root may have; and not more than there can be numbers.
        if (isPodman) limits.Add(One("nproc", Math.Min(HostProcess.OwnLimit("Max processes") ?? DockerLimits.Processes, DockerLimits.Processes)));
        return limits;

        static JsonNode One(string name, long value) => new JsonObject { ["Name"] = name, ["Soft"] = value, ["Hard"] = value };
    }

    private static JsonArray Mounts(RunSpec spec, string init)
    {
        var mounts = new JsonArray { Bind(init, InitImage.Inside, readOnly: true) };
        foreach (var mount in spec.Mounts) mounts.Add(Bind(mount.Source, mount.Target, readOnly: true));
        if (spec.DataFolder is { } data) mounts.Add(Bind(data, SharedFolders.DataInside, readOnly: false));
        return mounts;

        // As a mount, not as a "bind": a source that is missing is an error, and no colon in a name has a meaning.
        static JsonNode Bind(string source, string target, bool readOnly) => new JsonObject
        {
            ["Type"] = "bind", ["Source"] = source, ["Target"] = target, ["ReadOnly"] = readOnly,
            ["BindOptions"] = new JsonObject { ["Propagation"] = "rprivate" },
        };
    }

    private static JsonArray Strings(IEnumerable<string> words) => [.. words.Select(word => (JsonNode)word)];
}

/// <summary>What an image says about how it is run.</summary>
/// <param name="Entrypoint">The first words of its command.</param>
/// <param name="Command">The other words.</param>
/// <param name="WorkingDirectory">Where it starts.</param>
/// <param name="Environment">The environment that it brings.</param>
/// <param name="Volumes">The folders that it wants to write to.</param>
/// <param name="HasHealthCheck">Whether it has a command that says how it is.</param>
internal sealed record ImageConfig(
    IReadOnlyList<string> Entrypoint, IReadOnlyList<string> Command, string WorkingDirectory, IReadOnlyList<(string Name, string Value)> Environment, IReadOnlyList<string> Volumes, bool HasHealthCheck = false)
{
    /// <summary>Reads the answer of "inspect an image".</summary>
    public static ImageConfig Read(JsonElement image)
    {
        var config = Member(image, "Config");
        return new ImageConfig(
            Words(config, "Entrypoint"), Words(config, "Cmd"),
            Text(config, "WorkingDir") is { Length: > 0 } folder ? folder : "/",
            [.. Words(config, "Env").Where(line => line.IndexOf('=', StringComparison.Ordinal) > 0).Select(line => line.Split('=', 2)).Select(pair => (pair[0], pair[1]))],
            [.. Names(config, "Volumes").Where(IsVolume)],
            Words(Member(image, "Healthcheck"), "Test").Count > 0 || Words(Member(config, "Healthcheck"), "Test").Count > 0);
    }

    private static JsonElement Member(JsonElement of, string name) => of.ValueKind == JsonValueKind.Object && of.TryGetProperty(name, out var value) ? value : default;

    // What cannot be a place of its own is left to the engine to refuse.
    private static bool IsVolume(string path) => path.StartsWith('/') && path.Length > 1 && !path.Contains(',', StringComparison.Ordinal);

    private static IEnumerable<string> Names(JsonElement of, string name) =>
        of.ValueKind == JsonValueKind.Object && of.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Object
            ? value.EnumerateObject().Select(member => member.Name)
            : [];

    private static string? Text(JsonElement of, string name) =>
        of.ValueKind == JsonValueKind.Object && of.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static List<string> Words(JsonElement of, string name) =>
        of.ValueKind == JsonValueKind.Object && of.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Array
            ? [.. value.EnumerateArray().Where(word => word.ValueKind == JsonValueKind.String).Select(word => word.GetString()!)]
            : [];
}
