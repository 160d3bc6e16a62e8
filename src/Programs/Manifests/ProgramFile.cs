using System.Text;
using PeoplesCloud.Base;
using PeoplesCloud.Base.Formats;
using PeoplesCloud.Programs.Bundles;

namespace PeoplesCloud.Programs.Manifests;

/// <summary>pc.toml, the file at the top of a program's folder that says how it is run; docs/layouts/manifest.md.</summary>
internal static class ProgramFile
{
    /// <summary>The file's name.</summary>
    public const string Name = "pc.toml";

    /// <summary>The settings of a folder's pc.toml; none when there is no such file. What is no TOML is a problem.</summary>
    /// <exception cref="PcException">It cannot be read (<see cref="ErrorCode.FileUnreadable"/>).</exception>
    public static IReadOnlyList<ProgramSetting> Read(string folder, ICollection<string> problems)
    {
        var path = Path.Combine(folder, Name);
        // A link or a pipe is not read: packing refuses it.
        if (!FileStatus.TryRead(path, out var status, out _) || status.Kind != FileKind.File) return [];
        if (status.Bytes > TomlSubset.MaxFileBytes)
        {
            problems.Add($"{Name} is larger than {TomlSubset.MaxFileBytes} bytes");
            return [];
        }
        try
        {
            var found = new List<string>();
            var settings = TomlSubset.Parse(File.ReadAllText(path, Encoding.UTF8), found);
            foreach (var problem in found) problems.Add($"{Name} {problem}");
            return [.. settings.Select(setting => new ProgramSetting(setting.Key, setting.Items, setting.IsArray, $"{Name} line {setting.Line}"))];
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
        {
            throw new PcException(ErrorCode.FileUnreadable, $"{Quoted.Text(path)} could not be read: {unreadable.Message}", inner: unreadable);
        }
    }
}
