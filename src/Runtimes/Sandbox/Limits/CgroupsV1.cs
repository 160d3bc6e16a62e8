using System.Globalization;

namespace PeoplesCloud.Runtimes.Sandbox.Limits;

/// <summary>
/// Version 1: one tree for each controller; our groups are below our own group in each, so that limits on the daemon hold for sandboxes too.
/// Each controller is used if it is there and can be written to. Source: the kernel's Documentation/admin-guide/cgroup-v1.
/// </summary>
internal sealed class CgroupsV1 : Cgroups
{
    private const string Memory = "memory";
    private const string Cpu = "cpu";
    private const string CpuAccounting = "cpuacct";
    private const string Pids = "pids";
    private const string Freezer = "freezer";

    private readonly Dictionary<string, string> _folders;

    private CgroupsV1(Dictionary<string, string> folders) => _folders = folders;

    /// <inheritdoc/>
    public override string Name => "cgroup v1";

    /// <inheritdoc/>
    public override bool HasMemory => _folders.ContainsKey(Memory);

    /// <inheritdoc/>
    public override bool HasCpu => _folders.ContainsKey(Cpu);

    /// <inheritdoc/>
    public override bool HasPids => _folders.ContainsKey(Pids);

    /// <summary>The groups, null when no controller can be written to.</summary>
    public static CgroupsV1? TryCreate(CgroupLayout layout, SandboxOwner owner)
    {
        var folders = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var controller in new[] { Memory, Cpu, CpuAccounting, Pids, Freezer })
        {
            if (!layout.V1.TryGetValue(controller, out var own)) continue;
            try
            {
                folders[controller] = Directory.CreateDirectory(Path.Combine(own, Prefix + owner)).FullName;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // An ordinary user without a delegated group: this limit is held otherwise, or reported as not holding.
            }
        }
        return folders.Count > 0 ? new CgroupsV1(folders) : null;
    }

    /// <inheritdoc/>
    public override Cgroup Create(string name)
    {
        // Several controllers may be mounted in one place (cpu,cpuacct): joining and removing it once is enough.
        var folders = _folders.ToDictionary(pair => pair.Key, pair => Directory.CreateDirectory(Path.Combine(pair.Value, name)).FullName, StringComparer.Ordinal);
        return new Group(folders);
    }

    /// <inheritdoc/>
    public override void Collect()
    {
        foreach (var folder in _folders.Values) CollectIn(Path.GetDirectoryName(folder)!);
    }

    /// <inheritdoc/>
    public override void Remove()
    {
        foreach (var folder in _folders.Values) _ = TryRemove(folder);
    }

    private sealed class Group(Dictionary<string, string> folders) : Cgroup
    {
        private readonly KernelCounter? _outOfMemory = folders.TryGetValue(Memory, out var memory) ? new KernelCounter(Path.Combine(memory, "memory.oom_control"), "oom_kill") : null;

        private readonly string[] _distinct = [.. folders.Values.Distinct(StringComparer.Ordinal)];

        public override IReadOnlyList<string> JoinFiles => [.. _distinct.Select(folder => Path.Combine(folder, "cgroup.procs"))];

        public override void Limit(RunLimits limits, int overheadPids)
        {
            if (folders.TryGetValue(Memory, out var memory))
            {
                var bytes = limits.MemoryBytes.ToString(CultureInfo.InvariantCulture);
                Set(memory, "memory.limit_in_bytes", bytes);
                // Memory and swap together: no swap beyond the limit. Missing where the kernel counts no swap.
                if (File.Exists(Path.Combine(memory, "memory.memsw.limit_in_bytes"))) Set(memory, "memory.memsw.limit_in_bytes", bytes);
            }
            if (folders.TryGetValue(Pids, out var pids)) Set(pids, "pids.max", (limits.Pids + overheadPids).ToString(CultureInfo.InvariantCulture));
            if (folders.TryGetValue(Cpu, out var cpu))
            {
                const int periodMicroseconds = 100_000;
                Set(cpu, "cpu.cfs_period_us", periodMicroseconds.ToString(CultureInfo.InvariantCulture));
                Set(cpu, "cpu.cfs_quota_us", ((long)(limits.Cpus * periodMicroseconds)).ToString(CultureInfo.InvariantCulture));
            }
        }

        // The fail counter stays 0 for a task that was killed while it waited; oom_kill counts.
        public override bool RanOutOfMemory() => _outOfMemory?.Read() is > 0;

        public override RunUsage Usage() => new(
            folders.TryGetValue(Memory, out var memory) ? Get(memory, "memory.usage_in_bytes") ?? -1 : -1,
            folders.TryGetValue(CpuAccounting, out var cpu) ? TimeSpan.FromTicks((Get(cpu, "cpuacct.usage") ?? -100) / 100) : TimeSpan.FromTicks(-1),
            folders.TryGetValue(Pids, out var pids) ? (int)(Get(pids, "pids.current") ?? -1) : -1);

        public override bool Freeze(bool frozen)
        {
            if (!folders.TryGetValue(Freezer, out var freezer)) return false;
            Set(freezer, "freezer.state", frozen ? "FROZEN" : "THAWED");
            return true;
        }

        // Reading the state is what makes the kernel look again whether the last one stands still.
        public override bool IsFrozen() =>
            folders.TryGetValue(Freezer, out var freezer) && File.ReadAllText(Path.Combine(freezer, "freezer.state")).StartsWith("FROZEN", StringComparison.Ordinal);

        public override void Kill() => Cgroups.Kill(_distinct[0]);

        public override bool TryRemove() => _distinct.Aggregate(seed: true, (all, folder) => Cgroups.TryRemove(folder) && all);

        public override void Dispose() => _outOfMemory?.Dispose();
    }
}
