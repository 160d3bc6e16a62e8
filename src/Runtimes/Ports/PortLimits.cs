namespace PeoplesCloud.Runtimes.Ports;

/// <summary>How much one port that is passed on may take; every limit states its unit and its reason.</summary>
public sealed record PortLimits
{
    /// <summary>The longest datagram, in bytes: what an IPv4 packet holds besides its headers.</summary>
    public const int MaxDatagramBytes = 65507;

    /// <summary>The limits that hold unless somebody says otherwise.</summary>
    public static PortLimits Default { get; } = new();

    /// <summary>Connections at the same time; more wait in the listener's queue. Default 256.</summary>
    public int MaxConnections { get; init; } = 256;

    /// <summary>Senders of datagrams at the same time; of more, the one that was silent the longest gives way. Default 128: whoever invents senders costs no more.</summary>
    public int MaxFlows { get; init; } = 128;

    /// <summary>How long a sender of datagrams may be silent, and nothing come back, until its way ends. Default 2 min, the least that RFC 4787 allows a NAT.</summary>
    public TimeSpan FlowIdle { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>Bytes of datagrams of one sender that wait in one direction; of more, the oldest are lost. Default 128 KiB: two of the longest, or 90 of a usual link.</summary>
    public int QueueBytes { get; init; } = 128 << 10;

    /// <summary>Bytes of a connection that are on their way in one direction between two ends, beside what their own windows hold. Default 32 KiB.</summary>
    public int BufferBytes { get; init; } = 32 << 10;

    /// <summary>How long a new connection or sender waits for a program that moves, starts again or does not listen yet. Default 20 s: a failover takes some 6.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>How long after a failed attempt the next one is made, at most; the first ones come sooner. Default 200 ms.</summary>
    public TimeSpan Pause { get; init; } = TimeSpan.FromMilliseconds(200);
}
