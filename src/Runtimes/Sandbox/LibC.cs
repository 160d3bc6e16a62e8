using System.Runtime.InteropServices;

namespace PeoplesCloud.Runtimes.Sandbox;

/// <summary>The system calls that .NET has no type for.</summary>
internal static partial class LibC
{
    public const int Kill = 9;
    public const int Terminate = 15;
    public const int Stop = 19;
    public const int Continue = 18;
    public const short PollIn = 1;
    public const short PollOut = 4;

    // The same on x86-64 and arm64. Source: asm-generic/fcntl.h.
    public const int ReadOnly = 0;
    public const int ReadWrite = 2;
    public const int NonBlocking = 0x800;
    public const int CloseOnExec = 0x80000;

    // The numbers of newer system calls are the same on every architecture.
    private const nint PidFdSendSignal = 424;
    private const nint PidFdOpen = 434;
    private const nint PidFdGetFd = 438;

    [LibraryImport("libc")]
    public static partial uint geteuid();

    [LibraryImport("libc", SetLastError = true)]
    public static partial int setsid();

    /// <summary>CLOCK_BOOTTIME of clock_gettime(2): it goes on while the machine is suspended.</summary>
    public static TimeSpan TimeSinceBoot()
    {
        const int bootTime = 7;
        Span<nint> time = stackalloc nint[2];
        _ = clock_gettime(bootTime, time);
        return TimeSpan.FromTicks((time[0] * TimeSpan.TicksPerSecond) + (time[1] / 100));
    }

    [LibraryImport("libc", SetLastError = true)]
    public static partial int poll(Span<PollFd> descriptors, nuint count, int timeoutMilliseconds);

    [LibraryImport("libc", SetLastError = true)]
    public static partial nint read(int descriptor, Span<byte> buffer, nuint count);

    [LibraryImport("libc", SetLastError = true)]
    public static partial nint write(int descriptor, ReadOnlySpan<byte> bytes, nuint count);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int open(string path, int flags);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int mkfifo(string path, uint mode);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int close(int descriptor);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int kill(int pid, int signal);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int symlink(string target, string path);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int lchown(string path, uint owner, uint group);

    /// <summary>Whether a path is an ordinary file, not a pipe, socket, device or link. Source: statx(2), whose layout is the same everywhere.</summary>
    public static bool IsRegularFile(string path)
    {
        const int atCurrentFolder = -100, noFollow = 0x100, modeOffset = 28, kindMask = 0xF000, regular = 0x8000;
        const uint kindWanted = 1;
        Span<byte> answer = stackalloc byte[256];
        return statx(atCurrentFolder, path, noFollow, kindWanted, answer) == 0 && (BitConverter.ToUInt16(answer[modeOffset..]) & kindMask) == regular;
    }

    /// <summary>A descriptor that names this process even after its number is used again; negative when it is gone.</summary>
    public static int OpenPidFd(int pid) => (int)syscall(PidFdOpen, pid, 0, 0, 0);

    /// <summary>Sends a signal; false when that is not allowed or the process is gone.</summary>
    public static bool SignalPidFd(int pidFd, int signal) => syscall(PidFdSendSignal, pidFd, signal, 0, 0) == 0;

    /// <summary>A copy of another process's descriptor, closed on exec; negative when it has no such or is not ours to look into. Linux 5.6.</summary>
    public static int CopyDescriptor(int pidFd, int descriptor) => (int)syscall(PidFdGetFd, pidFd, descriptor, 0, 0);

    /// <summary>A descriptor of the user namespace that a namespace belongs to; negative when that is out of our sight. Source: ioctl_ns(2).</summary>
    public static int OwnerOfNamespace(int descriptor) => ioctl(descriptor, 0xb701);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int ioctl(int descriptor, nuint request);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int statx(int folder, string path, int flags, uint mask, Span<byte> answer);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int clock_gettime(int clock, Span<nint> time);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint syscall(nint number, nint first, nint second, nint third, nint fourth);

    [StructLayout(LayoutKind.Sequential)]
    internal struct PollFd
    {
        public int Descriptor;
        public short Events;
        public short Revents;
    }
}
