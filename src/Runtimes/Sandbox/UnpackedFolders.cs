namespace PeoplesCloud.Runtimes.Sandbox;

/// <summary>
/// Folders that .deb files were unpacked into, as a program inside sees them: read-only, after the system's own. A user who cannot install
/// an interpreter has it there.
/// </summary>
/// <param name="folders">Absolute folders outside, each with usr/bin and usr/lib below.</param>
internal sealed class UnpackedFolders(IReadOnlyList<string> folders)
{
    private static readonly string[] BinaryFolders = ["usr/bin", "bin"];

    private static readonly string[] LibraryParents = ["usr/lib", "lib"];

    private readonly (string Outside, string Inside)[] _folders = [.. folders.Where(Directory.Exists).Select((folder, index) => (folder, $"/opt/pc-tools/{index}"))];

    /// <summary>Whether a program of this name is found inside, among the system's or here.</summary>
    public bool Sees(string program) =>
        File.Exists(Path.Combine("/usr/bin", program)) || _folders.Any(folder => BinaryFolders.Any(binaries => File.Exists(Path.Combine(folder.Outside, binaries, program))));

    /// <summary>Arguments of bubblewrap that show the folders inside.</summary>
    public IEnumerable<string> Arguments() => _folders.SelectMany(folder => new[] { "--ro-bind", folder.Outside, folder.Inside });

    /// <summary>What PATH must end with.</summary>
    public string PathSuffix() => string.Concat(_folders.SelectMany(folder => BinaryFolders.Select(binaries => $":{folder.Inside}/{binaries}")));

    /// <summary>LD_LIBRARY_PATH inside; null when nothing was unpacked.</summary>
    public string? LibraryPath()
    {
        var found =
            from folder in _folders
            from parent in LibraryParents
            let outside = Path.Combine(folder.Outside, parent)
            where Directory.Exists(outside)
            from libraries in Directory.EnumerateDirectories(outside, "*-linux-gnu*")
            select $"{folder.Inside}/{parent}/{Path.GetFileName(libraries)}";
        var text = string.Join(':', found);
        return text.Length == 0 ? null : text;
    }
}
