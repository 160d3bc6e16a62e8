using System.Security.Cryptography;
using System.Text;
using PeoplesCloud.Base;

namespace PeoplesCloud.Content;

/// <summary>One extraction of a file or folder to the disk. See <see cref="UnixFsReader.ExtractAsync"/>.</summary>
internal sealed class UnixFsExtraction(UnixFsReader reader, BlockFetcher fetcher, UnixFsLimits limits, IProgress<AddProgress>? progress)
{
    private readonly List<(string Path, string Target)> _symlinks = [];
    private int _files;
    private int _folders;
    private long _bytes;

    public async Task<ExtractResult> RunAsync(Cid cid, string output, CancellationToken cancellationToken)
    {
        var full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(output));
        if (Exists(full)) throw new PcException(ErrorCode.OutputExists, $"{output} exists already");
        var root = await reader.NodeAsync(cid, cancellationToken);
        // A name that nobody can guess beside the output: the same disk, so that the rename is atomic.
        var partial = Path.Combine(Path.GetDirectoryName(full)!, $".{Path.GetFileName(full)}.{Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(8))}.part");
        try
        {
            await WriteAsync(cid, root, partial, 0, cancellationToken);
            foreach (var (path, target) in _symlinks) File.CreateSymbolicLink(path, target);
            if (Exists(full)) throw new PcException(ErrorCode.OutputExists, $"{output} came into being meanwhile");
            if (root.Kind == UnixFsKind.Folder) Directory.Move(partial, full);
            else File.Move(partial, full, overwrite: false);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw StoreErrors.Explain(error, output);
        }
        finally
        {
            RemoveIfThere(partial);
        }
        return new ExtractResult(_files, _folders, _symlinks.Count, _bytes);
    }

    private async Task WriteAsync(Cid cid, UnixFsNode node, string path, int depth, CancellationToken cancellationToken)
    {
        if (_files + _folders + _symlinks.Count >= limits.MaxEntries) throw new PcException(ErrorCode.ContentTooLarge, $"more than {limits.MaxEntries} files and folders");
        switch (node.Kind)
        {
            case UnixFsKind.File:
                _files++;
                await WriteFileAsync(cid, node, path, cancellationToken);
                break;
            case UnixFsKind.Symlink:
                _symlinks.Add((path, Encoding.UTF8.GetString(node.Data.Span)));
                break;
            case UnixFsKind.Folder:
                if (depth > limits.MaxDepth) throw new PcException(ErrorCode.ContentTooLarge, $"more than {limits.MaxDepth} folders deep");
                _folders++;
                Directory.CreateDirectory(path);
                await WriteEntriesAsync(cid, node, path, depth, cancellationToken);
                break;
        }
    }

    // The first blocks of the next few entries are on their way while one is written: a folder of small files is not a chain of round trips.
    private async Task WriteEntriesAsync(Cid cid, UnixFsNode folder, string path, int depth, CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var asked = new Queue<(DagPbLink Link, Task<UnixFsNode> Node)>();
        async Task WriteNextAsync()
        {
            var (link, node) = asked.Dequeue();
            await WriteAsync(link.Cid, await node, Path.Combine(path, link.Name!), depth + 1, cancellationToken);
        }
        try
        {
            await foreach (var link in reader.EntriesAsync(cid, folder, stop.Token))
            {
                asked.Enqueue((link, reader.NodeAsync(link.Cid, stop.Token).AsTask()));
                if (asked.Count == fetcher.Parallelism) await WriteNextAsync();
            }
            while (asked.Count > 0) await WriteNextAsync();
        }
        finally
        {
            await stop.CancelAsync();
        }
    }

    private async Task WriteFileAsync(Cid cid, UnixFsNode node, string path, CancellationToken cancellationToken)
    {
        if (node.FileBytes > limits.MaxBytes - _bytes) throw new PcException(ErrorCode.ContentTooLarge, $"more than {limits.MaxBytes} bytes");
        var free = new DriveInfo(Path.GetDirectoryName(path)!).AvailableFreeSpace;
        if (node.FileBytes > free) throw new PcException(ErrorCode.DiskFull, $"{node.FileBytes} bytes are needed for one file and {free} are free");
        await using var content = new UnixFsFileStream(fetcher, cid, node);
        // CreateNew never opens what is there, nor through a link.
        await using var file = new FileStream(path, FileMode.CreateNew, FileAccess.Write, FileShare.None, bufferSize: 0);
        var buffer = new byte[UnixFsFormat.ChunkBytes];
        for (int read; (read = await content.ReadAsync(buffer, cancellationToken)) > 0;)
        {
            await file.WriteAsync(buffer.AsMemory(0, read), cancellationToken);
            _bytes += read;
            progress?.Report(new AddProgress(_bytes, 0));
        }
    }

    private static bool Exists(string path) => Path.Exists(path) || new FileInfo(path).LinkTarget is not null;

    private static void RemoveIfThere(string path)
    {
        try
        {
            if (Directory.Exists(path)) Directory.Delete(path, recursive: true);
            else File.Delete(path);
        }
        catch (IOException)
        {
            // the error that brought us here says more
        }
    }
}
