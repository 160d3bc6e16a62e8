namespace PeoplesCloud.Daemon.Gateway;

/// <summary>What strangers may take of the gateway.</summary>
internal static class GatewayLimits
{
    /// <summary>Connections at once: each holds at most one block, so 512 MiB together, and usually far less.</summary>
    public const int MaxConnections = 256;

    /// <summary>Bytes of a request's headers: those of browsers fit.</summary>
    public const int MaxHeaderBytes = 8 << 10;

    /// <summary>Bytes of a request's first line: a CID and a path as deep as folders are.</summary>
    public const int MaxLineBytes = 8 << 10;

    /// <summary>How long a connection without a request is kept.</summary>
    public static readonly TimeSpan KeepAlive = TimeSpan.FromSeconds(30);

    /// <summary>How long a request's headers may take.</summary>
    public static readonly TimeSpan Headers = TimeSpan.FromSeconds(10);
}
