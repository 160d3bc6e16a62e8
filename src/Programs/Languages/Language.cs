namespace PeoplesCloud.Programs.Languages;

/// <summary>A language that programs may be written in: how it is recognised in a folder and how it is started.</summary>
/// <param name="Name">As it is written on the command line and in entries: py3.</param>
/// <param name="Title">As people call it, for messages.</param>
/// <param name="EntryFile">The file at the top of the folder that starts the program and tells its language.</param>
/// <param name="DependencyFile">The file at the top of the folder that lists packages.</param>
/// <param name="Command">What the runtime runs inside the program's folder.</param>
/// <param name="Environment">What the language's interpreter needs to be told.</param>
public sealed record Language(
    string Name,
    string Title,
    string EntryFile,
    string DependencyFile,
    IReadOnlyList<string> Command,
    IReadOnlyDictionary<string, string> Environment)
{
    /// <summary>
    /// Python 3. <c>-u</c> so that a print is in the log at once and not when a buffer of 8 KiB is full; no byte code is written
    /// beside the sources, since the folder is thrown away at the end.
    /// </summary>
    public static Language Python3 { get; } = new(
        "py3",
        "Python 3",
        "bot.py",
        "requirements.txt",
        ["python3", "-u", "bot.py"],
        new Dictionary<string, string>(StringComparer.Ordinal) { ["PYTHONDONTWRITEBYTECODE"] = "1", ["PYTHONIOENCODING"] = "utf-8" });

    /// <summary>All languages, in the order in which they are shown.</summary>
    public static IReadOnlyList<Language> All { get; } = [Python3];

    /// <summary>The language of this name; null when there is none.</summary>
    public static Language? Find(string name) => All.FirstOrDefault(language => string.Equals(language.Name, name, StringComparison.Ordinal));
}
