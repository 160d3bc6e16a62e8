using System.Globalization;
using PeoplesCloud.Base.Formats;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Programs.Languages;
using PeoplesCloud.Programs.Policy;
using PeoplesCloud.Runtimes;

namespace PeoplesCloud.Daemon.Configuration;

/// <summary>One rule of a host's owner as text.</summary>
/// <param name="Name">One of <see cref="HostRules"/>; <c>host.NAME</c> in the configuration.</param>
/// <param name="Range">What its value may be, for people.</param>
/// <param name="With">The policy with this rule as a text says; null when the text is none of its values.</param>
/// <param name="Text">The rule of a policy as <see cref="With"/> reads it.</param>
internal sealed record HostSetting(string Name, string Range, Func<HostPolicy, string, HostPolicy?> With, Func<HostPolicy, string> Text);

/// <summary>Every rule that an owner can set, in the configuration and by <c>pc host set</c>. One table, so that both read the same.</summary>
internal static class HostSettings
{
    private const long MinMemoryBytes = 16L << 20;
    private const long MaxBytes = 1L << 50;
    private const int MaxItems = 64;

    /// <summary>The rules in the order in which they are shown.</summary>
    public static readonly IReadOnlyList<HostSetting> All =
    [
        new(HostRules.Enabled, "true or false", (policy, text) => text is "true" or "false" ? policy with { Hosts = text is "true" } : null, policy => policy.Hosts ? "true" : "false"),
        new(HostRules.Deployers, "everyone, nobody, or admins and peer ids with commas between", (policy, text) => Deployers(text) is { } rule ? policy with { Deployers = rule } : null, policy => policy.Deployers.Text),
        new(HostRules.Languages, $"all, or of {string.Join(", ", Language.All.Select(language => language.Name))} with commas between", (policy, text) => Words(text, "all", out var words) ? policy with { Languages = words } : null, policy => Joined(policy.Languages)),
        new(HostRules.Runtimes, "all, or sandbox, docker with commas between", (policy, text) => Words(text, "all", out var words) ? policy with { Runtimes = words } : null, policy => Joined(policy.Runtimes)),
        new(HostRules.Programs, "a whole number from 0 to 1000", (policy, text) => Integer(text, 0, 1000) is { } value ? policy with { Programs = value } : null, policy => policy.Programs.ToString(CultureInfo.InvariantCulture)),
        new(HostRules.Sessions, "a whole number from 0 to 10000", (policy, text) => Integer(text, 0, HostPolicy.MostSessions) is { } value ? policy with { Sessions = value } : null, policy => policy.Sessions.ToString(CultureInfo.InvariantCulture)),
        new(HostRules.Memory, "bytes such as 512MiB, at least 16MiB", (policy, text) => Bytes(text) is { } value ? policy with { Most = policy.Most with { MemoryBytes = value } } : null, policy => Shown(policy.Most.MemoryBytes)),
        new(HostRules.Cpus, "cores such as 0.5 or 2, 0.05 to 1024", (policy, text) => Cores(text) is { } value ? policy with { Most = policy.Most with { Cpus = value } } : null, policy => Shown(policy.Most.Cpus)),
        new(HostRules.Disk, "bytes such as 1GiB, at least 16MiB", (policy, text) => Bytes(text) is { } value ? policy with { Most = policy.Most with { DiskBytes = value } } : null, policy => Shown(policy.Most.DiskBytes)),
        new(HostRules.Pids, "a whole number from 1 to 4096", (policy, text) => Integer(text, 1, 4096) is { } value ? policy with { Most = policy.Most with { Pids = value } } : null, policy => policy.Most.Pids.ToString(CultureInfo.InvariantCulture)),
        new(HostRules.TotalMemory, "none, or bytes such as 2GiB, at least 16MiB", (policy, text) => text is "none" ? policy with { TotalMemoryBytes = null } : Bytes(text) is { } value ? policy with { TotalMemoryBytes = value } : null, policy => policy.TotalMemoryBytes is { } bytes ? Shown(bytes) : "none"),
        new(HostRules.TotalCpus, "none, or cores such as 1.5, 0.05 to 1024", (policy, text) => text is "none" ? policy with { TotalCpus = null } : Cores(text) is { } value ? policy with { TotalCpus = value } : null, policy => policy.TotalCpus is { } cpus ? Shown(cpus) : "none"),
        new(HostRules.Network, "none, internet or lan", (policy, text) => Network(text) is { } value ? policy with { Network = value } : null, policy => HostPolicy.NameOf(policy.Network)),
        new(HostRules.Hours, "always, or parts of the week such as 22:00-06:00 or mon-fri 18:00-24:00; several with ; between", (policy, text) => Hours(text) is { } value ? policy with { Hours = value } : null, policy => policy.Hours.Count == 0 ? "always" : string.Join("; ", policy.Hours)),
        new(HostRules.LongestRun, "none, or a time such as 12h, 90m or 1d12h", (policy, text) => text is "none" ? policy with { LongestRun = null } : Durations.TryParse(text, out var value) ? policy with { LongestRun = value } : null, policy => policy.LongestRun is { } longest ? Durations.Text(longest) : "none"),
        new(HostRules.Favours, "ignored, or first: when not all fit, members that gave more go first", (policy, text) => text is "ignored" or "first" ? policy with { FavoursFirst = text is "first" } : null, policy => policy.FavoursFirst ? "first" : "ignored"),
    ];

    /// <summary>The rule of a name; null when there is none.</summary>
    public static HostSetting? Find(string name) => All.FirstOrDefault(setting => string.Equals(setting.Name, name, StringComparison.Ordinal));

    /// <summary>
    /// The first word of a list of languages or runtimes that this version does not know, so that a slip is noticed when it is typed. What is kept
    /// or configured already may name those of another version.
    /// </summary>
    public static string? UnknownWord(string name, string text) => name switch
    {
        HostRules.Languages when text is not "all" => Items(text).FirstOrDefault(word => Language.Find(word) is null),
        HostRules.Runtimes when text is not "all" => Items(text).FirstOrDefault(word => word is not ("sandbox" or "docker")),
        _ => null,
    };

    /// <summary>A policy with rules as texts say; all of them were checked before.</summary>
    public static HostPolicy Apply(HostPolicy policy, IEnumerable<KeyValuePair<string, string>> texts) =>
        texts.Aggregate(policy, (with, text) => Find(text.Key)?.With(with, text.Value) ?? with);

    /// <summary>The items of a list: with commas between, or as an array of the configuration.</summary>
    public static IReadOnlyList<string> Items(string text) =>
        text.Split([',', TomlSubset.ArraySeparator], StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);

    private static DeployerRule? Deployers(string text)
    {
        if (text is "everyone") return DeployerRule.Everyone;
        if (text is "nobody") return DeployerRule.Only(admins: false, []);
        var (admins, peers, items) = (false, new List<PeerId>(), Items(text));
        if (items.Count is 0 or > MaxItems) return null;
        foreach (var item in items)
        {
            if (item is "admins") admins = true;
            else if (PeerId.TryParse(item, out var peer)) peers.Add(peer);
            else return null;
        }
        return DeployerRule.Only(admins, peers);
    }

    private static bool Words(string text, string all, out IReadOnlyList<string>? words)
    {
        words = null;
        if (string.Equals(text, all, StringComparison.Ordinal)) return true;
        words = Items(text);
        return words.Count is > 0 and <= MaxItems && words.All(word => word.Length <= 32 && word.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c is '-' or '_' or '.'));
    }

    private static int? Integer(string text, int least, int most) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var value) && value >= least && value <= most ? value : null;

    private static long? Bytes(string text) => ByteSize.TryParse(text, out var bytes) && bytes is >= MinMemoryBytes and <= MaxBytes ? bytes : null;

    private static double? Cores(string text) =>
        double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var cores) && cores is >= 0.05 and <= 1024 ? cores : null;

    private static NetworkMode? Network(string text) => text switch
    {
        "none" => NetworkMode.None,
        "internet" => NetworkMode.Internet,
        "lan" => NetworkMode.Lan,
        _ => null,
    };

    private static List<HostHours>? Hours(string text)
    {
        if (text is "always") return [];
        var parts = text.Split([';', TomlSubset.ArraySeparator], StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        var hours = new List<HostHours>();
        foreach (var part in parts)
        {
            if (!HostHours.TryParse(part, out var read)) return null;
            hours.Add(read);
        }
        return hours.Count is > 0 and <= MaxItems ? hours : null;
    }

    private static string Joined(IReadOnlyList<string>? words) => words is null ? "all" : string.Join(", ", words);

    /// <summary>Cores as a rule has them.</summary>
    public static string Shown(double cores) => cores.ToString("0.##", CultureInfo.InvariantCulture);

    /// <summary>Bytes in the largest unit in which they are a whole number, so that they are read again as the same.</summary>
    public static string Shown(long bytes)
    {
        if (bytes == 0) return "0";
        (string Name, long Bytes)[] units = [("TiB", 1L << 40), ("GiB", 1L << 30), ("MiB", 1L << 20), ("KiB", 1L << 10)];
        foreach (var (name, size) in units)
            if (bytes % size == 0) return string.Create(CultureInfo.InvariantCulture, $"{bytes / size}{name}");
        return bytes.ToString(CultureInfo.InvariantCulture);
    }
}
