using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using PeoplesCloud.Base;

namespace PeoplesCloud.Content;

/// <summary>
/// The few things that stores do to the disk, as a seam: tests replace one to fail at a chosen step. Every method throws
/// <see cref="IOException"/> with the system's error number in <see cref="Exception.HResult"/>.
/// </summary>
internal partial class BlockDisk
{
    private const int Enospc = 28;
    private const int Edquot = 122;
    private const int OpenDirectoryOnly = 0x10000 | 0x80000; // O_DIRECTORY | O_CLOEXEC
    private const int StartWriteback = 2; // SYNC_FILE_RANGE_WRITE

    /// <summary>Creates a file and writes all of it; what it takes to be durable begins now and ends with <see cref="Flush"/>.</summary>
    public virtual SafeFileHandle Write(string path, ReadOnlySpan<byte> bytes)
    {
        var handle = File.OpenHandle(path, FileMode.CreateNew, FileAccess.Write, FileShare.Read);
        try
        {
            RandomAccess.Write(handle, bytes, 0);
            _ = SyncFileRange(handle, 0, 0, StartWriteback); // a hint: the disk starts while others still hash
            return handle;
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    /// <summary>Returns when the file's bytes are durable.</summary>
    public virtual void Flush(SafeFileHandle handle) => RandomAccess.FlushToDisk(handle);

    /// <summary>Renames over whatever has the new name, atomically.</summary>
    public virtual void Rename(string from, string to) => File.Move(from, to, overwrite: true);

    /// <summary>Returns when the names in a folder are durable.</summary>
    public virtual void FlushFolder(string folder)
    {
        var descriptor = Open(folder, OpenDirectoryOnly);
        if (descriptor < 0) throw LastError(folder);
        try
        {
            if (Fsync(descriptor) != 0) throw LastError(folder);
        }
        finally
        {
            _ = Close(descriptor);
        }
    }

    /// <summary>Makes an error for people of what the disk said.</summary>
    public static PcException Explain(Exception error, string folder) => error is IOException { HResult: Enospc or Edquot }
        ? new PcException(ErrorCode.DiskFull, $"the disk that holds {folder} is full", null, error)
        : new PcException(ErrorCode.StoreFailed, $"the disk that holds {folder} failed: {error.Message}", null, error);

    private static IOException LastError(string path)
    {
        var error = Marshal.GetLastPInvokeError();
        return new IOException($"{Marshal.GetPInvokeErrorMessage(error)}: {path}", error);
    }

    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int Fsync(int descriptor);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int descriptor);

    [LibraryImport("libc", EntryPoint = "sync_file_range")]
    private static partial int SyncFileRange(SafeFileHandle handle, long offset, long count, uint flags);
}
