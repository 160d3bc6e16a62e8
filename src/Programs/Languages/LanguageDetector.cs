using PeoplesCloud.Base;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Programs.Languages;

/// <summary>Says which language a folder is written in, from the names of the files at its top.</summary>
public static class LanguageDetector
{
    /// <summary>The language of a folder: the named one, the one of its command or image, or the only one whose entry file is there.</summary>
    /// <param name="folder">An existing folder.</param>
    /// <param name="named">The language that the person named; null detects it.</param>
    /// <param name="manifest">What the program asks for: a command or an image needs no entry file.</param>
    /// <exception cref="PcException"><see cref="ErrorCode.LanguageUnknown"/>, <see cref="ErrorCode.EntryFileMissing"/>,
    /// <see cref="ErrorCode.LanguageNotDetected"/>, <see cref="ErrorCode.LanguageAmbiguous"/>,
    /// <see cref="ErrorCode.PackageJsonInvalid"/>, <see cref="ErrorCode.ScriptLineEnds"/>.</exception>
    public static Language Detect(string folder, string? named, ProgramManifest? manifest = null) => Detect(folder, named, manifest ?? ProgramManifest.Empty, Language.All);

    internal static Language Detect(string folder, string? named, ProgramManifest manifest, IReadOnlyList<Language> languages)
    {
        var language = Choose(folder, named, manifest, languages);
        if (language == Language.Executable && manifest.Command is null && ExecutableFile.In(folder) is { } entry) ExecutableFile.RequireStartable(folder, entry);
        return language;
    }

    private static Language Choose(string folder, string? named, ProgramManifest manifest, IReadOnlyList<Language> languages)
    {
        if (named is not null) return Named(folder, named, manifest, languages);
        if (manifest.Command is { } command) return OfCommand(folder, command);
        return manifest.Image is not null ? InImage(folder, languages) : OnlyOneIn(folder, languages);
    }

    private static Language Named(string folder, string named, ProgramManifest manifest, IReadOnlyList<Language> languages)
    {
        var language = languages.FirstOrDefault(candidate => string.Equals(candidate.Name, named, StringComparison.Ordinal))
            ?? throw new PcException(ErrorCode.LanguageUnknown, $"the language {Quoted.Text(named)} is not known; known: {Listed(languages)}");
        if (manifest.Command is not null || (language.IsImage && manifest.Image is not null) || language.EntryIn(folder) is not null) return language;
        throw new PcException(ErrorCode.EntryFileMissing, $"{Quoted.Text(folder)} holds no {language.EntryText}, which a {language.Name} program starts with");
    }

    // The program whose entry file is there, run in the image; without one, what the image runs by itself.
    private static Language InImage(string folder, IReadOnlyList<Language> languages)
    {
        var found = languages.Where(language => language is { IsDetected: true, IsImage: false } && language.EntryIn(folder) is not null).ToList();
        return found is [var only] ? only : Language.Docker;
    }

    // By the interpreter that the command begins with, else by the list of packages that it would need; else whatever runs by itself.
    private static Language OfCommand(string folder, IReadOnlyList<string> command)
    {
        var first = (command is ["/bin/sh", "-c", var line] ? line.Split(' ', StringSplitOptions.RemoveEmptyEntries).FirstOrDefault(word => !word.Contains('=', StringComparison.Ordinal)) : command[0]) ?? "";
        switch (Path.GetFileName(first))
        {
            case "python2":
                return Language.Python2;
            case var name when name.StartsWith("python", StringComparison.Ordinal):
                return Language.Python3;
            case "node" or "npm" or "npx":
                return Language.NodeJs;
        }
        var listed = new[] { Language.Python3, Language.NodeJs }.Where(language => File.Exists(Path.Combine(folder, language.DependencyFile!))).ToList();
        return listed is [var only] ? only : Language.Executable;
    }

    private static Language OnlyOneIn(string folder, IReadOnlyList<Language> languages)
    {
        var found = languages.Where(language => language.IsDetected && language.EntryIn(folder) is not null).ToList();
        return found.Count switch
        {
            1 => found[0],
            0 when languages.Contains(Language.Executable) && ExecutableFile.In(folder) is not null => Language.Executable,
            0 when !Directory.EnumerateFileSystemEntries(folder).Any() => throw new PcException(ErrorCode.LanguageNotDetected, $"{Quoted.Text(folder)} is empty"),
            // What is only taken by its name was not looked for.
            0 => throw new PcException(ErrorCode.LanguageNotDetected, $"{Quoted.Text(folder)} has no known language; looked for {Listed(languages.Where(language => language.IsDetected || language == Language.Executable))}"),
            _ => throw new PcException(
                ErrorCode.LanguageAmbiguous,
                $"{Quoted.Text(folder)} could be several languages: {Listed(found)}",
                $"Name one after the path: {string.Join(" or ", found.Select(language => language.Name))}."),
        };
    }

    private static string Listed(IEnumerable<Language> languages) =>
        string.Join(", ", languages.Select(language => $"{language.EntryText} ({language.Name}, {language.Title})"));
}
