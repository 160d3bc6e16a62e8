using Microsoft.Extensions.Logging;
using PeoplesCloud.Content;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon;

/// <summary>What leases write to the daemon's log; events 1140 to 1159.</summary>
internal static partial class LeaseLog
{
    [LoggerMessage(1140, LogLevel.Information, "Holds the lease of {Program} with epoch {Epoch}{Alone}")]
    public static partial void Acquired(ILogger logger, string program, ulong epoch, string alone);

    [LoggerMessage(1141, LogLevel.Warning, "Lost the lease of {Program} with epoch {Epoch}: {Why}")]
    public static partial void Lost(ILogger logger, string program, ulong epoch, string why);

    [LoggerMessage(1142, LogLevel.Information, "Gave the lease of {Program} with epoch {Epoch} back")]
    public static partial void GaveBack(ILogger logger, string program, ulong epoch);

    [LoggerMessage(1143, LogLevel.Information, "Hands {Program} over to {To}: {Why}")]
    public static partial void HandsOver(ILogger logger, string program, string to, string why);

    [LoggerMessage(1144, LogLevel.Error, "The guardian {Peer} of {Program} lied about leases: {What}")]
    public static partial void Misbehaved(ILogger logger, PeerId peer, string program, Misbehaviour what);

    [LoggerMessage(1145, LogLevel.Warning, "This machine slept or this daemon stood still: a timer rang {Late} late")]
    public static partial void Slept(ILogger logger, TimeSpan late);

    [LoggerMessage(1146, LogLevel.Warning, "This system has no timer that ends a daemon which stands still: a program may run twice while this one does")]
    public static partial void NoSwitch(ILogger logger);

    [LoggerMessage(1147, LogLevel.Warning, "Could not keep the bundle {Bundle} of a program that this node guards: {Why}")]
    public static partial void BundleNotKept(ILogger logger, Cid bundle, string why);

    [LoggerMessage(1148, LogLevel.Warning, "Could not write down a run of {Program}: {Why}")]
    public static partial void RunNotRecorded(ILogger logger, string program, string why);

    [LoggerMessage(1150, LogLevel.Warning, "Could not change the guardians of {Program}: {Why}")]
    public static partial void GuardiansNotChanged(ILogger logger, string program, string why);

    [LoggerMessage(1149, LogLevel.Warning, "Took no lease message of {Peer}: {Why}")]
    public static partial void Refused(ILogger logger, PeerId peer, string why);
}
