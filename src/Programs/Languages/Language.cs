using PeoplesCloud.Base;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Programs.Languages;

/// <summary>A language that programs may be written in: how it is recognised in a folder and how it is started.</summary>
/// <param name="Name">As it is written on the command line and in entries: py3.</param>
/// <param name="Title">As people call it, for messages.</param>
/// <param name="EntryFiles">The files at the top of the folder that start the program and tell its language, the first that is there.</param>
/// <param name="DependencyFile">The file at the top of the folder that lists packages; null when the language has none.</param>
/// <param name="Interpreter">What the runtime runs inside the program's folder, before the entry file; empty when the entry runs by itself.</param>
/// <param name="Package">The Debian package of the interpreter; null when there is none.</param>
/// <param name="Environment">What the language's interpreter needs to be told.</param>
public sealed record Language(
    string Name,
    string Title,
    IReadOnlyList<string> EntryFiles,
    string? DependencyFile,
    IReadOnlyList<string> Interpreter,
    string? Package,
    IReadOnlyDictionary<string, string> Environment)
{
    private static readonly Dictionary<string, string> NoEnvironment = new(StringComparer.Ordinal);

    // -u so that a print is in the log at once and not when a buffer of 8 KiB is full; no byte code is written beside the
    // sources, since the folder is thrown away at the end.
    private static readonly Dictionary<string, string> PythonEnvironment = new(StringComparer.Ordinal) { ["PYTHONDONTWRITEBYTECODE"] = "1", ["PYTHONIOENCODING"] = "utf-8" };

    /// <summary>Python 3.</summary>
    public static Language Python3 { get; } = new("py3", "Python 3", ["bot.py"], "requirements.txt", ["python3", "-u"], "python3", PythonEnvironment) { Image = "python:3" };

    /// <summary>
    /// JavaScript on Node.js: bot.js, else the main file of package.json, else index.js. What a package asks of the interpreter
    /// ("type": "module") holds, since package.json goes along.
    /// </summary>
    public static Language NodeJs { get; } = new("nodejs", "JavaScript on Node.js", ["bot.js", PackageJson.FileName, "index.js"], PackageJson.FileName, ["node"], "nodejs", NoEnvironment) { Image = "node:lts" };

    /// <summary>Python 2, which no distribution maintains any more: by name only, and only where somebody keeps an interpreter.</summary>
    public static Language Python2 { get; } = new("py2", "Python 2", ["bot.py"], "requirements.txt", ["python2", "-u"], null, PythonEnvironment)
    {
        Image = "python:2",
        IsDetected = false,
        Needs = "neither python2 nor the Docker image python:2 is there",
        Advice = "docker pull python:2 on a host with Docker, or bring the program to py3",
    };

    /// <summary>A container image: one that is named, or the one that the folder's Dockerfile builds.</summary>
    public static Language Docker { get; } = new("docker", "a container image", [DockerFileName], null, [], null, NoEnvironment)
    {
        IsImage = true,
        Needs = "no Docker is there",
        Advice = "apt-get install docker.io on a host",
    };

    /// <summary>One executable or shell script: what no other language claims.</summary>
    public static Language Executable { get; } = new("exec", "an executable or shell script", ExecutableFile.Names, null, [], null, NoEnvironment) { IsDetected = false };

    /// <summary>All languages, in the order in which they are shown.</summary>
    public static IReadOnlyList<Language> All { get; } = [Python3, NodeJs, Docker, Executable, Python2];

    /// <summary>The file that says how an image is built.</summary>
    public const string DockerFileName = "Dockerfile";

    /// <summary>The container image that brings the interpreter; null when none is known.</summary>
    public string? Image { get; init; }

    /// <summary>Whether the program itself is a container image.</summary>
    public bool IsImage { get; init; }

    /// <summary>Whether its entry files tell the language without its being named.</summary>
    public bool IsDetected { get; init; } = true;

    /// <summary>What a host lacks that cannot run it, as the end of a sentence; null when its name says enough.</summary>
    public string? Needs { get; init; }

    /// <summary>What makes a host able to run it; null for installing <see cref="Package"/>.</summary>
    public string? Advice { get; init; }

    /// <summary>The entry files as a person is told of them.</summary>
    public string EntryText => EntryFiles.Count == 1 ? EntryFiles[0] : $"{string.Join(", ", EntryFiles.SkipLast(1))} or {EntryFiles[^1]}";

    /// <summary>The language of this name; null when there is none.</summary>
    public static Language? Find(string name) => All.FirstOrDefault(language => string.Equals(language.Name, name, StringComparison.Ordinal));

    /// <summary>The file that a folder's program starts with, relative to the folder; null when it holds none.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.PackageJsonInvalid"/>.</exception>
    public string? EntryIn(string folder)
    {
        if (this == Executable) return ExecutableFile.In(folder);
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

    /// <summary>The command that starts the program of an unpacked bundle, inside of its folder; empty for what its image says.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.EntryFileMissing"/>, <see cref="ErrorCode.PackageJsonInvalid"/>.</exception>
    public IReadOnlyList<string> CommandIn(string folder, ProgramManifest manifest)
    {
        if (manifest.Command is { } command) return command;
        if (IsImage) return [];
        var entry = EntryIn(folder) ?? throw new PcException(ErrorCode.EntryFileMissing, $"the bundle holds no {EntryText}, which a {Name} program starts with");
        return this == Executable ? ExecutableFile.CommandOf(folder, entry) : [.. Interpreter, entry];
    }

    /// <summary>What a folder's program is, as the end of the sentence "it is".</summary>
    public string Describe(string folder, ProgramManifest manifest)
    {
        var title = Interpreter.Count > 0 ? $"written in {Title}" : Title;
        var how = manifest.Image is { } image ? image : manifest.Command is { } command ? CommandText(command) : EntryIn(folder);
        return how is null ? title : $"{title} ({Quoted.Line(how)})";
    }

    private static string CommandText(IReadOnlyList<string> command) => command is ["/bin/sh", "-c", var line] ? line : string.Join(' ', command);
}
