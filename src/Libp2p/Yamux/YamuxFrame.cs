using System.Buffers.Binary;
using System.Runtime.InteropServices;
using PeoplesCloud.Base.Formats;

namespace PeoplesCloud.Libp2p.Yamux;

// header = version:u8(0) type:u8 flags:u16 stream:u32 length:u32      12 bytes, big-endian; see docs/protocols/yamux.md
// Data is followed by `length` bytes; in the others `length` is the window's increment, the ping's value, the reason.

/// <summary>What a frame is.</summary>
internal enum YamuxType : byte
{
    Data = 0,
    WindowUpdate = 1,
    Ping = 2,
    GoAway = 3,
}

/// <summary>What a frame does to its stream besides; unknown bits are ignored on receipt.</summary>
[Flags]
internal enum YamuxFlags : ushort
{
    None = 0,
    Syn = 1,
    Ack = 2,
    Fin = 4,
    Rst = 8,
}

/// <summary>Why a connection ends, as GoAway says it.</summary>
internal enum YamuxGoAway : uint
{
    Normal = 0,
    ProtocolError = 1,
    InternalError = 2,
}

/// <summary>A frame's header.</summary>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct YamuxFrame(YamuxType Type, YamuxFlags Flags, uint StreamId, uint Length)
{
    public const int HeaderBytes = 12;

    /// <summary>Every stream starts with this window in both directions.</summary>
    public const int InitialWindowBytes = 256 * 1024;

    /// <summary>The stream id of ping and GoAway.</summary>
    public const uint Session = 0;

    public void Write(Span<byte> output)
    {
        output[0] = 0;
        output[1] = (byte)Type;
        BinaryPrimitives.WriteUInt16BigEndian(output[2..], (ushort)Flags);
        BinaryPrimitives.WriteUInt32BigEndian(output[4..], StreamId);
        BinaryPrimitives.WriteUInt32BigEndian(output[8..], Length);
    }

    /// <summary>Reads a header; a wrong version, type or stream id is invalid.</summary>
    public static ParseStatus TryRead(ReadOnlySpan<byte> input, out YamuxFrame frame)
    {
        frame = default;
        if (input.Length < HeaderBytes) return ParseStatus.NeedMore;
        frame = new YamuxFrame(
            (YamuxType)input[1],
            (YamuxFlags)BinaryPrimitives.ReadUInt16BigEndian(input[2..]),
            BinaryPrimitives.ReadUInt32BigEndian(input[4..]),
            BinaryPrimitives.ReadUInt32BigEndian(input[8..]));
        var ofSession = frame.Type is YamuxType.Ping or YamuxType.GoAway;
        return input[0] == 0 && frame.Type <= YamuxType.GoAway && ofSession == (frame.StreamId == Session) ? ParseStatus.Done : ParseStatus.Invalid;
    }
}
