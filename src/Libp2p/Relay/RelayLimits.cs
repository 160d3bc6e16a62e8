namespace PeoplesCloud.Libp2p;

/// <summary>
/// What a node gives as a relay: the caps of its owner. Where 0 means "no limit" it is said so; the counts always have one, since each
/// reservation and each circuit holds memory here.
/// </summary>
public sealed record RelayLimits
{
    /// <summary>Peers that may hold a reservation at once. Default 128: each keeps one connection open (some 60 KiB).</summary>
    public int MaxReservations { get; init; } = 128;

    /// <summary>How long a reservation is good for; clients renew at half of it. Default 1 h, as go-libp2p has it.</summary>
    public TimeSpan ReservationLifetime { get; init; } = TimeSpan.FromHours(1);

    /// <summary>Circuits at once. Default 64: each holds two stream windows, 2 MiB at most.</summary>
    public int MaxCircuits { get; init; } = 64;

    /// <summary>Circuits at once that begin or end at one peer. Default 16: two to each other member of a small swarm.</summary>
    public int MaxCircuitsPerPeer { get; init; } = 16;

    /// <summary>Bytes that one circuit carries in each direction before it is closed; 0 is no limit. Default 0: members are friends.</summary>
    public long MaxCircuitBytes { get; init; }

    /// <summary>How long one circuit may live; zero is no limit. Default zero: a log is followed for days.</summary>
    public TimeSpan MaxCircuitDuration { get; init; }

    /// <summary>Bytes per second of one circuit, both directions together; 0 is no limit. Default 0.</summary>
    public long MaxCircuitBytesPerSecond { get; init; }

    /// <summary>Bytes per second of all circuits together; 0 is no limit. Default 0.</summary>
    public long MaxBytesPerSecond { get; init; }

    /// <summary>Circuits of guests at once. Default 4: they introduce themselves and go.</summary>
    public int MaxGuestCircuits { get; init; } = 4;

    /// <summary>Bytes that a guest's circuit carries in each direction. Default 1 MiB: what a new member is told of a swarm has at most that.</summary>
    public long MaxGuestBytes { get; init; } = 1 << 20;

    /// <summary>How long a guest's circuit may live. Default 60 s.</summary>
    public TimeSpan MaxGuestDuration { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>One message of hop or stop, in bytes. Default 4 KiB, the specification's.</summary>
    public int MaxMessageBytes { get; init; } = 4096;

    /// <summary>Circuits that we accept at once as their end. Default 64.</summary>
    public int MaxInboundCircuits { get; init; } = 64;

    /// <summary>Reservations that we hold at once as a client. Default 4.</summary>
    public int MaxHeldReservations { get; init; } = 4;

    /// <summary>Adds what is out of range to a list.</summary>
    internal void Validate(List<string> problems)
    {
        if (MaxReservations < 1 || MaxCircuits < 1 || MaxCircuitsPerPeer < 1 || MaxGuestCircuits < 1 || MaxInboundCircuits < 1 || MaxHeldReservations < 1) problems.Add("counts of reservations and circuits must be positive");
        if (ReservationLifetime < TimeSpan.FromSeconds(2)) problems.Add($"{nameof(ReservationLifetime)} must be at least 2 s");
        if (MaxCircuitBytes < 0 || MaxCircuitBytesPerSecond < 0 || MaxBytesPerSecond < 0 || MaxCircuitDuration < TimeSpan.Zero) problems.Add("limits of a circuit must not be negative");
        if (MaxGuestBytes < 1 || MaxGuestDuration <= TimeSpan.Zero) problems.Add("limits of a guest's circuit must be positive");
        if (MaxMessageBytes < 256) problems.Add($"{nameof(MaxMessageBytes)} must be at least 256");
    }
}
