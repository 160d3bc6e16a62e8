using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using PeoplesCloud.Runtimes.Sandbox;

namespace PeoplesCloud.Runtimes.Docker;

/// <summary>What the Engine API is told to make of a run: everything that holds it in is here.</summary>
internal static class DockerContainer
{
    /// <summary>The label that says whose a container is.</summary>
    public const string OwnerLabel = "peoples-cloud.owner";

    /// <summary>The label that says which run it is.</summary>
    public const string RunLabel = "peoples-cloud.run";

    private const string Path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

    private const string Shell = "/bin/sh";

    /// <summary>Waits for the line that says that the network is there; what comes after it is the source, if there is one.</summary>
    private const string AwaitNetwork = "IFS= read -r go || exit 1; ";

    private const string TakeSource = "tar -x -f - -C /app || exit 1; ";

    // Its own input is at its end, as the sandbox's.
    private const string Become = "exec \"$@\" </dev/null";

    /// <summary>Whether a run is held back at its start until it was given its files or network by its input.</summary>
    public static bool IsHeld(RunSpec spec) => spec.SourceFolder is not null || spec.Network != NetworkMode.None;

    /// <summary>The body of "create a container".</summary>
    /// <param name="spec">The run.</param>
    /// <param name="owner">Whose it is.</param>
    /// <param name="image">The image, by its id.</param>
    /// <param name="config">What the image says about itself.</param>
    /// <param name="user">The user's number inside.</param>
    public static JsonObject Describe(RunSpec spec, string owner, string image, ImageConfig config, uint user)
    {
        // An image that brings its own files keeps them; else /app is made as in the sandbox.
        var hasApp = HasApp(spec);
        var held = IsHeld(spec);
        IReadOnlyList<string> words = spec.Command.Count > 0 ? spec.Command : [.. config.Entrypoint, .. config.Command];
        if (held) words = [Shell, "-c", Begin(spec), "sh", .. words];
        // Owned by its user: runc gives the folder the mode that the image has there, whatever is said here.
        var own = string.Create(CultureInfo.InvariantCulture, $"rw,exec,nosuid,nodev,uid={user},gid={user},size={spec.Limits.DiskBytes}");
        var folders = new JsonObject { ["/tmp"] = $"{own},mode=1777" };
        if (hasApp) folders["/app"] = $"{own},mode=0755";
        return new JsonObject
        {
            ["Image"] = image,
            ["Hostname"] = "sandbox",
            ["User"] = string.Create(CultureInfo.InvariantCulture, $"{user}:{user}"),
            ["WorkingDir"] = hasApp ? "/app" : config.WorkingDirectory,
            ["Entrypoint"] = Strings(words.Take(1)),
            ["Cmd"] = Strings(words.Skip(1)),
            ["Env"] = Strings(Environment(spec, config, hasApp).Select(pair => $"{pair.Key}={pair.Value}")),
            ["Labels"] = new JsonObject { [OwnerLabel] = owner, [RunLabel] = spec.Id },
            ["StopSignal"] = "SIGTERM",
            ["Healthcheck"] = new JsonObject { ["Test"] = Strings(["NONE"]) },
            ["Tty"] = false,
            ["OpenStdin"] = held,
            ["StdinOnce"] = held,
            ["AttachStdin"] = held,
            ["AttachStdout"] = true,
            ["AttachStderr"] = true,
            ["HostConfig"] = Confine(spec, folders),
        };
    }

    /// <summary>Whether a run has the folder /app of its own.</summary>
    public static bool HasApp(RunSpec spec) => spec.Image is null || spec.SourceFolder is not null;

    private static JsonObject Confine(RunSpec spec, JsonObject folders) => new()
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
        // Docker's init counts; the shell that takes the source in needs a second process for tar.
        ["PidsLimit"] = (IsHeld(spec) ? Math.Max(spec.Limits.Pids, 2) : spec.Limits.Pids) + 1,
        ["ShmSize"] = Math.Min(spec.Limits.DiskBytes, DockerLimits.SharedMemoryBytes),
        ["Tmpfs"] = folders,
        ["Mounts"] = Mounts(spec),
        ["Dns"] = Strings(spec.Network == NetworkMode.None ? [] : [SandboxNetwork.NameServer]),
        ["Ulimits"] = new JsonArray(new JsonObject { ["Name"] = "core", ["Soft"] = 0, ["Hard"] = 0 }),
        // What it writes is handed over as it comes and kept by who receives it.
        ["LogConfig"] = new JsonObject { ["Type"] = "none" },
        // Who may run it is decided among the guardians, never by the engine.
        ["RestartPolicy"] = new JsonObject { ["Name"] = "no" },
        ["AutoRemove"] = false,
    };

    private static JsonArray Mounts(RunSpec spec)
    {
        var mounts = new JsonArray();
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

    private static string Begin(RunSpec spec) =>
        (spec.Network == NetworkMode.None ? "" : AwaitNetwork)
        + (spec.SourceFolder is null ? "" : TakeSource)
        + Become;

    private static Dictionary<string, string> Environment(RunSpec spec, ImageConfig config, bool hasApp)
    {
        var all = new Dictionary<string, string>(spec.Environment, StringComparer.Ordinal)
        {
            ["HOME"] = hasApp ? "/app" : "/tmp", ["LANG"] = "C.UTF-8", ["TMPDIR"] = "/tmp",
        };
        // Where its programs are is the image's to say.
        _ = all.Remove("PATH");
        if (!config.HasPath) all["PATH"] = Path;
        return all;
    }

    private static JsonArray Strings(IEnumerable<string> words) => [.. words.Select(word => (JsonNode)word)];
}

/// <summary>What an image says about how it is run.</summary>
/// <param name="Entrypoint">The first words of its command.</param>
/// <param name="Command">The other words.</param>
/// <param name="WorkingDirectory">Where it starts.</param>
/// <param name="HasPath">Whether it says where its programs are.</param>
internal sealed record ImageConfig(IReadOnlyList<string> Entrypoint, IReadOnlyList<string> Command, string WorkingDirectory, bool HasPath)
{
    /// <summary>Reads the answer of "inspect an image".</summary>
    public static ImageConfig Read(JsonElement image)
    {
        var config = image.TryGetProperty("Config", out var found) && found.ValueKind == JsonValueKind.Object ? found : default;
        return new ImageConfig(
            Words(config, "Entrypoint"), Words(config, "Cmd"),
            Text(config, "WorkingDir") is { Length: > 0 } folder ? folder : "/",
            Words(config, "Env").Any(line => line.StartsWith("PATH=", StringComparison.Ordinal)));
    }

    private static string? Text(JsonElement of, string name) =>
        of.ValueKind == JsonValueKind.Object && of.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static List<string> Words(JsonElement of, string name) =>
        of.ValueKind == JsonValueKind.Object && of.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Array
            ? [.. value.EnumerateArray().Where(word => word.ValueKind == JsonValueKind.String).Select(word => word.GetString()!)]
            : [];
}
