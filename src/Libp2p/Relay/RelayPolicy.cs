namespace PeoplesCloud.Libp2p;

/// <summary>How much of the relay a circuit may use.</summary>
public enum RelayGrant
{
    /// <summary>Nothing: it is refused.</summary>
    None,

    /// <summary>A little, within the limits of a guest: enough to introduce oneself.</summary>
    Guest,

    /// <summary>As much as the limits of a circuit say.</summary>
    Full,
}

/// <summary>Whom a relay serves: decided by whoever runs the host, asked at every reservation and every circuit. Must be quick and thread-safe.</summary>
/// <param name="MayReserve">Whether the peer may hold a reservation.</param>
/// <param name="MayConnect">How the first peer may be connected with the second, which holds one.</param>
public sealed record RelayPolicy(Func<PeerId, bool> MayReserve, Func<PeerId, PeerId, RelayGrant> MayConnect)
{
    /// <summary>Serves everybody, within the limits: an open relay.</summary>
    public static RelayPolicy Everybody { get; } = new(static _ => true, static (_, _) => RelayGrant.Full);
}

/// <summary>A place that a relay keeps for us.</summary>
/// <param name="Relay">The relay.</param>
/// <param name="Expires">When it ends unless it is renewed.</param>
/// <param name="Addresses">Where others reach us through it, with the relay's and without our own peer id.</param>
public sealed record RelayReservation(PeerId Relay, DateTimeOffset Expires, IReadOnlyList<Multiaddr> Addresses);

/// <summary>What a relay does now.</summary>
/// <param name="Reservations">Places held by peers.</param>
/// <param name="Circuits">Circuits open now.</param>
/// <param name="Bytes">Bytes forwarded since the start, both directions.</param>
public sealed record RelayUse(int Reservations, int Circuits, long Bytes);
