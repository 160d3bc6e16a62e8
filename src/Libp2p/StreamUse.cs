namespace PeoplesCloud.Libp2p;

/// <summary>What a stream is for, which decides over which connection with its peer it goes.</summary>
public enum StreamUse
{
    /// <summary>Questions, events, logs: what somebody waits for.</summary>
    Quick,

    /// <summary>Much data that may take its time: it goes over a second connection, with larger windows, so that nothing quick waits behind it.</summary>
    Bulk,
}
