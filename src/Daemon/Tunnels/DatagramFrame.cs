using System.Buffers;
using System.Buffers.Binary;
using PeoplesCloud.Base;
using PeoplesCloud.Base.Formats;
using PeoplesCloud.Runtimes.Ports;

namespace PeoplesCloud.Daemon.Tunnels;

/// <summary>
/// One datagram on a stream (docs/protocols/tunnel.md).
/// <code>frame = length:u16 datagram:length    at most 65,507 bytes, which may be none; big-endian</code>
/// </summary>
internal static class DatagramFrame
{
    private const int HeadSize = sizeof(ushort);

    /// <summary>Writes a frame; the datagram is not longer than one may be.</summary>
    public static void Write(IBufferWriter<byte> output, ReadOnlySpan<byte> datagram)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(datagram.Length, PortLimits.MaxDatagramBytes);
        BinaryPrimitives.WriteUInt16BigEndian(output.GetSpan(HeadSize), (ushort)datagram.Length);
        output.Advance(HeadSize);
        output.Write(datagram);
    }

    /// <summary>Reads the first frame of <paramref name="bytes"/> and leaves the rest in it; what is read stays where it is.</summary>
    public static ParseStatus TryRead(ref ReadOnlySequence<byte> bytes, out ReadOnlySequence<byte> datagram)
    {
        datagram = default;
        var reader = new SequenceReader<byte>(bytes);
        if (!reader.TryReadBigEndian(out short head)) return ParseStatus.NeedMore;
        var length = (ushort)head;
        if (length > PortLimits.MaxDatagramBytes) return ParseStatus.Invalid;
        if (!reader.TryReadExact(length, out datagram)) return ParseStatus.NeedMore;
        bytes = bytes.Slice(reader.Position);
        return ParseStatus.Done;
    }

    internal static void Fuzz(ReadOnlySpan<byte> input)
    {
        var left = new ReadOnlySequence<byte>(input.ToArray());
        var written = new ArrayBufferWriter<byte>();
        ParseStatus status;
        while ((status = TryRead(ref left, out var datagram)) == ParseStatus.Done)
        {
            Invariant.Check(datagram.Length <= PortLimits.MaxDatagramBytes, "a datagram has a bound");
            Write(written, datagram.ToArray());
        }
        Invariant.Check(written.WrittenSpan.SequenceEqual(input[..^(int)left.Length]), "frames are written as they were read");
        Invariant.Check(status != ParseStatus.NeedMore || left.Length < HeadSize + PortLimits.MaxDatagramBytes, "a frame has a bound");
    }
}
