using Microsoft.Extensions.Logging;

namespace PeoplesCloud.Libp2p;

/// <summary>Log lines of the host, events 2000 to 2099.</summary>
internal static partial class HostLog
{
    [LoggerMessage(2000, LogLevel.Information, "Listened on {Address}")]
    public static partial void Listening(ILogger logger, Multiaddr address);

    [LoggerMessage(2001, LogLevel.Debug, "Connected with {Peer} at {Address} (we dialed: {Outbound})")]
    public static partial void Connected(ILogger logger, PeerId peer, Multiaddr address, bool outbound);

    [LoggerMessage(2002, LogLevel.Debug, "Disconnected from {Peer}")]
    public static partial void Disconnected(ILogger logger, PeerId peer);

    [LoggerMessage(2003, LogLevel.Debug, "Closed an idle connection with {Peer}")]
    public static partial void ClosedIdle(ILogger logger, PeerId peer);

    [LoggerMessage(2004, LogLevel.Warning, "Refused {Count} inbound connections so far since a limit was reached")]
    public static partial void Refused(ILogger logger, long count);

    [LoggerMessage(2005, LogLevel.Warning, "An inbound connection could not be accepted: {Reason}")]
    public static partial void AcceptFailed(ILogger logger, string reason);

    [LoggerMessage(2006, LogLevel.Debug, "An inbound connection from {Address} failed: {Reason}")]
    public static partial void InboundFailed(ILogger logger, Multiaddr address, string reason);

    [LoggerMessage(2007, LogLevel.Debug, "A dial of {Peer} failed: {Reason}")]
    public static partial void DialFailed(ILogger logger, PeerId peer, string reason);

    [LoggerMessage(2008, LogLevel.Debug, "Refused a stream of {Peer}: {Reason}")]
    public static partial void StreamRefused(ILogger logger, PeerId peer, string reason);

    [LoggerMessage(2009, LogLevel.Debug, "A stream of {Protocol} with {Peer} ended early: {Reason}")]
    public static partial void StreamEnded(ILogger logger, string protocol, PeerId peer, string reason);

    [LoggerMessage(2010, LogLevel.Error, "The handler of {Protocol} failed on a stream of {Peer}")]
    public static partial void HandlerFailed(ILogger logger, string protocol, PeerId peer, Exception exception);

    [LoggerMessage(2011, LogLevel.Debug, "{Peer} could not be identified: {Reason}")]
    public static partial void NotIdentified(ILogger logger, PeerId peer, string reason);

    [LoggerMessage(2012, LogLevel.Error, "A subscriber failed on the news about {Peer}")]
    public static partial void SubscriberFailed(ILogger logger, PeerId peer, Exception exception);

    [LoggerMessage(2013, LogLevel.Debug, "{Peer} could not be told what changed here: {Reason}")]
    public static partial void NotPushed(ILogger logger, PeerId peer, string reason);

    [LoggerMessage(2014, LogLevel.Debug, "{Peer} told what changed there")]
    public static partial void HeardPush(ILogger logger, PeerId peer);

    [LoggerMessage(2020, LogLevel.Debug, "A direct connection with {Peer} takes over from the relayed one")]
    public static partial void WentDirect(ILogger logger, PeerId peer);

    [LoggerMessage(2021, LogLevel.Debug, "{Address} did not tell where it sees us: {Reason}")]
    public static partial void NotObserved(ILogger logger, Multiaddr address, string reason);

    [LoggerMessage(2022, LogLevel.Debug, "Met {Peer} directly at {Address} by dialing at the same moment")]
    public static partial void Punched(ILogger logger, PeerId peer, Multiaddr address);

    [LoggerMessage(2023, LogLevel.Debug, "Did not meet {Peer} by dialing at the same moment: {Reason}")]
    public static partial void NotPunched(ILogger logger, PeerId peer, string reason);
}
