using PeoplesCloud.Programs.Bundles;

namespace PeoplesCloud.Programs.Languages;

/// <summary>
/// A program that is one file which runs by itself: run.sh, bot.sh, or the only file at the top of the folder that its owner may execute.
/// A host looks again in what it unpacked, and finds the same one.
/// </summary>
internal static class ExecutableFile
{
    /// <summary>Scripts that need no executable bit: a shell reads them.</summary>
    private static readonly string[] Scripts = ["run.sh", "bot.sh"];

    /// <summary>What is looked for, in the words of a message.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. Scripts, "a single executable file"];

    /// <summary>The file's name; null when there is none, or several could be meant.</summary>
    public static string? In(string folder)
    {
        if (Array.Find(Scripts, name => IsFile(Path.Combine(folder, name), out _)) is { } script) return script;
        var executable = Directory.EnumerateFiles(folder).Where(path => IsFile(path, out var mayRun) && mayRun).Take(2).Select(path => Path.GetFileName(path)).ToList();
        return executable is [var only] ? only : null;
    }

    /// <summary>How it is started.</summary>
    public static IReadOnlyList<string> CommandOf(string folder, string name) =>
        IsFile(Path.Combine(folder, name), out var mayRun) && mayRun ? [$"./{name}"] : ["/bin/sh", $"./{name}"];

    private static bool IsFile(string path, out bool mayRun)
    {
        var isFile = FileStatus.TryRead(path, out var status, out _) && status.Kind == FileKind.File;
        mayRun = isFile && status.Executable;
        return isFile;
    }
}
