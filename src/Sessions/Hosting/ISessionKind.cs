using PeoplesCloud.Base;
using PeoplesCloud.Runtimes;
using PeoplesCloud.Sessions.Containers;
using PeoplesCloud.Sessions.Messages;

namespace PeoplesCloud.Sessions.Hosting;

/// <summary>In what sessions run: the sandbox, or Docker. Thread-safe.</summary>
internal interface ISessionKind : IAsyncDisposable
{
    /// <summary>Whether sessions go on without the daemon, so that one that stops lets go of them instead of ending them.</summary>
    bool Outlives { get; }

    /// <summary>Why no session can run now; null when one can, as far as is known.</summary>
    PcException? Obstacle { get; }

    /// <summary>Reads what is to run; nothing is made yet.</summary>
    /// <param name="id">The session.</param>
    /// <param name="folder">Its folder.</param>
    /// <param name="request">What its client asked for.</param>
    /// <exception cref="PcException">It can never run here.</exception>
    ISessionProgram Open(string id, string folder, SessionRequest request);

    /// <summary>Says what earlier lives of this node left, and ends what nobody can be told of. Called once, before <see cref="Open"/>.</summary>
    /// <param name="folders">The folders of sessions, by the sessions' ids.</param>
    /// <param name="cancellationToken">Gives up.</param>
    Task<IReadOnlyList<LeftSession>> FindAsync(IReadOnlyDictionary<string, string> folders, CancellationToken cancellationToken);
}

/// <summary>
/// What one session runs, again whenever it wakes. Whoever holds it sees to its ports, its log and its sleep, and asks for one thing at a time.
/// Disposing removes what is left of it once its run has ended for good.
/// </summary>
internal interface ISessionProgram : IAsyncDisposable
{
    /// <summary>What it may use, for whoever keeps count of that.</summary>
    RunLimits Limits { get; }

    /// <summary>Its ports on the host besides the first.</summary>
    IReadOnlyList<ContainerPort> Ports { get; }

    /// <summary>The port inside that its first port on the host leads to.</summary>
    int PortInside(int port);

    /// <summary>
    /// Whether nothing of a run is left that anybody could notice when it has ended: what disposing it still cleans up is not waited for then.
    /// </summary>
    bool IsGoneAtItsEnd => false;

    /// <summary>Makes what it needs before it runs for the first time.</summary>
    /// <param name="ports">Its ports on the host: the first, then one for each of <see cref="Ports"/>.</param>
    /// <param name="sessions">How many sessions run here.</param>
    /// <param name="cancellationToken">Gives up.</param>
    Task PrepareAsync(IReadOnlyList<int> ports, int sessions, CancellationToken cancellationToken);

    /// <summary>Starts it, or starts it again; completes when its first instruction can run. Whoever asked stops and disposes the run.</summary>
    /// <exception cref="PcException">It cannot be run.</exception>
    ValueTask<IRun> RunAsync(Func<OutputKind, ReadOnlyMemory<byte>, ValueTask> output, CancellationToken cancellationToken);

    /// <summary>Ends a run so that another can begin where it ended.</summary>
    ValueTask SleepAsync(IRun run, TimeSpan grace);

    /// <summary>After which pause it is to be started again when it ended by itself; null when it is not.</summary>
    /// <param name="exitCode">How it ended.</param>
    /// <param name="ran">How long it ran.</param>
    TimeSpan? RestartAfter(int exitCode, TimeSpan ran);

    /// <summary>Lets go of a run, where <see cref="ISessionKind.Outlives"/>.</summary>
    ValueTask LeaveAsync(IRun? run);
}

/// <summary>A session of an earlier life of this node.</summary>
/// <param name="Id">Its id.</param>
/// <param name="State">Running and asleep ones go on; the others have ended.</param>
internal sealed record LeftSession(string Id, SessionState State)
{
    /// <summary>With which code it ended while there was no daemon.</summary>
    public int? ExitCode { get; init; }

    /// <summary>What it runs, when it goes on: <see cref="ISessionProgram.RunAsync"/> takes over what runs.</summary>
    public ISessionProgram? Program { get; init; }

    /// <summary>Its ports on the host, as <see cref="ISessionProgram.PrepareAsync"/> was told.</summary>
    public IReadOnlyList<int> Ports { get; init; } = [];

    /// <summary>After how long without a connection it sleeps.</summary>
    public TimeSpan? Idle { get; init; }
}
