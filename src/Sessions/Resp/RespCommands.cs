using System.Buffers;
using System.Collections.Frozen;
using System.Globalization;
using System.Text;
using PeoplesCloud.Sessions.Channels;

namespace PeoplesCloud.Sessions.Resp;

/// <summary>What the commands of one client need of the rest.</summary>
internal interface IRespClient : IListener
{
    /// <summary>Its number, unlike that of all others.</summary>
    long Id { get; }

    /// <summary>The name that it gave itself; empty: none.</summary>
    string Name { get; set; }

    /// <summary>Adds to what waits for it.</summary>
    void Write<T>(T state, Action<IBufferWriter<byte>, T> write)
        where T : allows ref struct;

    /// <summary>Itself, as one line of CLIENT LIST.</summary>
    string Describe();

    /// <summary>Clients, in the words of CLIENT LIST: those that are wanted, by their number and whether they hear anything.</summary>
    string Describe(Func<long, bool, bool> isWanted);
}

/// <summary>
/// What the commands of one client do: pub/sub, and what clients of Redis say around it. Texts are those of Redis 7.0, which tests compare. Everything
/// else is a command that is not known. Used by one thread at a time, but for <see cref="Hear"/>.
/// </summary>
internal sealed class RespCommands(IRespClient client, ChannelHub hub, RespLimits limits, Func<ReadOnlyMemory<byte>, bool>? isPassword, Func<string?> whyNotPublish)
{
    /// <summary>The version of Redis that clients are told: whose behaviour this is.</summary>
    public const string RedisVersion = "7.0.15";

    private const int MaxQuoted = 128; // characters of what was said, in an error

    private static readonly FrozenDictionary<string, RespCommand> All = new RespCommand[]
    {
        new("ping", -1, (c, words) => c.Ping(words), CommandUse.WhileSubscribed),
        new("auth", -2, (c, words) => c.Auth(words), CommandUse.ByStrangers),
        new("hello", -1, (c, words) => c.Hello(words), CommandUse.ByStrangers),
        new("quit", -1, (c, _) => c.Quit(), CommandUse.ByStrangers | CommandUse.WhileSubscribed),
        new("reset", 1, (c, _) => c.Reset(), CommandUse.ByStrangers | CommandUse.WhileSubscribed),
        new("select", 2, (c, words) => c.Select(words[1])),
        new("info", -1, (c, words) => c.Info(words)),
        new("publish", 3, (c, words) => c.Publish(words)),
        new("subscribe", -2, (c, words) => c.Subscribe(words, isPattern: false), CommandUse.WhileSubscribed),
        new("psubscribe", -2, (c, words) => c.Subscribe(words, isPattern: true), CommandUse.WhileSubscribed),
        new("unsubscribe", -1, (c, words) => c.Unsubscribe(words, isPattern: false), CommandUse.WhileSubscribed),
        new("punsubscribe", -1, (c, words) => c.Unsubscribe(words, isPattern: true), CommandUse.WhileSubscribed),
        new("client", -2, null),
        new("client|id", 2, (c, _) => c.Number(c._client.Id)),
        new("client|getname", 2, (c, _) => c.GetName()),
        new("client|setname", 3, (c, words) => c.SetName(words[2])),
        new("client|setinfo", 4, (c, words) => c.SetInfo(words)),
        new("client|list", -2, (c, words) => c.List(words)),
        new("client|info", 2, (c, _) => c.Text(c._client.Describe())),
        new("client|getredir", 2, (c, _) => c.Number(-1)),
        new("client|no-evict", 3, (c, words) => c.Switch(words[2])),
        new("client|no-touch", 3, (c, words) => c.Switch(words[2])),
        new("client|help", 2, (c, _) => c.Help("CLIENT", "GETNAME", "GETREDIR", "ID", "INFO", "LIST [TYPE (NORMAL|MASTER|REPLICA|PUBSUB) | ID <client-id> ...]", "NO-EVICT (ON|OFF)", "NO-TOUCH (ON|OFF)", "SETINFO (LIB-NAME|LIB-VER) <value>", "SETNAME <name>", "HELP")),
        new("pubsub", -2, null),
        new("pubsub|channels", -2, (c, words) => c.Channels(words)),
        new("pubsub|numsub", -2, (c, words) => c.Counts(words, c._hub.ListenersOf)),
        new("pubsub|numpat", 2, (c, _) => c.Number(c._hub.PatternCount)),
        // Nobody can be subscribed to channels of a shard: those are of a cluster.
        new("pubsub|shardchannels", -2, (c, words) => c.ShardChannels(words)),
        new("pubsub|shardnumsub", -2, (c, words) => c.Counts(words, _ => 0)),
        new("pubsub|help", 2, (c, _) => c.Help("PUBSUB", "CHANNELS [<pattern>]", "NUMPAT", "NUMSUB [<channel> ...]", "SHARDCHANNELS [<pattern>]", "SHARDNUMSUB [<shardchannel> ...]", "HELP")),
    }.ToFrozenDictionary(command => command.Name, StringComparer.OrdinalIgnoreCase);

    private readonly IRespClient _client = client;
    private readonly ChannelHub _hub = hub;
    private readonly HashSet<ChannelName> _channels = [];
    private readonly HashSet<ChannelName> _patterns = [];
    private long _nameBytes;
    private volatile int _version = 2;

    /// <summary>Whether it has not given the password yet.</summary>
    public bool IsStranger { get; private set; } = isPassword is not null;

    /// <summary>Whether the connection is to end when what waits was sent.</summary>
    public bool IsOver { get; private set; }

    /// <summary>Which version of RESP it speaks: 2 or 3.</summary>
    public int Version => _version;

    /// <summary>How many channels and patterns it hears.</summary>
    public (int Channels, int Patterns) Subscriptions => (_channels.Count, _patterns.Count);

    /// <summary>Does what a command says; false: the connection ends at once, without an answer.</summary>
    /// <param name="words">The command; none: nothing is done.</param>
    /// <param name="deliveries">Who has something to send afterwards, the client itself aside.</param>
    public bool Run(IReadOnlyList<byte[]> words, Deliveries deliveries)
    {
        if (words.Count == 0) return true;
        var name = Encoding.Latin1.GetString(words[0]);
        // A browser that was made to send a form here by a page.
        if (name.Equals("post", StringComparison.OrdinalIgnoreCase) || name.Equals("host:", StringComparison.OrdinalIgnoreCase)) return false;
        if (Find(name, words) is { } command && IsAllowed(command, words)) command.Run!(this, new Words(words, deliveries));
        return true;
    }

    /// <summary>Writes a message that was heard.</summary>
    public void Hear(Heard message)
    {
        _client.Write(new Message(message, _version), static (output, heard) =>
        {
            RespWriter.Push(output, heard.Version, heard.Said.Pattern is null ? 3 : 4);
            RespWriter.Bulk(output, heard.Said.Pattern is null ? "message"u8 : "pmessage"u8);
            if (heard.Said.Pattern is { } pattern) RespWriter.BulkRaw(output, pattern.Raw);
            RespWriter.BulkRaw(output, heard.Said.Channel.Raw);
            RespWriter.Bulk(output, heard.Said.Payload);
        });
    }

    /// <summary>Ends all subscriptions, without a word.</summary>
    public void Forget()
    {
        foreach (var channel in _channels) _hub.Remove(channel, isPattern: false, _client);
        foreach (var pattern in _patterns) _hub.Remove(pattern, isPattern: true, _client);
        _channels.Clear();
        _patterns.Clear();
        _nameBytes = 0;
    }

    // As Redis judges, in its order: is there such a command, has it enough words, may it.
    private RespCommand? Find(string name, IReadOnlyList<byte[]> words)
    {
        if (!name.Contains('|', StringComparison.Ordinal) && All.TryGetValue(name, out var command))
        {
            if (command.Run is not null || words.Count == 1) return command;
            var sub = Encoding.Latin1.GetString(words[1]);
            if (All.TryGetValue($"{command.Name}|{sub}", out var found)) return found;
            Fail($"ERR unknown subcommand '{Quoted(sub, MaxQuoted)}'. Try {command.Name.ToUpperInvariant()} HELP.");
            return null;
        }
        var beginning = new StringBuilder();
        for (var at = 1; at < words.Count && beginning.Length < MaxQuoted; at++)
        {
            var room = Math.Min(MaxQuoted - beginning.Length, words[at].Length);
            beginning.Append('\'').Append(Quoted(Encoding.Latin1.GetString(words[at].AsSpan(0, room)), room)).Append("' ");
        }
        Fail($"ERR unknown command '{Quoted(name, MaxQuoted)}', with args beginning with: {beginning}");
        return null;
    }

    private bool IsAllowed(RespCommand command, IReadOnlyList<byte[]> words)
    {
        if (command.Arity > 0 ? words.Count != command.Arity : words.Count < -command.Arity) Fail($"ERR wrong number of arguments for '{command.Name}' command");
        else if (IsStranger && !command.Use.HasFlag(CommandUse.ByStrangers)) Fail("NOAUTH Authentication required.");
        else if (_version == 2 && _channels.Count + _patterns.Count > 0 && !command.Use.HasFlag(CommandUse.WhileSubscribed)) Fail($"ERR Can't execute '{command.Name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context");
        else return true;
        return false;
    }

    // -- Around it --------------------------------------------------------------------------------------------

    private void Ping(Words words)
    {
        if (words.Count > 2)
        {
            Fail("ERR wrong number of arguments for 'ping' command");
        }
        else if (_version == 2 && _channels.Count + _patterns.Count > 0)
        {
            _client.Write(words.Count == 2 ? words[1] : [], static (output, said) =>
            {
                RespWriter.Array(output, 2);
                RespWriter.Bulk(output, "pong"u8);
                RespWriter.Bulk(output, said);
            });
        }
        else if (words.Count == 2)
        {
            _client.Write(words[1], static (output, said) => RespWriter.Bulk(output, said));
        }
        else
        {
            Say("PONG");
        }
    }

    private void Auth(Words words)
    {
        if (words.Count > 3) Fail("ERR syntax error");
        else if (words.Count == 2 && isPassword is null) Fail("ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?");
        else if (TryAuth(words.Count == 3 ? words[1] : null, words[^1])) Say("OK");
    }

    private bool TryAuth(byte[]? user, byte[] password)
    {
        // The words are compared as a whole, so that the time tells nothing.
        var isUser = user is null || user.AsSpan().SequenceEqual("default"u8);
        if (isUser && (isPassword is null || isPassword(password)))
        {
            IsStranger = false;
            return true;
        }
        Fail("WRONGPASS invalid username-password pair or user is disabled.");
        return false;
    }

    private void Hello(Words words)
    {
        var version = _version;
        if (words.Count > 1)
        {
            if (RespNumber.Parse(words[1]) is not { } wanted)
            {
                Fail("ERR Protocol version is not an integer or out of range");
                return;
            }
            if (wanted is not (2 or 3))
            {
                Fail("NOPROTO unsupported protocol version");
                return;
            }
            version = (int)wanted;
        }
        byte[]? user = null, password = null;
        string? name = null;
        for (var at = 2; at < words.Count; at++)
        {
            if (words.Is(at, "auth") && words.Count - at > 2)
            {
                (user, password) = (words[at + 1], words[at + 2]);
                at += 2;
            }
            else if (words.Is(at, "setname") && words.Count - at > 1)
            {
                name = Encoding.Latin1.GetString(words[++at]);
            }
            else
            {
                Fail($"ERR Syntax error in HELLO option '{Quoted(Encoding.Latin1.GetString(words[at]), int.MaxValue)}'");
                return;
            }
        }
        if (password is not null && !TryAuth(user, password)) return;
        if (IsStranger)
        {
            Fail("NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time");
            return;
        }
        if (name is not null && !TryName(name)) return;
        _version = version;
        _client.Write((Version: version, _client.Id), static (output, said) =>
        {
            RespWriter.Map(output, said.Version, 7);
            RespWriter.BulkRaw(output, "server");
            RespWriter.BulkRaw(output, "redis");
            RespWriter.BulkRaw(output, "version");
            RespWriter.BulkRaw(output, RedisVersion);
            RespWriter.BulkRaw(output, "proto");
            RespWriter.Integer(output, said.Version);
            RespWriter.BulkRaw(output, "id");
            RespWriter.Integer(output, said.Id);
            RespWriter.BulkRaw(output, "mode");
            RespWriter.BulkRaw(output, "standalone");
            RespWriter.BulkRaw(output, "role");
            RespWriter.BulkRaw(output, "master");
            RespWriter.BulkRaw(output, "modules");
            RespWriter.Array(output, 0);
        });
    }

    private void Quit()
    {
        Say("OK");
        IsOver = true;
    }

    private void Reset()
    {
        Forget();
        (_version, _client.Name, IsStranger) = (2, "", isPassword is not null);
        Say("RESET");
    }

    private void Select(byte[] index)
    {
        if (RespNumber.Parse(index) is not { } number) Fail("ERR value is not an integer or out of range");
        else if (number != (int)number) Fail($"ERR value is out of range, value must between {int.MinValue} and {int.MaxValue}");
        else if (number != 0) Fail("ERR DB index is out of range");
        else Say("OK");
    }

    // What clients look at before they say that a server is ready.
    private void Info(Words words)
    {
        var isAsked = words.Count == 1 || Enumerable.Range(1, words.Count - 1).Any(at => words.Is(at, "server") || words.Is(at, "default") || words.Is(at, "all") || words.Is(at, "everything"));
        Text(isAsked ? $"# Server\r\nredis_version:{RedisVersion}\r\nredis_mode:standalone\r\nserver_name:peoples-cloud\r\n" : "");
    }

    // -- Clients ----------------------------------------------------------------------------------------------

    private void GetName() => _client.Write((_client.Name, _version), static (output, client) =>
    {
        if (client.Name.Length == 0) RespWriter.Null(output, client._version);
        else RespWriter.BulkRaw(output, client.Name);
    });

    private void SetName(byte[] name)
    {
        if (TryName(Encoding.Latin1.GetString(name))) Say("OK");
    }

    private bool TryName(string name)
    {
        if (name.Length > limits.MaxNameBytes || name.Any(c => c is < '!' or > '~'))
        {
            Fail("ERR Client names cannot contain spaces, newlines or special characters.");
            return false;
        }
        _client.Name = name;
        return true;
    }

    private void SetInfo(Words words)
    {
        if (!words.Is(2, "lib-name") && !words.Is(2, "lib-ver")) Fail($"ERR Unrecognized option '{Quoted(Encoding.Latin1.GetString(words[2]), MaxQuoted)}'");
        else if (words[3].Any(b => b is < (byte)'!' or > (byte)'~')) Fail($"ERR {Encoding.Latin1.GetString(words[2])} cannot contain spaces, newlines or special characters.");
        else Say("OK"); // nobody asks for it
    }

    private void List(Words words)
    {
        if (words.Count == 2)
        {
            Text(_client.Describe((_, _) => true));
        }
        else if (words.Count == 4 && words.Is(2, "type"))
        {
            if (words.Is(3, "normal")) Text(_client.Describe((_, isSubscribed) => !isSubscribed));
            else if (words.Is(3, "pubsub")) Text(_client.Describe((_, isSubscribed) => isSubscribed));
            else if (words.Is(3, "master") || words.Is(3, "replica") || words.Is(3, "slave")) Text("");
            else Fail($"ERR Unknown client type '{Quoted(Encoding.Latin1.GetString(words[3]), MaxQuoted)}'");
        }
        else if (words.Count > 3 && words.Is(2, "id"))
        {
            var ids = Enumerable.Range(3, words.Count - 3).Select(at => RespNumber.Parse(words[at])).ToHashSet();
            if (ids.Contains(null)) Fail("ERR Invalid client ID");
            else Text(_client.Describe((id, _) => ids.Contains(id)));
        }
        else
        {
            Fail("ERR syntax error");
        }
    }

    private void Switch(byte[] word)
    {
        if (Words.Is(word, "on") || Words.Is(word, "off")) Say("OK"); // nobody is ever evicted
        else Fail("ERR syntax error");
    }

    // -- Channels ---------------------------------------------------------------------------------------------

    private void Publish(Words words)
    {
        if (words[1].Length > limits.MaxChannelBytes) Fail($"ERR the name of a channel has at most {limits.MaxChannelBytes} bytes here");
        else if (whyNotPublish() is { } why) Fail(why);
        else Number(_hub.Publish(ChannelName.FromBytes(words[1]), words[2], publishedHere: true, words.Deliveries));
    }

    private void Subscribe(Words words, bool isPattern)
    {
        var (all, most) = isPattern ? (_patterns, limits.MaxPatternBytes) : (_channels, limits.MaxChannelBytes);
        for (var at = 1; at < words.Count; at++)
        {
            var name = ChannelName.FromBytes(words[at]);
            if (name.Length > most)
            {
                Fail($"ERR the name of a {(isPattern ? "pattern" : "channel")} has at most {most} bytes here");
                continue;
            }
            if (all.Contains(name))
            {
                Told(isPattern ? "psubscribe" : "subscribe", name);
                continue;
            }
            if (_channels.Count + _patterns.Count >= limits.MaxSubscriptions || _nameBytes + name.Length > limits.MaxSubscriptionBytes || (isPattern && all.Count >= limits.MaxPatterns))
            {
                Fail($"ERR a client has at most {limits.MaxSubscriptions} channels and {limits.MaxPatterns} patterns here");
                continue;
            }
            all.Add(name);
            _nameBytes += name.Length;
            _hub.Add(name, isPattern, _client, () => Told(isPattern ? "psubscribe" : "subscribe", name)); // that it hears comes before what it hears
        }
    }

    private void Unsubscribe(Words words, bool isPattern)
    {
        var all = isPattern ? _patterns : _channels;
        var names = words.Count > 1 ? Enumerable.Range(1, words.Count - 1).Select(at => ChannelName.FromBytes(words[at])) : [.. all];
        var said = false;
        foreach (var name in names)
        {
            if (all.Remove(name))
            {
                _hub.Remove(name, isPattern, _client);
                _nameBytes -= name.Length;
            }
            Told(isPattern ? "punsubscribe" : "unsubscribe", name);
            said = true;
        }
        if (!said) Told(isPattern ? "punsubscribe" : "unsubscribe", null);
    }

    private void Channels(Words words)
    {
        if (HasTooMany(words)) return;
        if (words.Count == 3 && words[2].Length > limits.MaxPatternBytes)
        {
            Fail($"ERR the name of a pattern has at most {limits.MaxPatternBytes} bytes here");
            return;
        }
        _client.Write(_hub.Channels(words.Count == 3 ? ChannelName.FromBytes(words[2]) : null), static (output, channels) =>
        {
            RespWriter.Array(output, channels.Count);
            foreach (var channel in channels) RespWriter.BulkRaw(output, channel.Raw);
        });
    }

    private void ShardChannels(Words words)
    {
        if (!HasTooMany(words)) _client.Write(0, RespWriter.Array);
    }

    private bool HasTooMany(Words words)
    {
        if (words.Count <= 3) return false;
        Fail($"ERR unknown subcommand or wrong number of arguments for '{Quoted(Encoding.Latin1.GetString(words[1]), MaxQuoted)}'. Try PUBSUB HELP.");
        return true;
    }

    private void Counts(Words words, Func<ChannelName, int> countOf)
    {
        var counts = Enumerable.Range(2, words.Count - 2).Select(at => ChannelName.FromBytes(words[at])).Select(name => (name, countOf(name))).ToList();
        _client.Write(counts, static (output, all) =>
        {
            RespWriter.Array(output, 2 * all.Count);
            foreach (var (name, count) in all)
            {
                RespWriter.BulkRaw(output, name.Raw);
                RespWriter.Integer(output, count);
            }
        });
    }

    // -- Answers ----------------------------------------------------------------------------------------------

    private void Told(string what, ChannelName? name) => _client.Write((what, name, Count: _channels.Count + _patterns.Count, _version), static (output, told) =>
    {
        RespWriter.Push(output, told._version, 3);
        RespWriter.BulkRaw(output, told.what);
        if (told.name is { } known) RespWriter.BulkRaw(output, known.Raw);
        else RespWriter.Null(output, told._version);
        RespWriter.Integer(output, told.Count);
    });

    private void Say(string text) => _client.Write(text, RespWriter.Simple);

    private void Fail(string text) => _client.Write(text, RespWriter.Error);

    private void Number(long number) => _client.Write(number, RespWriter.Integer);

    private void Text(string text) => _client.Write((text, _version), static (output, said) => RespWriter.Verbatim(output, said._version, said.text));

    private void Help(string command, params string[] lines) => _client.Write((command, lines), static (output, help) =>
    {
        RespWriter.Array(output, help.lines.Length + 1);
        RespWriter.Simple(output, $"{help.command} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
        foreach (var line in help.lines) RespWriter.Simple(output, line);
    });

    // As C prints text: to its zero byte.
    private static string Quoted(string text, int most)
    {
        var zero = text.IndexOf('\0', StringComparison.Ordinal);
        var end = Math.Min(most, zero < 0 ? text.Length : zero);
        return text[..end];
    }

    private sealed record RespCommand(string Name, int Arity, Action<RespCommands, Words>? Run, CommandUse Use = CommandUse.None);

    [Flags]
    private enum CommandUse
    {
        None = 0,
        ByStrangers = 1,
        WhileSubscribed = 2,
    }

    private readonly struct Words(IReadOnlyList<byte[]> words, Deliveries deliveries)
    {
        public Deliveries Deliveries { get; } = deliveries;

        public int Count => words.Count;

        public byte[] this[int at] => words[at];

        public bool Is(int at, string word) => Is(words[at], word);

        public static bool Is(byte[] word, string lower) => word.Length == lower.Length && Encoding.Latin1.GetString(word).Equals(lower, StringComparison.OrdinalIgnoreCase);
    }

    private readonly ref struct Message(Heard said, int version)
    {
        public Heard Said { get; } = said;

        public int Version { get; } = version;
    }
}
