using System.Security.Cryptography;
using System.Text;
using PeoplesCloud.Base;
using PeoplesCloud.Programs.Bundles;

namespace PeoplesCloud.Programs.Packages;

/// <summary>
/// A folder that an installer made inside of a sandbox, seen from outside: nothing in it is followed, run or trusted. Files, folders and links are
/// what it may hold; links are kept as they are, since only a sandbox ever follows them.
/// </summary>
internal static class PackageTree
{
    private const UnixFileMode Shared = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead;

    /// <summary>
    /// What a folder takes: bytes of its files, and entries, of which it stops counting after a number: an installer at work may exchange a folder for a
    /// link to all of the host between two looks. What vanishes meanwhile counts nothing.
    /// </summary>
    /// <exception cref="PcException">A folder in it cannot be looked into, so nobody knows what it takes (<see cref="ErrorCode.PackagesRefused"/>).</exception>
    public static (long Bytes, int Entries) Measure(string folder, int mostEntries)
    {
        var (bytes, entries) = (0L, 0);
        foreach (var (_, status) in Walk(folder))
        {
            if (++entries > mostEntries) break;
            // Each file at least a block, so that many small ones are not free.
            bytes += status.Kind == FileKind.File ? Math.Max(status.Bytes, 4096) : 0;
        }
        return (bytes, entries);
    }

    /// <summary>Makes everything readable by all, writable by none but the owner, without special bits.</summary>
    /// <exception cref="PcException">It holds a device, pipe or socket, or a name that cannot be written down (<see cref="ErrorCode.PackagesRefused"/>).</exception>
    public static void Settle(string folder)
    {
        foreach (var (path, status) in Walk(folder))
        {
            switch (status.Kind)
            {
                case FileKind.Folder:
                    File.SetUnixFileMode(path, Shared | UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute);
                    break;
                case FileKind.File:
                    File.SetUnixFileMode(path, status.Executable ? Shared | UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute : Shared);
                    break;
                case FileKind.Link:
                    break;
                default:
                    throw new PcException(ErrorCode.PackagesRefused, $"{Quoted.Text(path)} is neither file, folder nor link");
            }
        }
        File.SetUnixFileMode(folder, Shared | UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute);
    }

    /// <summary>A hash of all names, kinds, lengths, contents and links below a folder.</summary>
    public static async Task<string> DigestAsync(string folder, CancellationToken cancellationToken)
    {
        using var all = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var (path, status) in Walk(folder).OrderBy(entry => entry.Path, StringComparer.Ordinal))
        {
            var what = status.Kind switch
            {
                FileKind.File => await ContentAsync(path, cancellationToken),
                FileKind.Link => new FileInfo(path).LinkTarget ?? "",
                _ => "",
            };
            all.AppendData(Encoding.UTF8.GetBytes($"{Path.GetRelativePath(folder, path)}\0{status.Kind}\0{status.Executable}\0{what}\0"));
        }
        return Convert.ToHexStringLower(all.GetHashAndReset());
    }

    /// <summary>Removes a folder whatever modes its own folders have; nothing works in it any more.</summary>
    public static void Remove(string folder)
    {
        try
        {
            Directory.Delete(folder, recursive: true);
        }
        catch (UnauthorizedAccessException)
        {
            Open(folder);
            Directory.Delete(folder, recursive: true);
        }
    }

    private static void Open(string folder)
    {
        File.SetUnixFileMode(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        foreach (var path in Directory.GetFileSystemEntries(folder))
        {
            if (FileStatus.TryRead(path, out var status, out _) && status.Kind == FileKind.Folder) Open(path);
        }
    }

    private static async Task<string> ContentAsync(string path, CancellationToken cancellationToken)
    {
        await using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 16, FileOptions.SequentialScan | FileOptions.Asynchronous);
        return Convert.ToHexStringLower(await SHA256.HashDataAsync(file, cancellationToken));
    }

    // By hand: the enumeration of .NET decides by what a link leads to whether it is a folder.
    private static IEnumerable<(string Path, FileStatus Status)> Walk(string folder)
    {
        var pending = new Stack<string>([folder]);
        while (pending.TryPop(out var current))
        {
            foreach (var path in EntriesOf(current))
            {
                if (!FileStatus.TryRead(path, out var status, out _)) continue;
                if (status.Kind == FileKind.Folder) pending.Push(path);
                yield return (path, status);
            }
        }
    }

    private static string[] EntriesOf(string folder)
    {
        try
        {
            return Directory.GetFileSystemEntries(folder);
        }
        catch (Exception gone) when (gone is DirectoryNotFoundException || (gone is IOException && !Directory.Exists(folder)))
        {
            return []; // it went while an installer was at work
        }
        catch (UnauthorizedAccessException closed)
        {
            throw new PcException(ErrorCode.PackagesRefused, $"{Quoted.Text(folder)} cannot be looked into", inner: closed);
        }
    }
}
