using System.Buffers;
using System.Buffers.Binary;
using System.IO.Pipelines;
using PeoplesCloud.Base;

namespace PeoplesCloud.Daemon.Execs;

/// <summary>What a frame holds. Numbers are on the wire.</summary>
public enum ExecFrameKind : byte
{
    /// <summary>To the host, first: JSON, what is to be run.</summary>
    Open = 1,

    /// <summary>To the host: bytes of the command's standard input.</summary>
    Input = 2,

    /// <summary>To the host: standard input ends. Empty.</summary>
    InputEnds = 3,

    /// <summary>From the host: bytes of standard output.</summary>
    Out = 4,

    /// <summary>From the host: bytes of standard error.</summary>
    Err = 5,

    /// <summary>From the host, last: the exit code, 4 bytes, big-endian.</summary>
    Exit = 6,

    /// <summary>From the host, last: JSON, why there is no exit code.</summary>
    Error = 7,
}

/// <summary>
/// A frame of /pc/exec/1 (docs/protocols/exec.md), between members as between pc and its daemon.
/// <code>
/// frame   = kind:u8 length:u32 payload          big-endian; length at most 128 KiB
/// </code>
/// </summary>
public static class ExecFrame
{
    /// <summary>The protocol's id between members.</summary>
    public const string Protocol = "/pc/exec/1";

    /// <summary>What pc upgrades its connection with the daemon to.</summary>
    public const string Upgrade = "pc-exec";

    /// <summary>A payload, in bytes: 64 KiB of a command as JSON, where each may need an escape; bytes travel in blocks of 16 KiB.</summary>
    public const int MaxPayloadBytes = 128 << 10;

    /// <summary>Kind and length.</summary>
    public const int HeaderBytes = 5;

    /// <summary>Writes the bytes before the payload.</summary>
    public static void WriteHeader(Span<byte> header, ExecFrameKind kind, int length)
    {
        header[0] = (byte)kind;
        BinaryPrimitives.WriteUInt32BigEndian(header[1..], (uint)length);
    }

    /// <summary>Reads the bytes before the payload; false when the kind is unknown or the length beyond the limit.</summary>
    public static bool TryReadHeader(ReadOnlySpan<byte> header, out ExecFrameKind kind, out int length)
    {
        kind = (ExecFrameKind)header[0];
        var stated = BinaryPrimitives.ReadUInt32BigEndian(header[1..]);
        length = (int)Math.Min(stated, MaxPayloadBytes + 1);
        return Enum.IsDefined(kind) && length <= MaxPayloadBytes;
    }

    /// <summary>Sends a frame.</summary>
    public static async ValueTask WriteAsync(PipeWriter output, ExecFrameKind kind, ReadOnlyMemory<byte> payload, CancellationToken cancellationToken)
    {
        WriteHeader(output.GetSpan(HeaderBytes), kind, payload.Length);
        output.Advance(HeaderBytes);
        await output.WriteAsync(payload, cancellationToken);
    }

    /// <summary>Receives a frame; null at the end of the stream.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.PeerFailed"/>: what came is no frame.</exception>
    public static async ValueTask<(ExecFrameKind Kind, byte[] Payload)?> ReadAsync(PipeReader input, CancellationToken cancellationToken)
    {
        while (true)
        {
            var result = await input.ReadAsync(cancellationToken);
            var buffer = result.Buffer;
            var frame = TryRead(ref buffer);
            // What is there of an unfinished frame is looked at again when there is more.
            input.AdvanceTo(buffer.Start, frame is null ? buffer.End : buffer.Start);
            if (frame is not null) return frame;
            if (!result.IsCompleted) continue;
            return buffer.IsEmpty ? null : throw Malformed();
        }
    }

    /// <summary>Takes a whole frame from the begin of a buffer; null when it is not all there.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.PeerFailed"/>.</exception>
    internal static (ExecFrameKind Kind, byte[] Payload)? TryRead(ref ReadOnlySequence<byte> buffer)
    {
        if (buffer.Length < HeaderBytes) return null;
        Span<byte> header = stackalloc byte[HeaderBytes];
        buffer.Slice(0, HeaderBytes).CopyTo(header);
        if (!TryReadHeader(header, out var kind, out var length)) throw Malformed();
        if (buffer.Length < HeaderBytes + length) return null;
        var payload = buffer.Slice(HeaderBytes, length).ToArray();
        buffer = buffer.Slice(HeaderBytes + length);
        return (kind, payload);
    }

    private static PcException Malformed() => new(ErrorCode.PeerFailed, "what came over the connection of a command is no frame");

    // Fuzz target: frames are read as they were written, whatever else is refused, and nothing is allocated beyond the limit.
    internal static void Fuzz(ReadOnlySpan<byte> input)
    {
        var buffer = new ReadOnlySequence<byte>(input.ToArray());
        try
        {
            while (TryRead(ref buffer) is { } frame)
            {
                var again = new byte[HeaderBytes + frame.Payload.Length];
                WriteHeader(again, frame.Kind, frame.Payload.Length);
                frame.Payload.CopyTo(again, HeaderBytes);
                var second = new ReadOnlySequence<byte>(again);
                Invariant.Check(TryRead(ref second) is { } same && same.Kind == frame.Kind && same.Payload.AsSpan().SequenceEqual(frame.Payload), "a frame is read as it was written");
            }
        }
        catch (PcException)
        {
            // Refused in words.
        }
    }
}
