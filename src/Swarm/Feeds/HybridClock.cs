namespace PeoplesCloud.Swarm;

/// <summary>
/// A hybrid logical clock (Kulkarni et al. 2014): milliseconds since 1970 in the upper 48 bits, a counter in the lower 16.
/// It is shown to people and counts an author's entries of a day; it never orders entries of different authors.
/// </summary>
public readonly record struct HybridClock(ulong Value) : IComparable<HybridClock>
{
    /// <summary>The time, as the author's clock had it.</summary>
    public DateTimeOffset Time => DateTimeOffset.FromUnixTimeMilliseconds(Math.Min((long)(Value >> 16), 253_402_300_799_999));

    /// <summary>The day (UTC) since 1970.</summary>
    public long Day => (long)(Value >> 16) / 86_400_000;

    /// <summary>The first instant of a time.</summary>
    public static HybridClock At(DateTimeOffset time) => new((ulong)Math.Max(0, time.ToUnixTimeMilliseconds()) << 16);

    /// <summary>
    /// The clock of a new entry: later than the author's last, not before now, and after what was seen, unless that is so far
    /// ahead (<see cref="SwarmLimits.MaxClockFollowed"/>) that following it would spread one wrong clock to all.
    /// </summary>
    public static HybridClock Next(DateTimeOffset now, HybridClock own, HybridClock seen)
    {
        var next = Math.Max(At(now).Value, own.Value + 1);
        return seen.Value <= At(now + SwarmLimits.MaxClockFollowed).Value ? new HybridClock(Math.Max(next, seen.Value + 1)) : new HybridClock(next);
    }

    /// <inheritdoc/>
    public int CompareTo(HybridClock other) => Value.CompareTo(other.Value);

    /// <summary>Order in time.</summary>
    public static bool operator <(HybridClock left, HybridClock right) => left.Value < right.Value;

    /// <summary>Order in time.</summary>
    public static bool operator >(HybridClock left, HybridClock right) => left.Value > right.Value;

    /// <summary>Order in time.</summary>
    public static bool operator <=(HybridClock left, HybridClock right) => left.Value <= right.Value;

    /// <summary>Order in time.</summary>
    public static bool operator >=(HybridClock left, HybridClock right) => left.Value >= right.Value;
}
