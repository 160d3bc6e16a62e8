using System.Buffers;
using System.IO.Pipelines;
using PeoplesCloud.Base.Formats;
using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Daemon.Joining;

/// <summary>Messages of /pc/join/1 on a stream: a varint length, then as many bytes (docs/protocols/join.md).</summary>
internal static class JoinProtocol
{
    /// <summary>The protocol id.</summary>
    public const string Id = "/pc/join/1";

    /// <summary>Sends a message.</summary>
    public static async Task WriteAsync(Libp2pStream stream, ReadOnlyMemory<byte> message, CancellationToken cancellationToken)
    {
        Varint.Write(stream.Output, (ulong)message.Length);
        await stream.Output.WriteAsync(message, cancellationToken);
    }

    /// <summary>Reads a message; null when its length is malformed or above the limit. What is received is taken as it comes, so a long message does not fill the stream's window.</summary>
    /// <exception cref="IOException">The stream ended or was reset before the message was complete.</exception>
    public static async Task<byte[]?> ReadAsync(PipeReader input, int maxBytes, CancellationToken cancellationToken)
    {
        var message = new ArrayBufferWriter<byte>();
        var length = -1L;
        while (true)
        {
            var result = await input.ReadAsync(cancellationToken);
            var buffer = result.Buffer;
            if (length < 0)
            {
                var status = Varint.TryRead(buffer.Slice(0, Math.Min(buffer.Length, Varint.MaxBytes)).ToArray(), out var value, out var read);
                if (status == ParseStatus.Invalid || (status == ParseStatus.Done && value > (ulong)maxBytes))
                {
                    input.AdvanceTo(buffer.Start);
                    return null;
                }
                if (status == ParseStatus.Done) (length, buffer) = ((long)value, buffer.Slice(read));
            }
            if (length < 0) input.AdvanceTo(buffer.Start, buffer.End);
            else
            {
                var part = buffer.Slice(0, Math.Min(buffer.Length, length - message.WrittenCount));
                foreach (var segment in part) message.Write(segment.Span);
                input.AdvanceTo(part.End);
                if (message.WrittenCount == length) return message.WrittenSpan.ToArray();
            }
            if (result.IsCompleted) throw new EndOfStreamException("the stream ended inside a message");
        }
    }
}
