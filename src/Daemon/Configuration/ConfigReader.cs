using System.Globalization;
using System.Net;
using System.Text;
using Microsoft.Extensions.Configuration;
using PeoplesCloud.Base;
using PeoplesCloud.Base.Formats;
using PeoplesCloud.Daemon.Home;
using PeoplesCloud.Daemon.Power;
using PeoplesCloud.Programs.Policy;
using PeoplesCloud.Runtimes;
using PeoplesCloud.Sessions.Messages;
using PeoplesCloud.Sessions.Redis;

namespace PeoplesCloud.Daemon.Configuration;

/// <summary>Puts the sources of configuration on top of each other and checks every value.</summary>
internal static class ConfigReader
{
    /// <summary>Every key there is, with the environment variable that sets it.</summary>
    public static readonly IReadOnlyDictionary<string, string> Keys = new SortedDictionary<string, string>(
        HostSettings.All.ToDictionary(setting => $"host.{setting.Name}", setting => $"PC_HOST_{setting.Name.ToUpperInvariant()}", StringComparer.Ordinal), StringComparer.Ordinal)
    {
        ["name"] = "PC_NAME",
        ["home"] = "PC_HOME",
        ["port"] = "PC_PORT",
        ["ws_port"] = "PC_WS_PORT",
        ["listen"] = "PC_LISTEN",
        ["host"] = "PC_HOST",
        ["host.docker"] = "PC_HOST_DOCKER",
        ["limits.programs"] = "PC_LIMITS_PROGRAMS",
        ["limits.connections"] = "PC_LIMITS_CONNECTIONS",
        ["limits.log_mib"] = "PC_LIMITS_LOG_MIB",
        ["content.limit"] = "PC_CONTENT_LIMIT",
        ["content.gateways"] = "PC_CONTENT_GATEWAYS",
        ["content.ipfs_api"] = "PC_CONTENT_IPFS_API",
        ["mdns"] = "PC_MDNS",
        ["relay.serve"] = "PC_RELAY_SERVE",
        ["relay.guests"] = "PC_RELAY_GUESTS",
        ["relay.use"] = "PC_RELAY_USE",
        ["relay.reservations"] = "PC_RELAY_RESERVATIONS",
        ["relay.circuits"] = "PC_RELAY_CIRCUITS",
        ["relay.circuits_per_peer"] = "PC_RELAY_CIRCUITS_PER_PEER",
        ["relay.circuit_mib"] = "PC_RELAY_CIRCUIT_MIB",
        ["relay.circuit_minutes"] = "PC_RELAY_CIRCUIT_MINUTES",
        ["relay.circuit_kib_per_second"] = "PC_RELAY_CIRCUIT_KIB_PER_SECOND",
        ["relay.kib_per_second"] = "PC_RELAY_KIB_PER_SECOND",
        ["gateway.listen"] = "PC_GATEWAY_LISTEN",
        ["web.serve"] = "PC_WEB_SERVE",
        ["web.port"] = "PC_WEB_PORT",
        ["sessions.swarm"] = "PC_SESSIONS_SWARM",
        ["sessions.listen"] = "PC_SESSIONS_LISTEN",
        ["sessions.password"] = "PC_SESSIONS_PASSWORD",
        ["sessions.password-file"] = "PC_SESSIONS_PASSWORD_FILE",
        ["sessions.redis"] = "PC_SESSIONS_REDIS",
        ["sessions.redis-password-file"] = "PC_SESSIONS_REDIS_PASSWORD_FILE",
        ["sessions.redis-ca-file"] = "PC_SESSIONS_REDIS_CA_FILE",
        ["sessions.mode"] = "PC_SESSIONS_MODE",
        ["sessions.read-only"] = "PC_SESSIONS_READ_ONLY",
        ["sessions.volumes"] = "PC_SESSIONS_VOLUMES",
        ["sessions.host-network"] = "PC_SESSIONS_HOST_NETWORK",
        ["sessions.memory"] = "PC_SESSIONS_MEMORY",
        ["sessions.cpus"] = "PC_SESSIONS_CPUS",
        ["sessions.pids"] = "PC_SESSIONS_PIDS",
        ["sessions.disk"] = "PC_SESSIONS_DISK",
        ["sessions.hostname"] = "PC_SESSIONS_HOSTNAME",
        ["sessions.group"] = "PC_SESSIONS_GROUP",
    };

    /// <inheritdoc cref="DaemonConfig.Load"/>
    public static DaemonConfig Read(string? configFile, IReadOnlyDictionary<string, string?> flags, IReadOnlyDictionary<string, string?> environment)
    {
        var problems = new List<string>();
        var file = configFile ?? DefaultFile(flags.GetValueOrDefault("home"), environment);
        var configuration = new ConfigurationBuilder()
            .Add(new TomlSource(file, configFile is not null, problems))
            .AddInMemoryCollection(Keys.Where(k => environment.GetValueOrDefault(k.Value) is { Length: > 0 }).Select(k => KeyValuePair.Create(PathOf(k.Key), environment[k.Value])))
            .AddInMemoryCollection(flags.Where(f => f.Value is not null).Select(f => KeyValuePair.Create(PathOf(f.Key), f.Value)))
            .Build();

        var values = new Values(configuration, problems);
        var config = new DaemonConfig
        {
            Home = HomePaths.Resolve(values.Text("home"), environment),
            Name = values.Name("name") ?? DefaultName(),
            Port = values.Integer("port", 0, 65535),
            WebSocketPort = values.Integer("ws_port", 0, 65535),
            Listen = values.Addresses("listen") ?? ["0.0.0.0", "::"],
            Hosts = values.Boolean("host") ?? true,
            Docker = values.Docker("host.docker") ?? DockerSocket.Off,
            HostRules = values.HostRules(),
            Limits = new DaemonLimits
            {
                Programs = values.Integer("limits.programs", 1, 1000) ?? new DaemonLimits().Programs,
                Connections = values.Integer("limits.connections", 8, 100_000) ?? new DaemonLimits().Connections,
                LogMebibytes = values.Integer("limits.log_mib", 1, 1024) ?? new DaemonLimits().LogMebibytes,
            },
            Content = new ContentConfig
            {
                LimitBytes = values.Text("content.limit") is "none" ? null : values.Bytes("content.limit", 1L << 20, 1L << 60) ?? new ContentConfig().LimitBytes,
                Gateways = values.Servers("content.gateways", 16),
                IpfsApi = values.Servers("content.ipfs_api", 1).SingleOrDefault(),
            },
            Mdns = values.Boolean("mdns") ?? true,
            Relay = ReadRelay(values),
            Gateway = new GatewayConfig { Listen = values.EndPoint("gateway.listen") },
            Sessions = ReadSessions(values, environment),
            SystemBus = environment.GetValueOrDefault("DBUS_SYSTEM_BUS_ADDRESS") is { Length: > 0 } bus ? bus : SystemBus.DefaultAddress,
            Web = new WebConfig { Serve = values.Boolean("web.serve") ?? true, Port = values.Integer("web.port", 0, 65535) },
        };
        if (problems.Count > 0) throw new PcException(ErrorCode.ConfigInvalid, "the configuration has problems: " + string.Join("; ", problems), $"correct {file}, the PC_ variables or the flags");
        return config;
    }

    private static SessionsConfig ReadSessions(Values values, IReadOnlyDictionary<string, string?> environment)
    {
        var defaults = new SessionsConfig();
        var sessions = new SessionsConfig
        {
            Swarm = values.Name("sessions.swarm"),
            Listen = values.EndPoint("sessions.listen") ?? defaults.Listen,
            Password = values.Password("sessions.password", "sessions.password-file"),
            Redis = values.Redis("sessions.redis", "sessions.redis-password-file"),
            RedisCaFile = values.Text("sessions.redis-ca-file"),
            // PyCloud looks whether the variable is there, and not what it says.
            Mode = values.OneOf("sessions.mode", "sandbox", "docker") ?? (environment.GetValueOrDefault("PYCLOUD_USE_DOCKER") is null ? null : "docker"),
            ReadOnly = values.Folders("sessions.read-only", 16),
            Volumes = values.Folders("sessions.volumes", 16),
            HostNetwork = values.Boolean("sessions.host-network") ?? false,
            Limits = new RunLimits
            {
                MemoryBytes = values.Bytes("sessions.memory", 16L << 20, 1L << 50) ?? defaults.Limits.MemoryBytes,
                Cpus = values.Cores("sessions.cpus") ?? defaults.Limits.Cpus,
                Pids = values.Integer("sessions.pids", 1, 4096) ?? defaults.Limits.Pids,
                DiskBytes = values.Bytes("sessions.disk", 16L << 20, 1L << 50) ?? defaults.Limits.DiskBytes,
            },
            Hostname = values.HostName("sessions.hostname"),
            Group = values.Group("sessions.group", environment.GetValueOrDefault(SessionGroup.Variable)) ?? defaults.Group,
        };
        if (sessions.Swarm is not null && sessions.Redis is null && sessions.Password is null && !IPAddress.IsLoopback(sessions.Listen.Address))
            values.Problem($"sessions.listen = '{sessions.Listen}' would open the endpoint to whoever reaches it: set sessions.password-file, or listen on 127.0.0.1");
        return sessions;
    }

    private static DaemonRelay ReadRelay(Values values)
    {
        var defaults = new DaemonRelay();
        return new DaemonRelay
        {
            Serve = values.Boolean("relay.serve") ?? defaults.Serve,
            Guests = values.Boolean("relay.guests") ?? defaults.Guests,
            Use = values.Boolean("relay.use") ?? defaults.Use,
            Reservations = values.Integer("relay.reservations", 1, 10_000) ?? defaults.Reservations,
            Circuits = values.Integer("relay.circuits", 1, 10_000) ?? defaults.Circuits,
            CircuitsPerPeer = values.Integer("relay.circuits_per_peer", 1, 10_000) ?? defaults.CircuitsPerPeer,
            CircuitMebibytes = values.Integer("relay.circuit_mib", 0, 1 << 30) ?? defaults.CircuitMebibytes,
            CircuitMinutes = values.Integer("relay.circuit_minutes", 0, 525_600) ?? defaults.CircuitMinutes,
            CircuitKibibytesPerSecond = values.Integer("relay.circuit_kib_per_second", 0, 1 << 30) ?? defaults.CircuitKibibytesPerSecond,
            KibibytesPerSecond = values.Integer("relay.kib_per_second", 0, 1 << 30) ?? defaults.KibibytesPerSecond,
        };
    }

    /// <summary>The file that is read when none is named: the home's, when a home is named, else the user's.</summary>
    private static string DefaultFile(string? homeFlag, IReadOnlyDictionary<string, string?> environment)
    {
        if ((homeFlag ?? environment.GetValueOrDefault("PC_HOME")) is { Length: > 0 } home) return Path.Combine(Path.GetFullPath(home), "config.toml");
        var folder = environment.GetValueOrDefault("XDG_CONFIG_HOME") is { } xdg && Path.IsPathRooted(xdg) ? xdg : Path.Combine(HomePaths.UserFolder(environment), ".config");
        return Path.Combine(folder, "peoples-cloud", "config.toml");
    }

    /// <summary>The machine's name without what a member's name may not hold; "node" when nothing is left.</summary>
    private static string DefaultName()
    {
        var name = new string([.. Environment.MachineName.Split('.')[0].Where(IsNameCharacter).Take(32)]);
        return name.Length == 0 ? "node" : name;
    }

    private static bool IsNameCharacter(char c) => char.IsAsciiLetterOrDigit(c) || c is '-' or '_';

    private static string PathOf(string key) => key.Replace('.', ':');

    private sealed class Values(IConfigurationRoot configuration, List<string> problems)
    {
        public string? Text(string key) => configuration[PathOf(key)];

        public string? Name(string key)
        {
            var text = Text(key);
            if (text is null || (text.Length is >= 1 and <= 32 && text.All(IsNameCharacter))) return text;
            problems.Add($"{key} = '{Printable(text)}': 1 to 32 letters, digits, - and _");
            return null;
        }

        public int? Integer(string key, int least, int most)
        {
            if (Text(key) is not { } text) return null;
            if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var value) && value >= least && value <= most) return value;
            problems.Add($"{key} = '{Printable(text)}': a whole number from {least} to {most}");
            return null;
        }

        public long? Bytes(string key, long least, long most)
        {
            if (Text(key) is not { } text) return null;
            if (ByteSize.TryParse(text, out var bytes) && bytes >= least && bytes <= most) return bytes;
            problems.Add($"{key} = '{Printable(text)}': bytes such as 500MB or 20GiB, at least {least}, or none");
            return null;
        }

        public double? Cores(string key)
        {
            if (Text(key) is not { } text) return null;
            if (double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var cores) && cores is >= 0.05 and <= 1024) return cores;
            problems.Add($"{key} = '{Printable(text)}': cores such as 0.5 or 2, 0.05 to 1024");
            return null;
        }

        public void Problem(string problem) => problems.Add(problem);

        public string? OneOf(string key, params string[] allowed)
        {
            if (Text(key) is not { } text || allowed.Contains(text, StringComparer.Ordinal)) return Text(key);
            problems.Add($"{key} = '{Printable(text)}': {string.Join(" or ", allowed)}");
            return null;
        }

        public string? Group(string key, string? variable)
        {
            if (Text(key) is not { } text) return SessionGroup.Of(variable);
            if (SessionGroup.IsGroup(text)) return text;
            problems.Add($"{key} = '{Printable(text)}': 1 to 64 characters that can be shown");
            return null;
        }

        public string? HostName(string key)
        {
            if (Text(key) is not { } text || Uri.CheckHostName(text) != UriHostNameType.Unknown) return Text(key);
            problems.Add($"{key} = '{Printable(text)}': a name or address such as games.example.org");
            return null;
        }

        public List<string> Folders(string key, int most)
        {
            var items = (Text(key) ?? "").Split(TomlSubset.ArraySeparator, ',').Select(i => i.Trim()).Where(i => i.Length > 0).ToList();
            if (items.Count > most) problems.Add($"{key}: at most {most}");
            foreach (var item in items.Where(i => !Path.IsPathFullyQualified(i))) problems.Add($"{key} = '{Printable(item)}': a path from the root, such as /opt/games");
            return [.. items.Take(most)];
        }

        // What is wrong with a password is said without it.
        public HiddenText? Password(string key, string fileKey)
        {
            var text = Text(key);
            if (Text(fileKey) is { } file)
            {
                if (text is not null) problems.Add($"{key} and {fileKey}: only one of them");
                text = FirstLine(fileKey, file);
            }
            if (text is null || (text.Length is >= 1 and <= 512 && !text.Any(char.IsControl))) return text is null ? null : new HiddenText(text);
            problems.Add($"{key}: 1 to 512 characters");
            return null;
        }

        public RedisAddress? Redis(string key, string fileKey)
        {
            if (Text(key) is not { } text)
            {
                if (Text(fileKey) is not null) problems.Add($"{fileKey} is set and {key} is not");
                return null;
            }
            if (!RedisAddress.TryParse(text, out var address))
            {
                problems.Add($"{key}: an address such as redis://:password@host:6379 or rediss://host:6379 (with a password in {fileKey})");
                return null;
            }
            if (Text(fileKey) is not { } file) return address;
            if (address.Password is not null) problems.Add($"{key} has a password and {fileKey} too: only one of them");
            return FirstLine(fileKey, file) is { } password ? address with { Password = new HiddenText(password) } : address;
        }

        private string? FirstLine(string key, string file)
        {
            try
            {
                if (new FileInfo(file).Length <= 4096) return File.ReadLines(file).FirstOrDefault() ?? "";
                problems.Add($"{key} = '{Printable(file)}': a file with one line");
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
            {
                problems.Add($"{key} = '{Printable(file)}' cannot be read: {e.Message}");
            }
            return null;
        }

        public string? Docker(string key)
        {
            if (Text(key) is not { } text || DockerSocket.IsSetting(text)) return Text(key);
            problems.Add($"{key} = '{Printable(text)}': {DockerSocket.Range}");
            return null;
        }

        public Dictionary<string, string> HostRules()
        {
            var rules = new Dictionary<string, string>(StringComparer.Ordinal);
            foreach (var setting in HostSettings.All)
            {
                if (Text($"host.{setting.Name}") is not { } text) continue;
                if (setting.With(new HostPolicy(), text) is not null) rules[setting.Name] = text;
                else problems.Add($"host.{setting.Name} = '{Printable(text)}': {setting.Range}");
            }
            return rules;
        }

        public IPEndPoint? EndPoint(string key)
        {
            if (Text(key) is not { } text) return null;
            if (IPEndPoint.TryParse(text, out var endPoint) && text.EndsWith($":{endPoint.Port}", StringComparison.Ordinal)) return endPoint;
            problems.Add($"{key} = '{Printable(text)}': an IP address with a port, such as 127.0.0.1:8080 or [::]:8080");
            return null;
        }

        public List<Uri> Servers(string key, int most)
        {
            var items = (Text(key) ?? "").Split(TomlSubset.ArraySeparator, ',').Select(i => i.Trim()).Where(i => i.Length > 0).ToList();
            if (items.Count > most) problems.Add($"{key}: at most {most}");
            var servers = new List<Uri>();
            foreach (var item in items.Take(most))
            {
                if (HttpAddress.TryParse(item, out var address)) servers.Add(address);
                else problems.Add($"{key} = '{Printable(item)}': an address such as https://example.org or /ip4/127.0.0.1/tcp/5001");
            }
            return servers;
        }

        public bool? Boolean(string key)
        {
            if (Text(key) is not { } text) return null;
            if (text is "true" or "false") return text is "true";
            problems.Add($"{key} = '{Printable(text)}': true or false");
            return null;
        }

        public List<string>? Addresses(string key)
        {
            if (Text(key) is not { } text) return null;
            var items = text.Split(TomlSubset.ArraySeparator, ',').Select(i => i.Trim()).Where(i => i.Length > 0).ToList();
            if (items.Count is 0 or > 16) problems.Add($"{key}: 1 to 16 addresses");
            foreach (var item in items.Where(i => !IPAddress.TryParse(i, out _))) problems.Add($"{key} = '{Printable(item)}': IP addresses such as 127.0.0.1 or ::");
            return items;
        }

        private static string Printable(string text) => new([.. text.Take(60).Select(c => char.IsControl(c) ? '?' : c)]);
    }

    /// <summary>The file as a source of Microsoft.Extensions.Configuration.</summary>
    private sealed class TomlSource(string file, bool mustExist, List<string> problems) : ConfigurationProvider, IConfigurationSource
    {
        public IConfigurationProvider Build(IConfigurationBuilder builder) => this;

        public override void Load()
        {
            if (ReadFile() is not { } text) return;
            var found = new List<string>();
            foreach (var setting in TomlSubset.Parse(text, found))
            {
                if (Keys.ContainsKey(setting.Key)) Data[PathOf(setting.Key)] = setting.Value;
                else found.Add($"line {setting.Line}: unknown key {setting.Key}{Suggestion(setting.Key)}");
            }
            problems.AddRange(found.Select(problem => $"{file} {problem}"));
        }

        private string? ReadFile()
        {
            try
            {
                var info = new FileInfo(file);
                if (!info.Exists)
                {
                    return mustExist ? throw new PcException(ErrorCode.ConfigMissing, $"the configuration file {file} does not exist") : null;
                }
                if (info.Length <= TomlSubset.MaxFileBytes) return File.ReadAllText(file, Encoding.UTF8);
                problems.Add($"{file} is larger than {TomlSubset.MaxFileBytes} bytes");
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                problems.Add($"{file} cannot be read: {e.Message}");
            }
            return null;
        }

        private static string Suggestion(string key) =>
            Spelling.Nearest(key, Keys.Keys, most: 3) is { } nearest ? $" (did you mean {nearest}?)" : $" (known: {string.Join(", ", Keys.Keys)})";
    }
}
