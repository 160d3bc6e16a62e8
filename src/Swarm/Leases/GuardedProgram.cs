using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Swarm;

/// <summary>What a proposer is at.</summary>
internal enum LeasePhase
{
    /// <summary>Nothing is asked.</summary>
    Idle,

    /// <summary>Asked whether the lease is free.</summary>
    Preparing,

    /// <summary>Asked for it.</summary>
    Proposing,

    /// <summary>Holds it and asked for more time.</summary>
    Renewing,
}

/// <summary>Whom a voter backs.</summary>
/// <param name="Claim">The holder and its epoch.</param>
/// <param name="Until">Until when, by this node's clock.</param>
/// <param name="Holds">Whether it said that it holds the lease, or only asked for it.</param>
internal sealed record LeaseBacking(LeaseClaim Claim, TimeSpan Until, bool Holds);

/// <summary>The lease of this node.</summary>
internal sealed class HeldLease(ulong epoch, TimeSpan until, bool alone)
{
    public ulong Epoch { get; set; } = epoch;

    public TimeSpan Until { get; set; } = until;

    public bool Alone { get; set; } = alone;

    /// <summary>The last message in which each other guardian voted for this epoch.</summary>
    public SortedDictionary<PeerId, LeaseMessage> Votes { get; } = [];
}

/// <summary>One program as its guardian sees it: a voter, a proposer and perhaps a holder. Changed by the engine only.</summary>
internal sealed class GuardedProgram(EntryHash id)
{
    public EntryHash Id { get; } = id;

    // What the daemon said.

    public ulong Generation { get; set; }

    /// <summary>In order of their ids, so that each has the same place everywhere.</summary>
    public List<PeerId> Guardians { get; set; } = [];

    public WhenAlone WhenAlone { get; set; }

    public bool CanRun { get; set; }

    public bool Sealed { get; set; }

    // The voter.

    /// <summary>When it may vote in this generation.</summary>
    public TimeSpan VotesFrom { get; set; }

    public (ulong Number, PeerId To, TimeSpan Until) Promise { get; set; }

    public LeaseBacking? Backing { get; set; }

    /// <summary>The highest epoch that was voted for, held or told; the holder is unknown for what the feeds told.</summary>
    public (ulong Epoch, PeerId? Holder) Known { get; set; }

    // The proposer.

    public LeasePhase Phase { get; set; }

    public ulong Number { get; set; }

    public ulong Round { get; set; }

    public TimeSpan RoundBegan { get; set; }

    public ulong ProposedEpoch { get; set; }

    /// <summary>Who promised or accepted in this round.</summary>
    public HashSet<PeerId> Votes { get; } = [];

    /// <summary>Who answered at all in this round.</summary>
    public HashSet<PeerId> Answered { get; } = [];

    /// <summary>When it may try again; a lease that somebody is backed for is not asked for before that ends.</summary>
    public TimeSpan NextTry { get; set; }

    /// <summary>How long after a lease ended it asks.</summary>
    public TimeSpan Stagger { get; set; }

    public int Failures { get; set; }

    /// <summary>How often in a row somebody did not know the program yet.</summary>
    public int Unknowns { get; set; }

    /// <summary>Since when there is neither a majority nor a holder.</summary>
    public TimeSpan? AloneSince { get; set; }

    public bool Wished { get; set; }

    /// <summary>Votes of a round that is not won yet, as they were signed.</summary>
    public SortedDictionary<PeerId, LeaseMessage> EarlyVotes { get; } = [];

    // The holder.

    public HeldLease? Held { get; set; }

    public int Majority => Guardians.Count / 2 + 1;

    public bool Guards(PeerId peer) => Guardians.Contains(peer);

    public LeaseBacking? BackingAt(TimeSpan now) => Backing is { } backing && backing.Until > now ? backing : null;

    /// <summary>
    /// Epochs of one guardian end with its place among them, so no two guardians of one generation ever have the same: 11, 12, 21, ...
    /// </summary>
    public bool IsEpochOf(PeerId peer, ulong epoch) => epoch % EpochStep == (ulong)Guardians.IndexOf(peer) + 1;

    /// <summary>The lowest epoch of a guardian that is above another.</summary>
    public ulong NextEpochOf(PeerId peer, ulong above)
    {
        var next = above - above % EpochStep + (ulong)Guardians.IndexOf(peer) + 1;
        return next > above ? next : next + EpochStep;
    }

    private const ulong EpochStep = 10;
}
