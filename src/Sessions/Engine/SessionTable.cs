using PeoplesCloud.Sessions.Messages;

namespace PeoplesCloud.Sessions.Engine;

/// <summary>The sessions of this node: those that run, and the last ones that ended.</summary>
internal sealed class SessionTable(int endedLimit)
{
    private readonly Dictionary<string, KnownSession> _sessions = new(StringComparer.Ordinal);
    private readonly Queue<string> _ended = new();

    /// <summary>Sessions that run, start or sleep, in the order of their ids.</summary>
    public IReadOnlyList<string> Live => [.. _sessions.Where(session => IsLive(session.Value)).Select(session => session.Key).Order(StringComparer.Ordinal)];

    /// <summary>How many those are.</summary>
    public int LiveCount { get; private set; }

    public KnownSession? Find(string session) => _sessions.TryGetValue(session, out var known) ? known : null;

    public void Set(string session, KnownSession state)
    {
        var wasLive = _sessions.TryGetValue(session, out var before) && IsLive(before);
        var wasEnded = before is not null && !wasLive;
        _sessions[session] = state;
        LiveCount += (IsLive(state) ? 1 : 0) - (wasLive ? 1 : 0);
        if (IsLive(state) || wasEnded) return;
        _ended.Enqueue(session);
        while (_ended.Count > endedLimit)
        {
            var oldest = _ended.Dequeue();
            if (_sessions.TryGetValue(oldest, out var gone) && !IsLive(gone)) _sessions.Remove(oldest);
        }
    }

    public void Remove(string session)
    {
        if (_sessions.Remove(session, out var gone) && IsLive(gone)) LiveCount--;
    }

    private static bool IsLive(KnownSession session) => session.State is SessionState.Running or SessionState.Asleep;
}

/// <summary>A session of this node.</summary>
/// <param name="State">What became of it.</param>
/// <param name="ExitCode">With which code it ended; null where nobody knows.</param>
internal sealed record KnownSession(SessionState State, int? ExitCode = null);
