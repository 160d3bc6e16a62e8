namespace PeoplesCloud.Programs.Data;

/// <summary>Every bound of programs' data, with its unit and the reason for the number.</summary>
public sealed record DataLimits
{
    /// <summary>The limits that every node uses.</summary>
    public static DataLimits Default { get; } = new();

    /// <summary>A piece of a file, in bytes; the last one of a file is shorter. 256 KiB: a changed page of a database costs one piece, 2 GiB are 8,192 of them.</summary>
    public const int ChunkBytes = 256 << 10;

    /// <summary>Pieces that are asked for at once: 8 MiB, a second on a slow line.</summary>
    public const int BatchChunks = 32;

    /// <summary>Files and folders of one program. 10,000, as in a bundle: a look at all of them takes a tenth of a second.</summary>
    public const int MaxEntries = 10_000;

    /// <summary>A path inside the folder, in bytes of UTF-8: leaves room below the 4,096 of Linux for the node's own folder.</summary>
    public const int MaxPathBytes = 1024;

    /// <summary>Folders inside folders.</summary>
    public const int MaxDepth = 32;

    /// <summary>A signed version, in bytes: 10,000 paths of 200 bytes with their pieces and those of 2 GiB take some 3 MiB.</summary>
    public const int MaxVersionBytes = 4 << 20;

    /// <summary>All files of one program, in bytes, whatever its own limit of disk says: what the numbers of a version can count without surprises.</summary>
    public const long MaxBytes = 1L << 40;

    /// <summary>Earlier versions that a version names as what it was built on: a split that is older is kept as a conflict, which is safe.</summary>
    public const int MaxOrigins = 16;

    /// <summary>Conflicts that are kept of one program; the oldest goes first. Each has been told to the owner.</summary>
    public const int MaxConflicts = 4;

    /// <summary>An answer about a copy, in bytes: stamps and the names of four conflicts.</summary>
    public const int MaxStateBytes = 2 << 10;

    /// <summary>How long the folder is left alone after a change before it is copied. 150 ms: a program that saves several files has saved them.</summary>
    public TimeSpan Settle { get; init; } = TimeSpan.FromMilliseconds(150);

    /// <summary>How often the folder is looked through when no change was noticed: the kernel's notices may be lost. 5 s; 2 s where there are none.</summary>
    public TimeSpan ScanInterval { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>The same where the kernel gives no notices.</summary>
    public TimeSpan BlindScanInterval { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>How long the next host waits for the members that may have a copy. 1 s: part of every takeover when one of them is dead.</summary>
    public TimeSpan AskTimeout { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>How long one batch of pieces may take: 8 MiB at 2 Mbit/s.</summary>
    public TimeSpan FetchTimeout { get; init; } = TimeSpan.FromSeconds(40);

    /// <summary>How long the pieces of a version that somebody reads stay after its last question, though there is a newer one. One minute: longer than a batch may take.</summary>
    public TimeSpan ReaderPatience { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>How long a guardian may take to fetch and save one version before the holder asks it again.</summary>
    public TimeSpan NoticeTimeout { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>How long a member may take to remove a program's data. One minute: 10,000 files with as many pieces, on a disk that has much else to do.</summary>
    public TimeSpan DropTimeout { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>The pause after a guardian could not be told; doubles up to a minute.</summary>
    public TimeSpan RetryPause { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>How long a program that leaves a host waits for the guardians to have its last changes. 5 s; on a local network some milliseconds.</summary>
    public TimeSpan HandOverTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How often files are copied again because the program wrote meanwhile, before it is paused for it.</summary>
    public int MaxAttempts { get; init; } = 3;

    /// <summary>The most that is copied while the program is paused, in bytes of files that changed. 64 MiB take about 50 ms to read.</summary>
    public long MaxPausedBytes { get; init; } = 64L << 20;

    /// <summary>How long what changes without rest waits for a moment at which it does not, before the program is paused for more than <see cref="MaxPausedBytes"/>. 30 s: a longer pause is seldom then.</summary>
    public TimeSpan RestPatience { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>The most that is copied while the program is paused after that, in bytes. 1 GiB take about a second to read; what is more is copied file by file.</summary>
    public long MaxLongPauseBytes { get; init; } = 1L << 30;

    /// <summary>What one guardian is sent of a program that writes on and on, in bytes a second on average. 8 MiB/s: a quarter of what a guardian's disk or a local network takes.</summary>
    public long SentBytesPerSecond { get; init; } = 8L << 20;

    /// <summary>The longest pause before a version for one guardian, which the other bounds may ask for. 30 s.</summary>
    public TimeSpan LongestSendRest { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>All copies on this node together, in bytes. Default 20 GiB; a version that does not fit is refused, and the holder says so.</summary>
    public long MaxTotalBytes { get; init; } = 20L << 30;

    /// <summary>How long the data of a program that was stopped is kept for the next deploy of its name. Default 30 days.</summary>
    public TimeSpan KeptAfterStop { get; init; } = TimeSpan.FromDays(30);
}
