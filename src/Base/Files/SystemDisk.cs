using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace PeoplesCloud.Base.Files;

/// <summary>The disk of this machine (Linux). Open for tests that fail at a step of their choice.</summary>
public partial class SystemDisk : IDisk
{
    private const int Exists = 17; // EEXIST
    private const int Invalid = 22; // EINVAL
    private const int OpenDirectoryOnly = 0x10000 | CloseOnExec; // O_DIRECTORY
    private const int OpenNew = 0x1 | 0x40 | 0x80 | CloseOnExec; // O_WRONLY | O_CREAT | O_EXCL
    private const int CloseOnExec = 0x80000;
    private const int StartWriteback = 2; // SYNC_FILE_RANGE_WRITE

    /// <summary>The one that programs use.</summary>
    public static SystemDisk Instance { get; } = new();

    /// <inheritdoc/>
    public virtual SafeFileHandle Create(string path, ReadOnlySpan<byte> bytes, UnixFileMode mode)
    {
        var handle = Open(path, OpenNew, (uint)mode);
        if (handle.IsInvalid) throw LastError(path, handle);
        try
        {
            RandomAccess.Write(handle, bytes, 0);
            _ = SyncFileRange(handle, 0, 0, StartWriteback); // a hint: the disk starts while others still compute
            return handle;
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public virtual void Write(SafeFileHandle file, ReadOnlySpan<byte> bytes, long offset) => RandomAccess.Write(file, bytes, offset);

    /// <inheritdoc/>
    public virtual void Flush(SafeFileHandle file) => RandomAccess.FlushToDisk(file);

    /// <inheritdoc/>
    public virtual void Rename(string from, string to) => File.Move(from, to, overwrite: true);

    /// <inheritdoc/>
    public virtual void Move(string from, string to)
    {
        if (Directory.Exists(from)) Directory.Move(from, to);
        else File.Move(from, to);
    }

    /// <inheritdoc/>
    public virtual void Delete(string path) => File.Delete(path);

    /// <inheritdoc/>
    public virtual void CreateFolder(string folder, UnixFileMode mode)
    {
        if (MakeFolder(folder, (uint)mode) == 0) return;
        if (Marshal.GetLastPInvokeError() != Exists || !Directory.Exists(folder)) throw LastError(folder);
    }

    /// <inheritdoc/>
    public virtual void FlushFolder(string folder)
    {
        using var handle = Open(folder, OpenDirectoryOnly, 0);
        if (handle.IsInvalid) throw LastError(folder, handle);
        // A file system that has no fsync for folders (EINVAL) has nothing to lose by it.
        if (FlushNames(handle) != 0 && Marshal.GetLastPInvokeError() != Invalid) throw LastError(folder);
    }

    private static IOException LastError(string path, SafeFileHandle? failed = null)
    {
        var error = Marshal.GetLastPInvokeError();
        failed?.Dispose();
        return new IOException($"{Marshal.GetPInvokeErrorMessage(error)}: {path}", error);
    }

    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    private static partial SafeFileHandle Open(string path, int flags, uint mode);

    [LibraryImport("libc", EntryPoint = "mkdir", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    private static partial int MakeFolder(string path, uint mode);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int FlushNames(SafeFileHandle folder);

    [LibraryImport("libc", EntryPoint = "sync_file_range")]
    private static partial int SyncFileRange(SafeFileHandle handle, long offset, long count, uint flags);
}
