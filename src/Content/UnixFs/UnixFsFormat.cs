using PeoplesCloud.Base.Formats;

namespace PeoplesCloud.Content;

/// <summary>How we lay files out, in every profile as <c>ipfs add</c> does: chunks of 256 KiB, balanced, at most 174 links a node.</summary>
internal static class UnixFsFormat
{
    /// <summary>Bytes of a file in one leaf.</summary>
    public const int ChunkBytes = 262144;

    /// <summary>Links in one node of a file at most.</summary>
    public const int MaxChildren = 174;

    /// <summary>Room that a chunk's buffer keeps before its data, for <see cref="WrapLeaf"/>.</summary>
    public const int LeafHeaderRoom = 16;

    /// <summary>Room that it keeps behind.</summary>
    public const int LeafTrailerRoom = 8;

    /// <summary>
    /// Writes a leaf's framing around data that is already in place, so that a chunk is never copied. The buffer holds the data
    /// at <see cref="LeafHeaderRoom"/>; answers the block, a part of the buffer.
    /// </summary>
    public static ReadOnlyMemory<byte> WrapLeaf(byte[] buffer, int dataBytes)
    {
        // leaf = %x0A length unixfs ; unixfs = %x08 %x02 [%x12 length data] %x18 filesize
        Span<byte> header = stackalloc byte[LeafHeaderRoom];
        var sizeBytes = Varint.SizeOf((ulong)dataBytes);
        var unixFsBytes = 2 + (dataBytes == 0 ? 0 : 1 + sizeBytes + dataBytes) + 1 + sizeBytes;
        var at = 0;
        header[at++] = 0x0a;
        at += Varint.Write(header[at..], (ulong)unixFsBytes);
        header[at++] = 0x08;
        header[at++] = (byte)UnixFsType.File;
        if (dataBytes > 0)
        {
            header[at++] = 0x12;
            at += Varint.Write(header[at..], (ulong)dataBytes);
        }
        var start = LeafHeaderRoom - at;
        header[..at].CopyTo(buffer.AsSpan(start));
        var end = LeafHeaderRoom + dataBytes;
        buffer[end++] = 0x18;
        end += Varint.Write(buffer.AsSpan(end), (ulong)dataBytes);
        return buffer.AsMemory(start, end - start);
    }

    /// <summary>A node of a file above others.</summary>
    public static byte[] FileNode(IReadOnlyList<FilePart> children)
    {
        var data = new UnixFsData(UnixFsType.File, default, children.Sum(c => c.FileBytes), [.. children.Select(c => c.FileBytes)]);
        return new DagPbNode([.. children.Select(c => new DagPbLink(c.Cid, "", c.DagBytes))], data.ToBytes()).ToBytes();
    }

    /// <summary>A symbolic link.</summary>
    public static byte[] SymlinkNode(string target) =>
        new DagPbNode([], new UnixFsData(UnixFsType.Symlink, System.Text.Encoding.UTF8.GetBytes(target), null, []).ToBytes()).ToBytes();

    /// <summary>A folder; the entries are already in the order of their names' bytes.</summary>
    public static byte[] FolderNode(IReadOnlyList<DagPbLink> entries) =>
        new DagPbNode(entries, new UnixFsData(UnixFsType.Directory, default, null, []).ToBytes()).ToBytes();
}

/// <summary>A finished part of a file.</summary>
/// <param name="Cid">Its block.</param>
/// <param name="FileBytes">Bytes of the file below and in it.</param>
/// <param name="DagBytes">Bytes of all its blocks: what links call Tsize.</param>
internal readonly record struct FilePart(Cid Cid, long FileBytes, long DagBytes);
