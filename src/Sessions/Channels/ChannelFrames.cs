using System.Buffers.Binary;
using System.Runtime.InteropServices;
using PeoplesCloud.Base;
using PeoplesCloud.Base.Formats;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Sessions.Channels;

// opener:   hello   = swarm:32 boot:u64                                40 bytes; boot names one life of the opener and its numbers, and is not 0
// acceptor: welcome = status:u8 heard:u64                              9 bytes; the highest number that was heard of that life, 0: none
// opener:   message = length:u32 number:u64 name:u16 channel payload   length counts what follows it; name is the length of channel
// acceptor: ack     = heard:u64                                        8 bytes, after messages were heard
// all big-endian; see docs/protocols/channels.md

/// <summary>The first bytes of who opens a stream of <c>/pc/channels/1</c>.</summary>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct ChannelHello(SwarmId Swarm, ulong Boot)
{
    /// <summary>Length in bytes.</summary>
    public const int Size = SwarmId.Size + sizeof(ulong);

    /// <summary>The bytes.</summary>
    public byte[] Encode()
    {
        var bytes = new byte[Size];
        Swarm.Genesis.CopyTo(bytes);
        BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(SwarmId.Size), Boot);
        return bytes;
    }

    /// <summary>Reads a hello from the start of <paramref name="bytes"/>.</summary>
    public static ParseStatus TryRead(ReadOnlySpan<byte> bytes, out ChannelHello hello)
    {
        hello = default;
        if (bytes.Length < Size) return ParseStatus.NeedMore;
        var boot = BinaryPrimitives.ReadUInt64BigEndian(bytes[SwarmId.Size..]);
        if (boot == 0 || !SwarmId.TryFromBytes(bytes[..SwarmId.Size], out var swarm)) return ParseStatus.Invalid;
        hello = new ChannelHello(swarm, boot);
        return ParseStatus.Done;
    }
}

/// <summary>What the acceptor says to a hello.</summary>
internal enum ChannelStatus : byte
{
    /// <summary>Messages may follow.</summary>
    Welcome = 0,

    /// <summary>The opener is no member, or this node does not carry that swarm's channels.</summary>
    NotPermitted = 1,
}

/// <summary>The acceptor's first bytes.</summary>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct ChannelWelcome(ChannelStatus Status, ulong Heard)
{
    /// <summary>Length in bytes.</summary>
    public const int Size = 1 + sizeof(ulong);

    /// <summary>The bytes.</summary>
    public byte[] Encode()
    {
        var bytes = new byte[Size];
        bytes[0] = (byte)Status;
        BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(1), Heard);
        return bytes;
    }

    /// <summary>Reads a welcome from the start of <paramref name="bytes"/>.</summary>
    public static ParseStatus TryRead(ReadOnlySpan<byte> bytes, out ChannelWelcome welcome)
    {
        welcome = default;
        if (bytes.Length > 0 && bytes[0] > (byte)ChannelStatus.NotPermitted) return ParseStatus.Invalid;
        if (bytes.Length < Size) return ParseStatus.NeedMore;
        welcome = new ChannelWelcome((ChannelStatus)bytes[0], BinaryPrimitives.ReadUInt64BigEndian(bytes[1..]));
        return ParseStatus.Done;
    }
}

/// <summary>A message on its way to a member, as it points into the bytes that were read.</summary>
internal readonly ref struct ChannelFrame(ulong number, ReadOnlySpan<byte> channel, ReadOnlySpan<byte> payload)
{
    private const int HeadBytes = sizeof(uint) + sizeof(ulong) + sizeof(ushort);

    /// <summary>The publisher's number of it, higher than those before.</summary>
    public ulong Number { get; } = number;

    /// <summary>The channel.</summary>
    public ReadOnlySpan<byte> Channel { get; } = channel;

    /// <summary>What is said.</summary>
    public ReadOnlySpan<byte> Payload { get; } = payload;

    /// <summary>The bytes.</summary>
    public static byte[] Encode(ulong number, ChannelName channel, ReadOnlySpan<byte> payload)
    {
        var bytes = new byte[HeadBytes + channel.Length + payload.Length];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, (uint)(bytes.Length - sizeof(uint)));
        BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(4), number);
        BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(12), (ushort)channel.Length);
        channel.CopyTo(bytes.AsSpan(HeadBytes));
        payload.CopyTo(bytes.AsSpan(HeadBytes + channel.Length));
        return bytes;
    }

    /// <summary>Reads a message from the start of <paramref name="bytes"/>; <paramref name="read"/> is how many it took.</summary>
    public static ParseStatus TryRead(ReadOnlySpan<byte> bytes, int maxPayloadBytes, out ChannelFrame frame, out int read)
    {
        frame = default;
        read = 0;
        if (bytes.Length < sizeof(uint)) return ParseStatus.NeedMore;
        var length = BinaryPrimitives.ReadUInt32BigEndian(bytes);
        if (length < HeadBytes - sizeof(uint) || length > HeadBytes + ushort.MaxValue + (uint)maxPayloadBytes) return ParseStatus.Invalid;
        if (bytes.Length < HeadBytes) return ParseStatus.NeedMore;
        var name = BinaryPrimitives.ReadUInt16BigEndian(bytes[12..]);
        var payload = (long)length + sizeof(uint) - HeadBytes - name;
        var number = BinaryPrimitives.ReadUInt64BigEndian(bytes[4..]);
        if (payload < 0 || payload > maxPayloadBytes || number == 0) return ParseStatus.Invalid;
        if (bytes.Length < length + sizeof(uint)) return ParseStatus.NeedMore;
        read = (int)length + sizeof(uint);
        frame = new ChannelFrame(number, bytes.Slice(HeadBytes, name), bytes.Slice(HeadBytes + name, (int)payload));
        return ParseStatus.Done;
    }
}

/// <summary>Target of the fuzzer: everything that members say to each other about channels.</summary>
internal static class ChannelFrames
{
    internal static void Fuzz(ReadOnlySpan<byte> input)
    {
        const int Most = 1024;
        if (ChannelHello.TryRead(input, out var hello) == ParseStatus.Done) Invariant.Check(hello.Encode().AsSpan().SequenceEqual(input[..ChannelHello.Size]), "a hello is written as it was read");
        if (ChannelWelcome.TryRead(input, out var welcome) == ParseStatus.Done) Invariant.Check(welcome.Encode().AsSpan().SequenceEqual(input[..ChannelWelcome.Size]), "a welcome is written as it was read");
        while (true)
        {
            var status = ChannelFrame.TryRead(input, Most, out var frame, out var read);
            Invariant.Check(status != ParseStatus.NeedMore || input.Length < Most + ushort.MaxValue + 14, "a message has a bound");
            if (status != ParseStatus.Done) return;
            Invariant.Check(ChannelFrame.Encode(frame.Number, ChannelName.FromBytes(frame.Channel), frame.Payload).AsSpan().SequenceEqual(input[..read]), "a message is written as it was read");
            input = input[read..];
        }
    }
}
