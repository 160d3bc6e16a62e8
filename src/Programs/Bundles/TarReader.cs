using PeoplesCloud.Base;

namespace PeoplesCloud.Programs.Bundles;

/// <summary>
/// Reads an archive of <see cref="TarFormat"/> from front to back in constant memory, and refuses everything that
/// <see cref="TarStream"/> would not have written: also a wrong order, a path twice, content under a file, bytes after the end.
/// </summary>
internal sealed partial class TarReader(Stream archive, BundleLimits limits)
{
    private readonly byte[] _block = new byte[TarFormat.BlockBytes];
    // Paths with an ending slash, folders and files apart: what may hold an entry, and what is taken.
    private readonly HashSet<string> _folders = new(StringComparer.Ordinal) { "" };
    private readonly HashSet<string> _files = new(StringComparer.Ordinal);
    private string? _previous;
    private long _left;
    private int _padding;
    private int _count;
    private long _totalBytes;

    /// <summary>The next entry, after what is left of the last one was skipped; null at the archive's proper end.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.BundleDamaged"/> or <see cref="ErrorCode.BundleTooLarge"/>.</exception>
    public async ValueTask<TarEntry?> NextAsync(CancellationToken cancellationToken)
    {
        while (_left > 0) await ReadAsync(_block, cancellationToken);
        await SkipPaddingAsync(cancellationToken);
        await FillAsync(_block, cancellationToken);
        var status = TarFormat.TryRead(_block, null, out var entry);
        if (status == TarStatus.LongPath)
        {
            var path = await ReadLongPathAsync(entry.Bytes, cancellationToken);
            status = TarFormat.TryRead(_block, path, out entry);
        }
        if (status == TarStatus.End)
        {
            await ReadEndAsync(cancellationToken);
            return null;
        }
        if (status != TarStatus.Done) throw Damaged(status);
        Accept(entry);
        return entry;
    }

    /// <summary>Reads content of the current entry; 0 at its end.</summary>
    public async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        var wanted = (int)Math.Min(buffer.Length, _left);
        if (wanted == 0) return 0;
        var read = await archive.ReadAsync(buffer[..wanted], cancellationToken);
        if (read == 0) throw Damaged("the archive is cut off");
        _left -= read;
        return read;
    }

    private void Accept(TarEntry entry)
    {
        if (_previous is not null && FolderScanner.ComparePaths(_previous, entry.Path) >= 0) throw Damaged("its paths are not in order");
        _previous = entry.Path;
        var name = entry.IsFolder ? entry.Path : entry.Path + "/";
        var parent = name[..(name.AsSpan(0, name.Length - 1).LastIndexOf('/') + 1)];
        if (!_folders.Contains(parent)) throw Damaged("it holds a file outside of its folders");
        // The order finds a path that comes twice, but "a" and "a/" are a file and a folder of one name.
        if (_files.Contains(name)) throw Damaged("it holds a path twice");
        (entry.IsFolder ? _folders : _files).Add(name);
        _count++;
        _totalBytes += entry.Bytes;
        if (_count > limits.MaxEntries) throw TooLarge($"more than {limits.MaxEntries} files and folders");
        if (_totalBytes > limits.MaxBytes) throw TooLarge($"more than {Size.Text(limits.MaxBytes)}");
        if (entry.Path.Count(character => character == '/') > limits.MaxDepth) throw TooLarge($"folders more than {limits.MaxDepth} deep");
        _left = entry.Bytes;
        _padding = TarFormat.PaddingOf(entry.Bytes);
    }

    private async ValueTask<string> ReadLongPathAsync(long bytes, CancellationToken cancellationToken)
    {
        // LENGTH, " path=" and the newline come to fewer than 16 bytes.
        if (bytes > limits.MaxPathBytes + 16) throw TooLarge($"a path longer than {limits.MaxPathBytes} bytes");
        var record = new byte[(int)bytes];
        await FillAsync(record, cancellationToken);
        _padding = TarFormat.PaddingOf(bytes);
        await SkipPaddingAsync(cancellationToken);
        await FillAsync(_block, cancellationToken);
        return TarFormat.ReadLongPath(record) ?? throw Damaged(TarStatus.NotCanonical);
    }

    private async ValueTask SkipPaddingAsync(CancellationToken cancellationToken)
    {
        if (_padding == 0) return;
        var padding = _block.AsMemory(0, _padding);
        _padding = 0;
        await FillAsync(padding, cancellationToken);
        if (padding.Span.ContainsAnyExcept((byte)0)) throw Damaged("its padding is not empty");
    }

    private async ValueTask ReadEndAsync(CancellationToken cancellationToken)
    {
        await FillAsync(_block, cancellationToken);
        if (_block.AsSpan().ContainsAnyExcept((byte)0)) throw Damaged("it has one empty block where two end it");
        // Reading to the stream's end also verifies that no chunk of the encryption is missing.
        if (await archive.ReadAsync(_block, cancellationToken) != 0) throw Damaged("it goes on after its end");
    }

    private async ValueTask FillAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        if (await archive.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, cancellationToken) < buffer.Length) throw Damaged("it is cut off");
    }

    private static PcException Damaged(TarStatus status) => Damaged(status switch
    {
        TarStatus.KindRefused => "it holds a link, a device or another entry that is no file and no folder",
        TarStatus.PathRefused => "it holds a path that is absolute, leads out of the folder or has control characters",
        _ => "a header is not written as ours are",
    });

    private static PcException Damaged(string how) => new(ErrorCode.BundleDamaged, $"the bundle's archive cannot be read: {how}");

    private static PcException TooLarge(string what) => new(ErrorCode.BundleTooLarge, $"the bundle holds {what}; this host takes no more", "Deploy a smaller program.");
}
