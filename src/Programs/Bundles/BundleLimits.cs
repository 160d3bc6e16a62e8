namespace PeoplesCloud.Programs.Bundles;

/// <summary>What a bundle may hold. Checked when it is packed (before a file is read) and again, by the host, when it is unpacked.</summary>
public sealed record BundleLimits
{
    /// <summary>The limits that every node uses.</summary>
    public static BundleLimits Default { get; } = new();

    /// <summary>All files together, in bytes. Default 256 MiB: what a host is asked to keep for somebody else; more is data, not a program.</summary>
    public long MaxBytes { get; init; } = 256L << 20;

    /// <summary>Files and folders together. Default 10,000: unpacking that many takes about a second on a slow card.</summary>
    public int MaxEntries { get; init; } = 10_000;

    /// <summary>A path inside the folder, in bytes of UTF-8. Default 1,024; leaves room below the 4,096 of Linux for the host's own folder.</summary>
    public int MaxPathBytes { get; init; } = 1024;

    /// <summary>Folders inside folders. Default 32.</summary>
    public int MaxDepth { get; init; } = 32;
}
