using PeoplesCloud.Base;
using PeoplesCloud.Runtimes;

namespace PeoplesCloud.Sessions.Hosting;

/// <summary>What the sessions of a node may use together, asleep ones included: they may wake at any time.</summary>
/// <param name="Count">How many there are.</param>
/// <param name="MemoryBytes">The memory that they may use.</param>
/// <param name="Cpus">The processors that they may use.</param>
public sealed record SessionUse(int Count, long MemoryBytes, double Cpus)
{
    /// <summary>No session is here.</summary>
    public static SessionUse None { get; } = new(0, 0, 0);
}

/// <summary>
/// Keeps count of what sessions were promised, so that what the host's owner gives in all is never promised twice, however many start at once. Thread-safe.
/// </summary>
/// <param name="refusal">Why a session with these limits may not start beside those that are here; null when it may.</param>
public sealed class SessionShares(Func<RunLimits, SessionUse, PcException?> refusal)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, RunLimits> _held = new(StringComparer.Ordinal);

    /// <summary>What was promised.</summary>
    public SessionUse Use
    {
        get
        {
            lock (_lock) return Sum();
        }
    }

    /// <summary>Why a session with these limits would not start now; null when it would.</summary>
    public PcException? RefusalOf(RunLimits limits)
    {
        lock (_lock) return refusal(limits, Sum());
    }

    /// <summary>Promises a session its limits.</summary>
    /// <exception cref="PcException">It may not start.</exception>
    public void Take(string session, RunLimits limits)
    {
        lock (_lock)
        {
            if (refusal(limits, Sum()) is { } problem) throw problem;
            _held[session] = limits;
        }
    }

    /// <summary>A session that runs since before this process has its share, whatever the owner says now.</summary>
    public void Keep(string session, RunLimits limits)
    {
        lock (_lock) _held[session] = limits;
    }

    /// <summary>Takes back what a session had; nothing if it had nothing.</summary>
    public void Return(string session)
    {
        lock (_lock) _ = _held.Remove(session);
    }

    // Some hundred at most, and asked as often as one starts.
    private SessionUse Sum()
    {
        var (memory, cpus) = (0L, 0.0);
        foreach (var limits in _held.Values) (memory, cpus) = (memory + limits.MemoryBytes, cpus + limits.Cpus);
        return new SessionUse(_held.Count, memory, cpus);
    }
}
