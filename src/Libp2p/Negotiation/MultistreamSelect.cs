using PeoplesCloud.Base.Formats;

namespace PeoplesCloud.Libp2p.Negotiation;

// dialer   -> header, proposal                      both in one write
// listener -> header
// listener -> proposal (agreed) | "na"; after "na" the dialer may propose again
/// <summary>
/// Agreement on a protocol, multistream-select 1.0. Reads exactly its own messages. The dialer proposes one protocol only: we
/// speak one security protocol and one muxer, and a stream is opened for one protocol.
/// </summary>
internal static class MultistreamSelect
{
    /// <summary>Proposes a protocol and waits for the answer.</summary>
    /// <exception cref="Libp2pException">The other side does not speak it, broke the protocol, or ended.</exception>
    public static async ValueTask ProposeAsync(NegotiationChannel channel, string protocol, Libp2pLimits limits, CancellationToken cancellationToken)
    {
        await SendProposalAsync(channel, protocol, cancellationToken);
        await ReadAnswerAsync(channel, protocol, limits, cancellationToken);
    }

    /// <summary>The first half of a proposal: sends it. The caller may send data of the protocol at once, and must read the answer before it reads data.</summary>
    public static ValueTask SendProposalAsync(NegotiationChannel channel, string protocol, CancellationToken cancellationToken) =>
        channel.WriteAsync(MultistreamMessage.Encode(MultistreamMessage.Header, protocol), cancellationToken);

    /// <summary>The second half: reads and checks the answer, and nothing behind it.</summary>
    public static async ValueTask ReadAnswerAsync(NegotiationChannel channel, string protocol, Libp2pLimits limits, CancellationToken cancellationToken)
    {
        await ReadHeaderAsync(channel, limits, cancellationToken);
        var answer = await ReadMessageAsync(channel, limits, cancellationToken);
        if (answer == protocol) return;
        throw answer == MultistreamMessage.NotAvailable
            ? new Libp2pException(Libp2pError.ProtocolNotSupported, $"the other side does not speak {protocol}")
            : new Libp2pException(Libp2pError.ProtocolViolation, $"the other side answered the proposal of {protocol} with something else");
    }

    /// <summary>Answers proposals until one is served; returns it.</summary>
    /// <exception cref="Libp2pException">The other side proposed nothing that we serve, broke the protocol, or ended.</exception>
    public static async ValueTask<string> AnswerAsync(NegotiationChannel channel, Func<string, bool> isServed, Libp2pLimits limits, CancellationToken cancellationToken)
    {
        await ReadHeaderAsync(channel, limits, cancellationToken);
        // Sent before the proposal is read: a dialer may wait for our header before it proposes.
        await channel.WriteAsync(MultistreamMessage.Encode(MultistreamMessage.Header), cancellationToken);
        for (var i = 0; i < limits.MaxProposals; i++)
        {
            var proposal = await ReadMessageAsync(channel, limits, cancellationToken);
            if (isServed(proposal))
            {
                await channel.WriteAsync(MultistreamMessage.Encode(proposal), cancellationToken);
                return proposal;
            }
            await channel.WriteAsync(MultistreamMessage.Encode(MultistreamMessage.NotAvailable), cancellationToken);
        }
        throw new Libp2pException(Libp2pError.LimitReached, $"the other side proposed {limits.MaxProposals} protocols that are not served");
    }

    private static async ValueTask ReadHeaderAsync(NegotiationChannel channel, Libp2pLimits limits, CancellationToken cancellationToken)
    {
        if (await ReadMessageAsync(channel, limits, cancellationToken) != MultistreamMessage.Header)
            throw new Libp2pException(Libp2pError.ProtocolViolation, $"the other side does not begin with {MultistreamMessage.Header}");
    }

    private static async ValueTask<string> ReadMessageAsync(NegotiationChannel channel, Libp2pLimits limits, CancellationToken cancellationToken)
    {
        // 1. The length, a byte at a time: nobody knows yet whether a second byte belongs to it.
        var prefix = new byte[MultistreamMessage.MaxLengthBytes];
        var length = 0;
        for (var have = 0; ;)
        {
            await ReadExactlyAsync(channel, prefix.AsMemory(have++, 1), cancellationToken);
            var status = MultistreamMessage.TryReadLength(prefix.AsSpan(0, have), limits.MaxNegotiationMessageBytes, out length, out _);
            if (status == ParseStatus.Done) break;
            if (status == ParseStatus.Invalid) throw new Libp2pException(Libp2pError.ProtocolViolation, "a negotiation message has no usable length");
        }

        // 2. Exactly the text.
        var body = new byte[length];
        await ReadExactlyAsync(channel, body, cancellationToken);
        return MultistreamMessage.TryReadText(body, out var text) ? text : throw new Libp2pException(Libp2pError.ProtocolViolation, "a negotiation message is no text with a newline");
    }

    private static async ValueTask ReadExactlyAsync(NegotiationChannel channel, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        while (!buffer.IsEmpty)
        {
            var count = await channel.ReadAsync(buffer, cancellationToken);
            if (count == 0) throw new Libp2pException(Libp2pError.Reset, "the other side ended during the negotiation");
            buffer = buffer[count..];
        }
    }
}
