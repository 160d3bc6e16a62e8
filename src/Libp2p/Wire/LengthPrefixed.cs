using System.Buffers;
using System.IO.Pipelines;
using PeoplesCloud.Base.Formats;

namespace PeoplesCloud.Libp2p.Wire;

/// <summary>Messages on a stream as most of libp2p sends them: a varint length, then as many bytes.</summary>
internal static class LengthPrefixed
{
    /// <summary>The message with its length before it.</summary>
    public static byte[] Encode(ReadOnlySpan<byte> message)
    {
        var output = new byte[Varint.SizeOf((ulong)message.Length) + message.Length];
        message.CopyTo(output.AsSpan(Varint.Write(output, (ulong)message.Length)));
        return output;
    }

    /// <summary>Reads exactly one message; what follows it stays in the reader. Null when its length is malformed or above the limit.</summary>
    /// <exception cref="Libp2pException">The stream ended or was reset before the message was complete.</exception>
    public static async ValueTask<byte[]?> ReadAsync(PipeReader input, int maxBytes, CancellationToken cancellationToken)
    {
        while (true)
        {
            var result = await input.ReadAsync(cancellationToken);
            var buffer = result.Buffer;
            var prefix = buffer.Slice(0, Math.Min(buffer.Length, Varint.MaxBytes)).ToArray();
            var status = Varint.TryRead(prefix, out var length, out var read);
            if (status == ParseStatus.Invalid || (status == ParseStatus.Done && length > (ulong)maxBytes))
            {
                input.AdvanceTo(buffer.Start);
                return null;
            }
            if (status == ParseStatus.Done && buffer.Length - read >= (long)length)
            {
                var message = buffer.Slice(read, (long)length);
                var bytes = message.ToArray();
                input.AdvanceTo(message.End);
                return bytes;
            }
            input.AdvanceTo(buffer.Start, buffer.End);
            if (result.IsCompleted) throw new Libp2pException(Libp2pError.Reset, "the stream ended inside a message");
        }
    }
}
