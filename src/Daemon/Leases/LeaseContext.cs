using Microsoft.Extensions.Logging;
using PeoplesCloud.Daemon.Swarms;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Programs.Hosting;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Leases;

/// <summary>A lease that this node has.</summary>
/// <param name="Epoch">Its epoch.</param>
/// <param name="Until">When it ends, in the time of <see cref="LeaseContext.Now"/>.</param>
/// <param name="Alone">Whether no majority stands behind it: another host may run the program too.</param>
/// <param name="Placed">How often the program's owner had chosen a host when it was taken; a later choice moves the program.</param>
/// <param name="IsShared">Whether others may take it.</param>
/// <param name="IsEnding">Whether the program is ended here, to give the lease to another.</param>
internal sealed record LeaseHere(ulong Epoch, TimeSpan Until, bool Alone, ulong Placed, bool IsShared, bool IsEnding = false);

/// <summary>What the leases of all swarms share, and how they reach the rest of the node. What is called here must be quick: a lock is held.</summary>
internal sealed class LeaseContext
{
    private readonly long _origin;

    /// <summary>Begins to count.</summary>
    public LeaseContext(TimeProvider clock)
    {
        Clock = clock;
        _origin = clock.GetTimestamp();
    }

    /// <summary>CLOCK_BOOTTIME.</summary>
    public TimeProvider Clock { get; }

    /// <summary>Since this node began.</summary>
    public TimeSpan Now => Clock.GetElapsedTime(_origin);

    /// <summary>A moment of <see cref="Now"/> as time since the machine's boot, which other processes understand too.</summary>
    public TimeSpan SinceBoot(TimeSpan moment) => Clock.GetElapsedTime(0, _origin) + moment;

    /// <summary>This node.</summary>
    public required PeerId Self { get; init; }

    /// <summary>The times of leases.</summary>
    public required LeaseOptions Options { get; init; }

    /// <summary>How long a start waits for its lease. Default 15 s: three leases and what it takes to ask for one.</summary>
    public TimeSpan AcquireTimeout { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>Verifies messages.</summary>
    public required ISignatureVerifier Verifier { get; init; }

    /// <summary>A new seed.</summary>
    public required Func<int> Seed { get; init; }

    /// <summary>The daemon's log.</summary>
    public required ILogger Logger { get; init; }

    /// <summary>This node's programs.</summary>
    public required Func<ProgramHost> Host { get; init; }

    /// <summary>Begins to send a message.</summary>
    public required Action<LocalSwarm, PeerId, LeaseMessage> Send { get; init; }

    /// <summary>Begins to bring what runs here in line.</summary>
    public required Action<LocalSwarm> Reconcile { get; init; }

    /// <summary>What is held has changed, or until when.</summary>
    public required Action HeldChanged { get; init; }

    /// <summary>Begins to tell others what this node does now.</summary>
    public required Action Say { get; init; }

    /// <summary>Begins work that nobody waits for.</summary>
    public required Action<Func<Task>> Work { get; init; }
}
