using System.Diagnostics.CodeAnalysis;
using System.Net;

namespace PeoplesCloud.Daemon.Configuration;

// address = "http://..." / "https://..." / "/" ("ip4" / "ip6" / "dns" / "dns4" / "dns6") "/" host "/tcp/" port ["/http" / "/https"]

/// <summary>Where an HTTP server is, as a URL or as IPFS writes it, a multiaddr.</summary>
internal static class HttpAddress
{
    /// <summary>Reads an address; one with a user, a query or a fragment is refused.</summary>
    public static bool TryParse(string text, [NotNullWhen(true)] out Uri? address)
    {
        address = null;
        var url = text.StartsWith('/') ? FromMultiaddr(text) : text;
        return Uri.TryCreate(url, UriKind.Absolute, out address) && address.Scheme is "http" or "https" && address.UserInfo.Length == 0 && address.Query.Length == 0 && address.Fragment.Length == 0;
    }

    // Fuzz target: what is accepted is an HTTP server and nothing more.
    internal static void Fuzz(ReadOnlySpan<byte> input)
    {
        if (TryParse(System.Text.Encoding.Latin1.GetString(input), out var address))
            PeoplesCloud.Base.Invariant.Check(address.Scheme is "http" or "https" && address.Host.Length > 0, "an address is an HTTP server");
    }

    private static string? FromMultiaddr(string text)
    {
        if (text.Split('/') is not ["", var kind, var host, "tcp", var port, .. var rest] || !ushort.TryParse(port, out var number)) return null;
        var shown = kind switch
        {
            "ip4" when IPAddress.TryParse(host, out var ip) && ip.AddressFamily == System.Net.Sockets.AddressFamily.InterNetwork => host,
            "ip6" when IPAddress.TryParse(host, out var ip) && ip.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6 => $"[{ip}]",
            "dns" or "dns4" or "dns6" when Uri.CheckHostName(host) == UriHostNameType.Dns => host,
            _ => null,
        };
        return (shown, rest) switch
        {
            (null, _) => null,
            (_, [] or ["http"]) => $"http://{shown}:{number}",
            (_, ["https"]) => $"https://{shown}:{number}",
            _ => null,
        };
    }
}
