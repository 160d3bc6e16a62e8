using PeoplesCloud.Base;
using PeoplesCloud.Runtimes.Sandbox;

namespace PeoplesCloud.Runtimes;

/// <summary>What every runtime refuses before it touches anything.</summary>
internal static class RunChecks
{
    private const long MinMemoryBytes = 16L << 20;
    private const double MinCpus = 0.05;
    private const int MaxPids = 4096;

    /// <summary>Refuses what no caller should ask for, and limits that this host cannot give.</summary>
    /// <param name="spec">The run.</param>
    /// <param name="hasImages">Whether the runtime has images; an image may say its own command.</param>
    /// <exception cref="ArgumentException">The caller's mistake.</exception>
    /// <exception cref="PcException"><see cref="ErrorCode.RunLimitRefused"/>.</exception>
    public static void Check(RunSpec spec, bool hasImages)
    {
        if (!IsId(spec.Id)) throw new ArgumentException($"'{spec.Id}' is no name of a run: letters, digits and dashes, 1 to 64", nameof(spec));
        if (spec.Image is not null && !hasImages) throw new ArgumentException("the sandbox runs no images", nameof(spec));
        if (spec.Command.Count == 0 && spec.Image is null) throw new ArgumentException("a run needs a command", nameof(spec));
        if (spec.MustBegin && spec.Image is null && !Path.IsPathFullyQualified(spec.Command[0])) throw new ArgumentException($"{spec.Command[0]} is no absolute path", nameof(spec));
        if (spec.SourceFolder is { } folder && !Path.IsPathFullyQualified(folder)) throw new ArgumentException($"{folder} is no absolute folder", nameof(spec));
        SharedFolders.Check(spec);
        if (spec.Command.Concat(spec.Environment.Keys).Concat(spec.Environment.Values).Any(word => word.Contains('\0', StringComparison.Ordinal)))
            throw new ArgumentException("a command or its environment cannot hold a NUL", nameof(spec));
        if (spec.Environment.Keys.FirstOrDefault(key => key.Length == 0 || key.Contains('=', StringComparison.Ordinal)) is { } bad)
            throw new ArgumentException($"'{bad}' is no name of an environment variable", nameof(spec));

        var problems = new List<string>();
        var limits = spec.Limits;
        var memory = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        if (limits.MemoryBytes < MinMemoryBytes || limits.MemoryBytes > memory) problems.Add($"memory is {limits.MemoryBytes} bytes, not {MinMemoryBytes} to {memory}");
        if (!(limits.Cpus >= MinCpus && limits.Cpus <= Environment.ProcessorCount)) problems.Add($"cpus is {limits.Cpus}, not {MinCpus} to {Environment.ProcessorCount}");
        if (limits.Pids is < 1 or > MaxPids) problems.Add($"pids is {limits.Pids}, not 1 to {MaxPids}");
        if (limits.DiskBytes < 1) problems.Add($"disk is {limits.DiskBytes} bytes, not 1 or more");
        if (problems.Count > 0) throw new PcException(ErrorCode.RunLimitRefused, $"{spec.Id} cannot run here: {string.Join("; ", problems)}");
    }

    /// <summary>Whether a text is a name of a run. By hand: the pattern of one name is no reason to load regular expressions into each daemon.</summary>
    public static bool IsId(string id) => id.Length is > 0 and <= 64 && id.All(character => char.IsAsciiLetterOrDigit(character) || character == '-');
}
