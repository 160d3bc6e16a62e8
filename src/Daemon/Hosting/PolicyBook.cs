using System.Globalization;
using System.Text;
using PeoplesCloud.Base;
using PeoplesCloud.Base.Files;
using PeoplesCloud.Base.Formats;
using PeoplesCloud.Daemon.Configuration;
using PeoplesCloud.Programs.Policy;

namespace PeoplesCloud.Daemon.Hosting;

/// <summary>A rule as it holds now.</summary>
/// <param name="Setting">The rule.</param>
/// <param name="Value">Its value.</param>
/// <param name="From">default, config, home (set in the home above this one) or set (by pc host set, which wins).</param>
internal sealed record PolicyRule(HostSetting Setting, string Value, string From);

/// <summary>
/// What the owner of this host allows: the defaults, on them the configuration, on them what was set in the home above, where there is one, on them what
/// <c>pc host set</c> and <c>pc pause</c> wrote into <c>host.toml</c> in the home (docs/layouts/home.md), which is durable before they are answered. Thread-safe.
/// </summary>
internal sealed class PolicyBook
{
    private const string RuleTable = "host.";
    private const string PauseKey = "pause.until";
    private const string Forever = "resumed";

    // How long a change in the home above may go unnoticed.
    private static readonly TimeSpan AboveInterval = TimeSpan.FromMilliseconds(250);

    private readonly string _file;
    private readonly HostPolicy _defaults;
    private readonly IReadOnlyDictionary<string, string> _configured;
    private readonly IDisk _disk;
    private readonly TimeProvider _time;
    private readonly TimeProvider _lengths;
    private readonly string? _above;
    private readonly Lock _lock = new();
    private SortedDictionary<string, string> _set;
    private HostPolicy _policy;
    private RunningPause? _pause;
    private SortedDictionary<string, string> _setAbove = new(StringComparer.Ordinal);
    private RunningPause? _pauseAbove;
    private (DateTime Written, long Length)? _aboveAsRead;
    private long _aboveLookedAt;

    /// <summary>Opens it.</summary>
    /// <param name="file">host.toml.</param>
    /// <param name="defaults">What holds when nothing is said.</param>
    /// <param name="configured">The rules of the configuration, checked.</param>
    /// <param name="disk">Where it is written.</param>
    /// <param name="time">The clock on the wall.</param>
    /// <param name="lengths">The clock of lengths of time: nobody sets it, and it goes on while the machine sleeps.</param>
    /// <param name="above">host.toml of the home that this one lives in, read again when it changes; null where there is none.</param>
    /// <exception cref="PcException"><see cref="ErrorCode.HostPolicyDamaged"/>: better no start than a host without its rules.</exception>
    public PolicyBook(string file, HostPolicy defaults, IReadOnlyDictionary<string, string> configured, IDisk disk, TimeProvider time, TimeProvider lengths, string? above = null)
    {
        (_file, _defaults, _configured, _disk, _time, _lengths, _above) = (file, defaults, configured, disk, time, lengths, above);
        (_set, _pause) = Load(file);
        LoadAbove();
        _policy = Compute();
    }

    /// <summary>What holds now.</summary>
    public HostPolicy Current
    {
        get
        {
            lock (_lock)
            {
                LookAbove();
                if (_pause is { } pause && pause.IsOver(_lengths)) _pause = null;
                if (_pauseAbove is { } above && above.IsOver(_lengths)) _pauseAbove = null;
                return _policy with { Pause = (_pause ?? _pauseAbove)?.Told(_time, _lengths) };
            }
        }
    }

    /// <summary>All rules.</summary>
    public IReadOnlyList<PolicyRule> Rules
    {
        get
        {
            lock (_lock)
            {
                LookAbove();
                return [.. HostSettings.All.Select(setting => new PolicyRule(setting, setting.Text(_policy), FromOf(setting.Name)))];
            }
        }
    }

    /// <summary>Sets rules; the value <c>default</c> takes back what was set. All or none.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.HostRuleUnknown"/>, <see cref="ErrorCode.HostRuleInvalid"/> with every problem, <see cref="ErrorCode.DiskFull"/>.</exception>
    public void Set(IReadOnlyDictionary<string, string> changes)
    {
        var problems = new List<string>();
        lock (_lock)
        {
            var next = new SortedDictionary<string, string>(_set, StringComparer.Ordinal);
            foreach (var (name, value) in changes)
            {
                if (HostSettings.Find(name) is not { } setting) throw new PcException(ErrorCode.HostRuleUnknown, $"there is no rule '{Printable(name)}'", $"the rules are {string.Join(", ", HostSettings.All.Select(known => known.Name))}");
                if (value is "default") next.Remove(name);
                else if (value.Any(char.IsControl) || setting.With(_policy, value) is null) problems.Add($"{name} = '{Printable(value)}': {setting.Range}");
                else if (HostSettings.UnknownWord(name, value) is { } word) problems.Add($"{name} = '{Printable(value)}': '{Printable(word)}' is not known; {setting.Range}");
                else next[name] = value;
            }
            if (problems.Count > 0) throw new PcException(ErrorCode.HostRuleInvalid, string.Join("; ", problems));
            Write(next, _pause);
            _set = next;
            _policy = Compute();
        }
    }

    /// <summary>Pauses hosting, for a time or until it is resumed; a pause that there is is replaced.</summary>
    public HostPause Pause(TimeSpan? length)
    {
        lock (_lock)
        {
            var pause = new RunningPause(length, _lengths.GetTimestamp());
            Write(_set, pause);
            _pause = pause;
            return pause.Told(_time, _lengths);
        }
    }

    /// <summary>Hosts again; false when it was not paused.</summary>
    public bool Resume()
    {
        lock (_lock)
        {
            var paused = _pause is not null;
            Write(_set, null);
            _pause = null;
            return paused;
        }
    }

    // Fuzz target: whatever the file holds, it is read or refused.
    internal static void Fuzz(ReadOnlySpan<byte> input) => _ = Read(Encoding.UTF8.GetString(input), out _, out _);

    private string FromOf(string rule) => _set.ContainsKey(rule) ? "set" : _setAbove.ContainsKey(rule) ? "home" : _configured.ContainsKey(rule) ? "config" : "default";

    private HostPolicy Compute() => HostSettings.Apply(HostSettings.Apply(HostSettings.Apply(_defaults, _configured), _setAbove), _set);

    private void LookAbove()
    {
        if (_above is null || _lengths.GetElapsedTime(_aboveLookedAt) < AboveInterval) return;
        try
        {
            if (LoadAbove()) _policy = Compute();
        }
        catch (Exception e) when (e is PcException or IOException or UnauthorizedAccessException)
        {
            // What was said before it was damaged goes on to hold.
        }
    }

    private bool LoadAbove()
    {
        if (_above is null) return false;
        _aboveLookedAt = _lengths.GetTimestamp();
        var file = new FileInfo(_above);
        (DateTime, long)? now = file.Exists ? (file.LastWriteTimeUtc, file.Length) : null;
        if (now == _aboveAsRead) return false;
        _aboveAsRead = now;
        (_setAbove, _pauseAbove) = Load(_above);
        return true;
    }

    private (SortedDictionary<string, string> Set, RunningPause? Pause) Load(string file)
    {
        if (!File.Exists(file)) return (new SortedDictionary<string, string>(StringComparer.Ordinal), null);
        var text = new FileInfo(file).Length <= TomlSubset.MaxFileBytes ? File.ReadAllText(file) : "";
        if (Read(text, out var set, out var until) is { } problem) throw new PcException(ErrorCode.HostPolicyDamaged, $"{file} cannot be used: {problem}");
        if (until is null) return (set, null);
        // The clock may have been set meanwhile: a pause never lasts longer than it could have been asked for.
        var left = until.Value == DateTimeOffset.MaxValue ? (TimeSpan?)null : until.Value - _time.GetUtcNow();
        if (left is { } span && span > Durations.Longest) left = Durations.Longest;
        return (set, left is null || left > TimeSpan.Zero ? new RunningPause(left, _lengths.GetTimestamp()) : null);
    }

    private static string? Read(string text, out SortedDictionary<string, string> set, out DateTimeOffset? until)
    {
        set = new SortedDictionary<string, string>(StringComparer.Ordinal);
        until = null;
        if (text.Length == 0) return "it is empty or too large";
        var problems = new List<string>();
        foreach (var (key, value, line, _) in TomlSubset.Parse(text, problems))
        {
            if (key is PauseKey && value is Forever) until = DateTimeOffset.MaxValue;
            else if (key is PauseKey && DateTimeOffset.TryParseExact(value, "O", CultureInfo.InvariantCulture, DateTimeStyles.None, out var read)) until = read;
            else if (key.StartsWith(RuleTable, StringComparison.Ordinal) && HostSettings.Find(key[RuleTable.Length..]) is { } setting && setting.With(new HostPolicy(), value) is not null) set[setting.Name] = value;
            else problems.Add($"line {line}: {key} is no rule, or not with this value");
        }
        return problems.Count > 0 ? string.Join("; ", problems) : null;
    }

    private void Write(SortedDictionary<string, string> set, RunningPause? pause)
    {
        var text = new StringBuilder("# Written by pc host set and pc pause; wins over the configuration.\n[host]\n");
        foreach (var (name, value) in set) text.Append(CultureInfo.InvariantCulture, $"{name} = '{value}'\n");
        if (pause is not null) text.Append(CultureInfo.InvariantCulture, $"[pause]\nuntil = \"{(pause.Told(_time, _lengths).Until is { } until ? until.ToString("O", CultureInfo.InvariantCulture) : Forever)}\"\n");
        try
        {
            _disk.Replace(_file, Encoding.UTF8.GetBytes(text.ToString()));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new PcException(Home.DiskErrors.IsFull(e) ? ErrorCode.DiskFull : ErrorCode.HomeUnusable, $"{_file} could not be written: {e.Message}", inner: e);
        }
    }

    private static string Printable(string text) => new([.. text.Take(60).Select(c => char.IsControl(c) ? '?' : c)]);

    // A host whose clock jumps an hour is paused as long as its owner said, and until when is told by the clock as it is now.
    private sealed record RunningPause(TimeSpan? Length, long Began)
    {
        public bool IsOver(TimeProvider lengths) => Length is { } length && lengths.GetElapsedTime(Began) >= length;

        public HostPause Told(TimeProvider wall, TimeProvider lengths) => new(Length is { } length ? wall.GetUtcNow() + length - lengths.GetElapsedTime(Began) : null);
    }
}
