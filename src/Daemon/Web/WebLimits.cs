namespace PeoplesCloud.Daemon.Web;

/// <summary>How much browsers on this machine may take of it; every limit states its unit and its reason.</summary>
internal static class WebLimits
{
    /// <summary>Connections at once, and as many of them upgraded. 512: a browser opens six for each site, and WebSockets stay.</summary>
    public const int MaxConnections = 512;

    /// <summary>Connections at once to one program; further requests wait. 100, below what its host lets one member have.</summary>
    public const int MaxConnectionsPerProgram = 100;

    /// <summary>Bytes of one answer that are on their way. 32 KiB.</summary>
    public const int BufferBytes = 32 << 10;

    /// <summary>How long a person who opens an address looks at nothing while a program is not reached, until a page says so. 2 s: longer than a hand-over takes.</summary>
    public static readonly TimeSpan PagePatience = TimeSpan.FromSeconds(2);

    /// <summary>When such a page tries again. 2 s.</summary>
    public static readonly TimeSpan PageAgain = TimeSpan.FromSeconds(2);

    /// <summary>How long an unused connection to a program is kept. 15 s: a page's requests come together.</summary>
    public static readonly TimeSpan IdleTimeout = TimeSpan.FromSeconds(15);

    /// <summary>How long a connection to a program takes new requests. 1 min: a program that moved while its old host still answers is found at last.</summary>
    public static readonly TimeSpan ConnectionLifetime = TimeSpan.FromMinutes(1);
}
