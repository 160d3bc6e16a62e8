using System.Globalization;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Runtimes;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Programs.Policy;

/// <summary>
/// What the owner of a host lets programs of others do on it; docs/protocols/programs.md, "Policy of a host". Immutable, and a pure function of what
/// is asked, what runs and the time: the same question is asked before a program is placed, before it starts, and while it runs.
/// </summary>
public sealed record HostPolicy
{
    /// <summary>Whether it runs programs at all. Default true.</summary>
    public bool Hosts { get; init; } = true;

    /// <summary>That the owner paused hosting; null when not.</summary>
    public HostPause? Pause { get; init; }

    /// <summary>When programs may run, in the host's local time; empty (the default) is always.</summary>
    public IReadOnlyList<HostHours> Hours { get; init; } = [];

    /// <summary>Who may deploy to it besides the host itself.</summary>
    public DeployerRule Deployers { get; init; } = DeployerRule.Everyone;

    /// <summary>The languages that it runs; null (the default) is all that it can.</summary>
    public IReadOnlyList<string>? Languages { get; init; }

    /// <summary>The runtimes that it uses; null (the default) is all that it has.</summary>
    public IReadOnlyList<string>? Runtimes { get; init; }

    /// <summary>How many programs run here at once. Default 64: with 128 processes each, still far from a kernel's limit.</summary>
    public int Programs { get; init; } = 64;

    /// <summary>The most that one program may ask for. Default: half of this machine's memory, all its cores, 1,024 processes, 2 GiB of disk.</summary>
    public RunLimits Most { get; init; } = new()
    {
        MemoryBytes = ((GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 2) >> 20) << 20, // whole MiB, as people write it
        Cpus = Environment.ProcessorCount,
        Pids = 1024,
        DiskBytes = 2L << 30,
    };

    /// <summary>Bytes of memory that all programs and sessions together may have asked for. Default null: what the number of programs allows.</summary>
    public long? TotalMemoryBytes { get; init; }

    /// <summary>The largest number of sessions that an owner can allow.</summary>
    public const int MostSessions = 10_000;

    /// <summary>How many sessions run or sleep here at once. Default 512: some 2 MiB each besides what they use themselves.</summary>
    public int Sessions { get; init; } = 512;

    /// <summary>Cores that all programs and sessions together may have asked for. Default null: they share what there is.</summary>
    public double? TotalCpus { get; init; }

    /// <summary>The widest network that a program may see. Default: the internet without the host and its LAN.</summary>
    public NetworkMode Network { get; init; } = NetworkMode.Internet;

    /// <summary>How long one deploy may run here in all, not counting pauses and sleep. Default null: for ever.</summary>
    public TimeSpan? LongestRun { get; init; }

    /// <summary>
    /// Whether, when not all fit, members that gave more processor time in a program's swarm than others go first (docs/protocols/favours.md,
    /// "Priority"). Default false: who is here keeps its place, and older deploys before newer ones.
    /// </summary>
    public bool FavoursFirst { get; init; }

    /// <summary>Why a program may not run; null when it may.</summary>
    /// <param name="asked">The program.</param>
    /// <param name="others">What runs here besides it.</param>
    /// <param name="local">The host's local time.</param>
    public PolicyRefusal? Refusal(PolicyQuestion asked, HostUse others, DateTimeOffset local)
    {
        if (Closed(local) is { } closed) return closed;
        if (!asked.IsOwn && !Deployers.Allows(asked.Owner, asked.OwnerIsAdmin)) return new(HostRules.Deployers, $"takes programs of {Deployers.Text} only");
        if (Languages is { } languages && !languages.Contains(asked.Language, StringComparer.Ordinal)) return new(HostRules.Languages, $"runs {Listed(languages)} only");
        if (Runtimes is { } runtimes && asked.Runtime is { } runtime && !runtimes.Contains(runtime, StringComparer.Ordinal)) return new(HostRules.Runtimes, $"runs programs in {Listed(runtimes)} only");
        return OverLimits(asked.Limits) ?? OverRun(asked) ?? OverTotals(asked, others);
    }

    /// <summary>Why nothing may run now, whatever it is; null when something may.</summary>
    /// <param name="local">The host's local time.</param>
    public PolicyRefusal? Closed(DateTimeOffset local)
    {
        if (!Hosts) return new(HostRules.Enabled, "does not host");
        if (Pause is { } pause) return new(HostRules.Pause, pause.Until is { } until ? $"its owner paused it until {until.ToOffset(local.Offset):HH:mm}" : "its owner paused it");
        return Hours.Count > 0 && !Hours.Any(hours => hours.Contains(local)) ? new(HostRules.Hours, $"hosts {string.Join(", ", Hours)} only, by its clock") : null;
    }

    /// <summary>Why one session more may not start; null when it may. Whoever may publish may start one: rules about deployers and languages are of programs.</summary>
    /// <param name="asked">What it may use.</param>
    /// <param name="runtime">What it will run in.</param>
    /// <param name="sessions">How many sessions are here.</param>
    /// <param name="others">What programs and sessions here were promised.</param>
    /// <param name="local">The host's local time.</param>
    public PolicyRefusal? SessionRefusal(RunLimits asked, string runtime, int sessions, HostUse others, DateTimeOffset local)
    {
        if (Closed(local) is { } closed) return closed;
        if (Runtimes is { } runtimes && !runtimes.Contains(runtime, StringComparer.Ordinal)) return new(HostRules.Runtimes, $"runs programs in {Listed(runtimes)} only");
        if (sessions >= Sessions) return new(HostRules.Sessions, $"runs {Number(sessions)} {(sessions == 1 ? "session" : "sessions")} already, its limit");
        return OverTotals(asked.MemoryBytes, (long)Math.Ceiling(asked.Cpus * 1000), others, "");
    }

    /// <summary>The limits of one session on this host: what is configured, and never more than one program may ask for.</summary>
    public RunLimits LimitsOf(RunLimits configured) => new()
    {
        MemoryBytes = Math.Min(configured.MemoryBytes, Most.MemoryBytes),
        Cpus = Math.Min(configured.Cpus, Most.Cpus),
        Pids = Math.Min(configured.Pids, Most.Pids),
        DiskBytes = Math.Min(configured.DiskBytes, Most.DiskBytes),
    };

    private PolicyRefusal? OverLimits(ProgramLimits limits)
    {
        if (limits.MemoryBytes > Most.MemoryBytes) return new(HostRules.Memory, $"allows {Size.Text(Most.MemoryBytes)} of memory, {Size.Text(limits.MemoryBytes)} were asked for");
        if (limits.CpuMillis > Most.Cpus * 1000) return new(HostRules.Cpus, $"allows {Number(Most.Cpus)} cores, {Number(limits.CpuMillis / 1000.0)} {Were(limits.CpuMillis)} asked for");
        if (limits.Pids > Most.Pids) return new(HostRules.Pids, $"allows {Most.Pids} processes, {limits.Pids} were asked for");
        if (limits.DiskBytes > Most.DiskBytes) return new(HostRules.Disk, $"allows {Size.Text(Most.DiskBytes)} of disk, {Size.Text(limits.DiskBytes)} were asked for");
        var network = limits.ToNetworkMode();
        if (network <= Network) return null;
        return new(HostRules.Network, $"allows the network {NameOf(Network)}, {NameOf(network)} was asked for");
    }

    private PolicyRefusal? OverRun(PolicyQuestion asked) =>
        LongestRun is { } longest && asked.Ran >= longest ? new(HostRules.LongestRun, $"allows a run of {Durations.Text(longest)}, it ran for that long") : null;

    private PolicyRefusal? OverTotals(PolicyQuestion asked, HostUse others)
    {
        var order = FavoursFirst ? "; members that gave more go first (rule favours)" : "";
        if (others.Programs >= Programs) return new(HostRules.Programs, $"runs {Programs} {(Programs == 1 ? "program" : "programs")} already, its limit{order}");
        return OverTotals(asked.Limits.MemoryBytes, asked.Limits.CpuMillis, others, order);
    }

    private PolicyRefusal? OverTotals(long memoryBytes, long cpuMillis, HostUse others, string order)
    {
        if (TotalMemoryBytes is { } memory && memoryBytes > memory - others.MemoryBytes)
            return new(HostRules.TotalMemory, $"gives programs {Size.Text(memory)} of memory together, {Size.Text(Math.Max(0, memory - others.MemoryBytes))} are left, {Size.Text(memoryBytes)} were asked for{order}");
        if (TotalCpus is { } cpus && cpuMillis > (cpus * 1000) - others.CpuMillis)
            return new(HostRules.TotalCpus, $"gives programs {Number(cpus)} cores together, {Number(Math.Max(0, cpus - (others.CpuMillis / 1000.0)))} are left, {Number(cpuMillis / 1000.0)} {Were(cpuMillis)} asked for{order}");
        return null;
    }

    /// <summary>none, internet or lan.</summary>
    public static string NameOf(NetworkMode network) => network switch
    {
        NetworkMode.Internet => "internet",
        NetworkMode.Lan => "lan",
        _ => "none",
    };

    private static string Listed(IReadOnlyList<string> words) => words.Count == 0 ? "nothing" : string.Join(", ", words);

    private static string Were(long cpuMillis) => cpuMillis == 1000 ? "was" : "were";

    private static string Number(double value) => value.ToString("0.##", CultureInfo.InvariantCulture);
}

/// <summary>The names of the rules, as the configuration, <c>pc host</c> and refusals use them.</summary>
public static class HostRules
{
    /// <summary>Whether it hosts.</summary>
    public const string Enabled = "enabled";

    /// <summary>pc pause.</summary>
    public const string Pause = "pause";

    /// <summary>Hours of the day.</summary>
    public const string Hours = "hours";

    /// <summary>Who may deploy.</summary>
    public const string Deployers = "deployers";

    /// <summary>Languages.</summary>
    public const string Languages = "languages";

    /// <summary>Runtimes.</summary>
    public const string Runtimes = "runtimes";

    /// <summary>Number of programs.</summary>
    public const string Programs = "programs";

    /// <summary>Number of sessions.</summary>
    public const string Sessions = "sessions";

    /// <summary>Memory of one program.</summary>
    public const string Memory = "memory";

    /// <summary>Cores of one program.</summary>
    public const string Cpus = "cpus";

    /// <summary>Disk of one program.</summary>
    public const string Disk = "disk";

    /// <summary>Processes of one program.</summary>
    public const string Pids = "pids";

    /// <summary>Memory of all programs.</summary>
    public const string TotalMemory = "total_memory";

    /// <summary>Cores of all programs.</summary>
    public const string TotalCpus = "total_cpus";

    /// <summary>The widest network.</summary>
    public const string Network = "network";

    /// <summary>Who goes first when not all fit.</summary>
    public const string Favours = "favours";

    /// <summary>Longest run.</summary>
    public const string LongestRun = "longest_run";
}

/// <summary>A program that is to run.</summary>
/// <param name="Owner">Who deployed it.</param>
/// <param name="OwnerIsAdmin">Whether the owner is an admin of its swarm.</param>
/// <param name="IsOwn">Whether the host itself deployed it.</param>
/// <param name="Language">Its language.</param>
/// <param name="Runtime">The runtime that it will be run in; null when any will do.</param>
/// <param name="Limits">What it may use.</param>
/// <param name="Ran">How long it ran here.</param>
public sealed record PolicyQuestion(PeerId Owner, bool OwnerIsAdmin, bool IsOwn, string Language, string? Runtime, ProgramLimits Limits, TimeSpan Ran);

/// <summary>What programs have been promised.</summary>
/// <param name="Programs">How many there are.</param>
/// <param name="MemoryBytes">The memory that they may use together.</param>
/// <param name="CpuMillis">The thousandths of cores that they may use together.</param>
public sealed record HostUse(int Programs, long MemoryBytes, long CpuMillis)
{
    /// <summary>Nothing runs.</summary>
    public static HostUse None { get; } = new(0, 0, 0);

    /// <summary>With what others may use that are no programs.</summary>
    public HostUse Beside(long memoryBytes, double cpus) => this with { MemoryBytes = MemoryBytes + memoryBytes, CpuMillis = CpuMillis + (long)Math.Ceiling(cpus * 1000) };

    /// <summary>With one program more.</summary>
    public HostUse With(ProgramLimits limits) => new(Programs + 1, MemoryBytes + limits.MemoryBytes, CpuMillis + limits.CpuMillis);
}

/// <summary>The rule that a program does not pass.</summary>
/// <param name="Rule">One of <see cref="HostRules"/>.</param>
/// <param name="Why">What the rule says, and what was asked for.</param>
public sealed record PolicyRefusal(string Rule, string Why)
{
    /// <summary>For people: the rule can be looked up with pc host show on that host.</summary>
    public string Text => $"rule {Rule}: {Why}";
}

/// <summary>Hosting is paused.</summary>
/// <param name="Until">Until when, by the host's clock; null until somebody resumes it.</param>
public sealed record HostPause(DateTimeOffset? Until);
