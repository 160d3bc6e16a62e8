using System.Text;

namespace PeoplesCloud.Swarm;

/// <summary>What a manifest may hold: judged before it is written and after it is read, by the same rules.</summary>
internal static class ManifestRules
{
    private static readonly string[] Ours = ["PATH", "HOME", "LANG", "TMPDIR"];

    /// <summary>The first thing that is not possible; null when all is well. Values that may be secret by mistake are not in the sentence.</summary>
    public static string? ProblemOf(ProgramManifest manifest) =>
        ProblemOfCommand(manifest.Command)
        ?? (manifest.Runtime is { } runtime && !Names.IsValid(runtime) ? "the runtime is no word" : null)
        ?? (manifest.Image is { } image && !IsImage(image) ? "the image is no reference such as python:3 or example.org/team/bot@sha256:..." : null)
        ?? ProblemOfPorts(manifest.Ports)
        ?? ProblemOfEnvironment(manifest)
        ?? (manifest.WhenAlone is not (null or "run" or "stop") ? "when-alone is neither run nor stop" : null)
        ?? (manifest.Schedule is { } schedule && !IsLine(schedule, SwarmLimits.MaxScheduleBytes) ? $"the schedule is no line of 1 to {SwarmLimits.MaxScheduleBytes} characters" : null)
        ?? (manifest.Open is not (null or ProgramManifest.OpenToMembers) ? "open is not members" : null)
        ?? (manifest.ToMessage().CalculateSize() > SwarmLimits.MaxManifestBytes ? $"it takes more than {SwarmLimits.MaxManifestBytes} bytes: long values belong into files of the program" : null);

    /// <summary>Whether this can name an environment variable.</summary>
    public static bool IsVariable(string name) =>
        name.Length is > 0 and <= SwarmLimits.MaxVariableNameBytes && !char.IsAsciiDigit(name[0]) && name.All(character => char.IsAsciiLetterOrDigit(character) || character == '_');

    private static string? ProblemOfCommand(IReadOnlyList<string>? command)
    {
        if (command is null) return null;
        if (command.Count is 0 or > SwarmLimits.MaxCommandWords) return $"the command has {command.Count} words, not 1 to {SwarmLimits.MaxCommandWords}";
        if (command[0].Length == 0) return "the command begins with an empty word";
        return command.Any(word => word.Contains('\0', StringComparison.Ordinal)) ? "the command holds a NUL" : null;
    }

    private static string? ProblemOfPorts(IReadOnlyList<ProgramPort> ports)
    {
        if (ports.Count > SwarmLimits.MaxPorts) return $"it has {ports.Count} ports, more than {SwarmLimits.MaxPorts}";
        foreach (var port in ports)
        {
            if (port.Number is < 1 or > ushort.MaxValue) return $"{port.Number} is no port: 1 to 65535";
            if (!Names.IsValid(port.Protocol)) return $"the protocol of port {port.Number} is no word";
            if (port.Name is { } name && !Names.IsValid(name)) return $"the name of port {port.Number} cannot be one";
        }
        if (ports.GroupBy(port => (port.Number, port.Protocol == ProgramPort.Udp)).FirstOrDefault(same => same.Count() > 1) is { } twice) return $"port {twice.Key.Number} is there twice";
        return ports.Where(port => port.Name is not null).GroupBy(port => port.Name, StringComparer.Ordinal).Any(same => same.Count() > 1) ? "two ports have one name" : null;
    }

    private static string? ProblemOfEnvironment(ProgramManifest manifest)
    {
        if (manifest.Environment.Count + manifest.Secrets.Count > SwarmLimits.MaxVariables) return $"it has more than {SwarmLimits.MaxVariables} environment variables";
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var name in manifest.Environment.Keys.Concat(manifest.Secrets))
        {
            if (!IsVariable(name)) return "a name of an environment variable is not made of letters, digits and _ (and no digit first)";
            if (Ours.Contains(name, StringComparer.Ordinal)) return $"{name} is set by the host";
            if (!seen.Add(name)) return $"{name} is set twice";
        }
        return manifest.Environment.FirstOrDefault(variable => variable.Value.Contains('\0', StringComparison.Ordinal)) is { Key: { } bad } ? $"the value of {bad} holds a NUL" : null;
    }

    // Loosely: whoever has the images says whether there is one of this name. Here it must be one harmless word.
    private static bool IsImage(string image) =>
        image.Length is > 0 and <= SwarmLimits.MaxImageBytes && char.IsAsciiLetterOrDigit(image[0]) && image.All(character => char.IsAsciiLetterOrDigit(character) || character is '.' or '_' or '-' or '/' or ':' or '@');

    private static bool IsLine(string text, int maxBytes) => text.Length > 0 && Encoding.UTF8.GetByteCount(text) <= maxBytes && text.All(character => character is >= ' ' and <= '~');
}
