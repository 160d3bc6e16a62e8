using Microsoft.Win32.SafeHandles;

namespace PeoplesCloud.Base.Files;

/// <summary>
/// What is done to the disk for anything that must survive a power cut, as a seam: tests replace it to fail at a chosen step, and to
/// lose or tear whatever was not flushed. Reading goes past it. What needs no durability (logs, sockets, unpacked programs) does too.
/// </summary>
/// <remarks>
/// A file's bytes are durable after <see cref="Flush"/>; its name, and that a name is gone, after <see cref="FlushFolder"/> of the folder
/// that holds it. Between different files, and between a file and its name, the system may write in any order. Every method throws
/// <see cref="IOException"/> with the system's error number in <see cref="Exception.HResult"/>. Thread-safe.
/// </remarks>
public interface IDisk
{
    /// <summary>Creates a file that must not exist and writes all of it. The caller flushes and disposes the handle.</summary>
    SafeFileHandle Create(string path, ReadOnlySpan<byte> bytes, UnixFileMode mode);

    /// <summary>Writes more into a file that <see cref="Create"/> made.</summary>
    void Write(SafeFileHandle file, ReadOnlySpan<byte> bytes, long offset);

    /// <summary>Returns when a file's bytes are durable.</summary>
    void Flush(SafeFileHandle file);

    /// <summary>Renames over whatever has the new name, atomically.</summary>
    void Rename(string from, string to);

    /// <summary>Gives a file or a folder with all below it a name that nothing has, atomically.</summary>
    void Move(string from, string to);

    /// <summary>Removes a file; one that is not there is no error.</summary>
    void Delete(string path);

    /// <summary>Makes one folder, whose parent exists; one that is there already is no error and keeps its mode.</summary>
    void CreateFolder(string folder, UnixFileMode mode);

    /// <summary>Returns when the names in a folder are durable.</summary>
    void FlushFolder(string folder);
}
