using System.Globalization;
using System.Net;
using System.Text.Json;
using PeoplesCloud.Base;
using PeoplesCloud.Runtimes.Ports;

namespace PeoplesCloud.Sessions.Containers;

/// <summary>One option of a script, read in the forms that docker-py takes it in; whatever else it is, is an error that names it. Source: docker-py 5 and 7, <c>docker.utils</c> and <c>docker.types.containers</c>; a test asks docker-py what it makes of each form.</summary>
internal sealed class OptionReader(string name, JsonElement value)
{
    private const int MaxPrintable = 60;

    /// <summary>What a stranger wrote, as a part of a message.</summary>
    public static string Printable(string text) => $"'{string.Concat(text.Take(MaxPrintable).Select(character => char.IsControl(character) || char.IsSurrogate(character) ? '?' : character))}'";

    /// <summary>A whole number.</summary>
    public long Number(long least, long most, string form) =>
        value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out var number) && number >= least && number <= most ? number : throw Wrong(form);

    /// <summary>true or false.</summary>
    public bool Boolean() => value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean() : throw Wrong("true or false");

    /// <summary>A text without control characters; null when it is empty, which is for an engine as if it were left out.</summary>
    public string? Text(int most) => !IsText(value, most, out var text) ? throw Wrong($"a text of at most {most} characters") : text.Length > 0 ? text : null;

    /// <summary>A path from the root; null when it is empty.</summary>
    public string? Folder() => Text(ContainerLimits.TextChars) is { } text ? Path(text) : null;

    /// <summary>A name or number of a user; null when it is empty.</summary>
    public string? User() => value.ValueKind == JsonValueKind.Number ? Number(0, uint.MaxValue, "a user's name or number").ToString(CultureInfo.InvariantCulture) : Text(ContainerLimits.TextChars);

    /// <summary>A list of words, or a line that is taken apart as a shell would.</summary>
    public IReadOnlyList<string> Command()
    {
        const string form = "a line, or a list of words";
        if (value.ValueKind == JsonValueKind.String)
        {
            var line = value.GetString()!;
            return line.Length <= ContainerLimits.Chars && !line.Contains('\0', StringComparison.Ordinal) && ShellSplit.TrySplit(line, ContainerLimits.Words, out var split) ? split : throw Wrong(form + " with its quotes closed");
        }
        var words = new List<string>();
        foreach (var item in Items(ContainerLimits.Words, form)) words.Add(WordOf(item, form));
        return words.Sum(word => (long)word.Length) <= ContainerLimits.Chars ? words : throw Wrong($"at most {ContainerLimits.Chars} characters");
    }

    /// <summary>A list of NAME=VALUE, or an object.</summary>
    public IReadOnlyDictionary<string, string?> Environment()
    {
        const string form = "an object of names and values, or a list of NAME=VALUE";
        var all = new Dictionary<string, string?>(StringComparer.Ordinal);
        if (value.ValueKind == JsonValueKind.Object)
        {
            foreach (var member in value.EnumerateObject()) Add(member.Name, ValueOf(member.Value));
        }
        else
        {
            foreach (var item in Items(ContainerLimits.Variables, form))
            {
                var pair = WordOf(item, form).Split('=', 2);
                Add(pair[0], pair.Length > 1 ? pair[1] : null);
            }
        }
        return all.Sum(variable => (long)variable.Key.Length + (variable.Value?.Length ?? 0)) <= ContainerLimits.Chars ? all : throw Wrong($"at most {ContainerLimits.Chars} characters");

        void Add(string variable, string? text)
        {
            if (variable.Length == 0 || variable.Contains('=', StringComparison.Ordinal) || variable.Contains('\0', StringComparison.Ordinal)) throw Wrong(form);
            all[variable] = text;
            if (all.Count > ContainerLimits.Variables) throw Wrong($"at most {ContainerLimits.Variables} variables");
        }
    }

    /// <summary>An object of texts, or a list of names.</summary>
    public IReadOnlyDictionary<string, string> Labels()
    {
        const string form = "an object of texts, or a list of names";
        var all = new Dictionary<string, string>(StringComparer.Ordinal);
        if (value.ValueKind == JsonValueKind.Object)
        {
            foreach (var member in value.EnumerateObject()) Add(member.Name, member.Value.ValueKind == JsonValueKind.Null ? "" : WordOf(member.Value, form));
        }
        else
        {
            foreach (var item in Items(ContainerLimits.Labels, form)) Add(WordOf(item, form), "");
        }
        return all;

        void Add(string label, string text)
        {
            if (label.Length is 0 or > ContainerLimits.TextChars || text.Length > ContainerLimits.TextChars) throw Wrong($"names and texts of at most {ContainerLimits.TextChars} characters");
            // By these the daemons of a host know whose a container is.
            if (label.StartsWith("peoples-cloud.", StringComparison.Ordinal)) throw Wrong("no label that begins with peoples-cloud.");
            all[label] = text;
            if (all.Count > ContainerLimits.Labels) throw Wrong($"at most {ContainerLimits.Labels} labels");
        }
    }

    /// <summary>Bytes: a number, or a text such as 512m.</summary>
    public long Bytes()
    {
        const string form = "a number of bytes, or a text such as \"512m\" or \"1.5g\"";
        if (value.ValueKind != JsonValueKind.String) return Number(0, long.MaxValue, form);
        var text = value.GetString()!;
        if (text.Length == 0) return 0;
        if (text.Length > 32) throw Wrong(form);
        if (text.Length > 2 && char.IsAsciiLetter(text[^2]) && text[^1] is 'b' or 'B') text = text[..^1];
        var shift = char.ToLowerInvariant(text[^1]) switch { 'b' => 0, 'k' => 10, 'm' => 20, 'g' => 30, 't' => 40, _ => -1 };
        var digits = shift < 0 ? text : text[..^1];
        if (!decimal.TryParse(digits, NumberStyles.Float & ~NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) || number > long.MaxValue >> Math.Max(shift, 0)) throw Wrong(form);
        return (long)(number * (1L << Math.Max(shift, 0)));
    }

    /// <summary>Which network.</summary>
    public ContainerNetwork Network() => value.ValueKind == JsonValueKind.String ? value.GetString() switch
    {
        "" or "bridge" or "default" => ContainerNetwork.Usual,
        "none" => ContainerNetwork.None,
        "host" => ContainerNetwork.Host,
        _ => throw Wrong("bridge, none or host"),
    }
    : throw Wrong("bridge, none or host");

    /// <summary>An object with Name and MaximumRetryCount.</summary>
    public RestartRule Restart()
    {
        const string form = "an object such as {\"Name\": \"on-failure\", \"MaximumRetryCount\": 5}; Name is no, on-failure, always or unless-stopped";
        if (value.ValueKind != JsonValueKind.Object) throw Wrong(form);
        var (rule, most) = (RestartRule.Never, 0L);
        foreach (var member in value.EnumerateObject())
        {
            switch (member.Name)
            {
                case "Name" when member.Value.ValueKind == JsonValueKind.String:
                    rule = member.Value.GetString() switch
                    {
                        "" or "no" => RestartRule.Never,
                        "on-failure" => new RestartRule(Always: false, OnFailure: true, Most: null),
                        "always" or "unless-stopped" => new RestartRule(Always: true, OnFailure: false, Most: null),
                        _ => throw Wrong(form),
                    };
                    break;
                case "MaximumRetryCount" when member.Value.ValueKind == JsonValueKind.Number && member.Value.TryGetInt32(out var count) && count >= 0:
                    most = count;
                    break;
                default:
                    throw Wrong(form);
            }
        }
        if (most > 0 && !rule.OnFailure) throw Wrong("a MaximumRetryCount with on-failure only");
        return most > 0 ? rule with { Most = (int)most } : rule;
    }

    /// <summary>An object of folders and their options, or a list of FOLDER:OPTIONS.</summary>
    public IReadOnlyDictionary<string, string> Tmpfs()
    {
        const string form = "an object such as {\"/tmp\": \"size=64m\"}, or a list such as [\"/tmp:size=64m\"]";
        var all = new Dictionary<string, string>(StringComparer.Ordinal);
        if (value.ValueKind == JsonValueKind.Object)
        {
            foreach (var member in value.EnumerateObject()) Add(member.Name, member.Value.ValueKind == JsonValueKind.Null ? "" : WordOf(member.Value, form));
        }
        else
        {
            foreach (var item in Items(ContainerLimits.Mounts, form))
            {
                var pair = WordOf(item, form).Split(':', 2);
                Add(pair[0], pair.Length > 1 ? pair[1] : "");
            }
        }
        return all;

        void Add(string folder, string options)
        {
            if (options.Length > 0 && !options.Split(',').All(IsMountOption)) throw Wrong("options of the mount out of size=, mode=, uid=, gid=, exec, noexec, ro, rw, nosuid, nodev");
            all[Path(folder)] = options;
            if (all.Count > ContainerLimits.Mounts) throw Wrong($"at most {ContainerLimits.Mounts} folders");
        }
    }

    /// <summary>An object of sources with bind and mode (or ro), or a list of SOURCE:TARGET:MODE.</summary>
    public IReadOnlyList<ContainerVolume> Volumes()
    {
        const string form = "an object such as {\"/srv/world\": {\"bind\": \"/world\", \"mode\": \"rw\"}}, or a list such as [\"/srv/world:/world:ro\"]";
        var all = new List<ContainerVolume>();
        if (value.ValueKind == JsonValueKind.Object)
        {
            foreach (var member in value.EnumerateObject())
            {
                if (member.Value.ValueKind == JsonValueKind.Object) Add(member.Name, MemberOf(member.Value, "bind"), ModeOf(member.Value));
                else Add(member.Name, WordOf(member.Value, form), "rw");
            }
        }
        else
        {
            foreach (var item in Items(ContainerLimits.Mounts, form))
            {
                var parts = WordOf(item, form).Split(':');
                if (parts.Length is not (2 or 3)) throw Wrong(form);
                Add(parts[0], parts[1], parts.Length > 2 ? parts[2] : "rw");
            }
        }
        return all;

        string ModeOf(JsonElement volume)
        {
            var mode = MemberOf(volume, "mode");
            if (!volume.TryGetProperty("ro", out var ro)) return mode ?? "rw";
            return mode is null && ro.ValueKind is JsonValueKind.True or JsonValueKind.False ? ro.GetBoolean() ? "ro" : "rw" : throw Wrong("an object whose ro is true or false, without a mode");
        }

        void Add(string source, string? target, string mode)
        {
            if (target is null || mode is not ("ro" or "rw")) throw Wrong(form);
            all.Add(new ContainerVolume(Path(source), Path(target), mode == "ro"));
            if (all.Count > ContainerLimits.Mounts) throw Wrong($"at most {ContainerLimits.Mounts} volumes");
        }
    }

    /// <summary>An object of the container's ports and where they are on the host.</summary>
    public IReadOnlyList<ContainerPort> Ports()
    {
        const string form = "an object such as {\"80/tcp\": 8080, \"53/udp\": null, \"81\": [\"127.0.0.1\", 8081]}";
        if (value.ValueKind != JsonValueKind.Object) throw Wrong(form);
        var all = new List<ContainerPort>();
        foreach (var member in value.EnumerateObject())
        {
            var parts = member.Name.Split('/', 2);
            PortKinds? kind = parts.Length == 1 || parts[1] == "tcp" ? PortKinds.Tcp : parts[1] == "udp" ? PortKinds.Udp : null;
            if (kind is null || PortOf(parts[0]) is not (> 0 and var inside)) throw Wrong(form);
            if (member.Value.ValueKind == JsonValueKind.Array && !IsPair(member.Value))
            {
                foreach (var one in member.Value.EnumerateArray()) Add(inside, kind.Value, one);
            }
            else
            {
                Add(inside, kind.Value, member.Value);
            }
        }
        return all;

        void Add(int inside, PortKinds kind, JsonElement binding)
        {
            if (all.Count == ContainerLimits.Ports) throw Wrong($"at most {ContainerLimits.Ports} ports");
            IPAddress? address = null;
            if (binding.ValueKind == JsonValueKind.Array)
            {
                if (!IsPair(binding) || !IPAddress.TryParse(binding[0].GetString(), out address)) throw Wrong(form);
                binding = binding[1];
            }
            else if (binding.ValueKind == JsonValueKind.Object)
            {
                if (MemberOf(binding, "HostIp") is { Length: > 0 } ip && !IPAddress.TryParse(ip, out address)) throw Wrong(form);
                if (!binding.TryGetProperty("HostPort", out binding)) throw Wrong(form);
            }
            var outside = binding.ValueKind switch
            {
                JsonValueKind.Null => 0,
                JsonValueKind.String when binding.GetString()!.Length == 0 => 0,
                JsonValueKind.Number when binding.TryGetInt32(out var number) && number is >= 0 and <= 65535 => number,
                JsonValueKind.String => PortOf(binding.GetString()!),
                _ => -1,
            };
            all.Add(outside >= 0 ? new ContainerPort(inside, kind, address, outside) : throw Wrong(form));
        }

        // docker-py's pair of an address and a port.
        static bool IsPair(JsonElement binding) => binding.GetArrayLength() == 2 && binding[0].ValueKind == JsonValueKind.String && IPAddress.TryParse(binding[0].GetString(), out _) && PortOf(binding[0].GetString()!) < 0;

        static int PortOf(string text) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var port) && port <= 65535 ? port : -1;
    }

    /// <summary>A path inside or outside that names its place from the root, and no other.</summary>
    public string Path(string text) =>
        text.Length is > 1 and <= ContainerLimits.TextChars && text[0] == '/' && text.Trim('/').Length > 0 && !text.Any(char.IsControl) && text.Split('/').All(part => part is not ("." or ".."))
            ? text
            : throw Wrong($"paths from the root such as /srv/world, not {Printable(text)}");

    private PcException Wrong(string form) => ContainerScriptReader.Refused($"{name} is {form}");

    private JsonElement.ArrayEnumerator Items(int most, string form)
    {
        if (value.ValueKind != JsonValueKind.Array) throw Wrong(form);
        if (value.GetArrayLength() > most) throw Wrong($"at most {most} of them");
        return value.EnumerateArray();
    }

    private string WordOf(JsonElement item, string form) => IsText(item, ContainerLimits.Chars, out var text, control: true) ? text : throw Wrong(form);

    private string? MemberOf(JsonElement of, string member) =>
        !of.TryGetProperty(member, out var found) ? null : found.ValueKind == JsonValueKind.String ? found.GetString() : throw Wrong($"an object whose {member} is a text");

    // As Python writes what it formats: docker-py takes numbers and truth for texts here.
    private string? ValueOf(JsonElement item) => item.ValueKind switch
    {
        JsonValueKind.Null => null,
        JsonValueKind.True => "True",
        JsonValueKind.False => "False",
        JsonValueKind.Number => PythonNumber.Written(item.GetRawText()),
        _ => WordOf(item, "an object of names and values, or a list of NAME=VALUE"),
    };

    private static bool IsText(JsonElement item, int most, out string text, bool control = false)
    {
        text = item.ValueKind == JsonValueKind.String ? item.GetString()! : "";
        return item.ValueKind == JsonValueKind.String && text.Length <= most && !(control ? text.Contains('\0', StringComparison.Ordinal) : text.Any(char.IsControl));
    }

    private static bool IsMountOption(string option)
    {
        var pair = option.Split('=', 2);
        return pair.Length == 1
            ? option is "exec" or "noexec" or "ro" or "rw" or "nosuid" or "nodev"
            : pair[0] is "size" or "mode" or "uid" or "gid" && pair[1].Length is > 0 and <= 20 && pair[1].All(char.IsAsciiLetterOrDigit);
    }
}
