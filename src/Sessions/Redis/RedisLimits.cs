namespace PeoplesCloud.Sessions.Redis;

/// <summary>How much a Redis may take of us and we of it; every limit states its unit and its reason.</summary>
public sealed record RedisLimits
{
    /// <summary>The limits that hold unless a test says otherwise.</summary>
    public static RedisLimits Default { get; } = new();

    /// <summary>How long a connection may take until commands can be sent: name, TCP, TLS, password. Default 5 s.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How long an answer may take before the connection counts as broken. Default 5 s: a Redis answers in well below a millisecond.</summary>
    public TimeSpan AnswerTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How often a PING asks whether a connection that is silent still is one. Default 5 s.</summary>
    public TimeSpan PingInterval { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How long a command waits for a connection that broke to be back. Default 2 s: in that time a request is to be answered.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>How long after a failure it is tried again, at first; twice as long after each further one. Default 100 ms.</summary>
    public TimeSpan FirstPause { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>
    /// The longest time between attempts, give or take half of it. Default 0.5 s: all nodes are back within the time for which
    /// <see cref="Engine.SessionEngineOptions.Settling"/> lets them say what they answered. An attempt is one connection.
    /// </summary>
    public TimeSpan LongestPause { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>Commands that wait for their answers; more are refused. Default 16,384: an answer takes some 50 microseconds.</summary>
    public int MaxPending { get; init; } = 16_384;

    /// <summary>Bytes of one answer or message; a larger one ends the connection, which is made again. Default 32 MiB.</summary>
    public int MaxReplyBytes { get; init; } = 32 << 20;

    /// <summary>Values in one answer. Default 4,096: the commands that we send are answered by a few.</summary>
    public int MaxReplyValues { get; init; } = 4096;
}
