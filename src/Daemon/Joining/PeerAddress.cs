using System.Globalization;
using System.Net;
using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Configuration;
using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Daemon.Joining;

/// <summary>Where a person says that another node is: HOST:PORT, HOST, [IPV6]:PORT, or a multiaddr.</summary>
internal static class PeerAddress
{
    private static readonly string[] Families = ["dns4", "dns6"];

    /// <summary>The addresses to dial: of a name, one for each family.</summary>
    /// <exception cref="PcException">It is none (<see cref="ErrorCode.JoinPeerInvalid"/>).</exception>
    public static IReadOnlyList<Multiaddr> Parse(string? text)
    {
        var trimmed = (text ?? "").Trim();
        if (trimmed.StartsWith('/')) return Multiaddr.TryParse(trimmed, out var given) && given.Port is > 0 ? [given] : throw Invalid(trimmed);
        var (host, port) = Split(trimmed);
        if (!int.TryParse(port, NumberStyles.None, CultureInfo.InvariantCulture, out var number) || number is < 1 or > 65535) throw Invalid(trimmed);
        if (IPAddress.TryParse(host, out var ip) && (ip.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6 || host.Count(c => c == '.') == 3))
            return [Multiaddr.FromEndPoint(new IPEndPoint(ip, number))];
        var names = Families.Select(family => Multiaddr.TryParse($"/{family}/{host}/tcp/{number}", out var address) ? address : null).OfType<Multiaddr>().ToList();
        return names.Count > 0 ? names : throw Invalid(trimmed);
    }

    private static (string Host, string Port) Split(string text)
    {
        var standard = DaemonConfig.DefaultPort.ToString(CultureInfo.InvariantCulture);
        if (text.StartsWith('['))
        {
            var end = text.IndexOf(']', StringComparison.Ordinal);
            if (end < 0) return ("", "");
            return text.Length == end + 1 ? (text[1..end], standard) : text[end + 1] == ':' ? (text[1..end], text[(end + 2)..]) : ("", "");
        }
        var colon = text.LastIndexOf(':');
        return colon < 0 || text.IndexOf(':', StringComparison.Ordinal) != colon ? (text, standard) : (text[..colon], text[(colon + 1)..]);
    }

    private static PcException Invalid(string text) =>
        new(ErrorCode.JoinPeerInvalid, $"\"{new string([.. text.Take(80).Select(c => char.IsControl(c) ? '?' : c)])}\" is no address of a node");
}
