namespace PeoplesCloud.Programs.Logs;

/// <summary>Where in a log a reader begins.</summary>
public readonly record struct LogStart
{
    /// <summary>With how many of the last lines; 0 for none, negative for all that are kept. Counts when the others are not set.</summary>
    public int Tail { get; private init; }

    /// <summary>After the line with this time (ticks of UTC), which a log gives to one line only; null for the others.</summary>
    public long? After { get; private init; }

    /// <summary>With the first line since the program came to this host the last time.</summary>
    public bool OfRun { get; private init; }

    /// <summary>With some of the last lines.</summary>
    public static LogStart Last(int lines) => new() { Tail = lines };

    /// <summary>After a line that was read before. When it is not kept any more all lines come, and a notice before them.</summary>
    public static LogStart Behind(DateTimeOffset line) => new() { After = line.UtcTicks };

    /// <summary>With the first line since the program came to this host.</summary>
    public static LogStart Run => new() { OfRun = true };

    /// <summary>With some of the last lines.</summary>
    public static implicit operator LogStart(int lines) => Last(lines);
}
