using PeoplesCloud.Libp2p.Connections;
using PeoplesCloud.Libp2p.Negotiation;
using PeoplesCloud.Libp2p.Noise;
using PeoplesCloud.Libp2p.Tls;
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
    /// <param name="use">What it is for, if we dialed; otherwise the dialer says it.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="IOException">The other side is not the expected one, broke a protocol, was too slow, or a limit was reached.</exception>
    internal async ValueTask<Libp2pConnection> UpgradeAsync(Stream raw, Multiaddr remoteAddress, PeerId? expected, bool isOutbound, StreamUse use, CancellationToken cancellationToken)
    {
        string[] muxers = isOutbound ? [use == StreamUse.Bulk ? YamuxConnection.BulkProtocol : YamuxConnection.Protocol] : [YamuxConnection.Protocol, YamuxConnection.BulkProtocol];
        ISecureChannel? channel = null;
        var completed = false;
        try
        {
            var connection = await TimeLimit.RunAsync(_limits.HandshakeTimeout, _time, "the handshake", async token =>
            {
                // 1. Agree on the security in the clear, and prove who is who.
                (channel, var security) = await SecureAsync(raw, expected, isOutbound, muxers, token);
                if (channel.RemotePeer == Self) throw new Libp2pException(Libp2pError.WrongPeer, "this is ourselves");

                // 2. Agree on the muxer, if the handshake did not.
                var muxer = channel.EarlyMuxer ?? await AgreeAsync(NegotiationChannel.Over(channel), muxers, isOutbound, token);
                return Multiplex(channel, security, remoteAddress, isOutbound, muxer == YamuxConnection.BulkProtocol ? StreamUse.Bulk : StreamUse.Quick);
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

    private async ValueTask<(ISecureChannel Channel, SecurityProtocol Security)> SecureAsync(Stream raw, PeerId? expected, bool isOutbound, string[] muxers, CancellationToken cancellationToken)
    {
        var chosen = await AgreeAsync(NegotiationChannel.Over(raw), [.. _options.Security.Select(IdOf)], isOutbound, cancellationToken);
        return chosen == TlsHandshake.Protocol
            ? (await TlsHandshake.RunAsync(raw, _certificate.Value, isOutbound, expected, muxers, _limits, _time, cancellationToken), SecurityProtocol.Tls)
            : (await NoiseHandshake.RunAsync(raw, _identity, isOutbound, expected, muxers, _limits, _time, cancellationToken), SecurityProtocol.Noise);
    }

    private static string IdOf(SecurityProtocol security) => security == SecurityProtocol.Tls ? TlsHandshake.Protocol : NoiseHandshake.Protocol;

    private ValueTask<string> AgreeAsync(NegotiationChannel over, string[] protocols, bool isOutbound, CancellationToken cancellationToken) => isOutbound
        ? MultistreamSelect.ProposeAsync(over, protocols, _limits, cancellationToken)
        : MultistreamSelect.AnswerAsync(over, protocols.Contains, _limits, cancellationToken);
}
