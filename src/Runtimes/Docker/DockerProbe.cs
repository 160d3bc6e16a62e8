using System.Text.Json;
using PeoplesCloud.Base;
using PeoplesCloud.Runtimes.Sandbox;

namespace PeoplesCloud.Runtimes.Docker;

/// <summary>Says which limits hold in this engine's containers and how, by asking the engine.</summary>
internal sealed class DockerProbe(DockerEngine engine, DockerNetwork network)
{
    /// <summary>All reports: docker, user, seccomp, memory, cpu, pids, disk, network, guard.</summary>
    public async ValueTask<IReadOnlyList<RuntimeReport>> RunAsync(CancellationToken cancellationToken)
    {
        JsonElement info, version;
        try
        {
            info = await engine.Client.CallAsync(HttpMethod.Get, "/info", body: null, cancellationToken);
            version = await engine.Client.CallAsync(HttpMethod.Get, "/version", body: null, cancellationToken);
        }
        catch (Exception e) when (e is DockerException || DockerEngine.IsLost(e))
        {
            return [new RuntimeReport("docker", Holds: false, e is PcException told ? $"{told.Message}; try: {told.Hint}" : e.Message)];
        }
        var groups = $"cgroup v{Text(info, "CgroupVersion") ?? "1"}";
        var rootless = IsRootless(info);
        return
        [
            new("docker", Holds: true, $"{NameOf(version)} {Text(version, "Version")} at {engine.Options.Socket}"),
            new("user", Holds: true, SandboxFolders.IsRoot ? "each program has a user number of its own" : rootless ? "containers have your user, in a user namespace of their own" : "containers have your user's number"),
            new("seccomp", Options(info).Any(option => option.Contains("seccomp", StringComparison.Ordinal)), "the engine's profile"),
            Limit("memory", "MemoryLimit"),
            Limit("cpu", "CpuCfsQuota", "CPUCfsQuota"),
            Limit("pids", "PidsLimit"),
            new("disk", Holds: true, "read-only image, tmpfs with a size, which counts as memory"),
            network.Obstacle() is { } obstacle
                ? new("network", Holds: false, $"only none is possible: {obstacle}")
                : new("network", Holds: true, network.How),
            new("guard", engine.Options.Guard is not null, engine.Options.Guard is null ? "there is none, so nothing runs" : "a process that outlives the daemon"),
        ];

        RuntimeReport Limit(string name, params ReadOnlySpan<string> members)
        {
            var holds = false;
            foreach (var member in members) holds |= info.TryGetProperty(member, out var value) && value.ValueKind == JsonValueKind.True;
            return new RuntimeReport(name, holds, holds ? groups : $"not limited by {groups} of this engine");
        }
    }

    private static string NameOf(JsonElement version) => IsPodman(version) ? "Podman" : "Docker";

    /// <summary>Whether an engine is Podman, by its answer about its version: it says so among its parts.</summary>
    public static bool IsPodman(JsonElement version) =>
        version.TryGetProperty("Components", out var parts) && parts.ValueKind == JsonValueKind.Array
        && parts.EnumerateArray().Any(part => part.ValueKind == JsonValueKind.Object && Text(part, "Name")?.Contains("Podman", StringComparison.OrdinalIgnoreCase) == true);

    /// <summary>Whether an engine runs as an ordinary user, by its answer about itself.</summary>
    public static bool IsRootless(JsonElement info) => Options(info).Any(option => option.Contains("rootless", StringComparison.Ordinal));

    private static IEnumerable<string> Options(JsonElement info) =>
        info.TryGetProperty("SecurityOptions", out var options) && options.ValueKind == JsonValueKind.Array
            ? options.EnumerateArray().Where(option => option.ValueKind == JsonValueKind.String).Select(option => option.GetString()!)
            : [];

    private static string? Text(JsonElement of, string name) => of.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}
