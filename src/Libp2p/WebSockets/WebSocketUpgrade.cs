using System.Buffers;
using System.Security.Cryptography;
using System.Text;

namespace PeoplesCloud.Libp2p.WebSockets;

// head     = line CRLF *( name ":" value CRLF ) CRLF              RFC 9112, section 2.1; RFC 6455, section 4
// request  : line = "GET " target " HTTP/1.1"; Host, Upgrade: websocket, Connection: Upgrade, Sec-WebSocket-Version: 13, Sec-WebSocket-Key: 24 characters
// response : line = "HTTP/1.1 101 " text; Upgrade: websocket, Connection: Upgrade, Sec-WebSocket-Accept: base64(sha1(key GUID))
/// <summary>The two HTTP heads that turn a TCP connection into a WebSocket, written and read without trust. What they say besides is ignored.</summary>
internal static class WebSocketUpgrade
{
    private const int MaxFields = 64;
    private const int KeyBytes = 16;
    private const string KeyGuid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

    private static readonly SearchValues<char> NameCharacters = SearchValues.Create("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");

    /// <summary>The end of a head.</summary>
    public static ReadOnlySpan<byte> End => "\r\n\r\n"u8;

    /// <summary>A fresh key for one request.</summary>
    public static string NewKey() => Convert.ToBase64String(RandomNumberGenerator.GetBytes(KeyBytes));

    /// <summary>Our request.</summary>
    /// <param name="host">Host and port, an IPv6 address in brackets.</param>
    /// <param name="key">From <see cref="NewKey"/>.</param>
    public static byte[] Request(string host, string key) => Encoding.ASCII.GetBytes(
        $"GET / HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n");

    /// <summary>Our answer to a request with this key.</summary>
    public static byte[] Response(string key) => Encoding.ASCII.GetBytes(
        $"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {AcceptOf(key)}\r\n\r\n");

    /// <summary>Our answer to anything else.</summary>
    public static ReadOnlySpan<byte> Refusal => "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"u8;

    /// <summary>Reads a whole request head; answers why it is refused, or null.</summary>
    public static string? ReadRequest(ReadOnlySpan<byte> head, out string key)
    {
        key = "";
        if (!TryReadHead(head, out var line, out var fields)) return "the request is no HTTP";
        if (line.Split(' ') is not ["GET", ['/', ..], "HTTP/1.1"]) return "the request is no GET of HTTP/1.1";
        if (!Names(fields, "upgrade", "websocket") || !Names(fields, "connection", "upgrade")) return "the request asks for no WebSocket";
        if (Only(fields, "sec-websocket-version") != "13") return "the request is of another version of WebSocket";
        if (Only(fields, "sec-websocket-key") is not { Length: 24 } given || !IsKey(given)) return "the request has no usable key";
        key = given;
        return null;
    }

    /// <summary>Reads a whole response head; answers why it is refused, or null.</summary>
    public static string? ReadResponse(ReadOnlySpan<byte> head, string key)
    {
        if (!TryReadHead(head, out var line, out var fields)) return "the answer is no HTTP";
        if (!line.StartsWith("HTTP/1.1 101", StringComparison.Ordinal) || (line.Length > 12 && line[12] != ' ')) return "the other side refuses WebSocket";
        if (!Names(fields, "upgrade", "websocket") || !Names(fields, "connection", "upgrade")) return "the other side upgrades to something else";
        if (Only(fields, "sec-websocket-accept") != AcceptOf(key)) return "the answer is for another key";
        return fields.Exists(f => f.Name is "sec-websocket-extensions" or "sec-websocket-protocol") ? "the other side chose what was not offered" : null;
    }

    /// <summary>For the fuzzer: a head of either kind; what is accepted has a usable key.</summary>
    internal static void Fuzz(ReadOnlySpan<byte> input)
    {
        if (ReadRequest(input, out var key) is null)
        {
            Base.Invariant.Check(IsKey(key), "an accepted request has a key");
            Base.Invariant.Check(ReadResponse(Response(key), key) is null, "and the answer to it is accepted");
        }
        _ = ReadResponse(input, "dGhlIHNhbXBsZSBub25jZQ==");
    }

    private static bool TryReadHead(ReadOnlySpan<byte> head, out string line, out List<(string Name, string Value)> fields)
    {
        (line, fields) = ("", []);
        if (!head.EndsWith(End)) return false;
        foreach (var b in head)
            if (b is (< 0x20 and not ((byte)'\r' or (byte)'\n' or (byte)'\t')) or >= 0x7f) return false;
        var lines = Encoding.ASCII.GetString(head[..^End.Length]).Split("\r\n");
        if (lines.Length > MaxFields + 1 || Array.Exists(lines, l => l.AsSpan().ContainsAny('\r', '\n'))) return false;
        line = lines[0];
        foreach (var field in lines.AsSpan(1))
        {
            var colon = field.IndexOf(':', StringComparison.Ordinal);
            if (colon <= 0 || field.AsSpan(0, colon).ContainsAnyExcept(NameCharacters)) return false;
            fields.Add((field[..colon].ToLowerInvariant(), field[(colon + 1)..].Trim(' ', '\t')));
        }
        return true;
    }

    /// <summary>Whether a field that holds a list names a token.</summary>
    private static bool Names(List<(string Name, string Value)> fields, string name, string token) =>
        fields.Exists(f => f.Name == name && f.Value.Split(',').Any(v => v.Trim(' ', '\t').Equals(token, StringComparison.OrdinalIgnoreCase)));

    /// <summary>The value of a field that is there exactly once.</summary>
    private static string? Only(List<(string Name, string Value)> fields, string name) =>
        fields.FindAll(f => f.Name == name) is [var one] ? one.Value : null;

    private static bool IsKey(string text)
    {
        Span<byte> bytes = stackalloc byte[KeyBytes + 2];
        return Convert.TryFromBase64String(text, bytes, out var length) && length == KeyBytes;
    }

#pragma warning disable CA5350 // RFC 6455 wants SHA-1 here, and nothing is guarded by it
    private static string AcceptOf(string key) => Convert.ToBase64String(SHA1.HashData(Encoding.ASCII.GetBytes(key + KeyGuid)));
#pragma warning restore CA5350
}
