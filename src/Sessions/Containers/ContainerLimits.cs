namespace PeoplesCloud.Sessions.Containers;

/// <summary>Bounds of what a script may ask of a container, with their reasons.</summary>
internal static class ContainerLimits
{
    /// <summary>Characters of an image's name. 512: as the engine's client takes.</summary>
    public const int ImageChars = 512;

    /// <summary>Words of a command or an entrypoint. 1,024: the init's block of 1 MiB holds them.</summary>
    public const int Words = 1024;

    /// <summary>Characters of a command or an environment together. 100,000: what a kernel lets one argument have, and of the init's block a tenth.</summary>
    public const int Chars = 100_000;

    /// <summary>Variables of an environment. 1,024.</summary>
    public const int Variables = 1024;

    /// <summary>Labels. 128: they are searched through by the engine.</summary>
    public const int Labels = 128;

    /// <summary>Volumes, and as many tmpfs. 32: each is a mount.</summary>
    public const int Mounts = 32;

    /// <summary>Ports of the host besides the first. 32: each is held by the daemon.</summary>
    public const int Ports = 32;

    /// <summary>Characters of a path, a label, a user. 4,096: the kernel's longest path.</summary>
    public const int TextChars = 4096;

    /// <summary>Characters of a name inside. 253: the longest of DNS.</summary>
    public const int HostnameChars = 253;

    /// <summary>The weight for processors that a container has at most. 1,024: that of every other container, and of the daemon.</summary>
    public const long CpuShares = 1024;

    /// <summary>The lowest port of the host that a script may name. 1,024: those below are the machine's services.</summary>
    public const int FirstPort = 1024;

    /// <summary>How long a container has to run until its restarts are counted from the beginning. 10 s, as by Docker.</summary>
    public static readonly TimeSpan SteadyTime = TimeSpan.FromSeconds(10);
}
