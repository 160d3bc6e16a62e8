namespace PeoplesCloud.Libp2p.Relay;

/// <summary>What a relay, or the end of a circuit, answers. The numbers of circuit relay v2.</summary>
internal enum RelayStatus
{
    /// <summary>No status was given.</summary>
    None = 0,

    /// <summary>Done.</summary>
    Ok = 100,

    /// <summary>The relay holds as many reservations as it may.</summary>
    ReservationRefused = 200,

    /// <summary>Too many circuits, in all or of one of the two peers.</summary>
    ResourceLimitExceeded = 201,

    /// <summary>The relay does not serve this peer, or not over this connection.</summary>
    PermissionDenied = 202,

    /// <summary>The other end did not take the circuit.</summary>
    ConnectionFailed = 203,

    /// <summary>The other end has no reservation with this relay.</summary>
    NoReservation = 204,

    /// <summary>The message could not be read.</summary>
    MalformedMessage = 400,

    /// <summary>The message does not belong here.</summary>
    UnexpectedMessage = 401,
}
