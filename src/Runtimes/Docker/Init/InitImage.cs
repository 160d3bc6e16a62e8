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

    /// <summary>The file: the code, and a place that is all zeros for the blocks.</summary>
    /// <exception cref="PlatformNotSupportedException">There is none for this kind of processor.</exception>
    public static byte[] Bytes(Architecture architecture) => StaticProgram.Bytes(architecture, X64, Arm64, InitBlock.Address, DockerLimits.InitBlockBytes);
}
