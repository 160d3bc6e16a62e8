using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace PeoplesCloud.Daemon.Home;

/// <summary>Small files that are whole or absent after power loss: temporary file, fsync, rename, fsync of the folder.</summary>
internal static partial class DurableFile
{
    /// <summary>Writes a file that is durable when this returns.</summary>
    public static void Write(string path, ReadOnlySpan<byte> content, UnixFileMode mode)
    {
        var temporary = path + ".new";
        File.Delete(temporary);
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = mode };
        using (var file = new FileStream(temporary, options))
        {
            file.Write(content);
            file.Flush(flushToDisk: true);
        }
        File.Move(temporary, path, overwrite: true);
        SyncFolder(Path.GetDirectoryName(path)!);
    }

    /// <summary>Makes renames and new names in a folder durable.</summary>
    public static void SyncFolder(string folder)
    {
        // .NET opens no folders; O_RDONLY (0) with O_CLOEXEC. A file system that cannot do it (EINVAL) has nothing to lose by it.
        using var handle = new SafeFileHandle(open(folder, CloseOnExec), ownsHandle: true);
        if (!handle.IsInvalid) _ = fsync((int)handle.DangerousGetHandle());
    }

    private const int CloseOnExec = 0x80000;

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint open(string path, int flags);

    [LibraryImport("libc")]
    private static partial int fsync(int file);
}
