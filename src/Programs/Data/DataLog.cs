using Microsoft.Extensions.Logging;
using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Programs.Data;

/// <summary>What the replication of data writes to the daemon's log; events 6170 to 6189.</summary>
internal static partial class DataLog
{
    [LoggerMessage(6170, LogLevel.Warning, "Data of {Name}: {Files} files of a former host are not in the newest data and are kept as {Conflict}")]
    public static partial void Conflict(ILogger logger, string name, int files, string conflict);

    [LoggerMessage(6171, LogLevel.Warning, "Data of {Name} was not fetched from {Member}: {Why}")]
    public static partial void NotFetched(ILogger logger, string name, PeerId member, string why);

    [LoggerMessage(6172, LogLevel.Debug, "Data of {Name} was not copied to {Member}: {Why}")]
    public static partial void NotCopied(ILogger logger, string name, PeerId member, string why);

    [LoggerMessage(6174, LogLevel.Information, "Data of {Name} was removed, {What}, as {Member} asked")]
    public static partial void Dropped(ILogger logger, string name, string what, PeerId member);

    [LoggerMessage(6173, LogLevel.Warning, "Data of {Name} could not be copied")]
    public static partial void Failed(ILogger logger, string name, Exception failure);
}
