using System.Buffers;
using System.IO.Pipelines;
using PeoplesCloud.Base.Formats;

namespace PeoplesCloud.Libp2p.Identify;

/// <summary>Identify: the listener of the stream sends one <see cref="IdentifyMessage"/> and closes. Push: the dialer does.</summary>
internal static class IdentifyProtocol
{
    public const string Id = "/ipfs/id/1.0.0";

    public const string PushId = "/ipfs/id/push/1.0.0";

    /// <summary>What we call the family of protocols; js-libp2p and others compare nothing but show it.</summary>
    public const string Family = "ipfs/0.1.0";

    public static async Task WriteAsync(Libp2pStream stream, byte[] message, CancellationToken cancellationToken)
    {
        Varint.Write(stream.Output, (ulong)message.Length);
        await stream.Output.WriteAsync(message, cancellationToken);
    }

    /// <exception cref="Libp2pException">The message is longer than its limit, ends early or is malformed.</exception>
    public static async ValueTask<IdentifyInfo> ReadAsync(Libp2pStream stream, Libp2pLimits limits, CancellationToken cancellationToken)
    {
        await stream.Output.CompleteAsync();
        while (true)
        {
            var result = await stream.Input.ReadAsync(cancellationToken);
            var buffer = result.Buffer;
            var status = TryRead(buffer, stream.RemotePeer, limits.MaxIdentifyBytes, out var info);
            if (status == ParseStatus.Done) return info!;
            if (status == ParseStatus.Invalid) throw new Libp2pException(Libp2pError.ProtocolViolation, "the identify message is malformed, too long, or shows another key");
            if (result.IsCompleted) throw new Libp2pException(Libp2pError.ProtocolViolation, "the identify message ends early");
            stream.Input.AdvanceTo(buffer.Start, buffer.End);
        }
    }

    /// <summary>Waits until the other side closes; what it says before is not wanted and ends the wait with false.</summary>
    public static async ValueTask<bool> ReadEndAsync(Libp2pStream stream, CancellationToken cancellationToken)
    {
        var result = await stream.Input.ReadAsync(cancellationToken);
        stream.Input.AdvanceTo(result.Buffer.End);
        return result.IsCompleted && result.Buffer.IsEmpty;
    }

    /// <summary>Reads the length and, when all of it is there, the message.</summary>
    internal static ParseStatus TryRead(ReadOnlySequence<byte> buffer, PeerId proven, int maxBytes, out IdentifyInfo? info)
    {
        info = null;
        var prefix = buffer.Slice(0, Math.Min(buffer.Length, Varint.MaxBytes)).ToArray();
        var status = Varint.TryRead(prefix, out var length, out var read);
        if (status != ParseStatus.Done) return status;
        if (length > (ulong)maxBytes) return ParseStatus.Invalid;
        if (buffer.Length - read < (long)length) return ParseStatus.NeedMore;
        if (!IdentifyMessage.TryRead(buffer.Slice(read, (long)length).ToArray(), proven, out var parsed)) return ParseStatus.Invalid;
        info = parsed;
        return ParseStatus.Done;
    }
}
