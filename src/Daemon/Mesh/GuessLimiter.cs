using System.Net;
using System.Net.Sockets;

namespace PeoplesCloud.Daemon.Mesh;

/// <summary>
/// Bounds how often strangers may show secrets that are wrong: per address prefix (a peer id costs nothing, so it is no measure)
/// and together. Right ones cost nothing. Thread-safe.
/// </summary>
internal sealed class GuessLimiter(TimeProvider time)
{
    /// <summary>Wrong guesses in <see cref="Window"/> from one prefix (IPv4 /24, IPv6 /64).</summary>
    public const int PerPrefix = 10;

    /// <summary>Wrong guesses in <see cref="Window"/> from everybody. At 128 bits a secret this is not what keeps it safe; it bounds the work.</summary>
    public const int Together = 100;

    /// <summary>How long a guess counts.</summary>
    public static readonly TimeSpan Window = TimeSpan.FromMinutes(1);

    private readonly Lock _gate = new();
    private readonly Queue<(long At, string Prefix)> _guesses = new();
    private readonly Dictionary<string, int> _counts = new(StringComparer.Ordinal);

    /// <summary>Whether another secret is looked at.</summary>
    public bool MayTry(string? host)
    {
        lock (_gate)
        {
            Expire();
            return _guesses.Count < Together && _counts.GetValueOrDefault(PrefixOf(host)) < PerPrefix;
        }
    }

    /// <summary>Counts a wrong secret.</summary>
    public void WasWrong(string? host)
    {
        lock (_gate)
        {
            Expire();
            var prefix = PrefixOf(host);
            _guesses.Enqueue((time.GetTimestamp(), prefix));
            _counts[prefix] = _counts.GetValueOrDefault(prefix) + 1;
        }
    }

    private void Expire()
    {
        while (_guesses.TryPeek(out var oldest) && time.GetElapsedTime(oldest.At) >= Window)
        {
            _guesses.Dequeue();
            if (--_counts[oldest.Prefix] == 0) _counts.Remove(oldest.Prefix);
        }
    }

    private static string PrefixOf(string? host)
    {
        if (!IPAddress.TryParse(host, out var address)) return "";
        var bytes = address.GetAddressBytes();
        return Convert.ToHexString(bytes, 0, address.AddressFamily == AddressFamily.InterNetwork ? 3 : 8);
    }
}
