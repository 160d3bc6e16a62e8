using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace PeoplesCloud.Runtimes.Docker.Init;

/// <summary>
/// The program that begins in every container: it makes the system calls that the daemon lists over its input (<see cref="InitBlock"/>) until one of
/// them makes it the command. So the command, its environment with all secrets, and its files reach the container without lying in any
/// file of the engine's, and an image needs neither a shell nor tar. It is written here as a file that needs no library, in machine code; the sources
/// are init-x86_64.S and init-aarch64.S beside this file, and a test assembles them.
/// </summary>
internal static class InitImage
{
    /// <summary>Where it is inside.</summary>
    public const string Inside = "/.pc-init";

    private const string FileName = "init";
    private const ulong CodeAddress = 0x400000;
    private const int HeaderBytes = 64;
    private const int SegmentBytes = 56;
    private const int Segments = 3;
    private const int CodeOffset = HeaderBytes + (Segments * SegmentBytes);

    // The largest page of either architecture.
    private const ulong Align = 0x10000;

    /// <summary>What init-x86_64.S assembles to.</summary>
    internal static ReadOnlySpan<byte> X64 => Convert.FromHexString(
        "41bc0000001041bd08000000e8760000004c8b2c2500000010e869000000488b1c2508000010488b034885c078d2488b7b08488b7310488b53184c8b53204c8b"
        + "43284c8b4b300f05483b43387c194885c0750e488b4b484885c974054889cbebc54883c350ebbf4c8b6340b801000000bf02000000498d742410498b5424080f"
        + "05498b3c24eb2531c031ff4c89e64c89ea0f054883f8fc74ee4885c07e094901c44929c575e1c3bf7d000000b8e70000000f05");

    /// <summary>What init-aarch64.S assembles to.</summary>
    internal static ReadOnlySpan<byte> Arm64 => Convert.FromHexString(
        "1300a2d2f40313aa150180d21c000094750240f91a000094760640f9c80240f908ffffb7c08640a9c28e41a9c49642a9010000d4c91e40f91f0009eb0b010054"
        + "c92640f9800000b5690000b4f60309aaf3ffff17d6420191f1ffff17d42240f9400080d281420091820640f9080880d2010000d4800240f90f000014000080d2"
        + "e10314aae20315aae80780d2010000d41f1000b140ffff541f0000f1ad0000549402008bb50200eba1feff54c0035fd6a00f80d2c80b80d2010000d4");

    /// <summary>Writes it into a folder and returns its path, which containers see as <see cref="Inside"/>.</summary>
    /// <exception cref="IOException">The folder cannot be written.</exception>
    public static string InstallIn(string folder)
    {
        const UnixFileMode runnable = UnixFileMode.UserRead | UnixFileMode.UserExecute | UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;
        var path = Path.Combine(folder, FileName);
        var bytes = Bytes(RuntimeInformation.ProcessArchitecture);
        // Left as it is where it is so already: containers may have it in use.
        if (File.Exists(path) && File.ReadAllBytes(path).AsSpan().SequenceEqual(bytes)) return path;
        var fresh = path + ".new";
        File.Delete(fresh);
        File.WriteAllBytes(fresh, bytes);
        File.SetUnixFileMode(fresh, runnable);
        File.Move(fresh, path, overwrite: true);
        return path;
    }

    /// <summary>The file: a header, the code, and a place that is all zeros for the blocks. Source: elf(5).</summary>
    /// <exception cref="PlatformNotSupportedException">There is none for this kind of processor.</exception>
    public static byte[] Bytes(Architecture architecture)
    {
        const ushort x64 = 62, arm64 = 183;
        const uint load = 1, stack = 0x6474e551, executable = 5, writable = 6;
        var (machine, code) = architecture switch
        {
            Architecture.X64 => (x64, X64.ToArray()),
            Architecture.Arm64 => (arm64, Arm64.ToArray()),
            _ => throw new PlatformNotSupportedException($"containers are not begun on {architecture}"),
        };
        var file = new byte[CodeOffset + code.Length];
        // Class 64 bits, little-endian, version 1; a program that is loaded where it says.
        byte[] identity = [0x7f, .. "ELF"u8, 2, 1, 1];
        identity.CopyTo(file, 0);
        Short(16, 2);
        Short(18, machine);
        Int(20, 1);
        Long(24, CodeAddress + CodeOffset);
        Long(32, HeaderBytes);
        Short(52, HeaderBytes);
        Short(54, SegmentBytes);
        Short(56, Segments);
        Segment(0, load, executable, CodeAddress, (ulong)file.Length, (ulong)file.Length);
        Segment(1, load, writable, InitBlock.Address, 0, DockerLimits.InitBlockBytes);
        Segment(2, stack, writable, 0, 0, 0);
        code.CopyTo(file, CodeOffset);
        return file;

        void Segment(int index, uint kind, uint rights, ulong address, ulong inFile, ulong inMemory)
        {
            var at = HeaderBytes + (index * SegmentBytes);
            Int(at, kind);
            Int(at + 4, rights);
            Long(at + 16, address);
            Long(at + 24, address);
            Long(at + 32, inFile);
            Long(at + 40, inMemory);
            Long(at + 48, Align);
        }

        void Short(int at, ushort value) => BinaryPrimitives.WriteUInt16LittleEndian(file.AsSpan(at), value);
        void Int(int at, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(file.AsSpan(at), value);
        void Long(int at, ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(file.AsSpan(at), value);
    }
}
