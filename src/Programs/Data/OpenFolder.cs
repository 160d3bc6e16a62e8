using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using PeoplesCloud.Programs.Bundles;

namespace PeoplesCloud.Programs.Data;

/// <summary>
/// An open folder whose contents a program changes while we look: everything below is reached from its handle, name by name, and no
/// symbolic link is ever followed, so that nothing outside is read whatever is swapped for what meanwhile.
/// </summary>
internal sealed partial class OpenFolder : IDisposable
{
    private const int ReadOnly = 0;
    private const int NonBlocking = 0x800; // a pipe that took the file's place does not hold us
    private const int CloseOnExec = 0x80000;
    private static readonly int Directory = RuntimeInformation.ProcessArchitecture is Architecture.Arm64 or Architecture.Arm ? 0x4000 : 0x10000;
    private static readonly int NoFollow = RuntimeInformation.ProcessArchitecture is Architecture.Arm64 or Architecture.Arm ? 0x8000 : 0x20000;

    private OpenFolder(SafeFileHandle handle) => Handle = handle;

    /// <summary>The handle.</summary>
    public SafeFileHandle Handle { get; }

    /// <summary>The same folder as a path, while it is open: the kernel's own link to the handle, which no rename leads elsewhere.</summary>
    public string Path => $"/proc/self/fd/{Handle.DangerousGetHandle()}";

    /// <summary>Opens a folder of ours.</summary>
    /// <exception cref="IOException">It is not there, or no folder.</exception>
    public static OpenFolder Open(string path)
    {
        var handle = OpenPath(path, ReadOnly | Directory | NoFollow | CloseOnExec);
        return handle.IsInvalid ? throw Failed(path, handle) : new OpenFolder(handle);
    }

    /// <summary>The names in it, in no order. Names that are no UTF-8 come with U+FFFD in them.</summary>
    public IEnumerable<string> Names() => System.IO.Directory.EnumerateFileSystemEntries(Path).Select(path => System.IO.Path.GetFileName(path));

    /// <summary>What a name is now; false when it is gone.</summary>
    public bool TryLook(string name, out FileStatus status) => FileStatus.TryRead(Handle, name, out status, out _);

    /// <summary>Opens a folder in it; null when it is none any more, or may not be read.</summary>
    public OpenFolder? TryEnter(string name)
    {
        var handle = OpenName(Handle, name, ReadOnly | Directory | NoFollow | CloseOnExec);
        if (!handle.IsInvalid) return new OpenFolder(handle);
        handle.Dispose();
        return null;
    }

    /// <summary>Opens a folder below; null when there is none any more, or it may not be read. The empty path is this folder, opened again.</summary>
    public OpenFolder? TryEnterPath(string path)
    {
        var folder = TryEnter(".");
        foreach (var name in path.Length == 0 ? [] : path.Split('/'))
        {
            using var outer = folder;
            folder = outer?.TryEnter(name);
        }
        return folder;
    }

    /// <summary>Opens an ordinary file below, with its status; null when there is none any more, or it may not be read.</summary>
    public SafeFileHandle? TryOpenFile(string path, out FileStatus status)
    {
        status = default;
        var slash = path.LastIndexOf('/');
        using var folder = TryEnterPath(slash < 0 ? "" : path[..slash]);
        if (folder is null) return null;
        var handle = OpenName(folder.Handle, path[(slash + 1)..], ReadOnly | NoFollow | NonBlocking | CloseOnExec);
        if (!handle.IsInvalid && FileStatus.TryRead(handle, out status, out _) && status.Kind == FileKind.File) return handle;
        handle.Dispose();
        return null;
    }

    /// <inheritdoc/>
    public void Dispose() => Handle.Dispose();

    private static IOException Failed(string path, SafeFileHandle handle)
    {
        var error = Marshal.GetLastPInvokeError();
        handle.Dispose();
        return new IOException($"{Marshal.GetPInvokeErrorMessage(error)}: {path}", error);
    }

    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    private static partial SafeFileHandle OpenPath(string path, int flags);

    [LibraryImport("libc", EntryPoint = "openat", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    private static partial SafeFileHandle OpenName(SafeFileHandle folder, string name, int flags);
}
