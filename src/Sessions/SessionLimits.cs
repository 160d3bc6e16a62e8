namespace PeoplesCloud.Sessions;

/// <summary>How much a node takes and remembers of sessions and requests. Every number holds for one node.</summary>
public sealed record SessionLimits
{
    /// <summary>The longest payload that is read, in bytes. Default 16 MiB: a script of 10 MB is still read as far as its id, to be refused by an answer.</summary>
    public const int MaxPayloadBytes = 16 << 20;

    /// <summary>The longest script, in bytes of UTF-8. Default 1 MiB: scripts fetch what is larger.</summary>
    public const int MaxScriptBytes = 1 << 20;

    /// <summary>The longest id of a request or session that is accepted, in characters. Default 64: twice what 128 bits need.</summary>
    public const int MaxIdLength = 64;

    /// <summary>The longest id of a wrong form that still gets its error as an answer, in bytes. Default 256: it becomes part of a channel's name.</summary>
    public const int MaxWrongIdBytes = 256;

    /// <summary>The longest rank that is read, in bytes. Default 256 KiB: some 10,000 sessions of 16 characters.</summary>
    public const int MaxRankBytes = 256 << 10;

    /// <summary>The sessions of one rank that are read. Default 10,000; what comes after is not known.</summary>
    public const int MaxRankSessions = 10_000;

    /// <summary>Nodes whose ranks are known at a time. Default 1,024: further ones are not heard until one falls silent.</summary>
    public const int MaxRanks = 1024;

    /// <summary>The deepest nesting of JSON. Default 16: the options of a container need 4.</summary>
    public const int MaxJsonDepth = 16;

    /// <summary>Requests that wait or are worked on. Default 4,096: some 40 s of starting scripts on two cores. Beyond it a request is refused with <see cref="Base.ErrorCode.SessionsBusy"/>.</summary>
    public int Requests { get; init; } = 4096;

    /// <summary>The scripts of those requests together, in bytes. Default 64 MiB: what a small host can spare.</summary>
    public long RequestBytes { get; init; } = 64L << 20;

    /// <summary>Sessions that start at the same time. Default 8: more gain nothing, starting is the processor's work.</summary>
    public int Starting { get; init; } = 8;

    /// <summary>Sessions at a time. Default 512: some 4 MiB each, 2 of them the kernel's, besides what they use themselves.</summary>
    public int Sessions { get; init; } = 512;

    /// <summary>Sessions that ended and are remembered, for status. Default 4,096; the oldest goes first.</summary>
    public int Ended { get; init; } = 4096;

    /// <summary>How long an answer is remembered, so that a repeated request gets it again. Default 10 minutes.</summary>
    public TimeSpan Memory { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>Answers that are remembered. Default 100,000, some 200 bytes each; the oldest goes first.</summary>
    public int Answers { get; init; } = 100_000;
}
