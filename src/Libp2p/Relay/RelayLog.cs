using Microsoft.Extensions.Logging;

namespace PeoplesCloud.Libp2p.Relay;

/// <summary>Log lines of relaying, events 2200 to 2249.</summary>
internal static partial class RelayLog
{
    [LoggerMessage(2200, LogLevel.Debug, "{Peer} asked for a reservation: {Status}")]
    public static partial void Reserved(ILogger logger, PeerId peer, RelayStatus status);

    [LoggerMessage(2201, LogLevel.Debug, "Refused a circuit from {From} to {To}: {Status}")]
    public static partial void CircuitRefused(ILogger logger, PeerId from, PeerId to, RelayStatus status);

    [LoggerMessage(2202, LogLevel.Debug, "Opened a circuit from {From} to {To}")]
    public static partial void CircuitOpened(ILogger logger, PeerId from, PeerId to);

    [LoggerMessage(2203, LogLevel.Debug, "Closed a circuit from {From} to {To}")]
    public static partial void CircuitClosed(ILogger logger, PeerId from, PeerId to);

    [LoggerMessage(2204, LogLevel.Debug, "Holds a reservation with {Relay} until {Expires}")]
    public static partial void Held(ILogger logger, PeerId relay, DateTimeOffset expires);

    [LoggerMessage(2205, LogLevel.Debug, "A circuit from {From} through {Relay} failed: {Reason}")]
    public static partial void InboundFailed(ILogger logger, PeerId from, PeerId relay, string reason);
}
