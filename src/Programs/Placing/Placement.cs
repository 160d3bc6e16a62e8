using System.Globalization;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Programs.Languages;

namespace PeoplesCloud.Programs.Placing;

/// <summary>A member with its answer.</summary>
/// <param name="Peer">The member.</param>
/// <param name="Name">Its name, for messages.</param>
/// <param name="Awake">Whether it was awake to be asked.</param>
/// <param name="Offer">Its answer; null when it gave none in time.</param>
/// <param name="Problem">Why it gave none, when that is known.</param>
public sealed record CandidateOffer(PeerId Peer, string Name, bool Awake, HostOffer? Offer, string? Problem = null);

/// <summary>What became of a candidate.</summary>
public enum Verdict
{
    /// <summary>It is the best.</summary>
    Chosen,

    /// <summary>Its rank is higher than the best.</summary>
    HigherRank,

    /// <summary>Its rank is as good as the best, and the roll fell for another.</summary>
    LostTheRoll,

    /// <summary>Another host was named.</summary>
    NotNamed,

    /// <summary>It runs no programs of others.</summary>
    DoesNotHost,

    /// <summary>It cannot run the language.</summary>
    LanguageMissing,

    /// <summary>Its policy refuses the program.</summary>
    PolicyRefuses,

    /// <summary>It is asleep.</summary>
    Asleep,

    /// <summary>It is awake and did not answer in time.</summary>
    NoAnswer,

    /// <summary>It was chosen and failed to start the program.</summary>
    FailedToStart,
}

/// <summary>A candidate, judged.</summary>
/// <param name="Peer">The member.</param>
/// <param name="Name">Its name.</param>
/// <param name="Rank">Its rank; null when it did not say.</param>
/// <param name="Verdict">What became of it.</param>
/// <param name="Why">The same as a sentence for people.</param>
public sealed record JudgedCandidate(PeerId Peer, string Name, double? Rank, Verdict Verdict, string Why);

/// <summary>The outcome of a choice.</summary>
/// <param name="Order">Those that may run the program, the chosen one first, the next to try after it. Empty when there is none.</param>
/// <param name="Candidates">All candidates in the order in which they were given.</param>
public sealed record PlacementResult(IReadOnlyList<PeerId> Order, IReadOnlyList<JudgedCandidate> Candidates)
{
    /// <summary>The chosen host; null when there is none.</summary>
    public PeerId? Chosen => Order.Count > 0 ? Order[0] : null;
}

/// <summary>Chooses a host: the lowest rank of those that may run the program, a roll among equals. A pure function of its arguments.</summary>
public static class Placement
{
    /// <summary>Chooses.</summary>
    /// <param name="candidates">The members with their answers.</param>
    /// <param name="language">The program's language.</param>
    /// <param name="named">The host that the person named; null for any.</param>
    /// <param name="random">Rolls for hosts of equal rank; the same seed gives the same choice.</param>
    /// <param name="present">Who runs the version that is replaced; it is preferred by <see cref="HostRank.StayAdvantage"/>. Null when there is none.</param>
    public static PlacementResult Choose(IReadOnlyList<CandidateOffer> candidates, string language, PeerId? named, Random random, PeerId? present = null)
    {
        var fit = candidates
            .Where(candidate => Hindrance(candidate, language, named) is null)
            // The roll is made in the order of peer ids, so that it does not depend on who answered first.
            .OrderBy(candidate => candidate.Peer)
            .Select(candidate => (Candidate: candidate, Rank: HostRank.Compared(candidate.Offer!.Rank), Roll: random.Next(), Stays: candidate.Peer == present))
            .OrderBy(fit => fit.Stays ? fit.Rank - HostRank.StayAdvantage : fit.Rank).ThenByDescending(fit => fit.Stays).ThenBy(fit => fit.Roll).ThenBy(fit => fit.Candidate.Peer)
            .ToList();
        var best = fit.Count > 0 ? fit[0].Candidate : null;
        return new PlacementResult(
            [.. fit.Select(fit => fit.Candidate.Peer)],
            [.. candidates.Select(candidate => Judge(candidate, language, named, best, fit.Count(other => other.Rank == fit[0].Rank), present))]);
    }

    private static JudgedCandidate Judge(CandidateOffer candidate, string language, PeerId? named, CandidateOffer? best, int equals, PeerId? present)
    {
        var (verdict, why) = Hindrance(candidate, language, named) ?? Compare(candidate, best!, equals, stays: best!.Peer == present);
        return new JudgedCandidate(candidate.Peer, candidate.Name, candidate.Offer is { Hosts: true } offer ? offer.Rank : null, verdict, why);
    }

    private static (Verdict Verdict, string Why)? Hindrance(CandidateOffer candidate, string language, PeerId? named)
    {
        if (named is { } only && candidate.Peer != only) return (Verdict.NotNamed, "another host was named");
        if (!candidate.Awake) return (Verdict.Asleep, "asleep");
        if (candidate.Offer is not { } offer) return (Verdict.NoAnswer, candidate.Problem is { } problem ? Quoted.Line(problem) : "gave no answer in time");
        if (!offer.Hosts) return (Verdict.DoesNotHost, "does not host");
        if (!offer.Languages.Contains(language, StringComparer.Ordinal)) return (Verdict.LanguageMissing, Language.Find(language)?.Needs is { } needs ? $"cannot run {language}: {needs}" : $"cannot run {language}");
        return offer.Refusal is { } refusal ? (Verdict.PolicyRefuses, Quoted.Line(refusal)) : null;
    }

    // Ranks that differ by less than one are equal, so the roll may fall for the one with the higher number: it is said that it was a roll.
    private static (Verdict Verdict, string Why) Compare(CandidateOffer candidate, CandidateOffer best, int equals, bool stays)
    {
        var rank = Shown(candidate.Offer!.Rank);
        if (stays && candidate.Peer == best.Peer) return (Verdict.Chosen, $"rank {rank}, runs it already");
        if (stays && HostRank.Compared(candidate.Offer.Rank) <= HostRank.Compared(best.Offer!.Rank)) return (Verdict.HigherRank, $"rank {rank} is not lower by more than {HostRank.StayAdvantage} than {Shown(best.Offer.Rank)} of {best.Name}, which runs it already");
        if (candidate.Peer == best.Peer) return (Verdict.Chosen, equals > 1 ? $"rank {rank}, won the roll among {equals} of equal rank" : $"lowest rank, {rank}");
        if (HostRank.Compared(candidate.Offer.Rank) > HostRank.Compared(best.Offer!.Rank)) return (Verdict.HigherRank, $"rank {rank} is higher than {Shown(best.Offer.Rank)}");
        return (Verdict.LostTheRoll, $"rank {rank} is as good, the roll fell for {best.Name}");
    }

    private static string Shown(double rank) => rank.ToString("0.0", CultureInfo.InvariantCulture);
}
