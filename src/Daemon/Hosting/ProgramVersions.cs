using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Hosting;

/// <summary>Which programs are versions of one.</summary>
internal static class ProgramVersions
{
    /// <summary>Earlier versions of a live program whose bundles are kept to run again, besides the present one.</summary>
    public const int KeptBefore = 5;

    /// <summary>All versions of a program, oldest first: what each names as the one before it; those of its name and owner that nobody names came before, by their time.</summary>
    public static IReadOnlyList<SwarmProgram> Of(SwarmState state, SwarmProgram program)
    {
        var all = state.Programs.Values.Where(other => other.Owner == program.Owner && string.Equals(other.Deployed.Name, program.Deployed.Name, StringComparison.Ordinal)).ToList();
        var chain = Chain(state, Newest(all));
        return [.. all.Where(other => !chain.Contains(other)).OrderBy(other => other.DeployedAt).ThenBy(other => other.Id), .. chain.AsEnumerable().Reverse()];
    }

    /// <summary>All versions whose bundles are needed: live ones, and the last few before them.</summary>
    public static IEnumerable<SwarmProgram> Kept(SwarmState state) =>
        state.Programs.Values.Where(program => !program.Stopped).SelectMany(program => Chain(state, program).Take(1 + KeptBefore)).DistinctBy(program => program.Id);

    // The one that no other names, the live one among several, then the latest.
    private static SwarmProgram Newest(IReadOnlyList<SwarmProgram> all)
    {
        var named = all.Select(program => program.Deployed.Replaces).ToHashSet();
        return all.OrderBy(program => named.Contains(program.Id)).ThenBy(program => program.Stopped).ThenByDescending(program => program.DeployedAt).ThenBy(program => program.Id).First();
    }

    // From a version back. An entry names one that was written before it, so there is no ring; a bound holds all the same.
    private static List<SwarmProgram> Chain(SwarmState state, SwarmProgram newest)
    {
        var chain = new List<SwarmProgram> { newest };
        while (chain.Count < 10_000 && chain[^1].Deployed.Replaces is { } before && state.Programs.TryGetValue(before, out var version)
            && version.Owner == newest.Owner && string.Equals(version.Deployed.Name, newest.Deployed.Name, StringComparison.Ordinal) && !chain.Contains(version))
            chain.Add(version);
        return chain;
    }
}
