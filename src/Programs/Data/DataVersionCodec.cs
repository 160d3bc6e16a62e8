using System.Buffers;
using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Text;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Programs.Data;

/// <summary>
/// The bytes of a version, on the disk as on the wire; numbers are big-endian.
/// <code>
/// signed  = version signature:64          Ed25519 of the holder over "peoples-cloud program data 1:" version
/// version = "PCD1" swarm:32 owner:short name:short deploy:u64 epoch:u64 number:u64 holder:short taken:u64
///           origins:u8 *( deploy:u64 epoch:u64 number:u64 content:32 ) files:u32 *entry
/// entry   = kind:u8 path:long [ bytes:u64 *chunk:32 ]        the part in [] for files only; ceil(bytes / 256 KiB) chunks
/// short   = length:u8 bytes    long = length:u16 bytes
/// </code>
/// Entries rise strictly by the bytes of their paths; every path's folder comes before it. Content is BLAKE3 of all entries' bytes.
/// </summary>
internal static class DataVersionCodec
{
    private const int SignatureBytes = 64;
    private const int MinEntryBytes = 4;

    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private static ReadOnlySpan<byte> Magic => "PCD1"u8;

    private static ReadOnlySpan<byte> Domain => "peoples-cloud program data 1:"u8;

    /// <summary>Signs a version as its holder.</summary>
    public static byte[] Sign(DataVersion version, ISigner signer)
    {
        var bytes = Encode(version);
        return [.. bytes, .. signer.Sign([.. Domain, .. bytes])];
    }

    /// <summary>Reads a version and, with a verifier, checks its signature; never throws.</summary>
    public static bool TryRead(ReadOnlySpan<byte> signed, ISignatureVerifier? verifier, [NotNullWhen(true)] out DataVersion? version)
    {
        version = null;
        if (signed.Length is <= SignatureBytes or > DataLimits.MaxVersionBytes) return false;
        var bytes = signed[..^SignatureBytes];
        if (Decode(bytes) is not { } read) return false;
        if (verifier is not null && !verifier.Verify(read.Holder, [.. Domain, .. bytes], signed[^SignatureBytes..])) return false;
        version = read;
        return true;
    }

    /// <summary>The hash of the entries.</summary>
    public static DataHash HashOf(IReadOnlyList<DataEntry> entries)
    {
        var output = new ArrayBufferWriter<byte>();
        foreach (var entry in entries) Write(output, entry);
        return DataHash.Of(output.WrittenSpan);
    }

    /// <summary>Whether a name can be one of a path: UTF-8, not empty, not a step elsewhere, within the length that Linux has.</summary>
    public static bool IsName(ReadOnlySpan<char> name)
    {
        if (name is "" or "." or ".." || name.IndexOfAny('/', '\0', '\ufffd') >= 0) return false;
        try
        {
            return StrictUtf8.GetByteCount(name) <= 255;
        }
        catch (EncoderFallbackException)
        {
            return false;
        }
    }

    internal static byte[] Encode(DataVersion version)
    {
        var output = new ArrayBufferWriter<byte>();
        output.Write(Magic);
        output.Write(version.Key.Swarm.ToBytes());
        Short(output, version.Key.Owner.Bytes);
        Short(output, Encoding.UTF8.GetBytes(version.Key.Name));
        Write(output, version.Stamp);
        Short(output, version.Holder.Bytes);
        Write(output, (ulong)version.Taken.ToUnixTimeMilliseconds());
        output.Write([(byte)version.Origins.Count]);
        foreach (var origin in version.Origins)
        {
            Write(output, origin.Stamp);
            Write(output, origin.Content);
        }
        BinaryPrimitives.WriteUInt32BigEndian(output.GetSpan(4), (uint)version.Entries.Count);
        output.Advance(4);
        foreach (var entry in version.Entries) Write(output, entry);
        return output.WrittenSpan.ToArray();
    }

    internal static void Fuzz(ReadOnlySpan<byte> input)
    {
        if (!TryRead(input, null, out var version)) return;
        // What is accepted has one form, and no path of it leads out.
        if (!Encode(version).AsSpan().SequenceEqual(input[..^SignatureBytes])) throw new InvalidDataException("a version was read that is written otherwise");
        foreach (var entry in version.Entries)
            if (!Path.GetFullPath(entry.Path, "/data").StartsWith("/data/", StringComparison.Ordinal)) throw new InvalidDataException("a path leads out");
    }

    internal static void Write(IBufferWriter<byte> output, DataStamp stamp)
    {
        Write(output, stamp.Deploy);
        Write(output, stamp.Epoch);
        Write(output, stamp.Number);
    }

    internal static void Write(IBufferWriter<byte> output, DataHash hash)
    {
        hash.Write(output.GetSpan(DataHash.Size));
        output.Advance(DataHash.Size);
    }

    internal static void Write(IBufferWriter<byte> output, ulong number)
    {
        BinaryPrimitives.WriteUInt64BigEndian(output.GetSpan(8), number);
        output.Advance(8);
    }

    private static void Write(ArrayBufferWriter<byte> output, DataEntry entry)
    {
        var path = StrictUtf8.GetBytes(entry.Path);
        output.Write([(byte)entry.Kind, (byte)(path.Length >> 8), (byte)path.Length]);
        output.Write(path);
        if (entry.Kind == DataKind.Folder) return;
        Write(output, (ulong)entry.Bytes);
        foreach (var chunk in entry.Chunks) Write(output, chunk);
    }

    private static void Short(ArrayBufferWriter<byte> output, ReadOnlySpan<byte> bytes)
    {
        output.Write([(byte)bytes.Length]);
        output.Write(bytes);
    }

    private static DataVersion? Decode(ReadOnlySpan<byte> bytes)
    {
        var reader = new DataReader(bytes);
        if (!reader.Take(Magic.Length).SequenceEqual(Magic)) return null;
        if (!SwarmId.TryFromBytes(reader.Take(SwarmId.Size), out var swarm) || !PeerId.TryFromBytes(reader.Take(reader.Byte()), out var owner)) return null;
        if (!TryText(reader.Take(reader.Byte()), out var name) || !Names.IsValid(name)) return null;
        var stamp = reader.Stamp();
        if (!PeerId.TryFromBytes(reader.Take(reader.Byte()), out var holder)) return null;
        var taken = reader.Number();
        var origins = new DataOrigin[reader.Byte()];
        if (origins.Length > DataLimits.MaxOrigins || taken >= 253_402_300_800_000) return null;
        for (var i = 0; i < origins.Length; i++) origins[i] = new DataOrigin(reader.Stamp(), reader.Hash());
        if (DecodeEntries(ref reader) is not { } entries || !reader.IsAtEnd) return null;
        return new DataVersion
        {
            Key = new DataKey(swarm, owner, name),
            Stamp = stamp,
            Holder = holder,
            Taken = DateTimeOffset.FromUnixTimeMilliseconds((long)taken),
            Origins = origins,
            Entries = entries,
        };
    }

    private static List<DataEntry>? DecodeEntries(ref DataReader reader)
    {
        var count = reader.Number32();
        if (count > DataLimits.MaxEntries || count * MinEntryBytes > (uint)reader.Left) return null;
        var entries = new List<DataEntry>((int)count);
        var folders = new HashSet<string>(StringComparer.Ordinal);
        ReadOnlySpan<byte> before = [];
        long total = 0;
        for (; count > 0; count--)
        {
            var kind = (DataKind)reader.Byte();
            var pathBytes = reader.Take(reader.Number16());
            if (kind is < DataKind.Folder or > DataKind.Executable || pathBytes.Length > DataLimits.MaxPathBytes || before.SequenceCompareTo(pathBytes) >= 0) return null;
            before = pathBytes;
            if (!TryText(pathBytes, out var path) || !IsPath(path, folders)) return null;
            if (kind == DataKind.Folder)
            {
                folders.Add(path);
                entries.Add(new DataEntry(path, kind, 0, []));
                continue;
            }
            var bytes = reader.Number();
            if (bytes > DataLimits.MaxBytes || (total += (long)bytes) > DataLimits.MaxBytes) return null;
            var chunks = DataEntry.ChunksOf((long)bytes);
            if (chunks * DataHash.Size > reader.Left) return null;
            var hashes = new DataHash[chunks];
            for (var i = 0; i < hashes.Length; i++) hashes[i] = reader.Hash();
            entries.Add(new DataEntry(path, kind, (long)bytes, hashes));
        }
        return reader.IsShort ? null : entries;
    }

    private static bool IsPath(string path, HashSet<string> folders)
    {
        var slash = path.LastIndexOf('/');
        if (!IsName(path.AsSpan(slash + 1))) return false;
        return slash < 0 || (folders.Contains(path[..slash]) && path.Count(c => c == '/') <= DataLimits.MaxDepth);
    }

    private static bool TryText(ReadOnlySpan<byte> bytes, out string text)
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

/// <summary>Reads numbers and bytes; past the end everything is zero or empty, and <see cref="IsShort"/> says so.</summary>
internal ref struct DataReader(ReadOnlySpan<byte> bytes)
{
    private ReadOnlySpan<byte> _left = bytes;

    /// <summary>Whether more was asked for than there was.</summary>
    public bool IsShort { get; private set; }

    /// <summary>Bytes that were not read yet.</summary>
    public readonly int Left => _left.Length;

    /// <summary>Whether exactly everything was read.</summary>
    public readonly bool IsAtEnd => !IsShort && _left.IsEmpty;

    public ReadOnlySpan<byte> Take(int count)
    {
        if (count > _left.Length)
        {
            IsShort = true;
            _left = [];
            return [];
        }
        var taken = _left[..count];
        _left = _left[count..];
        return taken;
    }

    public byte Byte() => Take(1) is [var one] ? one : (byte)0;

    public int Number16() => Take(2) is { Length: 2 } two ? BinaryPrimitives.ReadUInt16BigEndian(two) : 0;

    public uint Number32() => Take(4) is { Length: 4 } four ? BinaryPrimitives.ReadUInt32BigEndian(four) : 0;

    public ulong Number() => Take(8) is { Length: 8 } eight ? BinaryPrimitives.ReadUInt64BigEndian(eight) : 0;

    public DataHash Hash() => Take(DataHash.Size) is { Length: DataHash.Size } hash ? DataHash.Read(hash) : default;

    public DataStamp Stamp() => new(Number(), Number(), Number());
}
