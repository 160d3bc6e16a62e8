using PeoplesCloud.Libp2p.Connections;
using PeoplesCloud.Libp2p.Negotiation;
using PeoplesCloud.Libp2p.Noise;
using PeoplesCloud.Libp2p.Yamux;

namespace PeoplesCloud.Libp2p;

/// <content>Makes a connection of any byte stream: a TCP socket, a WebSocket, a stream through a relay.</content>
public sealed partial class Libp2pHost
{
    /// <summary>Byte stream -> multistream-select -> secure channel -> yamux -> a connection in the table. Whoever calls runs it. Disposes the stream on any failure.</summary>
    /// <param name="raw">The bytes, both ways; disposing it closes them.</param>
    /// <param name="remoteAddress">Where the other side is, without its peer id.</param>
    /// <param name="expected">Who must be there; null accepts anybody that proves who it is.</param>
    /// <param name="isOutbound">Whether we dialed.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="IOException">The other side is not the expected one, broke a protocol, was too slow, or a limit was reached.</exception>
    internal async ValueTask<Libp2pConnection> UpgradeAsync(Stream raw, Multiaddr remoteAddress, PeerId? expected, bool isOutbound, CancellationToken cancellationToken)
    {
        ISecureChannel? channel = null;
        var completed = false;
        try
        {
            var connection = await TimeLimit.RunAsync(_limits.HandshakeTimeout, _time, "the handshake", async token =>
            {
                // 1. Agree on the security in the clear, and prove who is who.
                channel = await SecureAsync(raw, expected, isOutbound, token);
                if (channel.RemotePeer == Self) throw new Libp2pException(Libp2pError.WrongPeer, "this is ourselves");

                // 2. Agree on the muxer, if the handshake did not.
                if (channel.EarlyMuxer != YamuxConnection.Protocol) await AgreeAsync(NegotiationChannel.Over(channel), YamuxConnection.Protocol, isOutbound, token);
                return Multiplex(channel, remoteAddress, isOutbound);
            }, cancellationToken);
            Admit(connection);
            completed = true;
            return connection;
        }
        finally
        {
            if (!completed)
            {
                if (channel is not null) await channel.DisposeAsync();
                await raw.DisposeAsync();
            }
        }
    }

    private async ValueTask<ISecureChannel> SecureAsync(Stream raw, PeerId? expected, bool isOutbound, CancellationToken cancellationToken)
    {
        await AgreeAsync(NegotiationChannel.Over(raw), NoiseHandshake.Protocol, isOutbound, cancellationToken);
        return await NoiseHandshake.RunAsync(raw, _identity, isOutbound, expected, [YamuxConnection.Protocol], _limits, _time, cancellationToken);
    }

    private async ValueTask AgreeAsync(NegotiationChannel over, string protocol, bool isOutbound, CancellationToken cancellationToken)
    {
        if (isOutbound) await MultistreamSelect.ProposeAsync(over, protocol, _limits, cancellationToken);
        else await MultistreamSelect.AnswerAsync(over, p => p == protocol, _limits, cancellationToken);
    }
}
