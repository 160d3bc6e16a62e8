using System.IO.Pipelines;

namespace PeoplesCloud.Libp2p.Negotiation;

/// <summary>
/// The bytes that a negotiation runs over: a socket, a secure channel or a stream. Reading never takes more than it was asked for,
/// since what follows a message belongs to the next protocol.
/// </summary>
internal abstract class NegotiationChannel
{
    /// <summary>Reads one byte up to the buffer's length; 0 at the end.</summary>
    public abstract ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken);

    /// <summary>Writes all bytes and sends them.</summary>
    public abstract ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken);

    public static NegotiationChannel Over(Stream stream) => new StreamChannel(stream);

    public static NegotiationChannel Over(ISecureChannel channel) => new SecureChannel(channel);

    public static NegotiationChannel Over(IDuplexPipe pipe) => new PipeChannel(pipe);

    private sealed class StreamChannel(Stream stream) : NegotiationChannel
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken) => stream.ReadAsync(buffer, cancellationToken);

        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
        {
            await stream.WriteAsync(bytes, cancellationToken);
            await stream.FlushAsync(cancellationToken);
        }
    }

    private sealed class SecureChannel(ISecureChannel channel) : NegotiationChannel
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken) => channel.ReadAsync(buffer, cancellationToken);

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken) => channel.WriteAsync(bytes, cancellationToken);
    }

    private sealed class PipeChannel(IDuplexPipe pipe) : NegotiationChannel
    {
        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken)
        {
            while (true)
            {
                var result = await pipe.Input.ReadAsync(cancellationToken);
                var available = result.Buffer.Slice(0, Math.Min(result.Buffer.Length, buffer.Length));
                var count = (int)available.Length;
                var at = 0;
                foreach (var segment in available)
                {
                    segment.CopyTo(buffer[at..]);
                    at += segment.Length;
                }
                pipe.Input.AdvanceTo(available.End);
                if (count > 0 || result.IsCompleted) return count;
            }
        }

        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
        {
            var result = await pipe.Output.WriteAsync(bytes, cancellationToken);
            if (result.IsCompleted) throw new Libp2pException(Libp2pError.Reset, "the other side does not read the negotiation");
        }
    }
}
