using PeoplesCloud.Base;

namespace PeoplesCloud.Programs.Languages;

/// <summary>A language that programs may be written in: how it is recognised in a folder and how it is started.</summary>
/// <param name="Name">As it is written on the command line and in entries: py3.</param>
/// <param name="Title">As people call it, for messages.</param>
/// <param name="EntryFiles">The files at the top of the folder that start the program and tell its language, the first that is there.</param>
/// <param name="DependencyFile">The file at the top of the folder that lists packages.</param>
/// <param name="Interpreter">What the runtime runs inside the program's folder, before the entry file.</param>
/// <param name="Package">The Debian package of the interpreter.</param>
/// <param name="Environment">What the language's interpreter needs to be told.</param>
public sealed record Language(
    string Name,
    string Title,
    IReadOnlyList<string> EntryFiles,
    string DependencyFile,
    IReadOnlyList<string> Interpreter,
    string Package,
    IReadOnlyDictionary<string, string> Environment)
{
    /// <summary>
    /// Python 3. <c>-u</c> so that a print is in the log at once and not when a buffer of 8 KiB is full; no byte code is written
    /// beside the sources, since the folder is thrown away at the end.
    /// </summary>
    public static Language Python3 { get; } = new(
        "py3",
        "Python 3",
        ["bot.py"],
        "requirements.txt",
        ["python3", "-u"],
        "python3",
        new Dictionary<string, string>(StringComparer.Ordinal) { ["PYTHONDONTWRITEBYTECODE"] = "1", ["PYTHONIOENCODING"] = "utf-8" });

    /// <summary>
    /// JavaScript on Node.js: bot.js, else the main file of package.json, else index.js. What a package asks of the interpreter
    /// ("type": "module") holds, since package.json goes along.
    /// </summary>
    public static Language NodeJs { get; } = new(
        "nodejs",
        "JavaScript on Node.js",
        ["bot.js", PackageJson.FileName, "index.js"],
        PackageJson.FileName,
        ["node"],
        "nodejs",
        new Dictionary<string, string>(StringComparer.Ordinal));

    /// <summary>All languages, in the order in which they are shown.</summary>
    public static IReadOnlyList<Language> All { get; } = [Python3, NodeJs];

    /// <summary>The entry files as a person is told of them.</summary>
    public string EntryText => EntryFiles.Count == 1 ? EntryFiles[0] : $"{string.Join(", ", EntryFiles.SkipLast(1))} or {EntryFiles[^1]}";

    /// <summary>The language of this name; null when there is none.</summary>
    public static Language? Find(string name) => All.FirstOrDefault(language => string.Equals(language.Name, name, StringComparison.Ordinal));

    /// <summary>The file that a folder's program starts with, relative to the folder; null when it holds none.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.PackageJsonInvalid"/>.</exception>
    public string? EntryIn(string folder)
    {
        foreach (var name in EntryFiles)
        {
            if (name == PackageJson.FileName)
            {
                if (PackageJson.Read(folder)?.EntryIn(folder) is { } main) return main;
            }
            else if (File.Exists(Path.Combine(folder, name)))
            {
                return name;
            }
        }

        return null;
    }

    /// <summary>The command that starts the program of an unpacked bundle, inside of its folder.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.EntryFileMissing"/>, <see cref="ErrorCode.PackageJsonInvalid"/>.</exception>
    public IReadOnlyList<string> CommandIn(string folder) =>
        [.. Interpreter, EntryIn(folder) ?? throw new PcException(ErrorCode.EntryFileMissing, $"the bundle holds no {EntryText}, which a {Name} program starts with")];
}
