using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using PeoplesCloud.Base;
using PeoplesCloud.Base.Formats;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Tunnels;

/// <summary>
/// The first bytes of a tunnel, from whoever opens it (docs/protocols/tunnel.md).
/// <code>request = swarm:32 program:32 port:u16    66 bytes, big-endian; program is the hash of its ProgramDeployed entry</code>
/// </summary>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct TunnelRequest(SwarmId Swarm, EntryHash Program, ushort Port)
{
    /// <summary>Length in bytes.</summary>
    public const int Size = SwarmId.Size + EntryHash.Size + sizeof(ushort);

    /// <summary>The bytes.</summary>
    public byte[] Encode()
    {
        var bytes = new byte[Size];
        Swarm.Genesis.CopyTo(bytes);
        Program.CopyTo(bytes.AsSpan(SwarmId.Size));
        BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(SwarmId.Size + EntryHash.Size), Port);
        return bytes;
    }

    /// <summary>Reads a request from the start of <paramref name="bytes"/>.</summary>
    public static ParseStatus TryRead(ReadOnlySpan<byte> bytes, out TunnelRequest request)
    {
        request = default;
        if (bytes.Length < Size) return ParseStatus.NeedMore;
        var port = BinaryPrimitives.ReadUInt16BigEndian(bytes[(SwarmId.Size + EntryHash.Size)..]);
        if (port == 0 || !SwarmId.TryFromBytes(bytes[..SwarmId.Size], out var swarm) || !EntryHash.TryFromBytes(bytes.Slice(SwarmId.Size, EntryHash.Size), out var program)) return ParseStatus.Invalid;
        request = new TunnelRequest(swarm, program, port);
        return ParseStatus.Done;
    }

    internal static void Fuzz(ReadOnlySpan<byte> input)
    {
        var status = TryRead(input, out var request);
        Invariant.Check(status != ParseStatus.NeedMore || input.Length < Size, "a request has one size");
        if (status == ParseStatus.Done) Invariant.Check(request.Encode().AsSpan().SequenceEqual(input[..Size]), "a request is written as it was read");
    }
}

/// <summary>What the host says to a <see cref="TunnelRequest"/>.</summary>
internal enum TunnelStatus : byte
{
    /// <summary>The program's bytes follow.</summary>
    Connected = 0,

    /// <summary>The caller may not; also the answer to whoever is no member, whatever it asked for.</summary>
    NotPermitted = 1,

    /// <summary>The program does not run here now.</summary>
    NotHere = 2,

    /// <summary>It runs, and nothing listens on the port (yet).</summary>
    NothingListens = 3,

    /// <summary>The caller, or all together, have as many tunnels as they may.</summary>
    TooMany = 4,

    /// <summary>This host cannot connect to it.</summary>
    Failed = 5,
}

/// <summary>
/// The host's first bytes. An answer other than connected ends the stream.
/// <code>answer = status:u8 length:u8 text:length    text is UTF-8 for people, empty when connected</code>
/// </summary>
internal sealed record TunnelAnswer(TunnelStatus Status, string Text)
{
    private const int HeadSize = 2;

    /// <summary>The most that an answer takes.</summary>
    public const int MaxSize = HeadSize + byte.MaxValue;

    /// <summary>The bytes; a text that is too long is cut.</summary>
    public byte[] Encode()
    {
        var bytes = new byte[MaxSize];
        Encoding.UTF8.GetEncoder().Convert(Text, bytes.AsSpan(HeadSize), flush: true, out _, out var length, out _);
        (bytes[0], bytes[1]) = ((byte)Status, (byte)length);
        return bytes[..(HeadSize + length)];
    }

    /// <summary>Reads an answer from the start of <paramref name="bytes"/>; <paramref name="read"/> is how many it took.</summary>
    public static ParseStatus TryRead(ReadOnlySpan<byte> bytes, out TunnelAnswer? answer, out int read)
    {
        (answer, read) = (null, 0);
        if (bytes.Length > 0 && bytes[0] > (byte)TunnelStatus.Failed) return ParseStatus.Invalid;
        if (bytes.Length < HeadSize || bytes.Length < HeadSize + bytes[1]) return ParseStatus.NeedMore;
        read = HeadSize + bytes[1];
        answer = new TunnelAnswer((TunnelStatus)bytes[0], Encoding.UTF8.GetString(bytes[HeadSize..read]));
        return ParseStatus.Done;
    }

    internal static void Fuzz(ReadOnlySpan<byte> input)
    {
        var status = TryRead(input, out var answer, out var read);
        Invariant.Check(status != ParseStatus.NeedMore || input.Length < MaxSize, "an answer has a bound");
        if (answer is null) return;
        Invariant.Check(read <= MaxSize && read <= input.Length, "an answer has a bound");
        Invariant.Check(TryRead(answer.Encode(), out var again, out _) == ParseStatus.Done && again!.Status == answer.Status, "an answer that was read can be written and read again");
    }
}
