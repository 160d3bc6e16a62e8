using System.Buffers;
using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using PeoplesCloud.Base.Formats;

namespace PeoplesCloud.Libp2p;

// multiaddr = direct [ "/p2p/" peer-id ] | direct "/p2p/" relay-id "/p2p-circuit" [ "/p2p/" peer-id ]     text; source: github.com/multiformats/multiaddr
// direct    = host [ "/tcp/" port [ "/ws" ] ]
// host      = "/ip4/" a.b.c.d | "/ip6/" rfc5952 | "/dns4/" name | "/dns6/" name
// binary    = { code:varint value }: ip4 4 -> 4 bytes, ip6 41 -> 16 bytes, dns4 54 and dns6 55 -> varint length + name,
//             tcp 6 -> u16 big-endian, p2p 421 -> varint length + multihash, ws 477 and p2p-circuit 290 -> nothing
/// <summary>
/// The address of a node: a host, a TCP port, whether WebSocket is spoken there, and the peer id that must answer; or the same of a
/// relay that leads to the peer. The parts of it that we dial, in this order and nothing else: other protocols (udp, quic, tls) are refused by the
/// parsers, which is how callers skip them. Immutable; equality is by bytes.
/// </summary>
public sealed class Multiaddr : IEquatable<Multiaddr>
{
    /// <summary>The longest binary form that is accepted, in bytes: a name of 253, a port, ws, two peer ids around p2p-circuit are 357.</summary>
    public const int MaxBytes = 384;

    private const ulong Ip4 = 4, Tcp = 6, Ip6 = 41, Dns4 = 54, Dns6 = 55, P2pCircuit = 290, P2p = 421, Ws = 477;
    private const int MaxNameCharacters = 253;
    private const int MaxTextParts = 10; // host 2, tcp 2, ws, relay 2, p2p-circuit, peer 2

    private readonly ulong _kind;
    private readonly Route _route;
    private readonly byte[] _bytes;

    private Multiaddr(ulong kind, string host, Route route)
    {
        (_kind, Host, _route) = (kind, host, route);
        _bytes = Encode();
    }

    /// <summary>The host, that of the relay if there is one: an IP address in its canonical text form, or a DNS name.</summary>
    public string Host { get; }

    /// <summary>Whether the host is a DNS name.</summary>
    public bool IsName => _kind is Dns4 or Dns6;

    /// <summary>The TCP port of the host, 0 to 65535; null when the address has none.</summary>
    public int? Port => _route.Port;

    /// <summary>Whether the host speaks WebSocket at the port.</summary>
    public bool IsWebSocket => _route.IsWebSocket;

    /// <summary>The relay that leads to the peer; null for a direct address.</summary>
    public PeerId? Relay => _route.Relay;

    /// <summary>Whether the peer is reached through a relay.</summary>
    public bool IsRelayed => _route.Relay is not null;

    /// <summary>The peer id that must answer, behind the relay if there is one; null when the address has none.</summary>
    public PeerId? Peer => _route.Peer;

    /// <summary>The binary form.</summary>
    public ReadOnlySpan<byte> Bytes => _bytes;

    /// <summary>Whether the host is an address of the machine itself.</summary>
    public bool IsLoopback => IPAddress.TryParse(Host, out var ip) ? IPAddress.IsLoopback(ip) : Host == "localhost";

    /// <summary>The family that the host is resolved in or belongs to.</summary>
    internal AddressFamily Family => _kind is Ip4 or Dns4 ? AddressFamily.InterNetwork : AddressFamily.InterNetworkV6;

    /// <summary>The address of an IP end point. IPv4 mapped into IPv6 becomes ip4; a scope id is dropped.</summary>
    public static Multiaddr FromEndPoint(IPEndPoint endPoint)
    {
        var ip = endPoint.Address.IsIPv4MappedToIPv6 ? endPoint.Address.MapToIPv4() : new IPAddress(endPoint.Address.GetAddressBytes());
        return new Multiaddr(ip.AddressFamily == AddressFamily.InterNetwork ? Ip4 : Ip6, ip.ToString(), new Route(endPoint.Port, false, null, null));
    }

    /// <summary>Reads the text form; an optional slash at the end is accepted.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, [NotNullWhen(true)] out Multiaddr? address)
    {
        address = null;
        if (text.Length is 0 or > 512 || text[0] != '/') return false;
        if (text.EndsWith("/", StringComparison.Ordinal)) text = text[..^1];
        if (text.IsEmpty) return false;
        var parts = new Queue<string>(text[1..].ToString().Split('/'));
        if (parts.Count is < 2 or > MaxTextParts || !TryReadHost(parts.Dequeue(), parts.Dequeue(), out var kind, out var host)) return false;
        var route = default(Route);
        while (parts.TryDequeue(out var protocol))
        {
            var isTaken = protocol switch
            {
                "ws" => route.TryWebSocket(),
                "p2p-circuit" => route.TryCircuit(),
                "tcp" => parts.TryDequeue(out var value) && TryReadPort(value, out var port) && route.TryPort(port),
                "p2p" or "ipfs" => parts.TryDequeue(out var value) && PeerId.TryParse(value, out var id) && route.TryPeer(id),
                _ => false,
            };
            if (!isTaken) return false;
        }
        address = new Multiaddr(kind, host, route);
        return true;
    }

    /// <summary>Reads the binary form; all of it.</summary>
    public static bool TryFromBytes(ReadOnlySpan<byte> bytes, [NotNullWhen(true)] out Multiaddr? address)
    {
        address = null;
        if (bytes.Length is 0 or > MaxBytes || !TryReadCode(ref bytes, out var kind) || !TryReadBinaryHost(kind, ref bytes, out var host)) return false;
        var route = default(Route);
        while (!bytes.IsEmpty)
        {
            if (!TryReadCode(ref bytes, out var code)) return false;
            var isTaken = code switch
            {
                Ws => route.TryWebSocket(),
                P2pCircuit => route.TryCircuit(),
                Tcp => TryReadBinaryPort(ref bytes, out var port) && route.TryPort(port),
                P2p => TryReadSized(ref bytes, PeerId.MaxBytes, out var multihash) && PeerId.TryFromBytes(multihash, out var id) && route.TryPeer(id),
                _ => false,
            };
            if (!isTaken) return false;
        }
        address = new Multiaddr(kind, host, route);
        return true;
    }

    /// <summary>The same address with this peer id at its end, in place of another.</summary>
    public Multiaddr WithPeer(PeerId peer) => new(_kind, Host, _route with { Peer = peer });

    /// <summary>The same address without a peer id.</summary>
    public Multiaddr WithoutPeer() => Peer is null ? this : new(_kind, Host, _route with { Peer = null });

    /// <summary>The same address with WebSocket spoken there; it has a port and neither peer id nor relay.</summary>
    public Multiaddr WithWebSocket() => this is { Port: not null, Peer: null, IsRelayed: false } ? new(_kind, Host, _route with { IsWebSocket = true })
        : throw new InvalidOperationException($"{this} is not the address of a port");

    /// <summary>The same host by one of its IP addresses.</summary>
    internal Multiaddr WithIP(IPAddress ip) => new(ip.AddressFamily == AddressFamily.InterNetwork ? Ip4 : Ip6, new IPAddress(ip.GetAddressBytes()).ToString(), _route);

    /// <summary>The address through this node as a relay, to whichever peer is added to it; this one has a peer id and no relay.</summary>
    public Multiaddr ThroughRelay() => this is { Peer: { } relay, IsRelayed: false } ? new(_kind, Host, _route with { Relay = relay, Peer = null })
        : throw new InvalidOperationException($"{this} does not name a relay");

    /// <summary>The address of the relay itself, with its peer id; null for a direct address.</summary>
    public Multiaddr? RelayAddress => Relay is { } relay ? new(_kind, Host, _route with { Relay = null, Peer = relay }) : null;

    /// <summary>The end point to listen on or dial; false for names, for addresses without a port and for those behind a relay.</summary>
    public bool TryGetEndPoint([NotNullWhen(true)] out IPEndPoint? endPoint)
    {
        endPoint = !IsName && !IsRelayed && Port is { } port ? new IPEndPoint(IPAddress.Parse(Host), port) : null;
        return endPoint is not null;
    }

    /// <summary>The text form.</summary>
    public override string ToString()
    {
        var kind = _kind switch { Ip4 => "ip4", Ip6 => "ip6", Dns4 => "dns4", _ => "dns6" };
        var text = new StringBuilder($"/{kind}/{Host}");
        if (Port is { } port) text.Append(CultureInfo.InvariantCulture, $"/tcp/{port}");
        if (IsWebSocket) text.Append("/ws");
        if (Relay is { } relay) text.Append(CultureInfo.InvariantCulture, $"/p2p/{relay}/p2p-circuit");
        if (Peer is { } peer) text.Append(CultureInfo.InvariantCulture, $"/p2p/{peer}");
        return text.ToString();
    }

    /// <inheritdoc/>
    public bool Equals(Multiaddr? other) => other is not null && Bytes.SequenceEqual(other.Bytes);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as Multiaddr);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        var hash = new HashCode();
        hash.AddBytes(_bytes);
        return hash.ToHashCode();
    }

    /// <summary>For the fuzzer: both forms of whatever bytes; what is accepted must survive a round trip through both.</summary>
    internal static void Fuzz(ReadOnlySpan<byte> input)
    {
        foreach (var isText in (ReadOnlySpan<bool>)[false, true])
        {
            Multiaddr? address;
            if (!(isText ? TryParse(Encoding.Latin1.GetString(input), out address) : TryFromBytes(input, out address))) continue;
            Base.Invariant.Check(TryFromBytes(address!.Bytes, out var fromBytes) && fromBytes.Equals(address), "an address survives its binary form");
            Base.Invariant.Check(TryParse(address.ToString(), out var fromText) && fromText.Equals(address), "an address survives its text form");
        }
    }

    private static bool TryReadHost(string protocol, string value, out ulong kind, out string host)
    {
        (kind, host) = (0, "");
        switch (protocol)
        {
            case "ip4" when IPAddress.TryParse(value, out var ip) && ip.AddressFamily == AddressFamily.InterNetwork && ip.ToString() == value:
                (kind, host) = (Ip4, value); // 127.1 and 0x7f.0.0.1 are refused: only the dotted form is the same everywhere
                return true;
            case "ip6" when !value.Contains('%', StringComparison.Ordinal) && !value.Contains('[', StringComparison.Ordinal)
                && IPAddress.TryParse(value, out var ip) && ip.AddressFamily == AddressFamily.InterNetworkV6:
                (kind, host) = (Ip6, ip.ToString());
                return true;
            case "dns4" or "dns6" when IsUsableName(value):
                (kind, host) = (protocol == "dns4" ? Dns4 : Dns6, value);
                return true;
            default:
                return false;
        }
    }

    private static bool TryReadBinaryHost(ulong kind, ref ReadOnlySpan<byte> bytes, out string host)
    {
        host = "";
        var size = kind switch { Ip4 => 4, Ip6 => 16, _ => 0 };
        if (size > 0)
        {
            if (bytes.Length < size) return false;
            host = new IPAddress(bytes[..size]).ToString();
            bytes = bytes[size..];
            return true;
        }
        if (kind is not (Dns4 or Dns6) || !TryReadSized(ref bytes, MaxNameCharacters, out var name)) return false;
        foreach (var b in name)
            if (b >= 0x80) return false;
        host = Encoding.ASCII.GetString(name);
        return IsUsableName(host);
    }

    // Letters, digits, hyphens, underscores and dots (RFC 1123 with the underscore that people use): nothing that a resolver or a log reads otherwise.
    private static readonly SearchValues<char> NameCharacters = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.");

    private static bool IsUsableName(string name) => name.Length is > 0 and <= MaxNameCharacters && !name.AsSpan().ContainsAnyExcept(NameCharacters);

    private static bool TryReadPort(string text, out int port) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out port) && port <= ushort.MaxValue && (text.Length == 1 || text[0] != '0');

    private static bool TryReadBinaryPort(ref ReadOnlySpan<byte> bytes, out int port)
    {
        port = 0;
        if (bytes.Length < 2) return false;
        port = BinaryPrimitives.ReadUInt16BigEndian(bytes);
        bytes = bytes[2..];
        return true;
    }

    private static bool TryReadCode(ref ReadOnlySpan<byte> bytes, out ulong code)
    {
        if (Varint.TryRead(bytes, out code, out var read) != ParseStatus.Done) return false;
        bytes = bytes[read..];
        return true;
    }

    private static bool TryReadSized(ref ReadOnlySpan<byte> bytes, int maxBytes, out ReadOnlySpan<byte> value)
    {
        value = default;
        if (!TryReadCode(ref bytes, out var length) || length > (ulong)maxBytes || length > (ulong)bytes.Length) return false;
        value = bytes[..(int)length];
        bytes = bytes[(int)length..];
        return true;
    }

    private byte[] Encode()
    {
        var output = new ArrayBufferWriter<byte>(64);
        Varint.Write(output, _kind);
        if (IsName)
        {
            Varint.Write(output, (ulong)Host.Length);
            output.Write(Encoding.ASCII.GetBytes(Host));
        }
        else output.Write(IPAddress.Parse(Host).GetAddressBytes());
        if (Port is { } port)
        {
            Varint.Write(output, Tcp);
            BinaryPrimitives.WriteUInt16BigEndian(output.GetSpan(2), (ushort)port);
            output.Advance(2);
        }
        if (IsWebSocket) Varint.Write(output, Ws);
        if (Relay is { } relay)
        {
            WritePeer(output, relay);
            Varint.Write(output, P2pCircuit);
        }
        if (Peer is { } peer) WritePeer(output, peer);
        return output.WrittenSpan.ToArray();
    }

    private static void WritePeer(ArrayBufferWriter<byte> output, PeerId peer)
    {
        Varint.Write(output, P2p);
        Varint.Write(output, (ulong)peer.Bytes.Length);
        output.Write(peer.Bytes);
    }

    /// <summary>What follows the host, taken part by part in the order of the grammar; a part out of order is not taken.</summary>
    private record struct Route(int? Port, bool IsWebSocket, PeerId? Relay, PeerId? Peer)
    {
        private readonly bool IsBare => Relay is null && Peer is null;

        public bool TryPort(int port)
        {
            if (!IsBare || Port is not null) return false;
            Port = port;
            return true;
        }

        public bool TryWebSocket()
        {
            if (!IsBare || Port is null || IsWebSocket) return false;
            return IsWebSocket = true;
        }

        public bool TryPeer(PeerId peer)
        {
            if (Peer is not null) return false;
            Peer = peer;
            return true;
        }

        public bool TryCircuit()
        {
            if (Relay is not null || Peer is null) return false;
            (Relay, Peer) = (Peer, null);
            return true;
        }
    }
}
