using PeoplesCloud.Base;
using PeoplesCloud.Runtimes;
using PeoplesCloud.Sessions.Messages;

namespace PeoplesCloud.Sessions.Hosting;

/// <summary>In what sessions run: the sandbox, or Docker. Thread-safe.</summary>
internal interface ISessionKind
{
    /// <summary>Reads what is to run; nothing is made yet.</summary>
    /// <param name="id">The session.</param>
    /// <param name="folder">Its folder.</param>
    /// <param name="request">What its client asked for.</param>
    /// <exception cref="PcException">It can never run here.</exception>
    ISessionProgram Open(string id, string folder, SessionRequest request);
}

/// <summary>
/// What one session runs, again whenever it wakes. Whoever holds it sees to its port, its log and its sleep, and asks for one thing at a time.
/// Disposing removes what is left of it once its run has ended for good.
/// </summary>
internal interface ISessionProgram : IAsyncDisposable
{
    /// <summary>The port inside that a port of the host leads to.</summary>
    int PortInside(int port);

    /// <summary>Makes what it needs before it runs for the first time.</summary>
    /// <param name="port">Its port on the host.</param>
    /// <param name="sessions">How many sessions run here.</param>
    /// <param name="cancellationToken">Gives up.</param>
    Task PrepareAsync(int port, int sessions, CancellationToken cancellationToken);

    /// <summary>Starts it, or starts it again; completes when its first instruction can run. Whoever asked stops and disposes the run.</summary>
    /// <exception cref="PcException">It cannot be run.</exception>
    ValueTask<IRun> RunAsync(Func<OutputKind, ReadOnlyMemory<byte>, ValueTask> output, CancellationToken cancellationToken);
}
