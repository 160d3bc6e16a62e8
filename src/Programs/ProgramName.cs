using System.Text;
using PeoplesCloud.Base;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Programs;

/// <summary>The name of a program when it is deployed.</summary>
public static class ProgramName
{
    /// <summary>The name that a person gave, checked; without one, the folder's, with a dash for what a name cannot hold.</summary>
    /// <exception cref="PcException">The given name cannot be one (<see cref="ErrorCode.NameInvalid"/>).</exception>
    public static string Choose(string? given, string folder)
    {
        if (given is not null) return Names.Check(given, "program");
        var name = new StringBuilder();
        foreach (var character in Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder))))
        {
            if (char.IsLetterOrDigit(character) || character is '.' or '_' or '-') name.Append(character);
            else if (name is [.., not '-']) name.Append('-');
        }
        var made = name.ToString().Trim('.', '_', '-');
        while (Encoding.UTF8.GetByteCount(made) > SwarmLimits.MaxNameBytes) made = made[..^1];
        return Names.IsValid(made) ? made : "program";
    }
}
