using System.Diagnostics.CodeAnalysis;

namespace PeoplesCloud.Base.Formats;

/// <summary>
/// The bases we read and write: base58btc (z), base32 lower case without padding (b), base36 lower case (k), base16 (f).
/// Source: github.com/multiformats/multibase. Inputs are bounded by <see cref="MaxCharacters"/> because base58 and base36
/// take time that grows with the square of the length.
/// </summary>
public static class Multibase
{
    /// <summary>The longest text that is decoded, in characters.</summary>
    public const int MaxCharacters = 512;

    private const string Base58Alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    private const string Base36Alphabet = "0123456789abcdefghijklmnopqrstuvwxyz";
    private const string Base32Alphabet = "abcdefghijklmnopqrstuvwxyz234567";

    /// <summary>Encodes without a prefix, as peer ids and CIDv0 are written.</summary>
    public static string ToBase58(ReadOnlySpan<byte> bytes) => EncodeBig(bytes, Base58Alphabet);

    /// <summary>Encodes without a prefix.</summary>
    public static string ToBase36(ReadOnlySpan<byte> bytes) => EncodeBig(bytes, Base36Alphabet);

    /// <summary>Encodes without a prefix (RFC 4648, lower case, no padding).</summary>
    public static string ToBase32(ReadOnlySpan<byte> bytes)
    {
        var text = new char[(bytes.Length * 8 + 4) / 5];
        int bits = 0, held = 0, at = 0;
        foreach (var b in bytes)
        {
            held = (held << 8) | b;
            for (bits += 8; bits >= 5; bits -= 5) text[at++] = Base32Alphabet[(held >> (bits - 5)) & 31];
            held &= (1 << bits) - 1;
        }
        if (bits > 0) text[at] = Base32Alphabet[(held << (5 - bits)) & 31];
        return new string(text);
    }

    /// <summary>Decodes base58btc without a prefix.</summary>
    public static bool TryFromBase58(ReadOnlySpan<char> text, [NotNullWhen(true)] out byte[]? bytes) => TryDecodeBig(text, Base58Alphabet, out bytes);

    /// <summary>Decodes base36 without a prefix (lower case only).</summary>
    public static bool TryFromBase36(ReadOnlySpan<char> text, [NotNullWhen(true)] out byte[]? bytes) => TryDecodeBig(text, Base36Alphabet, out bytes);

    /// <summary>Decodes base32 without a prefix; bits left over must be zero.</summary>
    public static bool TryFromBase32(ReadOnlySpan<char> text, [NotNullWhen(true)] out byte[]? bytes) => TryFromBase32(text, MaxCharacters, out bytes);

    /// <summary>Decodes base32 without a prefix, up to <paramref name="maxCharacters"/> (base32 takes linear time).</summary>
    public static bool TryFromBase32(ReadOnlySpan<char> text, int maxCharacters, [NotNullWhen(true)] out byte[]? bytes)
    {
        bytes = null;
        if (text.Length > maxCharacters) return false;
        var result = new byte[text.Length * 5 / 8];
        int bits = 0, held = 0, at = 0;
        foreach (var c in text)
        {
            var digit = Base32Alphabet.IndexOf(c, StringComparison.Ordinal);
            if (digit < 0) return false;
            held = (held << 5) | digit;
            bits += 5;
            if (bits < 8) continue;
            bits -= 8;
            result[at++] = (byte)(held >> bits);
            held &= (1 << bits) - 1;
        }
        if (bits >= 5 || held != 0) return false;
        bytes = result;
        return true;
    }

    /// <summary>Decodes a text with its multibase prefix (z, b, k or f).</summary>
    public static bool TryDecode(ReadOnlySpan<char> text, [NotNullWhen(true)] out byte[]? bytes)
    {
        bytes = null;
        if (text.Length is < 2 or > MaxCharacters) return false;
        var rest = text[1..];
        return text[0] switch
        {
            'z' => TryFromBase58(rest, out bytes),
            'b' => TryFromBase32(rest, out bytes),
            'k' => TryFromBase36(rest, out bytes),
            'f' => TryFromHex(rest, out bytes),
            _ => false,
        };
    }

    private static bool TryFromHex(ReadOnlySpan<char> text, [NotNullWhen(true)] out byte[]? bytes)
    {
        bytes = new byte[text.Length / 2];
        if (text.Length % 2 == 0 && Convert.FromHexString(text, bytes, out _, out _) == System.Buffers.OperationStatus.Done) return true;
        bytes = null;
        return false;
    }

    // The number is held as digits of the base, least significant first; a leading zero byte is a leading first letter.
    private static string EncodeBig(ReadOnlySpan<byte> bytes, string alphabet)
    {
        var zeros = 0;
        while (zeros < bytes.Length && bytes[zeros] == 0) zeros++;
        var digits = new List<byte>(bytes.Length * 2);
        foreach (var b in bytes[zeros..])
        {
            int carry = b;
            for (var i = 0; i < digits.Count; i++)
            {
                carry += digits[i] << 8;
                digits[i] = (byte)(carry % alphabet.Length);
                carry /= alphabet.Length;
            }
            for (; carry > 0; carry /= alphabet.Length) digits.Add((byte)(carry % alphabet.Length));
        }
        var text = new char[zeros + digits.Count];
        Array.Fill(text, alphabet[0], 0, zeros);
        for (var i = 0; i < digits.Count; i++) text[zeros + i] = alphabet[digits[digits.Count - 1 - i]];
        return new string(text);
    }

    private static bool TryDecodeBig(ReadOnlySpan<char> text, string alphabet, [NotNullWhen(true)] out byte[]? bytes)
    {
        bytes = null;
        if (text.Length > MaxCharacters) return false;
        var zeros = 0;
        while (zeros < text.Length && text[zeros] == alphabet[0]) zeros++;
        var held = new List<byte>(text.Length);
        foreach (var c in text[zeros..])
        {
            var carry = alphabet.IndexOf(c, StringComparison.Ordinal);
            if (carry < 0) return false;
            for (var i = 0; i < held.Count; i++)
            {
                carry += held[i] * alphabet.Length;
                held[i] = (byte)carry;
                carry >>= 8;
            }
            for (; carry > 0; carry >>= 8) held.Add((byte)carry);
        }
        bytes = new byte[zeros + held.Count];
        for (var i = 0; i < held.Count; i++) bytes[zeros + i] = held[held.Count - 1 - i];
        return true;
    }
}
