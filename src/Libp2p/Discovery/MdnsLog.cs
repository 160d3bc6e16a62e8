using System.Net;
using Microsoft.Extensions.Logging;

namespace PeoplesCloud.Libp2p.Discovery;

/// <summary>Log lines of discovery on the local network, events 2250 to 2269.</summary>
internal static partial class MdnsLog
{
    [LoggerMessage(2250, LogLevel.Information, "Could not look for nodes on the local network: {Reason}")]
    public static partial void Unavailable(ILogger logger, string reason);

    [LoggerMessage(2251, LogLevel.Debug, "Could not listen for nodes on the network of {Address}: {Reason}")]
    public static partial void NotJoined(ILogger logger, IPAddress address, string reason);

    [LoggerMessage(2252, LogLevel.Debug, "Could not send to the network of {Address}: {Reason}")]
    public static partial void NotSent(ILogger logger, IPAddress address, string reason);

    [LoggerMessage(2253, LogLevel.Error, "A subscriber failed on the news about {Peer}")]
    public static partial void SubscriberFailed(ILogger logger, PeerId peer, Exception exception);
}
