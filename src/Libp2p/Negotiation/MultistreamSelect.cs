using PeoplesCloud.Base.Formats;

namespace PeoplesCloud.Libp2p.Negotiation;

// dialer   -> header, proposal                      both in one write
// listener -> header
// listener -> proposal (agreed) | "na"; after "na" the dialer may propose again
/// <summary>
/// Agreement on a protocol, multistream-select 1.0. Reads exactly its own messages.
/// </summary>
internal static class MultistreamSelect
{
    /// <summary>Proposes protocols, best first, until the other side speaks one; returns it.</summary>
    /// <exception cref="Libp2pException">The other side speaks none of them, broke the protocol, or ended.</exception>
    public static async ValueTask<string> ProposeAsync(NegotiationChannel channel, IReadOnlyList<string> protocols, Libp2pLimits limits, CancellationToken cancellationToken)
    {
        await SendProposalAsync(channel, protocols[0], cancellationToken);
        await ReadHeaderAsync(channel, limits, cancellationToken);
        for (var i = 0; ; i++)
        {
            if (await IsAgreedAsync(channel, protocols[i], limits, cancellationToken)) return protocols[i];
            if (i + 1 == protocols.Count) throw new Libp2pException(Libp2pError.ProtocolNotSupported, $"the other side does not speak {string.Join(" or ", protocols)}");
            await channel.WriteAsync(MultistreamMessage.Encode(protocols[i + 1]), cancellationToken);
        }
    }

    /// <summary>The first half of a proposal: sends it. The caller may send data of the protocol at once, and must read the answer before it reads data.</summary>
    public static ValueTask SendProposalAsync(NegotiationChannel channel, string protocol, CancellationToken cancellationToken) =>
        channel.WriteAsync(MultistreamMessage.Encode(MultistreamMessage.Header, protocol), cancellationToken);

    /// <summary>The second half: reads and checks the answer, and nothing behind it.</summary>
    public static async ValueTask ReadAnswerAsync(NegotiationChannel channel, string protocol, Libp2pLimits limits, CancellationToken cancellationToken)
    {
        await ReadHeaderAsync(channel, limits, cancellationToken);
        if (!await IsAgreedAsync(channel, protocol, limits, cancellationToken)) throw new Libp2pException(Libp2pError.ProtocolNotSupported, $"the other side does not speak {protocol}");
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

    private static async ValueTask<bool> IsAgreedAsync(NegotiationChannel channel, string protocol, Libp2pLimits limits, CancellationToken cancellationToken)
    {
        var answer = await ReadMessageAsync(channel, limits, cancellationToken);
        if (answer == protocol) return true;
        if (answer == MultistreamMessage.NotAvailable) return false;
        throw new Libp2pException(Libp2pError.ProtocolViolation, $"the other side answered the proposal of {protocol} with something else");
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
