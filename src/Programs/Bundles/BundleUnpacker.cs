using PeoplesCloud.Base;

namespace PeoplesCloud.Programs.Bundles;

/// <summary>What was unpacked.</summary>
/// <param name="Bytes">All files together.</param>
/// <param name="Entries">Files and folders.</param>
public sealed record UnpackedBundle(long Bytes, int Entries);

/// <summary>
/// Decrypts a bundle and unpacks it into a folder that it makes. Only files and folders are made, each with a name that was
/// checked, below a folder in which nobody else writes: so nothing lands outside. Thread-safe.
/// </summary>
public sealed class BundleUnpacker(BundleLimits limits)
{
    private const int CopyBytes = 64 << 10;
    private const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    private const UnixFileMode FolderMode = Private | UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;
    private const UnixFileMode FileMode644 = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead;

    /// <summary>Unpacks a bundle.</summary>
    /// <param name="bundle">The encrypted bytes; disposed at the end.</param>
    /// <param name="key">Its key.</param>
    /// <param name="folder">A path where nothing is yet; its parent exists. It is made with mode 0700, and removed again when this fails.</param>
    /// <param name="cancellationToken">Gives up and removes the folder.</param>
    /// <exception cref="PcException"><see cref="ErrorCode.BundleDamaged"/>, <see cref="ErrorCode.BundleTooLarge"/>, <see cref="ErrorCode.HostStorageFailed"/>,
    /// or what the stream throws.</exception>
    public async Task<UnpackedBundle> UnpackAsync(Stream bundle, BundleKey key, string folder, CancellationToken cancellationToken)
    {
        await using var plain = new OpeningStream(bundle, key.Bytes);
        return await UnpackTarAsync(plain, folder, cancellationToken);
    }

    /// <summary>Unpacks the plain archive.</summary>
    internal async Task<UnpackedBundle> UnpackTarAsync(Stream archive, string folder, CancellationToken cancellationToken)
    {
        if (Path.Exists(folder)) throw new ArgumentException("the folder exists already", nameof(folder));
        Write(folder, () => Directory.CreateDirectory(folder, Private));
        try
        {
            var reader = new TarReader(archive, limits);
            var buffer = new byte[CopyBytes];
            long bytes = 0;
            var entries = 0;
            while (await reader.NextAsync(cancellationToken) is { } entry)
            {
                var path = Path.Combine(folder, entry.Path);
                if (entry.IsFolder) Write(path, () => Directory.CreateDirectory(path, FolderMode));
                else await WriteFileAsync(reader, entry, path, buffer, cancellationToken);
                bytes += entry.Bytes;
                entries++;
            }
            return new UnpackedBundle(bytes, entries);
        }
        catch
        {
            DeleteFolder(folder);
            throw;
        }
    }

    // Not fsynced: a daemon that starts after a power loss unpacks again.
    private static async Task WriteFileAsync(TarReader reader, TarEntry entry, string path, byte[] buffer, CancellationToken cancellationToken)
    {
        var mode = entry.Executable ? FolderMode : FileMode644;
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, BufferSize = 0, UnixCreateMode = mode };
        using var file = Write(path, () => new FileStream(path, options));
        while (await reader.ReadAsync(buffer, cancellationToken) is > 0 and var read)
            Write(path, () => { file.Write(buffer, 0, read); return file; });
    }

    private static T Write<T>(string path, Func<T> write)
    {
        try
        {
            return write();
        }
        catch (Exception failed) when (failed is IOException or UnauthorizedAccessException)
        {
            throw new PcException(ErrorCode.HostStorageFailed, $"{Quoted.Text(path)} could not be written: {failed.Message}", inner: failed);
        }
    }

    private static void DeleteFolder(string folder)
    {
        try
        {
            Directory.Delete(folder, recursive: true);
        }
        catch (IOException)
        {
            // The disk that refused to write may refuse this too; the host clears its folders when it starts.
        }
    }
}
