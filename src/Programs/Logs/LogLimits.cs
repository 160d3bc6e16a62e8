namespace PeoplesCloud.Programs.Logs;

/// <summary>What one program's log may take.</summary>
public sealed record LogLimits
{
    /// <summary>A file of the log, in bytes; there are two, so a log takes at most twice this. Default 4 MiB: some 40,000 lines.</summary>
    public long FileBytes { get; init; } = 4 << 20;

    /// <summary>A line, in bytes of what the program wrote. Default 16 KiB; the rest of a longer line is dropped, and the line says so.</summary>
    public int LineBytes { get; init; } = 16 << 10;
}
