using System.Runtime.InteropServices;

namespace PeoplesCloud.Content;

/// <summary>What a path on the disk is, without following a link.</summary>
internal enum FileKind
{
    File,
    Folder,
    Link,
    Other,
    Missing,
    Unreadable,
}

/// <summary>Asks the system with <c>statx</c>: .NET cannot tell a file from a pipe, and opening a pipe waits for ever.</summary>
internal static partial class FileKinds
{
    private const int CurrentFolder = -100; // AT_FDCWD
    private const int NoFollow = 0x100; // AT_SYMLINK_NOFOLLOW
    private const int TypeOnly = 1; // STATX_TYPE
    private const int ModeOffset = 28; // stx_mode in struct statx, the same on every architecture
    private const int NoSuchFile = 2;
    private const int NotAFolder = 20;

    public static FileKind Of(string path)
    {
        Span<byte> status = stackalloc byte[256];
        if (Statx(CurrentFolder, path, NoFollow, TypeOnly, status) != 0)
            return Marshal.GetLastPInvokeError() is NoSuchFile or NotAFolder ? FileKind.Missing : FileKind.Unreadable;
        return (BitConverter.ToUInt16(status[ModeOffset..]) & 0xf000) switch
        {
            0x8000 => FileKind.File,
            0x4000 => FileKind.Folder,
            0xa000 => FileKind.Link,
            _ => FileKind.Other,
        };
    }

    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    private static partial int Statx(int folder, string path, int flags, uint mask, Span<byte> status);
}
