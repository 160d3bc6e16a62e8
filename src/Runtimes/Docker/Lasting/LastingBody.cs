using System.Globalization;
using System.Text.Json.Nodes;
using PeoplesCloud.Runtimes.Docker.Init;
using PeoplesCloud.Runtimes.Sandbox;

namespace PeoplesCloud.Runtimes.Docker.Lasting;

/// <summary>What the Engine API is told to make of a container that outlives the daemon: everything that holds it in is here.</summary>
internal static class LastingBody
{
    /// <summary>The label that says whose it is. Not that of programs, which a starting daemon ends.</summary>
    public const string OwnerLabel = "peoples-cloud.session-owner";

    /// <summary>The label that says which it is.</summary>
    public const string IdLabel = "peoples-cloud.session";

    // What an image needs that begins as root, gives its files to a user and goes on as that; and for the keeper to end them.
    private static readonly string[] Rights = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "SETGID", "SETUID"];

    /// <summary>The body of "create a container".</summary>
    /// <param name="spec">What runs.</param>
    /// <param name="owner">Whose it is.</param>
    /// <param name="image">The image, by its id.</param>
    /// <param name="config">What the image says about itself.</param>
    /// <param name="isPodman">Whether Podman is told.</param>
    /// <param name="init">Where the init's file is. Command and environment are told to it.</param>
    public static JsonObject Describe(LastingSpec spec, string owner, string image, ImageConfig config, bool isPodman, string init)
    {
        var labels = new JsonObject();
        foreach (var (label, text) in spec.Labels) labels[label] = text;
        (labels[OwnerLabel], labels[IdLabel]) = (owner, spec.Id);
        var body = new JsonObject
        {
            ["Image"] = image,
            ["Entrypoint"] = new JsonArray(InitImage.Inside),
            ["Cmd"] = new JsonArray(),
            ["Labels"] = labels,
            ["Tty"] = false,
            // A daemon that comes later speaks to the keeper too: the input stays open when one lets go.
            ["OpenStdin"] = true,
            ["StdinOnce"] = false,
            ["AttachStdin"] = true,
            ["AttachStdout"] = true,
            ["AttachStderr"] = true,
            ["HostConfig"] = Confine(spec, isPodman, init),
        };
        // As with programs: Podman makes a timer of what it is told, even of this.
        if (!isPodman || config.HasHealthCheck) body["Healthcheck"] = new JsonObject { ["Test"] = new JsonArray("NONE") };
        if (spec.Hostname is { } hostname) body["Hostname"] = hostname;
        if (spec.User is { } user) body["User"] = user;
        if (spec.WorkingFolder is { } folder) body["WorkingDir"] = folder;
        return body;
    }

    /// <summary>What is run, as Docker joins the two: an entrypoint of the owner's takes the image's command away, unless it is an empty list. Source: moby, merge.go.</summary>
    public static IReadOnlyList<string> CommandOf(LastingSpec spec, ImageConfig config)
    {
        var command = spec.Command.Count > 0 || spec.Entrypoint is { Count: > 0 } ? spec.Command : config.Command;
        return spec.Entrypoint is [""] ? command : [.. spec.Entrypoint ?? config.Entrypoint, .. command];
    }

    private static JsonObject Confine(LastingSpec spec, bool isPodman, string init)
    {
        var host = new JsonObject
        {
            ["ReadonlyRootfs"] = spec.IsReadOnly,
            ["CapDrop"] = new JsonArray("ALL"),
            ["CapAdd"] = new JsonArray([.. Rights.Select(right => (JsonNode)right)]),
            ["SecurityOpt"] = new JsonArray("no-new-privileges"),
            ["Privileged"] = false,
            ["Init"] = true,
            ["NetworkMode"] = spec.HasHostNetwork ? "host" : "none",
            ["IpcMode"] = "private",
            ["Memory"] = spec.Limits.MemoryBytes,
            // With swap: as much as without, so none.
            ["MemorySwap"] = spec.Limits.MemoryBytes,
            ["NanoCpus"] = (long)(spec.Limits.Cpus * 1e9),
            ["CpuShares"] = spec.CpuShares,
            // Docker's init and our keeper count.
            ["PidsLimit"] = (long)Math.Max(spec.Limits.Pids, 2) + 2,
            ["Tmpfs"] = Tmpfs(spec),
            ["Mounts"] = Mounts(spec, init),
            ["Ulimits"] = DockerContainer.UserLimits(isPodman),
            // What it writes is handed over as it comes and kept by who receives it.
            ["LogConfig"] = new JsonObject { ["Type"] = "none" },
            // Whether it runs again is the daemon's to decide.
            ["RestartPolicy"] = new JsonObject { ["Name"] = "no" },
            ["AutoRemove"] = false,
        };
        if (spec.HasHostNetwork) return host;
        host["Dns"] = spec.Network == NetworkMode.None ? [] : new JsonArray(SandboxNetwork.NameServer);
        // Docker turns it off where it gives no address; the loopback's is always there.
        host["Sysctls"] = new JsonObject { ["net.ipv6.conf.all.disable_ipv6"] = "0" };
        return host;
    }

    private static JsonObject Tmpfs(LastingSpec spec)
    {
        var folders = new JsonObject();
        foreach (var (folder, options) in spec.Tmpfs)
        {
            var size = string.Create(CultureInfo.InvariantCulture, $"size={spec.Limits.DiskBytes}");
            folders[folder] = options.Length == 0 ? size : options.Contains("size=", StringComparison.Ordinal) ? options : $"{options},{size}";
        }
        return folders;
    }

    private static JsonArray Mounts(LastingSpec spec, string init)
    {
        var mounts = new JsonArray { Bind(new LastingMount(init, InitImage.Inside, IsReadOnly: true)) };
        foreach (var mount in spec.Mounts) mounts.Add(Bind(mount));
        return mounts;

        // As a mount, not as a "bind": a source that is missing is an error, and no colon in a name has a meaning.
        static JsonNode Bind(LastingMount mount) => new JsonObject
        {
            ["Type"] = "bind", ["Source"] = mount.Source, ["Target"] = mount.Target, ["ReadOnly"] = mount.IsReadOnly,
            ["BindOptions"] = new JsonObject { ["Propagation"] = "rprivate" },
        };
    }
}
