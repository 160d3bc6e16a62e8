using PeoplesCloud.Sessions.Messages;

namespace PeoplesCloud.Sessions.Engine;

/// <summary>The answers of the last minutes, so that a repeated request gets the first one again. Bounded by time and number; the oldest goes first.</summary>
internal sealed class AnswerMemory(TimeSpan life, int limit)
{
    private readonly Dictionary<RequestKey, Remembered> _answers = [];
    private readonly Queue<(RequestKey Key, TimeSpan At)> _oldest = new();

    public bool TryGet(RequestKey key, TimeSpan now, out Remembered answer)
    {
        Forget(now);
        return _answers.TryGetValue(key, out answer);
    }

    /// <summary>Remembers the first answer; a later one changes when it was heard, and that it was ours.</summary>
    public void Add(RequestKey key, ReadOnlyMemory<byte> payload, bool byUs, TimeSpan now)
    {
        Forget(now);
        if (_answers.TryGetValue(key, out var known))
        {
            _answers[key] = known with { ByUs = known.ByUs || byUs, LastHeard = now };
            return;
        }
        if (_answers.Count >= limit) _answers.Remove(_oldest.Dequeue().Key);
        _answers[key] = new Remembered(payload, byUs, now);
        _oldest.Enqueue((key, now));
    }

    /// <summary>The newest answers, at most so many, the oldest of them first, and when each was given.</summary>
    public IReadOnlyList<(RequestKey Key, ReadOnlyMemory<byte> Payload, TimeSpan At)> Newest(int count, TimeSpan now)
    {
        Forget(now);
        return [.. _oldest.Skip(_oldest.Count - count).Select(one => (one.Key, _answers[one.Key].Payload, one.At))];
    }

    private void Forget(TimeSpan now)
    {
        while (_oldest.TryPeek(out var oldest) && now - oldest.At >= life) _answers.Remove(_oldest.Dequeue().Key);
    }
}

/// <summary>An answer that was given.</summary>
/// <param name="Payload">What was published.</param>
/// <param name="ByUs">Whether this node published it.</param>
/// <param name="LastHeard">When it was published last, as far as this node knows.</param>
internal readonly record struct Remembered(ReadOnlyMemory<byte> Payload, bool ByUs, TimeSpan LastHeard);
