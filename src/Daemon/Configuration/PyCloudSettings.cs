using System.Globalization;
using System.Text;
using PeoplesCloud.Base;
using PeoplesCloud.Sessions.Redis;

namespace PeoplesCloud.Daemon.Configuration;

/// <summary>
/// What <c>settings.yml</c> says of a node that only runs sessions (docs/layouts/settings-yml.md). It is PyCloud's file, so what is blank there is what
/// PyCloud takes it for.
/// </summary>
public sealed record PyCloudSettings
{
    /// <summary>Where PyCloud keeps the file.</summary>
    public const string SystemFile = "/etc/year4000/pycloud/settings.yml";

    /// <summary>Its name.</summary>
    public const string FileName = "settings.yml";

    /// <summary>The largest file that is read, in bytes: it has six settings, and room for what people write beside them.</summary>
    public const int MaxFileBytes = 16 << 10;

    private const string Hint = "write one: printf 'redis:\\n  host: localhost\\n  port: 6379\\n' > settings.yml; or name another with --settings";
    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Where the node is, for people; null: nobody said. It decides nothing.</summary>
    public string? Region { get; init; }

    /// <summary>What answers call this machine; null: its name.</summary>
    public string? Hostname { get; init; }

    /// <summary>The Redis, and its password. Default: port 6379 of this machine without a password.</summary>
    public required RedisAddress Redis { get; init; }

    /// <summary>Whether the file has a password and others than its owner may read it.</summary>
    public bool ShowsPassword { get; init; }

    /// <summary>The file that is meant: the one that is named, else settings.yml in the folder of now, else where PyCloud keeps it. Absolute.</summary>
    /// <param name="named">What --settings says; null: nothing.</param>
    /// <param name="folder">The folder of now.</param>
    /// <exception cref="PcException"><see cref="ErrorCode.SessionSettingsMissing"/>.</exception>
    public static string Find(string? named, string folder)
    {
        var files = named is null ? [Path.Combine(folder, FileName), SystemFile] : new[] { Path.GetFullPath(named, folder) };
        return Array.Find(files, File.Exists)
            ?? throw new PcException(ErrorCode.SessionSettingsMissing, named is null ? $"there is neither {files[0]} nor {files[1]}" : $"there is no file {files[0]}", Hint);
    }

    /// <summary>Reads a file, collecting all its problems into one error, which never shows the password.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.SessionSettingsInvalid"/>.</exception>
    public static PyCloudSettings Load(string file)
    {
        var problems = new List<string>();
        PyCloudSettings? settings = null;
        try
        {
            if (new FileInfo(file).Length > MaxFileBytes) problems.Add($"it has more than {MaxFileBytes} bytes");
            else settings = Read(Strict.GetString(File.ReadAllBytes(file)), problems);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            problems.Add($"it cannot be read: {e.Message}");
        }
        catch (DecoderFallbackException)
        {
            problems.Add("it is no text in UTF-8");
        }
        if (settings is null) throw new PcException(ErrorCode.SessionSettingsInvalid, $"{file}: {string.Join("; ", problems)}");
        return settings with { ShowsPassword = settings.Redis.Password is not null && (File.GetUnixFileMode(file) & (UnixFileMode.GroupRead | UnixFileMode.OtherRead)) != UnixFileMode.None };
    }

    /// <summary>Reads the text of a file; null when it has problems.</summary>
    internal static PyCloudSettings? Read(string text, List<string> problems)
    {
        var values = new Values(SettingsYaml.Read(text, ["region", "hostname", "redis.host", "redis.port", "redis.password"], problems), problems);
        var settings = new PyCloudSettings
        {
            Region = values.Region(),
            Hostname = values.HostName("hostname"),
            Redis = RedisOf(values.HostName("redis.host") ?? "localhost", values.Port("redis.port") ?? 6379) with { Password = values.Password("redis.password") },
        };
        return problems.Count == 0 ? settings : null;
    }

    // Fuzz target: whatever the file holds, it is read or refused, and no password is said.
    internal static void Fuzz(ReadOnlySpan<byte> input)
    {
        var problems = new List<string>();
        var settings = Read(Encoding.UTF8.GetString(input), problems);
        Invariant.Check(settings is null == problems.Count > 0, "what is refused says why");
        Invariant.Check(problems.Count <= SettingsYaml.MaxProblems + 8 && problems.TrueForAll(problem => problem.Length < 400), "problems are few and short");
        Invariant.Check(settings is null || settings.Redis.Port is > 0 and <= 65535, "a Redis has a port");
    }

    private static RedisAddress RedisOf(string host, int port) =>
        RedisAddress.TryParse(string.Create(CultureInfo.InvariantCulture, $"redis://{(host.Contains(':', StringComparison.Ordinal) ? $"[{host.Trim('[', ']')}]" : host)}:{port}"), out var address)
            ? address
            : throw new ArgumentException("the host was checked", nameof(host));

    private sealed class Values(Dictionary<string, string> found, List<string> problems)
    {
        public string? Region()
        {
            if (!found.TryGetValue("region", out var text) || (text.Length <= 64 && !text.Any(char.IsControl))) return found.GetValueOrDefault("region");
            problems.Add("region: at most 64 characters");
            return null;
        }

        public string? HostName(string key)
        {
            if (!found.TryGetValue(key, out var text)) return null;
            if (text.Length <= 253 && Uri.CheckHostName(text) != UriHostNameType.Unknown && RedisAddress.TryParse($"redis://{(text.Contains(':', StringComparison.Ordinal) ? $"[{text.Trim('[', ']')}]" : text)}", out _)) return text;
            problems.Add($"{key}: '{SettingsYaml.Printable(text)}' is no name or address such as games.example.org");
            return null;
        }

        public int? Port(string key)
        {
            if (!found.TryGetValue(key, out var text)) return null;
            if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var port) && port is > 0 and <= 65535) return port;
            problems.Add($"{key}: '{SettingsYaml.Printable(text)}' is no port, 1 to 65535");
            return null;
        }

        public HiddenText? Password(string key)
        {
            if (!found.TryGetValue(key, out var text)) return null;
            if (text.Length is >= 1 and <= 512 && !text.Any(char.IsControl)) return new HiddenText(text);
            problems.Add($"{key}: 1 to 512 characters");
            return null;
        }
    }
}
