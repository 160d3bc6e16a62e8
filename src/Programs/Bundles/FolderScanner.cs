using System.Text;
using PeoplesCloud.Base;

namespace PeoplesCloud.Programs.Bundles;

/// <summary>One file or folder that goes into a bundle.</summary>
/// <param name="Path">Relative, with <c>/</c> between names; folders end with <c>/</c>.</param>
/// <param name="FullPath">Where it is on this machine.</param>
/// <param name="Bytes">The length of a file; 0 for a folder.</param>
/// <param name="Executable">Whether its owner may execute it.</param>
/// <param name="Status">What it was when it was scanned, to notice that it changed.</param>
internal sealed record ScannedEntry(string Path, string FullPath, long Bytes, bool Executable, FileStatus Status)
{
    /// <summary>Whether this is a folder.</summary>
    public bool IsFolder => Path[^1] == '/';
}

/// <summary>A folder that passed every check, in the order in which it is packed. Nothing but names and sizes was read.</summary>
/// <param name="Root">The folder, with links in its own path followed.</param>
/// <param name="Entries">Sorted by the bytes of their paths; a folder comes before what it holds.</param>
/// <param name="TotalBytes">All files together.</param>
internal sealed record ScannedFolder(string Root, IReadOnlyList<ScannedEntry> Entries, long TotalBytes);

/// <summary>
/// Lists what goes into a bundle and refuses what cannot or should not: links, sockets, pipes, devices, names that a terminal or
/// another system would misread, too much. A 5 GB file is refused by its length; none of it is read.
/// </summary>
internal sealed class FolderScanner(BundleLimits limits)
{
    /// <summary>Names that are left out wherever they stand: history of version control, byte code, packages that belong to one machine.</summary>
    public static IReadOnlyList<string> Skipped { get; } = [".git", ".hg", ".svn", ".venv", "__pycache__", "node_modules"];

    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Scans a folder.</summary>
    /// <param name="path">Absolute or relative to the process; a link to a folder is followed here, and nowhere below.</param>
    /// <exception cref="PcException">One of the codes 6000, 6001, 6007 to 6012.</exception>
    public ScannedFolder Scan(string path)
    {
        var root = RequireFolder(path);
        var entries = new List<ScannedEntry>();
        long totalBytes = 0;
        var pending = new Stack<(string FullPath, string Path, int Depth)>();
        pending.Push((root, "", 0));
        while (pending.TryPop(out var folder))
        {
            foreach (var name in NamesIn(folder.FullPath))
            {
                if (Skipped.Contains(name, StringComparer.Ordinal)) continue;
                var entry = Check(folder.FullPath, folder.Path, name);
                totalBytes += entry.Bytes;
                entries.Add(entry);
                RefuseTooMuch(root, entry, entries.Count, totalBytes);
                if (!entry.IsFolder) continue;
                if (folder.Depth + 1 > limits.MaxDepth) throw TooLarge($"{Quoted.Text(entry.FullPath)} is more than {limits.MaxDepth} folders deep");
                pending.Push((entry.FullPath, entry.Path, folder.Depth + 1));
            }
        }
        entries.Sort((left, right) => ComparePaths(left.Path, right.Path));
        return new ScannedFolder(root, entries, totalBytes);
    }

    /// <summary>By the bytes of UTF-8, so that the order is the same on every machine.</summary>
    public static int ComparePaths(string left, string right) => Encoding.UTF8.GetBytes(left).AsSpan().SequenceCompareTo(Encoding.UTF8.GetBytes(right));

    /// <summary>The absolute path of an existing folder, links in its own path followed.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.PathNotFound"/> or <see cref="ErrorCode.PathNotFolder"/>.</exception>
    public static string RequireFolder(string path)
    {
        if (path.Length == 0 || path.Contains('\0', StringComparison.Ordinal)) throw new PcException(ErrorCode.PathNotFound, $"{Quoted.Text(path)} is no path");
        var full = Path.GetFullPath(path);
        FileSystemInfo? target;
        try
        {
            target = new DirectoryInfo(full).ResolveLinkTarget(returnFinalTarget: true);
        }
        catch (IOException)
        {
            target = null; // Not there, or links in a circle: told apart below.
        }
        var root = target?.FullName ?? full;
        if (!FileStatus.TryRead(root, out var status, out _)) throw new PcException(ErrorCode.PathNotFound, $"{Quoted.Text(full)} does not exist");
        if (status.Kind != FileKind.Folder) throw new PcException(ErrorCode.PathNotFolder, $"{Quoted.Text(full)} is {NameOf(status.Kind)}, not a folder");
        return root;
    }

    private static IReadOnlyList<string> NamesIn(string folder)
    {
        try
        {
            return [.. Directory.EnumerateFileSystemEntries(folder).Select(entry => Path.GetFileName(entry))];
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
        {
            throw new PcException(ErrorCode.FileUnreadable, $"{Quoted.Text(folder)} could not be read: {unreadable.Message}", inner: unreadable);
        }
    }

    private ScannedEntry Check(string folder, string relative, string name)
    {
        var full = Path.Combine(folder, name);
        RefuseName(full, name);
        if (!FileStatus.TryRead(full, out var status, out var error))
            throw new PcException(ErrorCode.FileUnreadable, $"{Quoted.Text(full)} could not be looked at (error {error})");
        switch (status.Kind)
        {
            case FileKind.Link:
                throw LinkRefused(folder, full);
            case FileKind.Socket or FileKind.Pipe or FileKind.Device:
                throw new PcException(ErrorCode.FileKindRefused, $"{Quoted.Text(full)} is {NameOf(status.Kind)}");
        }
        var path = relative + name + (status.Kind == FileKind.Folder ? "/" : "");
        if (Encoding.UTF8.GetByteCount(path) > limits.MaxPathBytes)
            throw new PcException(ErrorCode.NameRefused, $"{Quoted.Text(full)} is longer than {limits.MaxPathBytes} bytes inside the folder", "Use shorter names or fewer folders.");
        return new ScannedEntry(path, full, status.Kind == FileKind.Folder ? 0 : status.Bytes, status.Executable, status);
    }

    // .NET reads bytes that are no UTF-8 as U+FFFD and could then not open the file.
    private static void RefuseName(string full, string name)
    {
        if (name.Any(Quoted.IsUnsafe)) throw new PcException(ErrorCode.NameRefused, $"the name {Quoted.Text(full)} holds control characters");
        if (name.Contains('\ufffd', StringComparison.Ordinal) || !IsEncodable(name)) throw new PcException(ErrorCode.NameRefused, $"the name {Quoted.Text(full)} is not UTF-8");
    }

    private static bool IsEncodable(string name)
    {
        try
        {
            return StrictUtf8.GetByteCount(name) > 0;
        }
        catch (EncoderFallbackException)
        {
            return false;
        }
    }

    // Links inside the folder are refused like links out of it: what a link means depends on where it is unpacked, and a host
    // that never makes links cannot be led out of the program's folder by one.
    private static PcException LinkRefused(string folder, string full)
    {
        var target = new FileInfo(full).LinkTarget ?? "";
        var inside = Path.GetFullPath(Path.Combine(folder, target)).StartsWith(folder + "/", StringComparison.Ordinal);
        return new PcException(
            ErrorCode.LinkRefused,
            $"{Quoted.Text(full)} is a symbolic link {(inside ? "" : "out of its folder ")}to {Quoted.Text(target)}; a bundle holds files and folders only");
    }

    private void RefuseTooMuch(string root, ScannedEntry entry, int count, long totalBytes)
    {
        if (entry.Bytes > limits.MaxBytes) throw TooLarge($"{Quoted.Text(entry.FullPath)} has {Size.Text(entry.Bytes)}; a bundle holds at most {Size.Text(limits.MaxBytes)}");
        if (totalBytes > limits.MaxBytes) throw TooLarge($"{Quoted.Text(root)} has more than {Size.Text(limits.MaxBytes)}, which a bundle holds at most");
        if (count > limits.MaxEntries) throw TooLarge($"{Quoted.Text(root)} has more than {limits.MaxEntries} files and folders, which a bundle holds at most");
    }

    private static PcException TooLarge(string message) => new(ErrorCode.BundleTooLarge, message);

    private static string NameOf(FileKind kind) => kind switch
    {
        FileKind.File => "a file",
        FileKind.Folder => "a folder",
        FileKind.Link => "a symbolic link",
        FileKind.Socket => "a socket",
        FileKind.Pipe => "a pipe",
        _ => "a device",
    };
}
