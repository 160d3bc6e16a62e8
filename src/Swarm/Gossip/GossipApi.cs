using System.Runtime.InteropServices;
using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Swarm;

/// <summary>What the engine is told of time.</summary>
/// <param name="Uptime">Time since the process started, from a monotonic clock: for timers.</param>
/// <param name="Wall">The wall clock, however wrong: for dates.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct GossipTime(TimeSpan Uptime, DateTimeOffset Wall);

/// <summary>Something that happened on this node.</summary>
public abstract record GossipInput
{
    /// <summary>Time went on. Give one every <see cref="GossipOptions.TickInterval"/>, the first at once.</summary>
    public sealed record Tick : GossipInput;

    /// <summary>A message came from a peer that the connection proved, and that is a member.</summary>
    /// <param name="From">Who sent it.</param>
    /// <param name="Bytes">At most <see cref="SwarmLimits.MaxGossipBytes"/>; refuse longer ones before reading them.</param>
    public sealed record MessageReceived(PeerId From, ReadOnlyMemory<byte> Bytes) : GossipInput;

    /// <summary>This node wrote entries (append, join, leave, ...) and persisted them.</summary>
    /// <param name="Entries">The entries.</param>
    public sealed record EntriesAppended(IReadOnlyList<StoredEntry> Entries) : GossipInput;

    /// <summary>This node has something new to say about itself.</summary>
    /// <param name="Info">All of it.</param>
    public sealed record PresenceUpdated(PresenceInfo Info) : GossipInput;

    /// <summary>A peer asked something of this node, apart from gossip.</summary>
    /// <param name="Peer">Who.</param>
    public sealed record Contacted(PeerId Peer) : GossipInput;

    /// <summary>A message could not be sent: no connection and no address answers. Finds sleepers sooner than a timeout.</summary>
    /// <param name="Peer">Who.</param>
    public sealed record PeerUnreachable(PeerId Peer) : GossipInput;
}

/// <summary>
/// Something that the daemon must do. Effects of one <see cref="GossipEngine.Handle"/> are done in their order, all before
/// those of the next: in particular <see cref="PersistEntries"/> has returned before any later <see cref="SendMessage"/> leaves.
/// </summary>
public abstract record GossipEffect
{
    /// <summary>Persist with <see cref="IFeedStore.Append"/>; the state may have changed. When it throws, drop engine and replica and load again.</summary>
    /// <param name="Entries">New entries in causal order.</param>
    public sealed record PersistEntries(IReadOnlyList<StoredEntry> Entries) : GossipEffect;

    /// <summary>Send one message, without waiting for it; it may get lost. When it cannot be sent, say <see cref="GossipInput.PeerUnreachable"/>.</summary>
    /// <param name="To">To whom.</param>
    /// <param name="Bytes">At most <see cref="SwarmLimits.MaxGossipBytes"/>.</param>
    public sealed record SendMessage(PeerId To, byte[] Bytes) : GossipEffect;

    /// <summary>What is known of a member's presence changed: addresses for the address book, state for people.</summary>
    /// <param name="View">The new view.</param>
    public sealed record PresenceChanged(PeerView View) : GossipEffect;

    /// <summary>The replica may write from now on.</summary>
    public sealed record OwnHeadConfirmed : GossipEffect;

    /// <summary>This node has caught up with the others after its start or a sleep: it may serve them.</summary>
    public sealed record Settled : GossipEffect;

    /// <summary>A peer sent what is not to be taken; log it.</summary>
    /// <param name="From">Who.</param>
    /// <param name="What">What was wrong.</param>
    public sealed record Refused(PeerId From, string What) : GossipEffect;

    /// <summary>A peer's wall clock is half a day or more from ours; say it to people once.</summary>
    /// <param name="Peer">Who.</param>
    /// <param name="Ahead">How far it is ahead of ours; negative when behind.</param>
    public sealed record ClockDiffers(PeerId Peer, TimeSpan Ahead) : GossipEffect;
}

/// <summary>Whether a member is believed to be reachable. Numbers are on the wire; a higher one wins at the same version.</summary>
public enum Liveness
{
    /// <summary>Heard of, and nobody doubts it.</summary>
    Awake = 0,

    /// <summary>Did not answer; has some seconds to object.</summary>
    Suspect = 1,

    /// <summary>Not there, or never heard of.</summary>
    Asleep = 2,
}

/// <summary>What this node knows of a member's presence.</summary>
/// <param name="Peer">The member.</param>
/// <param name="Liveness">Whether it is there.</param>
/// <param name="Record">What it said last; null before anything was heard.</param>
/// <param name="LastHeard">When this node itself last had a message of it, by this node's clock; null if never since the start.</param>
public sealed record PeerView(PeerId Peer, Liveness Liveness, PresenceRecord? Record, DateTimeOffset? LastHeard);

/// <summary>How gossip paces itself.</summary>
public sealed record GossipOptions
{
    /// <summary>One round. Default 1 s (SWIM's protocol period in common use); less finds sleepers sooner and costs more bytes.</summary>
    public TimeSpan RoundInterval { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>How often <see cref="GossipInput.Tick"/> is given. Default 250 ms, a quarter of a round.</summary>
    public TimeSpan TickInterval { get; init; } = TimeSpan.FromMilliseconds(250);

    /// <summary>Members that this node contacts by itself in a round: probes, indirect probes and pushes together. Answers are not counted. Default 3.</summary>
    public int MaxPartners { get; init; } = 3;

    /// <summary>How long a probe waits before others are asked to probe. Default 500 ms: longer than a round trip around the world.</summary>
    public TimeSpan ProbeTimeout { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>A suspect has <c>SuspicionRounds + 2 log2(members)</c> rounds to object. Default 3: 6 s among three, 18 s among 200.</summary>
    public int SuspicionRounds { get; init; } = 3;

    /// <summary>Every so many rounds the probe goes to a sleeper. Default 5.</summary>
    public int SleeperEvery { get; init; } = 5;

    /// <summary>After a start without any answer this node takes itself to be alone and may write. Default 8 s.</summary>
    public TimeSpan AloneAfter { get; init; } = TimeSpan.FromSeconds(8);

    /// <summary>After a start, so many members must confirm this node's own head, if so many are there. Default 3.</summary>
    public int HeadConfirmations { get; init; } = 3;

    /// <summary>
    /// Without any input for so long this node has slept, and asks the others what it missed. Default 10 s: five of the slowest ticks; more
    /// would let a member that was removed during a shorter sleep go on for that long.
    /// </summary>
    public TimeSpan SleepGap { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Checks the values.</summary>
    /// <exception cref="ArgumentOutOfRangeException">One is out of its range.</exception>
    public void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(RoundInterval, TickInterval);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(TickInterval, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(ProbeTimeout, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxPartners, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(SuspicionRounds, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(SleeperEvery, 2);
        ArgumentOutOfRangeException.ThrowIfLessThan(HeadConfirmations, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(SleepGap, TickInterval * 2);
    }
}
