using Microsoft.Extensions.Logging;

namespace PeoplesCloud.Content;

/// <summary>Log messages of Content; event ids 3000 to 3099.</summary>
internal static partial class ContentLog
{
    [LoggerMessage(3000, LogLevel.Information, "Removed {Count} unfinished blocks that a crash left in {Folder}")]
    public static partial void LeftoversRemoved(ILogger logger, int count, string folder);

    [LoggerMessage(3001, LogLevel.Warning, "Block {Cid} was damaged on disk and set aside in {Folder}")]
    public static partial void BlockDamaged(ILogger logger, Cid cid, string folder);

    [LoggerMessage(3002, LogLevel.Warning, "Block {Cid} could not be read or set aside")]
    public static partial void BlockUnreadable(ILogger logger, Cid cid, Exception error);

    [LoggerMessage(3003, LogLevel.Debug, "Committed {Blocks} blocks in {Folders} folders in {Elapsed}")]
    public static partial void GroupCommitted(ILogger logger, int blocks, int folders, TimeSpan elapsed);

    [LoggerMessage(3004, LogLevel.Warning, "A source answered {Bytes} bytes that are not block {Cid}; the answer was dropped")]
    public static partial void SourceLied(ILogger logger, int bytes, Cid cid);

    [LoggerMessage(3006, LogLevel.Information, "Collected {Blocks} blocks, {Bytes} bytes; {Kept} bytes are kept, the limit is {Limit}")]
    public static partial void Collected(ILogger logger, long blocks, long bytes, long kept, long limit);

    [LoggerMessage(3007, LogLevel.Warning, "The store is over its limit and nothing could be collected")]
    public static partial void NotCollected(ILogger logger, Exception error);

    [LoggerMessage(3005, LogLevel.Debug, "A source failed to give block {Cid}")]
    public static partial void SourceFailed(ILogger logger, Cid cid, Exception error);
}
