using System.Runtime.InteropServices;

namespace PeoplesCloud.Runtimes.Sandbox.Begin;

/// <summary>
/// The program that begins a command whose start must be known to have succeeded. No shell can: it has no descriptor that ends when it becomes something
/// else, and runs as its own script what the kernel cannot run. It opens the pipe <see cref="Pipe"/>, says on its output that what follows is the command's,
/// and becomes the command, which closes the pipe; when that fails, the kernel's error goes into the pipe, as one byte. The sources are begin-x86_64.S and begin-aarch64.S beside this
/// file, and a test assembles them.
/// </summary>
internal static class BeginImage
{
    /// <summary>Where it is inside.</summary>
    public const string Inside = "/run/begin";

    /// <summary>The pipe's name in the folder <see cref="SandboxExec.Inside"/>.</summary>
    public const string Pipe = "begun";

    /// <summary>What begin-x86_64.S assembles to.</summary>
    internal static ReadOnlySpan<byte> X64 => Convert.FromHexString(
        "488b04244c8d6424104c8d6cc410b80101000048c7c79cffffff488d355d000000ba010008000f05bf7d00000085c078464189c6b801000000bf01000000488d"
        + "3548000000ba010000000f05b83b000000498b3c244c89e64c89ea0f05f7d850b8010000004489f74889e6ba010000000f05bf7e000000b8e70000000f052f72"
        + "756e2f657865632f626567756e00");

    /// <summary>What begin-aarch64.S assembles to.</summary>
    internal static ReadOnlySpan<byte> Arm64 => Convert.FromHexString(
        "e90340f9f3430091740e098b600c809281030010220080d20201a0f2080780d2010000d4f50300aaa00f80d27502f8b7200080d2c1020070220080d2080880d2"
        + "010000d4600240f9e10313aae20314aaa81b80d2010000d4e00300cbe00f1ff8e00315aae1030091220080d2080880d2010000d4c00f80d2c80b80d2010000d4"
        + "2f72756e2f657865632f626567756e00");

    /// <summary>The file.</summary>
    /// <exception cref="PlatformNotSupportedException">There is none for this kind of processor.</exception>
    public static byte[] Bytes(Architecture architecture) => StaticProgram.Bytes(architecture, X64, Arm64);
}
