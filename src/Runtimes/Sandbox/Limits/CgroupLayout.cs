namespace PeoplesCloud.Runtimes.Sandbox.Limits;

/// <summary>Where this process stands in the host's control groups. Sources: proc(5) mountinfo, cgroups(7) on /proc/self/cgroup.</summary>
/// <param name="V1">The folder of our own group for each v1 controller.</param>
/// <param name="V2">The folder of our own v2 group, null when v2 is not mounted or holds no controllers (hybrid hosts).</param>
/// <param name="V2Root">Where v2 is mounted.</param>
internal sealed record CgroupLayout(IReadOnlyDictionary<string, string> V1, string? V2, string? V2Root)
{
    /// <summary>Reads the layout of this process.</summary>
    public static CgroupLayout Read() => Parse(File.ReadAllLines("/proc/self/mountinfo"), File.ReadAllLines("/proc/self/cgroup"), Directory.Exists);

    /// <summary>Understands the two files; <paramref name="exists"/> tells whether a folder does.</summary>
    internal static CgroupLayout Parse(IEnumerable<string> mounts, IEnumerable<string> groups, Func<string, bool> exists)
    {
        // "8:pids:/own/group": number, controllers, path; v2 has number 0 and no controllers.
        var paths = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var line in groups)
        {
            var parts = line.Split(':', 3);
            if (parts.Length != 3) continue;
            foreach (var controller in parts[1].Split(',')) paths[controller] = parts[2];
        }

        // "36 35 0:30 /root /mount/point options - type source options".
        var v1 = new Dictionary<string, string>(StringComparer.Ordinal);
        string? v2 = null, v2Root = null;
        foreach (var line in mounts)
        {
            var halves = line.Split(" - ", 2);
            if (halves.Length != 2 || halves[0].Split(' ') is not { Length: >= 5 } left || halves[1].Split(' ') is not { Length: >= 3 } right) continue;
            if (right[0] is "cgroup2" && paths.TryGetValue("", out var path))
            {
                v2Root = left[4];
                v2 = OwnFolder(left[4], left[3], path, exists);
            }
            else if (right[0] is "cgroup")
            {
                foreach (var controller in right[2].Split(','))
                    if (paths.TryGetValue(controller, out path)) v1[controller] = OwnFolder(left[4], left[3], path, exists);
            }
        }
        return new CgroupLayout(v1, v2, v2Root);
    }

    /// <summary>Our own group's folder; inside a container the mount may show our group as its root, then the mount is the folder.</summary>
    private static string OwnFolder(string mount, string root, string path, Func<string, bool> exists)
    {
        var relative = root.Length > 1 && path.StartsWith(root, StringComparison.Ordinal) ? path[root.Length..] : path;
        var folder = Path.Combine(mount, relative.TrimStart('/'));
        return exists(folder) ? folder : mount;
    }
}
