using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace PeoplesCloud.Programs.Bundles;

/// <summary>
/// What statx(2) says about a file, without following a symbolic link. .NET tells neither sockets from files nor one inode from
/// another; statx has one layout on every processor, stat has not.
/// </summary>
internal readonly partial record struct FileStatus(FileKind Kind, bool Executable, long Bytes, ulong Inode, ulong Device, long ModifiedSeconds, uint ModifiedNanoseconds,
    long ChangedSeconds, uint ChangedNanoseconds)
{
    private const int CurrentFolder = -100;
    private const int NoFollow = 0x100;
    private const int EmptyPath = 0x1000;
    private const uint BasicStatistics = 0x7ff;
    private const int StructureBytes = 256;

    /// <summary>Reads a path's status; false when it cannot be had, with the error number.</summary>
    public static bool TryRead(string path, out FileStatus status, out int error) => TryRead(CurrentFolder, path, NoFollow, out status, out error);

    /// <summary>Reads an open file's status.</summary>
    public static bool TryRead(SafeFileHandle file, out FileStatus status, out int error) => TryRead((int)file.DangerousGetHandle(), "", EmptyPath, out status, out error);

    /// <summary>Reads the status of a name in an open folder.</summary>
    public static bool TryRead(SafeFileHandle folder, string name, out FileStatus status, out int error) => TryRead((int)folder.DangerousGetHandle(), name, NoFollow, out status, out error);

    private static bool TryRead(int folder, string path, int flags, out FileStatus status, out int error)
    {
        Span<byte> raw = stackalloc byte[StructureBytes];
        raw.Clear();
        var read = statx(folder, path, flags, BasicStatistics, raw) == 0;
        error = read ? 0 : Marshal.GetLastPInvokeError();
        status = read ? Parse(raw) : default;
        return read;
    }

    // struct statx: mask:u32 blksize:u32 attributes:u64 nlink:u32 uid:u32 gid:u32 mode:u16 pad:u16 ino:u64 size:u64 blocks:u64
    // attributes_mask:u64 atime:16 btime:16 ctime:16 mtime:16 (sec:i64 nsec:u32 pad:u32) rdev:8 dev_major:u32 dev_minor:u32 ...
    private static FileStatus Parse(ReadOnlySpan<byte> raw)
    {
        var mode = MemoryMarshal.Read<ushort>(raw[28..]);
        var kind = (mode & 0xf000) switch
        {
            0x8000 => FileKind.File,
            0x4000 => FileKind.Folder,
            0xa000 => FileKind.Link,
            0xc000 => FileKind.Socket,
            0x1000 => FileKind.Pipe,
            _ => FileKind.Device,
        };
        return new FileStatus(
            kind,
            (mode & 0x40) != 0,
            MemoryMarshal.Read<long>(raw[40..]),
            MemoryMarshal.Read<ulong>(raw[32..]),
            MemoryMarshal.Read<ulong>(raw[136..]),
            MemoryMarshal.Read<long>(raw[112..]),
            MemoryMarshal.Read<uint>(raw[120..]),
            MemoryMarshal.Read<long>(raw[96..]),
            MemoryMarshal.Read<uint>(raw[104..]));
    }

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    private static partial int statx(int folder, string path, int flags, uint mask, Span<byte> buffer);
}

/// <summary>What lies at a path.</summary>
internal enum FileKind
{
    File,
    Folder,
    Link,
    Socket,
    Pipe,
    Device,
}
