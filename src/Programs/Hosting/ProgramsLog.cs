using Microsoft.Extensions.Logging;

namespace PeoplesCloud.Programs.Hosting;

/// <summary>What hosting writes to the daemon's log; events 6000 to 6099.</summary>
internal static partial class ProgramsLog
{
    [LoggerMessage(6000, LogLevel.Information, "Program {Name} ({LocalName}) is {State}")]
    public static partial void Changed(ILogger logger, string name, string localName, ProgramState state);

    [LoggerMessage(6001, LogLevel.Error, "Program {Name} ({LocalName}) met an error that was not foreseen")]
    public static partial void Unexpected(ILogger logger, string name, string localName, Exception failure);

    [LoggerMessage(6003, LogLevel.Warning, "Program {Name} ({LocalName}) is placed here and was not resumed: {Why}")]
    public static partial void NotResumed(ILogger logger, string name, string localName, string why);

    [LoggerMessage(6002, LogLevel.Warning, "Could not remove {Path}")]
    public static partial void NotRemoved(ILogger logger, string path, Exception failure);
}
