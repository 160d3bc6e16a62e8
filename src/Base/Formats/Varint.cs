using System.Buffers;

namespace PeoplesCloud.Base.Formats;

/// <summary>What a parser of a stranger's bytes answers; it never throws.</summary>
public enum ParseStatus
{
    /// <summary>One item was read.</summary>
    Done,

    /// <summary>The bytes end inside the item.</summary>
    NeedMore,

    /// <summary>No further byte can make this valid.</summary>
    Invalid,
}

/// <summary>
/// Unsigned varints as multiformats has them: little-endian groups of 7 bits, at most 9 bytes (63 bits), shortest form only.
/// Source: github.com/multiformats/unsigned-varint.
/// </summary>
public static class Varint
{
    /// <summary>The longest encoding, in bytes.</summary>
    public const int MaxBytes = 9;

    /// <summary>The number of bytes that <paramref name="value"/> takes, 1 to 9 (10 above 63 bits, which no reader accepts).</summary>
    public static int SizeOf(ulong value)
    {
        var size = 1;
        while ((value >>= 7) != 0) size++;
        return size;
    }

    /// <summary>Writes <paramref name="value"/> and returns the number of bytes written.</summary>
    /// <exception cref="ArgumentException">The value has more than 63 bits or the output is too short.</exception>
    public static int Write(Span<byte> output, ulong value)
    {
        if (value >> 63 != 0) throw new ArgumentException("a varint holds at most 63 bits", nameof(value));
        var i = 0;
        for (; value >= 0x80; value >>= 7) output[i++] = (byte)(value | 0x80);
        output[i++] = (byte)value;
        return i;
    }

    /// <summary>Appends <paramref name="value"/> to a writer.</summary>
    public static void Write(IBufferWriter<byte> output, ulong value) => output.Advance(Write(output.GetSpan(MaxBytes), value));

    /// <summary>Reads one varint from the start of <paramref name="input"/>.</summary>
    /// <param name="input">Bytes of a stranger.</param>
    /// <param name="value">The value when the answer is <see cref="ParseStatus.Done"/>.</param>
    /// <param name="bytesRead">How many bytes it took.</param>
    public static ParseStatus TryRead(ReadOnlySpan<byte> input, out ulong value, out int bytesRead)
    {
        value = 0;
        bytesRead = 0;
        for (var i = 0; i < MaxBytes; i++)
        {
            if (i >= input.Length) return ParseStatus.NeedMore;
            value |= (ulong)(input[i] & 0x7f) << (7 * i);
            if ((input[i] & 0x80) != 0) continue;
            if (i > 0 && input[i] == 0) return ParseStatus.Invalid; // not the shortest form
            bytesRead = i + 1;
            return ParseStatus.Done;
        }
        return ParseStatus.Invalid;
    }
}
