using System.Buffers.Binary;
using System.Runtime.InteropServices;
using PeoplesCloud.Base.Formats;
using PeoplesCloud.Content;

namespace PeoplesCloud.Programs.Data;

/// <summary>BLAKE3 of a piece of a file, or of a version's list of files: 32 bytes.</summary>
[StructLayout(LayoutKind.Auto)]
public readonly record struct DataHash(UInt128 High, UInt128 Low)
{
    /// <summary>Length in bytes.</summary>
    public const int Size = 32;

    /// <summary>The hash of some bytes.</summary>
    public static DataHash Of(ReadOnlySpan<byte> bytes)
    {
        Span<byte> hash = stackalloc byte[Size];
        Blake3.Hash(bytes, hash);
        return Read(hash);
    }

    /// <summary>Reads 32 bytes.</summary>
    public static DataHash Read(ReadOnlySpan<byte> bytes) => new(BinaryPrimitives.ReadUInt128BigEndian(bytes), BinaryPrimitives.ReadUInt128BigEndian(bytes[16..]));

    /// <summary>Reads the text form.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out DataHash hash)
    {
        var read = Multibase.TryFromBase32(text, out var bytes) && bytes.Length == Size;
        hash = read ? Read(bytes) : default;
        return read;
    }

    /// <summary>Writes the 32 bytes.</summary>
    public void Write(Span<byte> output)
    {
        BinaryPrimitives.WriteUInt128BigEndian(output, High);
        BinaryPrimitives.WriteUInt128BigEndian(output[16..], Low);
    }

    /// <summary>base32, lower case, 52 characters: a file's name.</summary>
    public override string ToString()
    {
        Span<byte> bytes = stackalloc byte[Size];
        Write(bytes);
        return Multibase.ToBase32(bytes);
    }
}
