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

    /// <summary>Votes that another who says that it holds the lease has shown.</summary>
    public SortedDictionary<PeerId, LeaseMessage> Shown { get; } = [];
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

    public PeerId? Chosen { get; set; }

    public ulong Placement { get; set; }

    /// <summary>Until when the lease is left to <see cref="Chosen"/>; zero once that one has had it.</summary>
    public TimeSpan ChosenUntil { get; set; }

    // The voter.

    /// <summary>When it may vote in this generation.</summary>
    public TimeSpan VotesFrom { get; set; }

    /// <summary>Whether no earlier life of this node can have voted here.</summary>
    public bool IsFresh { get; set; }

    public (ulong Number, PeerId To, TimeSpan Until) Promise { get; set; }

    public LeaseBacking? Backing { get; set; }

    /// <summary>What was given back last: it is not asked for again.</summary>
    public LeaseClaim? Released { get; set; }

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

    /// <summary>Who refused in this round, for whatever reason.</summary>
    public HashSet<PeerId> Refused { get; } = [];

    /// <summary>Who answered in this round and knows the program.</summary>
    public HashSet<PeerId> Answered { get; } = [];

    /// <summary>When it may try again; a lease that somebody is backed for is not asked for before that ends.</summary>
    public TimeSpan NextTry { get; set; }

    /// <summary>How long after a lease ended it asks.</summary>
    public TimeSpan Stagger { get; set; }

    public int Failures { get; set; }

    /// <summary>How often in a row it failed for what is over in a moment.</summary>
    public int QuickRetries { get; set; }

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
    /// Epochs of one guardian end with its place among them, and each generation has a million of its own: 11, 12, 21, ..., 1000011. So no two guardians
    /// ever have the same, whatever their voters forgot.
    /// </summary>
    public bool IsEpochOf(PeerId peer, ulong epoch) => epoch % EpochStep == (ulong)Guardians.IndexOf(peer) + 1;

    /// <summary>The lowest epoch of a guardian that is above another, and above all of earlier generations.</summary>
    public ulong NextEpochOf(PeerId peer, ulong above)
    {
        var floor = Math.Max(above, EpochBase);
        var next = floor - floor % EpochStep + (ulong)Guardians.IndexOf(peer) + 1;
        return next > floor ? next : next + EpochStep;
    }

    /// <summary>Epochs of this generation are above it.</summary>
    public ulong EpochBase => Math.Min(Math.Max(Generation, 1) - 1, MaxGenerations) * EpochsOfGeneration;

    private const ulong EpochStep = 10;
    private const ulong EpochsOfGeneration = 1_000_000;
    private const ulong MaxGenerations = 1UL << 40; // what is multiplied stays a number
}
