using System.Globalization;

namespace PeoplesCloud.Runtimes.Sandbox.Limits;

/// <summary>
/// Version 2: one tree. As root our groups stand in the root group; as an ordinary user in our own group if systemd has delegated it
/// (a user unit or scope with Delegate=yes). Source: the kernel's Documentation/admin-guide/cgroup-v2.
/// </summary>
internal sealed class CgroupsV2 : Cgroups
{
    private const string Leaf = "daemon";
    private static readonly string[] Controllers = ["memory", "pids", "cpu"];

    private readonly string _folder;
    private readonly HashSet<string> _controllers;

    private CgroupsV2(string folder, HashSet<string> controllers) => (_folder, _controllers) = (folder, controllers);

    /// <inheritdoc/>
    public override string Name => "cgroup v2";

    /// <inheritdoc/>
    public override bool HasMemory => _controllers.Contains("memory");

    /// <inheritdoc/>
    public override bool HasCpu => _controllers.Contains("cpu");

    /// <inheritdoc/>
    public override bool HasPids => _controllers.Contains("pids");

    /// <summary>The groups, null when v2 is not there, has no controllers (they are in v1) or cannot be written to.</summary>
    public static CgroupsV2? TryCreate(CgroupLayout layout, SandboxOwner owner)
    {
        if (layout.V2 is not { } own || layout.V2Root is not { } root) return null;
        try
        {
            if (Offered(own).Count == 0) return null;
            var parent = Parent(root, own);
            var folder = Directory.CreateDirectory(Path.Combine(parent, Prefix + owner)).FullName;
            return new CgroupsV2(folder, Enable(folder));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <inheritdoc/>
    public override Cgroup Create(string name) => new Group(Directory.CreateDirectory(Path.Combine(_folder, name)).FullName, _controllers);

    /// <inheritdoc/>
    public override void Collect() => CollectIn(Path.GetDirectoryName(_folder)!);

    /// <inheritdoc/>
    public override void Remove() => _ = TryRemove(_folder);

    /// <summary>The group that ours stand in, ready to give them controllers.</summary>
    private static string Parent(string root, string own)
    {
        if (LibC.geteuid() == 0)
        {
            try
            {
                _ = Enable(root);
                return root;
            }
            catch (IOException)
            {
                // In a container the root has processes and is a group like any other.
            }
        }
        var parent = DelegatedParent(own);
        _ = Enable(parent);
        return parent;
    }

    /// <summary>
    /// A group that has processes cannot give controllers to groups below it: the daemon moves itself, with all in its group, into a leaf beside them.
    /// </summary>
    private static string DelegatedParent(string own)
    {
        if (string.Equals(Path.GetFileName(own), Leaf, StringComparison.Ordinal)) return Path.GetDirectoryName(own)!;
        var leaf = Directory.CreateDirectory(Path.Combine(own, Leaf)).FullName;
        foreach (var pid in File.ReadAllLines(Path.Combine(own, "cgroup.procs"))) File.WriteAllText(Path.Combine(leaf, "cgroup.procs"), pid);
        return own;
    }

    /// <summary>Gives the groups below a group the controllers that it has.</summary>
    private static HashSet<string> Enable(string folder)
    {
        var wanted = Offered(folder);
        if (wanted.Count > 0) File.WriteAllText(Path.Combine(folder, "cgroup.subtree_control"), string.Join(' ', wanted.Select(name => "+" + name)));
        return wanted;
    }

    private static HashSet<string> Offered(string folder)
    {
        var there = File.ReadAllText(Path.Combine(folder, "cgroup.controllers")).Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        return Controllers.Intersect(there, StringComparer.Ordinal).ToHashSet(StringComparer.Ordinal);
    }

    private sealed class Group(string folder, HashSet<string> controllers) : Cgroup
    {
        private readonly KernelCounter _outOfMemory = new(Path.Combine(folder, "memory.events"), "oom_kill");

        public override IReadOnlyList<string> JoinFiles => [Path.Combine(folder, "cgroup.procs")];

        public override void Limit(RunLimits limits, int overheadPids)
        {
            if (controllers.Contains("memory"))
            {
                Set(folder, "memory.max", limits.MemoryBytes.ToString(CultureInfo.InvariantCulture));
                if (File.Exists(Path.Combine(folder, "memory.swap.max"))) Set(folder, "memory.swap.max", "0");
                // Half a program is no program: all of it ends, and is started again as a whole.
                Set(folder, "memory.oom.group", "1");
            }
            if (controllers.Contains("pids")) Set(folder, "pids.max", (limits.Pids + overheadPids).ToString(CultureInfo.InvariantCulture));
            if (controllers.Contains("cpu")) Set(folder, "cpu.max", string.Create(CultureInfo.InvariantCulture, $"{(long)(limits.Cpus * 100_000)} 100000"));
        }

        public override bool RanOutOfMemory() => _outOfMemory.Read() is > 0;

        public override RunUsage Usage() => new(
            Get(folder, "memory.current") ?? -1,
            TimeSpan.FromMicroseconds(Get(folder, "cpu.stat", "usage_usec") ?? -1),
            (int)(Get(folder, "pids.current") ?? -1));

        public override bool Freeze(bool frozen)
        {
            if (!File.Exists(Path.Combine(folder, "cgroup.freeze"))) return false;
            Set(folder, "cgroup.freeze", frozen ? "1" : "0");
            return true;
        }

        public override bool IsFrozen() => Get(folder, "cgroup.events", "frozen") is 1;

        public override void Kill()
        {
            if (File.Exists(Path.Combine(folder, "cgroup.kill"))) Set(folder, "cgroup.kill", "1");
            else Cgroups.Kill(folder);
        }

        public override bool TryRemove() => Cgroups.TryRemove(folder);

        public override void Dispose() => _outOfMemory.Dispose();
    }
}
