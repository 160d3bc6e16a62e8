using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Simulation;

/// <summary>
/// What one host has heard of sets of guardians and their approvals: only grows, and is on its disk. The rules are those of
/// <see cref="GuardianSets"/>; the fold itself is played by the other scenarios.
/// </summary>
internal sealed class LeaseFeeds
{
    public SortedSet<(EntryHash Program, ulong Generation, int Proposal, string Guardians)> Proposals { get; } = [];

    public SortedSet<(EntryHash Program, ulong Generation, int Proposal, PeerId By)> Approvals { get; } = [];

    /// <summary>Takes over all that another knows; whether anything was new.</summary>
    public bool Learn(LeaseFeeds other)
    {
        var before = Proposals.Count + Approvals.Count;
        Proposals.UnionWith(other.Proposals);
        Approvals.UnionWith(other.Approvals);
        return Proposals.Count + Approvals.Count != before;
    }

    public (ulong Generation, IReadOnlyList<PeerId> Guardians) SetOf(EntryHash program, IReadOnlyList<PeerId> first)
    {
        var (generation, guardians) = (1UL, first);
        while (true)
        {
            var next = Proposals.Where(proposal => proposal.Program == program && proposal.Generation == generation + 1)
                .Where(proposal => guardians.Count(guardian => Approvals.Contains((program, proposal.Generation, proposal.Proposal, guardian))) > guardians.Count / 2)
                .ToList();
            if (next.Count == 0) return (generation, guardians);
            if (next.Count > 1) throw new InvalidOperationException("two sets of one generation were approved");
            (generation, guardians) = (generation + 1, [.. next[0].Guardians.Split(' ').Select(Parse)]);
        }
    }

    private static PeerId Parse(string text) => PeerId.TryParse(text, out var peer) ? peer : throw new FormatException(text);

    public bool ApprovedNext(EntryHash program, ulong generation, PeerId self) =>
        Approvals.Any(approval => approval.Program == program && approval.Generation == generation + 1 && approval.By == self);
}
