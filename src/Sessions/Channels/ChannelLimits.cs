namespace PeoplesCloud.Sessions.Channels;

/// <summary>How much the channels of a swarm may take; every limit states its unit and its reason.</summary>
public sealed record ChannelLimits
{
    /// <summary>The limits that hold unless a test says otherwise.</summary>
    public static ChannelLimits Default { get; } = new();

    /// <summary>Bytes of a message. 16 MiB, as the endpoint takes them.</summary>
    public int MaxMessageBytes { get; init; } = 16 << 20;

    /// <summary>Bytes of a channel's name. What a frame's length of it holds.</summary>
    public int MaxChannelBytes { get; init; } = ushort.MaxValue;

    /// <summary>Bytes of messages that a member has not heard; the oldest are lost to it beyond that. Default 32 MiB, what a slow client may have waiting. Members share them.</summary>
    public long MaxWaitingBytes { get; init; } = 32 << 20;

    /// <summary>Messages that a member has not heard. Default 65,536.</summary>
    public int MaxWaiting { get; init; } = 65_536;

    /// <summary>How long a message waits for a member that cannot be reached. Default 10 s: a connection that broke is back by then, who sleeps is not waited for.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long a member may take to be reached and to answer a hello. Default 10 s, as requests of the mesh have.</summary>
    public TimeSpan MessageTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long after a failure a member is tried again, at first; twice as long after each further one. Default 100 ms.</summary>
    public TimeSpan FirstPause { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>The longest time between attempts. Default 60 s: who comes back or begins to carry channels opens a stream itself, which ends the pause.</summary>
    public TimeSpan LongestPause { get; init; } = TimeSpan.FromSeconds(60);
}
