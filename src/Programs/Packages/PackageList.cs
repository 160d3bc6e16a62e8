using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using PeoplesCloud.Base;
using PeoplesCloud.Programs.Bundles;
using PeoplesCloud.Programs.Languages;

namespace PeoplesCloud.Programs.Packages;

/// <summary>The packages that a program's folder asks for: requirements.txt for pip, package.json and its lock file for npm.</summary>
/// <param name="Installer">Who installs them.</param>
/// <param name="File">The file that lists them, for messages.</param>
/// <param name="LockFile">The file that names their exact versions; null when there is none.</param>
/// <param name="Inputs">All files that decide what is installed, relative to the folder, in order.</param>
internal sealed record PackageList(PackageInstaller Installer, string File, string? LockFile, IReadOnlyList<string> Inputs)
{
    /// <summary>The most of a list that is read, in bytes; a lock file of a large program has a tenth.</summary>
    private const int MaxListBytes = 16 << 20;

    private static readonly string[] NpmLocks = ["package-lock.json", "npm-shrinkwrap.json"];

    /// <summary>What a folder asks for; null when it needs nothing, or its language has no lists.</summary>
    /// <param name="folder">The program's folder.</param>
    /// <param name="language">Its language.</param>
    /// <exception cref="PcException">A list cannot be read (<see cref="ErrorCode.FileUnreadable"/>) or understood (<see cref="ErrorCode.PackageJsonInvalid"/>, <see cref="ErrorCode.BundleTooLarge"/>).</exception>
    public static PackageList? Of(string folder, Language language) => language.DependencyFile switch
    {
        null => null,
        PackageJson.FileName => OfNpm(folder),
        var file => OfPip(folder, file),
    };

    /// <summary>The name under which what is installed is kept: a hash of everything that decides it.</summary>
    /// <param name="folder">The program's folder.</param>
    /// <param name="surroundings">Runtime, image and interpreter: packages with machine code fit one of them only.</param>
    public string KeyIn(string folder, params ReadOnlySpan<string?> surroundings)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Add(hash, "peoples-cloud packages 1"u8);
        Add(hash, Encoding.UTF8.GetBytes($"{Installer.Name} {RuntimeInformation.ProcessArchitecture}"));
        foreach (var part in surroundings) Add(hash, Encoding.UTF8.GetBytes(part ?? ""));
        foreach (var input in Inputs)
        {
            Add(hash, Encoding.UTF8.GetBytes(input));
            Add(hash, Read(folder, input));
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>
    /// Copies what decides the installation, and nothing else, to a folder of its own: what an installer would find beside the lists (a pip.py,
    /// packages made ready) could otherwise get into packages that other members' programs with the same lists are given.
    /// </summary>
    public void StageInto(string folder, string staged)
    {
        Directory.CreateDirectory(staged);
        foreach (var input in Inputs)
        {
            var target = Path.Combine(staged, input);
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            System.IO.File.Copy(Path.Combine(folder, input), target);
        }
    }

    private static void Add(IncrementalHash hash, ReadOnlySpan<byte> part)
    {
        Span<byte> length = stackalloc byte[8];
        System.Buffers.Binary.BinaryPrimitives.WriteInt64BigEndian(length, part.Length);
        hash.AppendData(length);
        hash.AppendData(part);
    }

    private static PackageList? OfPip(string folder, string file)
    {
        if (!IsFile(folder, file)) return null;
        // Blank lines and comments are no packages: an empty requirements.txt is common and harmless.
        var lines = Encoding.UTF8.GetString(Read(folder, file)).Split('\n').Select(line => line.Trim()).Where(line => line.Length > 0 && line[0] != '#').ToList();
        if (lines.Count == 0) return null;
        return new PackageList(PackageInstaller.Pip, file, null, lines.Any(IsLocal) ? EveryFile(folder) : [file]);
    }

    private static PackageList? OfNpm(string folder)
    {
        if (PackageJson.Read(folder)?.FirstDependency is null) return null;
        var lockFile = Array.Find(NpmLocks, name => IsFile(folder, name));
        var local = Encoding.UTF8.GetString(Read(folder, PackageJson.FileName)).Contains("\"file:", StringComparison.Ordinal);
        var lists = new[] { PackageJson.FileName, lockFile, ".npmrc" }.OfType<string>().Where(name => IsFile(folder, name));
        return new PackageList(PackageInstaller.Npm, PackageJson.FileName, lockFile, local ? EveryFile(folder) : [.. lists]);
    }

    // What names other files of the folder: further lists, packages and their sources.
    private static bool IsLocal(string line) =>
        line.StartsWith("-r", StringComparison.Ordinal) || line.StartsWith("-c", StringComparison.Ordinal) || line.StartsWith("-e", StringComparison.Ordinal) || line.StartsWith("-f", StringComparison.Ordinal)
        || line.StartsWith("--requirement", StringComparison.Ordinal) || line.StartsWith("--constraint", StringComparison.Ordinal) || line.StartsWith("--editable", StringComparison.Ordinal)
        || line.StartsWith("--find-links", StringComparison.Ordinal) || line[0] is '.' or '/' || line.Contains("file:", StringComparison.Ordinal);

    private static string[] EveryFile(string folder) =>
        [.. Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).Select(path => Path.GetRelativePath(folder, path)).Order(StringComparer.Ordinal)];

    private static bool IsFile(string folder, string name) => FileStatus.TryRead(Path.Combine(folder, name), out var status, out _) && status.Kind == FileKind.File;

    private static byte[] Read(string folder, string name)
    {
        var path = Path.Combine(folder, name);
        try
        {
            if (FileStatus.TryRead(path, out var status, out _) && status.Bytes > MaxListBytes && IsList(name))
                throw new PcException(ErrorCode.BundleTooLarge, $"{Quoted.Text(name)} is larger than {Size.Text(MaxListBytes)}");
            return System.IO.File.ReadAllBytes(path);
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
        {
            throw new PcException(ErrorCode.FileUnreadable, $"{Quoted.Text(path)} could not be read: {unreadable.Message}", inner: unreadable);
        }
    }

    private static bool IsList(string name) => name == PackageJson.FileName || NpmLocks.Contains(name, StringComparer.Ordinal) || name.EndsWith(".txt", StringComparison.Ordinal);
}
