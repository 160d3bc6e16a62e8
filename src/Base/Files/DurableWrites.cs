namespace PeoplesCloud.Base.Files;

/// <summary>The usual orders of steps on an <see cref="IDisk"/>.</summary>
public static class DurableWrites
{
    private const int Denied = 13; // EACCES

    /// <summary>Only the owner reads and writes.</summary>
    public const UnixFileMode OwnerFile = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <summary>Only the owner enters.</summary>
    public const UnixFileMode OwnerFolder = OwnerFile | UnixFileMode.UserExecute;

    /// <summary>
    /// Replaces a small file as a whole: it is new when this returns, and old or new after a cut before that. The temporary file has
    /// the name with <c>.new</c>; one that a cut left is removed by the next replacement.
    /// </summary>
    public static void Replace(this IDisk disk, string path, ReadOnlySpan<byte> bytes, UnixFileMode mode = OwnerFile)
    {
        var temporary = path + ".new";
        disk.Delete(temporary);
        using (var file = disk.Create(temporary, bytes, mode)) disk.Flush(file);
        disk.Rename(temporary, path);
        disk.FlushFolder(Path.GetDirectoryName(path)!);
    }

    /// <summary>
    /// Makes a folder, and those above it, that are durable when this returns. The folder's own name is flushed even when it was there:
    /// a process before this one may have ended between making it and flushing it.
    /// </summary>
    public static void MakeFolder(this IDisk disk, string path, UnixFileMode mode = OwnerFolder)
    {
        if (Path.GetDirectoryName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(path))) is not { } parent) return; // the root
        var isThere = Directory.Exists(path);
        if (!isThere)
        {
            if (!Directory.Exists(parent)) disk.MakeFolder(parent, mode);
            disk.CreateFolder(path, mode);
        }
        try
        {
            disk.FlushFolder(parent);
        }
        catch (IOException denied) when (isThere && denied.HResult == Denied)
        {
            // A parent that we may enter and not read: not we made the folder in it.
        }
    }
}
