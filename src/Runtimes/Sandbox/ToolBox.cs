using PeoplesCloud.Base;

namespace PeoplesCloud.Runtimes.Sandbox;

/// <summary>One tool: where it is and where its libraries are when they are not the system's.</summary>
/// <param name="Path">The absolute path.</param>
/// <param name="LibraryPath">What LD_LIBRARY_PATH must be for it, null for the system's libraries.</param>
internal sealed record Tool(string Path, string? LibraryPath);

/// <summary>Finds the sandbox's tools on PATH, else below folders that .deb files were unpacked into.</summary>
internal sealed class ToolBox(IReadOnlyList<string> toolFolders)
{
    private static readonly string[] SystemFolders = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

    private static readonly string[] BinaryFolders = ["usr/bin", "usr/sbin", "bin", "sbin"];

    private static readonly string[] LibraryParents = ["usr/lib", "lib"];

    /// <summary>The Debian package of each tool, for hints.</summary>
    private static readonly Dictionary<string, string> Packages = new(StringComparer.Ordinal)
    {
        ["bwrap"] = "bubblewrap",
        ["slirp4netns"] = "slirp4netns",
        ["ip"] = "iproute2",
        ["setpriv"] = "util-linux",
        ["unshare"] = "util-linux",
        ["nsenter"] = "util-linux",
        ["mount"] = "mount",
        ["bash"] = "bash",
        ["libseccomp.so.2"] = "libseccomp2",
    };

    /// <summary>The tool, null when it is nowhere.</summary>
    public Tool? Find(string name)
    {
        // PATH of a daemon may lack the sbin folders, which hold ip on some systems.
        var path = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries).Where(folder => Path.IsPathRooted(folder) && !IsUnpacked(folder));
        foreach (var folder in path.Concat(SystemFolders))
            if (Path.Combine(folder, name) is var file && File.Exists(file)) return new Tool(file, LibraryPath: null);
        foreach (var root in toolFolders)
            foreach (var folder in BinaryFolders)
                if (Path.Combine(root, folder, name) is var file && File.Exists(file)) return new Tool(file, string.Join(':', LibraryFolders()));
        return null;
    }

    // The launcher puts the unpacked folders on PATH too; what lies there needs the libraries beside it.
    private bool IsUnpacked(string folder) => toolFolders.Any(root => folder.StartsWith(root + "/", StringComparison.Ordinal));

    /// <summary>The tool.</summary>
    /// <exception cref="PcException">It is nowhere: <see cref="ErrorCode.SandboxToolMissing"/> with the line that installs it.</exception>
    public Tool Require(string name) => Find(name) ?? throw Missing(name);

    /// <summary>The error for a tool or library that is nowhere.</summary>
    public static PcException Missing(string name) =>
        new(ErrorCode.SandboxToolMissing, $"{name} is not installed; the sandbox needs it", $"{InstallLine(name)}, then try again");

    /// <summary>The command that installs a tool.</summary>
    public static string InstallLine(string name) => $"apt-get install -y {Packages.GetValueOrDefault(name, name)}";

    /// <summary>What of the tool folders programs see.</summary>
    public UnpackedFolders Unpacked { get; } = new(toolFolders);

    /// <summary>Folders with shared libraries below the tool folders: the multiarch ones and plain lib.</summary>
    public IEnumerable<string> LibraryFolders() =>
        from root in toolFolders
        from lib in LibraryParents
        let folder = Path.Combine(root, lib)
        where Directory.Exists(folder)
        from found in Directory.EnumerateDirectories(folder, "*-linux-gnu*").Append(folder)
        select found;
}
