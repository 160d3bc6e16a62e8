namespace PeoplesCloud.Libp2p.Connections;

/// <summary>
/// A way to reach addresses of one kind. What it dials is a bare byte stream: security and multiplexer are agreed on by the host, the
/// same for all. The host asks its transports in order and takes the first that can.
/// </summary>
internal interface IDialTransport
{
    /// <summary>Whether addresses of this kind are dialed here.</summary>
    bool CanDial(Multiaddr address);

    /// <summary>Connects under a time limit of its own; several may run at once, and those that lose are cancelled.</summary>
    /// <param name="address">The address, its name resolved unless it is relayed, with the id of the peer that is looked for if it is known.</param>
    /// <param name="cancellationToken">Gives up; nothing stays open then.</param>
    /// <exception cref="IOException">There is no connection.</exception>
    /// <exception cref="System.Net.Sockets.SocketException">There is no connection.</exception>
    ValueTask<Stream> DialAsync(Multiaddr address, CancellationToken cancellationToken);
}

/// <summary>An address and who dials it.</summary>
internal sealed record DialTarget(IDialTransport Transport, Multiaddr Address)
{
    /// <summary>The order in which kinds of addresses are tried: each costs more than the one before.</summary>
    public int Preference => Address.IsRelayed ? 2 : Address.IsWebSocket ? 1 : 0;
}
