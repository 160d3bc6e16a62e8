using System.Globalization;
using System.Text;

namespace PeoplesCloud.Programs.Bundles;

/// <summary>What a tar header says about one entry.</summary>
/// <param name="Path">Relative, <c>/</c> between names; folders end with <c>/</c>.</param>
/// <param name="Bytes">The length of a file's content; 0 for a folder.</param>
/// <param name="Executable">Whether a file may be executed.</param>
public readonly record struct TarEntry(string Path, long Bytes, bool Executable)
{
    /// <summary>Whether this is a folder.</summary>
    public bool IsFolder => Path.Length > 0 && Path[^1] == '/';
}

/// <summary>Why bytes are no tar header of ours.</summary>
public enum TarStatus
{
    /// <summary>It is one.</summary>
    Done,

    /// <summary>The block of zeros that ends an archive.</summary>
    End,

    /// <summary>A pax header: the next entry's path is in its content.</summary>
    LongPath,

    /// <summary>Another kind of entry: a link, a device, an extension.</summary>
    KindRefused,

    /// <summary>A path that is absolute, climbs out with .., has empty names or control characters, or is no UTF-8.</summary>
    PathRefused,

    /// <summary>A field differs from how we write it, or the checksum is wrong.</summary>
    NotCanonical,
}

/// <summary>
/// The subset of ustar and pax (POSIX.1-2017, pax) in which a bundle's files lie; see docs/layouts/bundle.md.
/// <code>
/// archive = entry* zeros:1024
/// entry   = [paxheader paxdata] header content padding-to-512
/// header  = name:100 mode:8 uid:8 gid:8 size:12 mtime:12 checksum:8 type:1 linkname:100 "ustar\0" "00" uname:32 gname:32 major:8 minor:8 prefix:155 zeros:12
/// paxdata = LENGTH " path=" PATH "\n"
/// </code>
/// Owner, group and time are always 0, the mode is 0644 or 0755, the type is 0 or 5. There is one way to write an entry, and a
/// reader compares a header with that, byte by byte: what is not ours is refused without a list of attacks.
/// </summary>
public static class TarFormat
{
    /// <summary>Headers, and the unit of padding.</summary>
    public const int BlockBytes = 512;

    /// <summary>Longer paths are written in a pax header.</summary>
    public const int MaxNameBytes = 100;

    private const string PaxName = "././@PaxHeader";
    private const byte FileType = (byte)'0';
    private const byte FolderType = (byte)'5';
    private const byte PaxType = (byte)'x';
    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Bytes from the end of a content of this length to the next header.</summary>
    public static int PaddingOf(long bytes) => (int)(-bytes & (BlockBytes - 1));

    /// <summary>The headers of an entry: one block, or three or more when its path is long.</summary>
    public static byte[] Write(TarEntry entry)
    {
        var path = StrictUtf8.GetBytes(entry.Path);
        if (path.Length <= MaxNameBytes) return Header(path, entry);
        var record = PaxRecord(path);
        return
        [
            .. Header(Encoding.ASCII.GetBytes(PaxName), record.Length, PaxType, executable: false),
            .. record,
            .. new byte[PaddingOf(record.Length)],
            .. Header(path.AsSpan(0, MaxNameBytes), entry),
        ];
    }

    /// <summary>Reads a header of 512 bytes. For a long path, the entry's length is that of the pax data.</summary>
    /// <param name="block">512 bytes.</param>
    /// <param name="longPath">The path from the pax header before this one; null when there was none.</param>
    /// <param name="entry">The entry.</param>
    public static TarStatus TryRead(ReadOnlySpan<byte> block, string? longPath, out TarEntry entry)
    {
        entry = default;
        if (block.Length != BlockBytes) return TarStatus.NotCanonical;
        if (!block.ContainsAnyExcept((byte)0)) return longPath is null ? TarStatus.End : TarStatus.NotCanonical;
        var type = block[156];
        if (type is not (FileType or FolderType or PaxType)) return TarStatus.KindRefused;
        if (!TryReadOctal(block.Slice(124, 11), out var bytes)) return TarStatus.NotCanonical;
        if (type == PaxType)
        {
            entry = new TarEntry("", bytes, Executable: false);
            var expected = Header(Encoding.ASCII.GetBytes(PaxName), bytes, PaxType, executable: false);
            return longPath is null && block.SequenceEqual(expected) ? TarStatus.LongPath : TarStatus.NotCanonical;
        }
        var name = block[..MaxNameBytes];
        var length = name.IndexOf((byte)0);
        if (length >= 0) name = name[..length];
        var path = longPath;
        if (path is null && !TryDecode(name, out path)) return TarStatus.PathRefused;
        if (!IsSafePath(path!)) return TarStatus.PathRefused;
        entry = new TarEntry(path!, bytes, block[104] == (byte)'7');
        if (entry.IsFolder != (type == FolderType) || (entry.IsFolder && bytes != 0)) return TarStatus.NotCanonical;
        return IsCanonical(block, longPath is not null, entry) ? TarStatus.Done : TarStatus.NotCanonical;
    }

    /// <summary>Reads a pax header's content; null when it is not exactly one path record.</summary>
    public static string? ReadLongPath(ReadOnlySpan<byte> record)
    {
        var start = record.IndexOf(" path="u8);
        if (start < 0 || record.Length < start + 7 || !TryDecode(record[(start + 6)..^1], out var path)) return null;
        var bytes = StrictUtf8.GetBytes(path);
        return bytes.Length > MaxNameBytes && PaxRecord(bytes).AsSpan().SequenceEqual(record) ? path : null;
    }

    /// <summary>Whether a path stays below the folder it is unpacked to and can be shown on a line.</summary>
    public static bool IsSafePath(string path)
    {
        var names = path.AsSpan();
        if (names.EndsWith("/")) names = names[..^1];
        foreach (var range in names.Split('/'))
            if (names[range] is "" or "." or ".." || names[range].Length > 255) return false;
        foreach (var character in path)
            if (Quoted.IsUnsafe(character)) return false;
        return true;
    }

    private static bool IsCanonical(ReadOnlySpan<byte> block, bool hasLongPath, TarEntry entry)
    {
        var path = StrictUtf8.GetBytes(entry.Path);
        if (path.Length > MaxNameBytes != hasLongPath) return false;
        return block.SequenceEqual(Header(path.AsSpan(0, Math.Min(path.Length, MaxNameBytes)), entry));
    }

    private static byte[] Header(ReadOnlySpan<byte> name, TarEntry entry) =>
        Header(name, entry.Bytes, entry.IsFolder ? FolderType : FileType, entry.Executable || entry.IsFolder);

    private static byte[] Header(ReadOnlySpan<byte> name, long bytes, byte type, bool executable)
    {
        var block = new byte[BlockBytes];
        name.CopyTo(block);
        WriteOctal(block.AsSpan(100, 7), executable ? 0x1ED : 0x1A4); // 0755, 0644
        WriteOctal(block.AsSpan(108, 7), 0);
        WriteOctal(block.AsSpan(116, 7), 0);
        WriteOctal(block.AsSpan(124, 11), bytes);
        WriteOctal(block.AsSpan(136, 11), 0);
        block[156] = type;
        "ustar\0"u8.CopyTo(block.AsSpan(257));
        "00"u8.CopyTo(block.AsSpan(263));
        WriteOctal(block.AsSpan(329, 7), 0);
        WriteOctal(block.AsSpan(337, 7), 0);
        // The checksum is the sum of all bytes with its own eight taken as spaces.
        block.AsSpan(148, 8).Fill((byte)' ');
        var sum = 0;
        foreach (var value in block) sum += value;
        WriteOctal(block.AsSpan(148, 6), sum);
        block[154] = 0;
        return block;
    }

    // "30 path=a/b\n": the length counts itself, so adding a digit can add a digit.
    private static byte[] PaxRecord(ReadOnlySpan<byte> path)
    {
        var rest = " path=".Length + path.Length + 1;
        var length = rest + 1;
        while (length != rest + length.ToString(CultureInfo.InvariantCulture).Length) length = rest + length.ToString(CultureInfo.InvariantCulture).Length;
        return [.. Encoding.ASCII.GetBytes(length.ToString(CultureInfo.InvariantCulture)), .. " path="u8, .. path, (byte)'\n'];
    }

    private static void WriteOctal(Span<byte> digits, long value)
    {
        for (var index = digits.Length - 1; index >= 0; index--, value >>= 3) digits[index] = (byte)('0' + (value & 7));
    }

    private static bool TryReadOctal(ReadOnlySpan<byte> digits, out long value)
    {
        value = 0;
        foreach (var digit in digits)
        {
            if (digit is < (byte)'0' or > (byte)'7') return false;
            value = (value << 3) | (uint)(digit - '0');
        }
        return true;
    }

    private static bool TryDecode(ReadOnlySpan<byte> bytes, out string text)
    {
        try
        {
            text = StrictUtf8.GetString(bytes);
            return true;
        }
        catch (DecoderFallbackException)
        {
            text = "";
            return false;
        }
    }
}
