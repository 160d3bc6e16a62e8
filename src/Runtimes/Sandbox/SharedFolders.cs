using PeoplesCloud.Base;

namespace PeoplesCloud.Runtimes.Sandbox;

/// <summary>A folder of the host that a sandbox sees.</summary>
/// <param name="Source">Where it is.</param>
/// <param name="Staged">As root, where it is bound for the sandbox's user, who may not pass through all folders above the source.</param>
/// <param name="Inside">Where the command sees it.</param>
/// <param name="IsWritable">Whether it may change it.</param>
internal sealed record SharedFolder(string Source, string? Staged, string Inside, bool IsWritable);

/// <summary>Shows folders of the host to a sandbox: the command's data, and what it may only read.</summary>
internal static class SharedFolders
{
    /// <summary>Where the command sees its data.</summary>
    public const string DataInside = "/app/data";

    private const int MaxMounts = 64;

    /// <summary>Refuses what no caller should ask for.</summary>
    /// <exception cref="ArgumentException">A path is not absolute, leads upwards, or is named twice.</exception>
    public static void Check(RunSpec spec)
    {
        if (spec.DataFolder is { } data && !IsPlain(data)) throw new ArgumentException($"{data} is no absolute folder", nameof(spec));
        if (spec.Mounts.Count > MaxMounts) throw new ArgumentException($"{spec.Mounts.Count} folders are more than {MaxMounts}", nameof(spec));
        foreach (var mount in spec.Mounts)
            if (!IsPlain(mount.Source) || !IsPlain(mount.Target) || mount.Target.Length == 1) throw new ArgumentException($"{mount.Source} on {mount.Target}: not two absolute folders", nameof(spec));
        if (Targets(spec).Distinct(StringComparer.Ordinal).Count() != Targets(spec).Count()) throw new ArgumentException("two folders have one place inside", nameof(spec));
    }

    /// <summary>Prepares a run's folders; as root its data then belongs to its user.</summary>
    /// <exception cref="PcException">One does not exist (<see cref="ErrorCode.RunSourceRefused"/>), or a tool is missing.</exception>
    public static IReadOnlyList<SharedFolder> Show(SandboxHost host, RunSpec spec, uint number)
    {
        var wanted = spec.Mounts.Select(mount => (mount.Source, mount.Target, IsWritable: false)).ToList();
        if (spec.DataFolder is { } data) wanted.Add((data, DataInside, IsWritable: true));
        if (wanted.Count == 0) return [];
        RequireThere(spec);
        if (!SandboxFolders.IsRoot) return [.. wanted.Select(folder => new SharedFolder(folder.Source, Staged: null, folder.Target, folder.IsWritable))];

        if (host.Tools.Network.Unshare is null) throw ToolBox.Missing("unshare");
        if (host.Tools.Mount is null) throw ToolBox.Missing("mount");
        if (spec.DataFolder is { } own) SandboxFolders.GiveTo(own, number);
        return [.. wanted.Select((folder, index) => new SharedFolder(folder.Source, host.Folders.MakeBindPoint(number, index), folder.Target, folder.IsWritable))];
    }

    /// <summary>Refuses folders that are not there.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.RunSourceRefused"/>.</exception>
    public static void RequireThere(RunSpec spec)
    {
        foreach (var source in spec.Mounts.Select(mount => mount.Source).Concat(spec.DataFolder is { } data ? [data] : []))
            if (!Directory.Exists(source)) throw new PcException(ErrorCode.RunSourceRefused, $"{source}, which {spec.Id} is to see, is no folder");
    }

    private static IEnumerable<string> Targets(RunSpec spec) => spec.Mounts.Select(mount => mount.Target).Concat(spec.DataFolder is null ? [] : [DataInside]);

    private static bool IsPlain(string path) =>
        path.StartsWith('/') && !path.Contains('\0', StringComparison.Ordinal) && path.Split('/').All(part => part is not ("." or ".."));
}
