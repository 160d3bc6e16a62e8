using System.Diagnostics.CodeAnalysis;
using System.Text;
using PeoplesCloud.Base;

namespace PeoplesCloud.Swarm;

/// <summary>Names of swarms, nodes and programs: letters and digits of any script, and - _ . inside; 1 to 63 UTF-8 bytes; no look-alike of a path or an option.</summary>
public static class Names
{
    /// <summary>Whether this can be a name.</summary>
    public static bool IsValid([NotNullWhen(true)] string? name)
    {
        if (string.IsNullOrEmpty(name) || name.Length > SwarmLimits.MaxNameBytes || Encoding.UTF8.GetByteCount(name) > SwarmLimits.MaxNameBytes) return false;
        if (!char.IsLetterOrDigit(name[0])) return false;
        foreach (var c in name)
        {
            if (!char.IsLetterOrDigit(c) && c is not ('-' or '_' or '.')) return false;
        }
        return true;
    }

    /// <summary>The name itself.</summary>
    /// <exception cref="PcException">It cannot be a name (<see cref="ErrorCode.NameInvalid"/>).</exception>
    public static string Check(string? name, string ofWhat) => IsValid(name)
        ? name
        : throw new PcException(ErrorCode.NameInvalid, $"\"{Shown(name)}\" cannot be the name of a {ofWhat}");

    /// <summary>The first of name, name-2, name-3, ... that is not taken.</summary>
    public static string Unique(string name, IReadOnlySet<string> taken)
    {
        if (!taken.Contains(name)) return name;
        for (var i = 2; ; i++)
        {
            var suffix = $"-{i}";
            var stem = name;
            while (Encoding.UTF8.GetByteCount(stem) + suffix.Length > SwarmLimits.MaxNameBytes) stem = stem[..^1];
            if (!taken.Contains(stem + suffix)) return stem + suffix;
        }
    }

    private static string Shown(string? name)
    {
        var text = new StringBuilder();
        foreach (var c in (name ?? "").Take(40)) text.Append(char.IsControl(c) ? '?' : c);
        return text.ToString();
    }
}
