using System.Text;
using PeoplesCloud.Base;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Programs.Secrets;

/// <summary>What a secret environment variable may be called and hold. No sentence of these names a value.</summary>
public static class SecretRules
{
    private const int MaxNameCharacters = 128;
    private static readonly string[] Reserved = ["PATH", "HOME", "LANG", "TMPDIR"];

    /// <summary>What is wrong with a variable; null when nothing is.</summary>
    public static string? ProblemOf(string name, string value)
    {
        if (name.Length is 0 or > MaxNameCharacters || char.IsAsciiDigit(name[0]) || !name.All(c => char.IsAsciiLetterOrDigit(c) || c == '_')) return $"{Quoted.Text(name)} is no name of an environment variable: letters, digits and _, no digit first";
        if (Reserved.Contains(name, StringComparer.Ordinal)) return $"{name} is the host's";
        if (value.Contains('\0', StringComparison.Ordinal)) return $"the value of {name} holds a NUL";
        var bytes = Encoding.UTF8.GetByteCount(value);
        return bytes > SecretBox.MaxValueBytes ? $"the value of {name} has {bytes} bytes, {SecretBox.MaxValueBytes} are the most" : null;
    }

    /// <summary>Checks variables of a person.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.SecretInvalid"/>.</exception>
    public static void Check(IReadOnlyDictionary<string, string> values)
    {
        if (values.Count > SwarmLimits.MaxVariables) throw new PcException(ErrorCode.SecretInvalid, $"{values.Count} secrets are too many, {SwarmLimits.MaxVariables} are the most");
        foreach (var (name, value) in values)
            if (ProblemOf(name, value) is { } problem) throw new PcException(ErrorCode.SecretInvalid, problem);
    }
}
