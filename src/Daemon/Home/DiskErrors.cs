using Microsoft.Data.Sqlite;
using PeoplesCloud.Base;

namespace PeoplesCloud.Daemon.Home;

/// <summary>Tells failures of the disk from each other, so that a person gets one clear error.</summary>
internal static class DiskErrors
{
    private const int NoSpace = 28; // ENOSPC
    private const int OverQuota = 122; // EDQUOT
    private const int SqliteFull = 13;
    private const int SqliteCorrupt = 11;
    private const int SqliteNotADatabase = 26;

    /// <summary>Whether there is no room left.</summary>
    public static bool IsFull(Exception e) => e switch
    {
        SqliteException sqlite => sqlite.SqliteErrorCode == SqliteFull,
        IOException io => (io.HResult & 0xFFFF) is NoSpace or OverQuota,
        _ => false,
    };

    /// <summary>The error for a person; the same exception when it is not about the disk.</summary>
    public static Exception Explain(Exception e, string path) => e switch
    {
        _ when IsFull(e) => new PcException(ErrorCode.DiskFull, $"no space is left for {path}; nothing that was acknowledged is lost", inner: e),
        SqliteException { SqliteErrorCode: SqliteCorrupt or SqliteNotADatabase } => new PcException(ErrorCode.DatabaseDamaged, $"{path} is damaged: {e.Message}", inner: e),
        SqliteException => new PcException(ErrorCode.HomeUnusable, $"{path} cannot be used: {e.Message}", inner: e),
        IOException or UnauthorizedAccessException => new PcException(ErrorCode.HomeUnusable, $"{path} cannot be used: {e.Message}", inner: e),
        _ => e,
    };
}
