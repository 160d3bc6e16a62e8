using Microsoft.Extensions.Logging;

namespace PeoplesCloud.Daemon.Power;

/// <summary>What the machine's sleep writes to the daemon's log; events 1160 to 1169.</summary>
internal static partial class PowerLog
{
    [LoggerMessage(1160, LogLevel.Information, "This machine is about to sleep: programs go to other hosts")]
    public static partial void Sleeps(ILogger logger);

    [LoggerMessage(1161, LogLevel.Information, "This machine woke, or did not sleep")]
    public static partial void Wakes(ILogger logger);

    [LoggerMessage(1162, LogLevel.Warning, "Programs were not given away within {Limit} before this machine slept")]
    public static partial void TooLate(ILogger logger, TimeSpan limit);

    [LoggerMessage(1163, LogLevel.Information, "No system bus tells of this machine's sleep: {Why}")]
    public static partial void NoBus(ILogger logger, string why);

    [LoggerMessage(1164, LogLevel.Information, "Nobody on the system bus delays this machine's sleep: {Why}")]
    public static partial void NoLogind(ILogger logger, string why);
}
