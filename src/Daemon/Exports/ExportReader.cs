using System.Security.Cryptography;
using PeoplesCloud.Base;
using PeoplesCloud.Programs.Bundles;

namespace PeoplesCloud.Daemon.Exports;

/// <summary>
/// Reads an export from front to back in constant memory, and refuses everything that <see cref="HomeExporter"/> would not have written:
/// another name, order, length or checksum, and anything missing or left over.
/// </summary>
/// <param name="archive">The export.</param>
/// <param name="open">Opens the place of a file or block by its checked name; the reader disposes what it got.</param>
internal sealed class ExportReader(Stream archive, Func<string, Stream> open)
{
    private readonly byte[] _buffer = new byte[64 << 10];

    /// <summary>What was read.</summary>
    /// <param name="Manifest">The manifest.</param>
    /// <param name="Blocks">How many blocks followed.</param>
    public sealed record Content(ExportManifest Manifest, long Blocks);

    /// <summary>Reads all of it.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.ExportDamaged"/>, <see cref="ErrorCode.ExportNewer"/>.</exception>
    public Content Read()
    {
        var first = Next();
        if (first is not { Path: ExportFormat.Manifest }) throw ExportFormat.Damaged("it does not begin with a manifest");
        var bytes = Small(first.Value, ExportFormat.MaxManifestBytes);
        var manifest = ExportManifest.Decode(bytes);
        foreach (var file in manifest.Files)
        {
            if (Next() is not { } entry || entry.Path != file.Name || entry.Bytes != file.Bytes) throw ExportFormat.Damaged($"{file.Name} is missing or has another length");
            if (Copy(entry) != file.Sha256) throw ExportFormat.Damaged($"the checksum of {file.Name} is wrong");
        }
        return new Content(manifest, Blocks(manifest.WithBlocks, bytes));
    }

    private long Blocks(bool expected, byte[] manifest)
    {
        var count = 0L;
        for (var previous = ""; ; count++)
        {
            if (Next() is not { } entry) throw ExportFormat.Damaged("its end is missing");
            if (entry.Path == ExportFormat.End)
            {
                if (!Small(entry, ExportFormat.MaxEndBytes).AsSpan().SequenceEqual(ExportFormat.EndOf(manifest, count))) throw ExportFormat.Damaged("blocks are missing, or its manifest was changed");
                if (Next() is not null) throw ExportFormat.Damaged("it goes on after its end");
                return count;
            }
            if (!expected || ExportFormat.DigestOf(entry.Path) is not { } digest || entry.Bytes > ExportFormat.MaxBlockBytes) throw ExportFormat.Damaged("it holds something that is no block");
            if (string.CompareOrdinal(previous, digest) >= 0) throw ExportFormat.Damaged("its blocks are not in order");
            if (Copy(entry) != digest) throw ExportFormat.Damaged($"the block {digest} is damaged");
            previous = digest;
        }
    }

    private TarEntry? Next()
    {
        var block = _buffer.AsSpan(0, TarFormat.BlockBytes);
        Fill(block);
        var status = TarFormat.TryRead(block, null, out var entry);
        if (status == TarStatus.Done && !entry.IsFolder && !entry.Executable) return entry;
        if (status != TarStatus.End) throw ExportFormat.Damaged("it holds an entry that is not written as ours are");
        Fill(block);
        if (block.ContainsAnyExcept((byte)0) || archive.Read(block) != 0) throw ExportFormat.Damaged("it goes on after its end");
        return null;
    }

    private byte[] Small(TarEntry entry, int maxBytes)
    {
        if (entry.Bytes > maxBytes) throw ExportFormat.Damaged($"{entry.Path} is too long");
        var bytes = new byte[(int)entry.Bytes];
        Fill(bytes);
        SkipPadding(entry);
        return bytes;
    }

    private string Copy(TarEntry entry)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        using (var file = open(entry.Path))
        {
            for (var left = entry.Bytes; left > 0;)
            {
                var part = _buffer.AsSpan(0, (int)Math.Min(left, _buffer.Length));
                Fill(part);
                hash.AppendData(part);
                file.Write(part);
                left -= part.Length;
            }
        }
        SkipPadding(entry);
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private void SkipPadding(TarEntry entry)
    {
        var padding = _buffer.AsSpan(0, TarFormat.PaddingOf(entry.Bytes));
        Fill(padding);
        if (padding.ContainsAnyExcept((byte)0)) throw ExportFormat.Damaged("its padding is not empty");
    }

    private void Fill(Span<byte> bytes)
    {
        if (archive.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false) < bytes.Length) throw ExportFormat.Damaged("it is cut off");
    }

    // Fuzz target: whatever is accepted names only places of a home. The input is an archive, and a manifest in a right one.
    internal static void Fuzz(ReadOnlySpan<byte> input)
    {
        Try(input.ToArray());
        var header = TarFormat.Write(new TarEntry(ExportFormat.Manifest, input.Length, Executable: false));
        Try([.. header, .. input, .. new byte[TarFormat.PaddingOf(input.Length) + (2 * TarFormat.BlockBytes)]]);
    }

    private static void Try(byte[] archive)
    {
        try
        {
            _ = new ExportReader(new MemoryStream(archive), name =>
            {
                Invariant.Check(ExportFormat.IsFile(name) || ExportFormat.DigestOf(name) is not null, "an accepted name is one of a home");
                return Stream.Null;
            }).Read();
        }
        catch (PcException refused) when (refused.Code is ErrorCode.ExportDamaged or ErrorCode.ExportNewer)
        {
            // As it should be.
        }
    }
}
