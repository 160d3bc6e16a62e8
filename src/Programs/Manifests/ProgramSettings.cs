using System.Collections.Immutable;
using System.Globalization;
using PeoplesCloud.Base.Formats;
using PeoplesCloud.Runtimes;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Programs.Manifests;

/// <summary>Something that a person set for a program.</summary>
/// <param name="Key">One of <see cref="ProgramSettings.Keys"/>, or env.NAME.</param>
/// <param name="Values">The value, or the items of a list.</param>
/// <param name="IsList">Whether it was written as a list.</param>
/// <param name="Source">Where it was written, for messages: pc.toml line 3, or --memory.</param>
internal sealed record ProgramSetting(string Key, IReadOnlyList<string> Values, bool IsList, string Source);

/// <summary>
/// The settings of one program, of which the first of each key counts: flags before pc.toml. Reading a value that is not possible adds a
/// sentence to the problems, with key, value and what is accepted, and answers as if it had not been set.
/// </summary>
internal sealed class ProgramSettings
{
    /// <summary>What the names of environment variables stand behind.</summary>
    public const string EnvironmentPrefix = "env.";

    /// <summary>Every key besides environment variables.</summary>
    public static readonly IReadOnlyList<string> Keys =
        ["name", "language", "run", "runtime", "image", "ports", "memory", "cpus", "pids", "disk", "network", "data", "when-alone", "schedule", "open", "secrets"];

    private readonly Dictionary<string, ProgramSetting> _settings = new(StringComparer.Ordinal);
    private readonly ICollection<string> _problems;

    /// <summary>Takes settings, those that win first; unknown keys are problems with a suggestion.</summary>
    public ProgramSettings(IEnumerable<ProgramSetting> settings, ICollection<string> problems)
    {
        _problems = problems;
        foreach (var setting in settings)
        {
            if (setting.Key.StartsWith(EnvironmentPrefix, StringComparison.Ordinal) || Keys.Contains(setting.Key, StringComparer.Ordinal)) _settings.TryAdd(setting.Key, setting);
            else problems.Add($"{setting.Source}: unknown key {Quoted.Text(setting.Key)}{Suggestion(setting.Key)}");
        }
    }

    /// <summary>Where a key was set; null when it was not.</summary>
    public string? SourceOf(string key) => _settings.GetValueOrDefault(key)?.Source;

    /// <summary>A text.</summary>
    public string? Text(string key)
    {
        if (_settings.GetValueOrDefault(key) is not { } setting) return null;
        if (!setting.IsList && setting.Values is [{ Length: > 0 } text]) return text;
        Refuse(setting, "one text");
        return null;
    }

    /// <summary>One of some words.</summary>
    public string? Word(string key, params ReadOnlySpan<string> words)
    {
        if (Text(key) is not { } text) return null;
        if (words.Contains(text)) return text;
        Refuse(_settings[key], string.Join(" or ", words!));
        return null;
    }

    /// <summary>A whole number.</summary>
    public int? Integer(string key, int least, int most)
    {
        if (Text(key) is not { } text) return null;
        if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= least && number <= most) return number;
        Refuse(_settings[key], $"a whole number from {least} to {most}");
        return null;
    }

    /// <summary>A number.</summary>
    public double? Number(string key, double least, double most)
    {
        if (Text(key) is not { } text) return null;
        if (double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number) && number >= least && number <= most) return number;
        Refuse(_settings[key], string.Create(CultureInfo.InvariantCulture, $"a number from {least} to {most}"));
        return null;
    }

    /// <summary>A size such as 512MiB.</summary>
    public long? Bytes(string key, long least, long most)
    {
        if (Text(key) is not { } text) return null;
        if (ByteSize.TryParse(text, out var bytes) && bytes >= least && bytes <= most) return bytes;
        Refuse(_settings[key], $"a size from {Size.Text(least)} to {Size.Text(most)}, such as 512MiB");
        return null;
    }

    /// <summary>A network.</summary>
    public NetworkMode? Network(string key) => Word(key, "none", "internet", "lan") switch
    {
        "none" => NetworkMode.None,
        "internet" => NetworkMode.Internet,
        "lan" => NetworkMode.Lan,
        _ => null,
    };

    /// <summary>A list of words; one text is a list of one.</summary>
    public IReadOnlyList<string> List(string key) => _settings.GetValueOrDefault(key)?.Values ?? [];

    /// <summary>A command: a list is program and arguments, one text is a line for the shell.</summary>
    public IReadOnlyList<string>? Command(string key)
    {
        if (_settings.GetValueOrDefault(key) is { IsList: true } words)
        {
            if (words.Values is [{ Length: > 0 }, ..]) return words.Values;
            Refuse(words, "program and arguments");
            return null;
        }
        return Text(key) is { } line ? ShellLine(line) : null;
    }

    /// <summary>How a line for the shell is run.</summary>
    public static IReadOnlyList<string> ShellLine(string line) => ["/bin/sh", "-c", line];

    /// <summary>Ports, each as [NAME=]NUMBER[/PROTOCOL].</summary>
    public IReadOnlyList<ProgramPort> Ports(string key) => [.. List(key).Select(text => Port(key, text)).OfType<ProgramPort>()];

    /// <summary>The environment variables.</summary>
    public ImmutableSortedDictionary<string, string> Environment()
    {
        var variables = ImmutableSortedDictionary.CreateBuilder<string, string>(StringComparer.Ordinal);
        foreach (var setting in _settings.Values.Where(setting => setting.Key.StartsWith(EnvironmentPrefix, StringComparison.Ordinal)))
        {
            // Values are not repeated in messages: a token may have got here by mistake.
            if (setting is { IsList: false, Values: [var value] }) variables[setting.Key[EnvironmentPrefix.Length..]] = value;
            else _problems.Add($"{setting.Source}: {Quoted.Text(setting.Key)} is one text");
        }
        return variables.ToImmutable();
    }

    /// <summary>Adds a problem of a setting.</summary>
    public void Refuse(string key, string accepted) => Refuse(_settings[key], accepted);

    private void Refuse(ProgramSetting setting, string accepted) =>
        _problems.Add($"{setting.Source}: {setting.Key} = {Quoted.Text(string.Join(", ", setting.Values))}: {accepted}");

    private ProgramPort? Port(string key, string text)
    {
        var named = text.IndexOf('=', StringComparison.Ordinal);
        var slash = text.IndexOf('/', named + 1);
        var number = text.AsSpan((named + 1)..(slash < 0 ? text.Length : slash));
        var protocol = slash < 0 ? ProgramPort.Tcp : text[(slash + 1)..];
        if (int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var parsed) && parsed is > 0 and <= ushort.MaxValue
            && protocol is ProgramPort.Tcp or ProgramPort.Udp or ProgramPort.Http && (named < 0 || Names.IsValid(text[..named])))
            return new ProgramPort(parsed, named < 0 ? null : text[..named], protocol);
        _problems.Add($"{_settings[key].Source}: {key} = {Quoted.Text(text)}: a port from 1 to 65535, such as 8080, 8080/http, 5353/udp or web=8080/http");
        return null;
    }

    private static string Suggestion(string key)
    {
        if (Spelling.Nearest(key, Keys, most: 3) is { } nearest) return $" (did you mean {nearest}?)";
        return $" (known: {string.Join(", ", Keys)}, env)";
    }
}
