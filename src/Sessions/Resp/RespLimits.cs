namespace PeoplesCloud.Sessions.Resp;

/// <summary>How much clients of an endpoint may take; every limit states its unit and its reason.</summary>
public sealed record RespLimits
{
    /// <summary>The limits that hold unless a test says otherwise.</summary>
    public static RespLimits Default { get; } = new();

    /// <summary>Clients at the same time. Default 1,024: each is a socket and some KiB; Redis has 10,000.</summary>
    public int MaxClients { get; init; } = 1024;

    /// <summary>Bytes of one argument. Default 16 MiB: a script that is far too long still arrives, so that it can be refused by name.</summary>
    public int MaxBulkBytes { get; init; } = 16 << 20;

    /// <summary>Bytes of all arguments of a command. Default 32 MiB.</summary>
    public int MaxCommandBytes { get; init; } = 32 << 20;

    /// <summary>Bytes of commands that are not complete yet, of all clients together. Default 128 MiB.</summary>
    public long MaxInputBytes { get; init; } = 128 << 20;

    /// <summary>Arguments of one command. Default 65,536: a subscription to that many channels at once.</summary>
    public int MaxArguments { get; init; } = 65_536;

    /// <summary>Bytes of a command that is a line, or of a line with a length. 64 KiB, as in Redis.</summary>
    public int MaxLineBytes { get; init; } = 64 << 10;

    /// <summary>Arguments of a command before the password was given. 10, as in Redis.</summary>
    public int MaxStrangerArguments { get; init; } = 10;

    /// <summary>Bytes of an argument before the password was given. 16 KiB, as in Redis.</summary>
    public int MaxStrangerBulkBytes { get; init; } = 16 << 10;

    /// <summary>Channels and patterns of one client. Default 65,536.</summary>
    public int MaxSubscriptions { get; init; } = 65_536;

    /// <summary>Patterns of one client. Default 1,024: each costs a match for each message.</summary>
    public int MaxPatterns { get; init; } = 1024;

    /// <summary>Bytes of the names of all channels and patterns of one client. Default 16 MiB.</summary>
    public int MaxSubscriptionBytes { get; init; } = 16 << 20;

    /// <summary>Bytes of the name that a client gives itself. Default 1 KiB.</summary>
    public int MaxNameBytes { get; init; } = 1024;

    /// <summary>Bytes of a channel's name. 65,535, what a frame of the mesh holds.</summary>
    public int MaxChannelBytes { get; init; } = ushort.MaxValue;

    /// <summary>Bytes of a pattern. Default 1 KiB: matching takes the product of both lengths in steps.</summary>
    public int MaxPatternBytes { get; init; } = 1024;

    /// <summary>Bytes that wait for one client before it is cut off. 32 MiB, as Redis has it for subscribers.</summary>
    public long HardOutputBytes { get; init; } = 32 << 20;

    /// <summary>Bytes that may wait for one client for <see cref="SoftOutputTime"/>, and no longer. 8 MiB, as Redis has it for subscribers.</summary>
    public long SoftOutputBytes { get; init; } = 8 << 20;

    /// <summary>See <see cref="SoftOutputBytes"/>. 60 s, as Redis has it for subscribers.</summary>
    public TimeSpan SoftOutputTime { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Bytes that wait for all clients together; who is sent more than there is room for is cut off. Default 256 MiB.</summary>
    public long MaxOutputBytes { get; init; } = 256 << 20;

    /// <summary>Bytes that may wait for a client while its next commands are read. Default 1 MiB: who does not read its answers is not asked for more.</summary>
    public long MaxUnreadBytes { get; init; } = 1 << 20;
}
