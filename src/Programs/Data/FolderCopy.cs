using System.Security.Cryptography;
using PeoplesCloud.Base;
using PeoplesCloud.Base.Files;
using PeoplesCloud.Content;

namespace PeoplesCloud.Programs.Data;

/// <summary>
/// Writes somebody's copy into a folder of a person: beside it under a name that nobody can guess, and renamed when it is whole. Each piece
/// is checked against its hash; paths were when the version was read. Nothing is flushed, as with any file that a person copies.
/// </summary>
internal static class FolderCopy
{
    private const int MaxAttempts = 3;
    private const UnixFileMode ExecutableFile = DurableWrites.OwnerFile | UnixFileMode.UserExecute;

    /// <summary>Writes it. Answers the version that was written: when pieces of the given one are gone, it is the one that is there by now.</summary>
    /// <param name="version">The version.</param>
    /// <param name="again">Answers the version that is there now.</param>
    /// <param name="read">Answers pieces; one that is not there is empty.</param>
    /// <param name="folder">The folder, which is not there yet.</param>
    /// <param name="progress">Hears how far it is.</param>
    /// <param name="cancellationToken">Gives up and leaves nothing.</param>
    public static async Task<DataVersion> WriteAsync(
        DataVersion version, Func<CancellationToken, Task<DataVersion>> again, Func<IReadOnlyList<DataHash>, CancellationToken, Task<IReadOnlyList<ReadOnlyMemory<byte>>>> read, string folder, IProgress<AddProgress>? progress, CancellationToken cancellationToken)
    {
        var partial = Path.Combine(Path.GetDirectoryName(folder)!, $".{Path.GetFileName(folder)}.{Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(8))}.part");
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                if (await TryWriteAsync(version, read, partial, progress, cancellationToken))
                {
                    if (Path.Exists(folder)) throw new PcException(ErrorCode.OutputExists, $"{folder} came into being meanwhile");
                    Directory.Move(partial, folder);
                    return version;
                }
            }
            finally
            {
                if (Directory.Exists(partial)) Directory.Delete(partial, recursive: true);
            }
            if (attempt == MaxAttempts) throw new PcException(ErrorCode.DataNotFound, $"the data of {version.Key.Name} changes faster than it can be fetched");
            version = await again(cancellationToken);
        }
    }

    private static async Task<bool> TryWriteAsync(DataVersion version, Func<IReadOnlyList<DataHash>, CancellationToken, Task<IReadOnlyList<ReadOnlyMemory<byte>>>> read, string folder, IProgress<AddProgress>? progress, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(folder, DurableWrites.OwnerFolder);
        var (done, total) = (0L, version.TotalBytes);
        progress?.Report(new AddProgress(done, total));
        var pieces = new Queue<ReadOnlyMemory<byte>>();
        using var wanted = version.Entries.SelectMany(entry => entry.Chunks.Select((hash, i) => (Hash: hash, Bytes: entry.BytesOf(i)))).Chunk(DataLimits.BatchChunks).GetEnumerator();
        foreach (var entry in version.Entries)
        {
            var path = Path.Combine(folder, entry.Path);
            if (entry.Kind == DataKind.Folder)
            {
                Directory.CreateDirectory(path, DurableWrites.OwnerFolder);
                continue;
            }
            await using var file = new FileStream(path, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, BufferSize = 0, UnixCreateMode = entry.Kind == DataKind.Executable ? ExecutableFile : DurableWrites.OwnerFile });
            for (var i = 0; i < entry.Chunks.Count; i++)
            {
                if (pieces.Count == 0)
                {
                    wanted.MoveNext();
                    if (!await ReadAsync(wanted.Current, read, pieces, cancellationToken)) return false;
                }
                var piece = pieces.Dequeue();
                await file.WriteAsync(piece, cancellationToken);
                progress?.Report(new AddProgress(done += piece.Length, total));
            }
        }
        return true;
    }

    // A batch of pieces, in order; equal ones are asked for once. False when one is not there any more.
    private static async Task<bool> ReadAsync((DataHash Hash, int Bytes)[] batch, Func<IReadOnlyList<DataHash>, CancellationToken, Task<IReadOnlyList<ReadOnlyMemory<byte>>>> read, Queue<ReadOnlyMemory<byte>> pieces, CancellationToken cancellationToken)
    {
        DataHash[] hashes = [.. batch.Select(piece => piece.Hash).Distinct()];
        var answered = await read(hashes, cancellationToken);
        var known = new Dictionary<DataHash, ReadOnlyMemory<byte>>();
        for (var i = 0; i < hashes.Length; i++)
        {
            if (answered[i].IsEmpty) return false;
            if (DataHash.Of(answered[i].Span) != hashes[i]) throw new PcException(ErrorCode.DataDamaged, "a member sent other bytes than it had told of");
            known[hashes[i]] = answered[i];
        }
        foreach (var (hash, bytes) in batch)
        {
            if (known[hash].Length != bytes) throw new PcException(ErrorCode.DataDamaged, "a member sent other bytes than it had told of");
            pieces.Enqueue(known[hash]);
        }
        return true;
    }
}
