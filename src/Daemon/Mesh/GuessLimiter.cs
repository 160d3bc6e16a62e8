using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;
using PeoplesCloud.Base.Files;

namespace PeoplesCloud.Daemon.Mesh;

/// <summary>How many wrong secrets a node looks at.</summary>
/// <param name="PerPrefix">From one network: IPv4 /24, IPv6 /48 (what one subscriber has).</param>
/// <param name="PerSubject">About one thing, a swarm's name for instance, from everybody.</param>
/// <param name="Together">From everybody about everything; also how many are remembered.</param>
/// <param name="Window">How long a guess counts.</param>
internal sealed record GuessLimits(int PerPrefix, int PerSubject, int Together, TimeSpan Window)
{
    /// <summary>Of tickets: at 128 bits a secret this is not what keeps it safe; it bounds the work.</summary>
    public static GuessLimits Tickets { get; } = new(10, 100, 100, TimeSpan.FromMinutes(1));

    /// <summary>
    /// Of secrets that people chose. 30 an hour about one swarm are 260,000 a year and node: a secret of eight random letters (200,000
    /// million) holds, the name of a pet does not. Ten from one network leave room for those who mistype.
    /// </summary>
    public static GuessLimits Joining { get; } = new(10, 30, 300, TimeSpan.FromHours(1));
}

/// <summary>
/// Bounds how often strangers may show secrets that are wrong: per address prefix (a peer id costs nothing, so it is no measure), per
/// subject and together. A guess is taken before it is looked at, so that many at once gain nothing, and given back when it was right.
/// With a file, guesses count across a restart. Thread-safe.
/// </summary>
internal sealed class GuessLimiter
{
    private readonly GuessLimits _limits;
    private readonly TimeProvider _time;
    private readonly IDisk? _disk;
    private readonly string? _path;
    private readonly Lock _gate = new();
    private readonly List<Guess> _guesses = []; // in order of time; as many as Together

    /// <summary>Starts without any guess, or with those of the file.</summary>
    public GuessLimiter(GuessLimits limits, TimeProvider time, IDisk? disk = null, string? path = null)
    {
        (_limits, _time, _disk, _path) = (limits, time, disk, path);
        if (path is not null) _guesses.AddRange(Read(path, limits.Together));
    }

    [StructLayout(LayoutKind.Auto)]
    private readonly record struct Guess(DateTimeOffset At, string Prefix, string Subject);

    /// <summary>How long nobody from there looks at a guess about this; zero when one may be made now.</summary>
    public TimeSpan WaitOf(string? host, string subject)
    {
        lock (_gate) return WaitLocked(PrefixOf(host), subject);
    }

    /// <summary>Takes a guess; false, with the time to wait, when there have been too many.</summary>
    public bool TryTake(string? host, string subject, out TimeSpan wait)
    {
        lock (_gate)
        {
            var prefix = PrefixOf(host);
            wait = WaitLocked(prefix, subject);
            if (wait > TimeSpan.Zero) return false;
            _guesses.Add(new Guess(_time.GetUtcNow(), prefix, subject));
            return true;
        }
    }

    /// <summary>The guess that was taken was right.</summary>
    public void GiveBack(string? host, string subject)
    {
        lock (_gate)
        {
            var prefix = PrefixOf(host);
            var last = _guesses.FindLastIndex(guess => guess.Prefix == prefix && guess.Subject == subject);
            if (last >= 0) _guesses.RemoveAt(last);
        }
    }

    /// <summary>The guess that was taken was wrong: remembers it across a restart. The disk's failure is the caller's to report.</summary>
    /// <exception cref="IOException">The disk refuses.</exception>
    public void Keep()
    {
        if (_path is null || _disk is null) return;
        lock (_gate)
        {
            var text = new StringBuilder();
            foreach (var guess in _guesses) text.Append(CultureInfo.InvariantCulture, $"{guess.At.ToUnixTimeMilliseconds()} {guess.Prefix} {guess.Subject}\n");
            _disk.Replace(_path, Encoding.UTF8.GetBytes(text.ToString()));
        }
    }

    private TimeSpan WaitLocked(string prefix, string subject)
    {
        var now = _time.GetUtcNow();
        _guesses.RemoveAll(guess => now - guess.At >= _limits.Window || guess.At - now >= _limits.Window); // of a clock that was set back, too
        return new[]
        {
            WaitOf(_guesses, _limits.Together, now),
            WaitOf(_guesses.FindAll(guess => guess.Prefix == prefix), _limits.PerPrefix, now),
            WaitOf(_guesses.FindAll(guess => guess.Subject == subject), _limits.PerSubject, now),
        }.Max();
    }

    // Until the oldest of those that are too many does not count any more.
    private TimeSpan WaitOf(List<Guess> guesses, int most, DateTimeOffset now)
    {
        if (guesses.Count < most) return TimeSpan.Zero;
        var wait = guesses[^most].At + _limits.Window - now;
        return wait > TimeSpan.Zero ? wait : TimeSpan.FromSeconds(1);
    }

    /// <summary>The network of an address; "-" when it has none.</summary>
    internal static string PrefixOf(string? host)
    {
        if (!IPAddress.TryParse(host, out var address)) return "-";
        if (address.IsIPv4MappedToIPv6) address = address.MapToIPv4();
        var bytes = address.GetAddressBytes();
        return Convert.ToHexString(bytes, 0, address.AddressFamily == AddressFamily.InterNetwork ? 3 : 6);
    }

    private static IEnumerable<Guess> Read(string path, int most)
    {
        string[] lines;
        try
        {
            lines = new FileInfo(path) is { Exists: true, Length: < 1 << 20 } ? File.ReadAllLines(path) : [];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            lines = []; // what cannot be read counts as nothing: the limits hold from now on
        }
        foreach (var line in lines.TakeLast(most))
        {
            if (line.Split(' ') is [var at, var prefix, var subject] && long.TryParse(at, NumberStyles.None, CultureInfo.InvariantCulture, out var ms) && ms < 253_402_300_800_000)
                yield return new Guess(DateTimeOffset.FromUnixTimeMilliseconds(ms), prefix, subject);
        }
    }
}
