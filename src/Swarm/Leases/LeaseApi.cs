using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Swarm;

/// <summary>What the guardians of a program do when most of them cannot be reached.</summary>
public enum WhenAlone
{
    /// <summary>Go on, or take over after a grace time, with a higher epoch. Two halves may both run it until they hear of each other.</summary>
    Run = 1,

    /// <summary>Stop when the lease ends. It never runs without a majority.</summary>
    Stop = 2,
}

/// <summary>Why a lease was lost.</summary>
public enum LeaseLoss
{
    /// <summary>It was not renewed in time: a majority could not be reached, or this host slept.</summary>
    Expired,

    /// <summary>Another host holds it with a higher epoch: both ran it for a while.</summary>
    Superseded,

    /// <summary>This host does not guard the program any more.</summary>
    NoGuardian,

    /// <summary>This host gave it back, or the program is no longer watched.</summary>
    Released,
}

/// <summary>Something that happened on this node. Times are those of <see cref="LeaseEngine.Handle"/>.</summary>
public abstract record LeaseInput
{
    /// <summary>
    /// This node guards a program, or something about it changed: give all of it again. A node that is not among the guardians is not asked to
    /// watch, and loses the lease if it has it.
    /// </summary>
    /// <param name="Program">The program.</param>
    /// <param name="Generation">The number of its set of guardians (<see cref="SwarmProgram.GuardianGeneration"/>).</param>
    /// <param name="Guardians">All of them, this node included; at most <see cref="SwarmLimits.MaxGuardians"/>.</param>
    /// <param name="WhenAlone">What to do without a majority.</param>
    /// <param name="CanRun">Whether this node would run it; when false it only votes.</param>
    public sealed record Watch(EntryHash Program, ulong Generation, IReadOnlyList<PeerId> Guardians, WhenAlone WhenAlone, bool CanRun) : LeaseInput
    {
        /// <summary>
        /// Whether this node holds the program's deploy since this life began only. Who votes holds it durably, so no earlier life voted here, and
        /// this one may do so at once.
        /// </summary>
        public bool IsFresh { get; init; }

        /// <summary>The highest epoch that the feeds or presence tell; epochs given from now on are higher. 0 if none is known.</summary>
        public ulong EpochFloor { get; init; }

        /// <summary>The host that was chosen to run it, as long as it is believed to be able to; null for none. See <see cref="Placement"/>.</summary>
        public PeerId? Chosen { get; init; }

        /// <summary>
        /// How often a host was chosen. When it grows, and for a program that nobody has run, the others leave the lease to <see cref="Chosen"/> until it has
        /// had it, while it is there and for no longer than <see cref="LeaseOptions.ChosenPatience"/>.
        /// </summary>
        public ulong Placement { get; init; }

        /// <summary>
        /// This node approved a later set (<see cref="SwarmProgram.PendingGuardians"/>): from now on it votes in this generation no more.
        /// Say it <b>before</b> the entry that approves is written, and again after a start.
        /// </summary>
        public bool Sealed { get; init; }
    }

    /// <summary>The program was stopped, or this node is no guardian any more. A lease is given back at once: the program must have ended.</summary>
    /// <param name="Program">The program.</param>
    public sealed record Unwatch(EntryHash Program) : LeaseInput;

    /// <summary>This node was chosen to run the program, and wants the lease as soon as it is free.</summary>
    /// <param name="Program">A watched program.</param>
    public sealed record Wish(EntryHash Program) : LeaseInput;

    /// <summary>A message came from a peer that the connection proved, and that is a member.</summary>
    /// <param name="From">Who sent it.</param>
    /// <param name="Message">What <see cref="LeaseMessage.TryDecode"/> read.</param>
    public sealed record Received(PeerId From, LeaseMessage Message) : LeaseInput;

    /// <summary>Give the lease back. <b>The program must have ended</b>: another host may start it within milliseconds.</summary>
    /// <param name="Program">The program.</param>
    /// <param name="To">Who should take it; null: whoever is first.</param>
    public sealed record Release(EntryHash Program, PeerId? To) : LeaseInput;

    /// <summary>
    /// This node takes no further lease (it goes down, sleeps or is drained); it still votes and renews. End each held program, then <see cref="Release"/> it.
    /// </summary>
    /// <param name="Draining">False: it takes leases again.</param>
    public sealed record Drain(bool Draining = true) : LeaseInput;

    /// <summary>Time went on: give one at the time of the last <see cref="LeaseEffect.WakeAt"/>, and whenever the machine wakes.</summary>
    public sealed record Tick : LeaseInput;

    /// <summary>Whether a peer is believed to be there: what gossip says of it, other members' probes included. Unknown until told.</summary>
    /// <param name="Peer">A guardian.</param>
    /// <param name="IsReachable">False when it is suspected or asleep.</param>
    public sealed record Reachable(PeerId Peer, bool IsReachable) : LeaseInput;

    /// <summary>
    /// Nothing listens where a peer was: its process is most likely gone. Its vote is not waited for any more until something is heard of it. A lease that
    /// it may have is over in its time all the same: what it ran may outlive it, and whoever refuses may not be its machine.
    /// </summary>
    /// <param name="Peer">A guardian.</param>
    public sealed record Gone(PeerId Peer) : LeaseInput;

    /// <summary>Presence of a member says that it runs the program: so two holders hear of each other through any member.</summary>
    /// <param name="Program">The program.</param>
    /// <param name="Holder">The member.</param>
    /// <param name="Epoch">Its epoch.</param>
    public sealed record Heard(EntryHash Program, PeerId Holder, ulong Epoch) : LeaseInput;
}

/// <summary>Something that the daemon must do, in the order given.</summary>
public abstract record LeaseEffect
{
    /// <summary>Send one message without waiting for it; it may get lost.</summary>
    /// <param name="To">To whom.</param>
    /// <param name="Message">At most <see cref="LeaseMessage.MaxBytes"/> when encoded.</param>
    public sealed record Send(PeerId To, LeaseMessage Message) : LeaseEffect;

    /// <summary>This node may run the program until then: start it. <b>At that time it must stand still</b>, whatever else happens, unless the lease was renewed.</summary>
    /// <param name="Program">The program.</param>
    /// <param name="Epoch">Higher than all that were known. Epochs of two halves may be equal: then the higher peer id wins.</param>
    /// <param name="Until">When the lease ends, in the time of <see cref="LeaseEngine.Handle"/>.</param>
    /// <param name="Alone">Whether it was taken without a majority.</param>
    public sealed record Acquired(EntryHash Program, ulong Epoch, TimeSpan Until, bool Alone) : LeaseEffect;

    /// <summary>The lease was renewed.</summary>
    /// <param name="Program">The program.</param>
    /// <param name="Epoch">The same as before.</param>
    /// <param name="Until">When it ends now.</param>
    /// <param name="Alone">Whether a majority is out of reach.</param>
    public sealed record Renewed(EntryHash Program, ulong Epoch, TimeSpan Until, bool Alone) : LeaseEffect;

    /// <summary>The lease is lost: the program must stop at once (freeze first, then end it).</summary>
    /// <param name="Program">The program.</param>
    /// <param name="Epoch">The epoch that ended.</param>
    /// <param name="Why">Why.</param>
    /// <param name="By">With <see cref="LeaseLoss.Superseded"/>: who holds it, and with which epoch.</param>
    public sealed record Lost(EntryHash Program, ulong Epoch, LeaseLoss Why, LeaseClaim? By) : LeaseEffect;

    /// <summary>Give a <see cref="LeaseInput.Tick"/> then. Replaces the one before; the last effect of each <see cref="LeaseEngine.Handle"/>.</summary>
    /// <param name="At">In the time of <see cref="LeaseEngine.Handle"/>; <see cref="TimeSpan.MaxValue"/>: never.</param>
    public sealed record WakeAt(TimeSpan At) : LeaseEffect;

    /// <summary>A guardian said what cannot be true together; its votes do not count here any more. Write a <see cref="GuardianMisbehaved"/> entry, once for each peer and program.</summary>
    /// <param name="Peer">The guardian.</param>
    /// <param name="Program">The program.</param>
    /// <param name="What">What it did.</param>
    /// <param name="Evidence">The signed messages that prove it to everybody; empty if only this node can know.</param>
    public sealed record Misbehaved(PeerId Peer, EntryHash Program, Misbehaviour What, IReadOnlyList<ReadOnlyMemory<byte>> Evidence) : LeaseEffect;
}

/// <summary>Somebody's lease.</summary>
/// <param name="Holder">Who holds it.</param>
/// <param name="Epoch">With which epoch.</param>
public readonly record struct LeaseClaim(PeerId Holder, ulong Epoch) : IComparable<LeaseClaim>
{
    /// <summary>The higher epoch wins; of equal ones the higher peer id.</summary>
    public int CompareTo(LeaseClaim other) => Epoch != other.Epoch ? Epoch.CompareTo(other.Epoch) : Holder.CompareTo(other.Holder);

    /// <summary>Order by epoch, then peer id.</summary>
    public static bool operator <(LeaseClaim left, LeaseClaim right) => left.CompareTo(right) < 0;

    /// <summary>Order by epoch, then peer id.</summary>
    public static bool operator >(LeaseClaim left, LeaseClaim right) => left.CompareTo(right) > 0;

    /// <summary>Order by epoch, then peer id.</summary>
    public static bool operator <=(LeaseClaim left, LeaseClaim right) => left.CompareTo(right) <= 0;

    /// <summary>Order by epoch, then peer id.</summary>
    public static bool operator >=(LeaseClaim left, LeaseClaim right) => left.CompareTo(right) >= 0;
}

/// <summary>How a guardian lied. Numbers are on the wire.</summary>
public enum Misbehaviour
{
    /// <summary>It voted for two holders in one epoch, or in an epoch lower than it had voted for, within one life.</summary>
    TwoVotes = 1,

    /// <summary>It named an epoch that is out of all proportion to those known.</summary>
    EpochLeap = 2,

    /// <summary>It told a lower highest epoch than it had told before, within one life.</summary>
    EpochForgotten = 3,
}

/// <summary>What this node knows of the lease of a program it watches.</summary>
/// <param name="Program">The program.</param>
/// <param name="Holder">Who holds it, as far as this node knows; null: nobody.</param>
/// <param name="Epoch">The highest epoch known.</param>
/// <param name="Until">When it ends at the latest.</param>
/// <param name="IsOwn">Whether this node holds it.</param>
/// <param name="Alone">Whether it is held without a majority; known of one's own only.</param>
public sealed record LeaseView(EntryHash Program, PeerId? Holder, ulong Epoch, TimeSpan Until, bool IsOwn, bool Alone);
