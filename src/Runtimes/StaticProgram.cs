using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace PeoplesCloud.Runtimes;

/// <summary>Makes the file of a small program in machine code that needs no library and runs wherever this kernel does. Source: elf(5).</summary>
internal static class StaticProgram
{
    private const ulong CodeAddress = 0x400000;
    private const int HeaderBytes = 64;
    private const int SegmentBytes = 56;

    // The largest page of either architecture.
    private const ulong Align = 0x10000;

    /// <summary>The file: a header, the code, and a place that is all zeros at its start.</summary>
    /// <param name="architecture">The kind of processor.</param>
    /// <param name="x64">The code for x86-64; its first instruction is where it begins.</param>
    /// <param name="arm64">The code for 64-bit ARM.</param>
    /// <param name="zerosAddress">Where the zeros are.</param>
    /// <param name="zerosBytes">How many there are; 0 for none.</param>
    /// <exception cref="PlatformNotSupportedException">There is none for this kind of processor.</exception>
    public static byte[] Bytes(Architecture architecture, ReadOnlySpan<byte> x64, ReadOnlySpan<byte> arm64, ulong zerosAddress = 0, int zerosBytes = 0)
    {
        const ushort x64Machine = 62, arm64Machine = 183;
        const uint load = 1, stack = 0x6474e551, executable = 5, writable = 6;
        var segments = zerosBytes > 0 ? 3 : 2;
        var codeOffset = HeaderBytes + (segments * SegmentBytes);
        var (machine, code) = architecture switch
        {
            Architecture.X64 => (x64Machine, x64.ToArray()),
            Architecture.Arm64 => (arm64Machine, arm64.ToArray()),
            _ => throw new PlatformNotSupportedException($"there is no small program for {architecture}"),
        };
        var file = new byte[codeOffset + code.Length];
        // Class 64 bits, little-endian, version 1; a program that is loaded where it says.
        byte[] identity = [0x7f, .. "ELF"u8, 2, 1, 1];
        identity.CopyTo(file, 0);
        Short(16, 2);
        Short(18, machine);
        Int(20, 1);
        Long(24, CodeAddress + (ulong)codeOffset);
        Long(32, HeaderBytes);
        Short(52, HeaderBytes);
        Short(54, SegmentBytes);
        Short(56, (ushort)segments);
        Segment(0, load, executable, CodeAddress, (ulong)file.Length, (ulong)file.Length);
        if (zerosBytes > 0) Segment(1, load, writable, zerosAddress, 0, (ulong)zerosBytes);
        Segment(segments - 1, stack, writable, 0, 0, 0);
        code.CopyTo(file, codeOffset);
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
