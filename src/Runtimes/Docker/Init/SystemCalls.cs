using System.Runtime.InteropServices;

namespace PeoplesCloud.Runtimes.Docker.Init;

/// <summary>The numbers of the system calls that the init inside of a container makes. Source: the kernel's syscall_64.tbl and asm-generic/unistd.h.</summary>
internal sealed record SystemCalls
{
    private static readonly SystemCalls X64 = new()
    {
        Read = 0, Write = 1, Close = 3, Sleep = 35, Fork = 56, Execute = 59, Wait = 61, Kill = 62, ChangeModeOfOpen = 91, NewSession = 112, Exit = 231,
        Open = 257, MakeFolder = 258, MakeLink = 266, ChangeMode = 268, Poll = 271, SetTimes = 280, MakeTimer = 283, SetTimer = 286, Duplicate = 292, Yield = 24, Filter = 317,
        NoFollow = 0x20000,
    };

    private static readonly SystemCalls Arm64 = new()
    {
        Read = 63, Write = 64, Close = 57, Sleep = 101, Fork = 220, Execute = 221, Wait = 260, Kill = 129, ChangeModeOfOpen = 52, NewSession = 157, Exit = 94,
        Open = 56, MakeFolder = 34, MakeLink = 36, ChangeMode = 53, Poll = 73, SetTimes = 88, MakeTimer = 85, SetTimer = 86, Duplicate = 24, Yield = 124, Filter = 277,
        NoFollow = 0x8000,
    };

    /// <summary>Those of this machine.</summary>
    public static SystemCalls Here { get; } = RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? Arm64 : X64;

    public required long Read { get; init; }

    public required long Write { get; init; }

    public required long Close { get; init; }

    /// <summary>nanosleep.</summary>
    public required long Sleep { get; init; }

    /// <summary>clone.</summary>
    public required long Fork { get; init; }

    /// <summary>execve.</summary>
    public required long Execute { get; init; }

    /// <summary>wait4.</summary>
    public required long Wait { get; init; }

    public required long Kill { get; init; }

    /// <summary>fchmod.</summary>
    public required long ChangeModeOfOpen { get; init; }

    /// <summary>setsid.</summary>
    public required long NewSession { get; init; }

    /// <summary>exit_group.</summary>
    public required long Exit { get; init; }

    /// <summary>openat.</summary>
    public required long Open { get; init; }

    /// <summary>mkdirat.</summary>
    public required long MakeFolder { get; init; }

    /// <summary>symlinkat.</summary>
    public required long MakeLink { get; init; }

    /// <summary>fchmodat.</summary>
    public required long ChangeMode { get; init; }

    /// <summary>ppoll.</summary>
    public required long Poll { get; init; }

    /// <summary>utimensat.</summary>
    public required long SetTimes { get; init; }

    /// <summary>timerfd_create.</summary>
    public required long MakeTimer { get; init; }

    /// <summary>timerfd_settime.</summary>
    public required long SetTimer { get; init; }

    /// <summary>dup3.</summary>
    public required long Duplicate { get; init; }

    /// <summary>sched_yield, whose answer is always 0.</summary>
    public required long Yield { get; init; }

    /// <summary>seccomp.</summary>
    public required long Filter { get; init; }

    /// <summary>O_NOFOLLOW.</summary>
    public required ulong NoFollow { get; init; }
}
