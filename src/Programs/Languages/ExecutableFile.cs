using System.Text;
using PeoplesCloud.Base;
using PeoplesCloud.Programs.Bundles;

namespace PeoplesCloud.Programs.Languages;

/// <summary>
/// A program that is one file which runs by itself: run.sh, bot.sh, or the only file at the top of the folder that its owner may execute.
/// A host looks again in what it unpacked, and finds the same one.
/// </summary>
internal static class ExecutableFile
{
    /// <summary>Bytes of a script's first line that are looked at; kernels look at 256.</summary>
    private const int MaxFirstLine = 1024;

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

    /// <summary>How it is started: by itself, or without the executable bit by what its first line names (<c>#!/bin/bash</c>), else by a shell.</summary>
    public static IReadOnlyList<string> CommandOf(string folder, string name)
    {
        var path = Path.Combine(folder, name);
        if (IsFile(path, out var mayRun) && mayRun) return [$"./{name}"];
        // As the kernel splits it: the interpreter, and all the rest as one argument.
        var words = FirstLine(path) is ['#', '!', .. var line] ? line.Trim().Split([' ', '\t'], 2, StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries) : [];
        return words is [['/', ..], ..] ? [.. words, $"./{name}"] : ["/bin/sh", $"./{name}"];
    }

    /// <summary>Refuses a script that neither a shell nor the kernel could start, and of which its log would only say that a file is missing.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.ScriptLineEnds"/>.</exception>
    public static void RequireStartable(string folder, string name)
    {
        var line = FirstLine(Path.Combine(folder, name));
        if (line.EndsWith('\r') && (line.StartsWith("#!", StringComparison.Ordinal) || name.EndsWith(".sh", StringComparison.Ordinal)))
            throw new PcException(ErrorCode.ScriptLineEnds, $"the lines of {Quoted.Text(name)} end as in Windows (CR LF)", $"sed -i 's/\\r$//' {Quoted.Text(name)}");
    }

    // Without its end; empty when it cannot be read, of which packing tells.
    private static string FirstLine(string path)
    {
        try
        {
            using var file = File.OpenRead(path);
            var bytes = new byte[MaxFirstLine];
            var read = file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
            var end = Array.IndexOf(bytes, (byte)'\n', 0, read);
            return end < 0 ? "" : Encoding.Latin1.GetString(bytes, 0, end);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }

    private static bool IsFile(string path, out bool mayRun)
    {
        var isFile = FileStatus.TryRead(path, out var status, out _) && status.Kind == FileKind.File;
        mayRun = isFile && status.Executable;
        return isFile;
    }
}
