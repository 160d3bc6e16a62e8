namespace PeoplesCloud.Programs.Logs;

/// <summary>Who wrote a line of a program's log.</summary>
public enum LogSource
{
    /// <summary>The program, on standard output.</summary>
    Out,

    /// <summary>The program, on standard error.</summary>
    Err,

    /// <summary>The host, about the program: started, ended, restarting.</summary>
    Pc,
}

/// <summary>One line of a program's log.</summary>
/// <param name="Time">When the host had the whole line, by the host's clock.</param>
/// <param name="Source">Who wrote it.</param>
/// <param name="Text">The text without its line end. It may hold any other character, escape sequences too: whoever shows it on a terminal escapes them.</param>
public sealed record LogLine(DateTimeOffset Time, LogSource Source, string Text)
{
    /// <summary>Whether it is no line of the log but what a reader is told in between, of lines that are missing; its time names no line.</summary>
    public bool IsNotice { get; init; }
}
