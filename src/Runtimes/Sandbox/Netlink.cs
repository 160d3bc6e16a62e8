using System.Buffers.Binary;
using System.Net;
using System.Runtime.InteropServices;
using System.Text;

namespace PeoplesCloud.Runtimes.Sandbox;

/// <summary>
/// Rules for a network namespace, made in order by one message each (rtnetlink(7)) and sent at once: what <c>ip -batch</c> does, without a process.
/// The kernel has done them all, or refused some, when the call returns.
/// </summary>
internal sealed class Netlink
{
    /// <summary>The kernel's loopback in every namespace.</summary>
    public const int Loopback = 1;

    // Source: linux/rtnetlink.h, if_link.h, veth.h, ip.h.
    private const ushort NewLink = 16, NewAddress = 20, NewRoute = 24, NewNeighbour = 28, Error = 2;
    private const ushort Request = 1, Acknowledge = 4, Exclusive = 0x200, Create = 0x400;
    private const ushort LinkName = 3, LinkMtu = 4, LinkInfo = 18, LinkFamilies = 26, LinkNamespace = 28;
    private const byte Internet = 2, Internet6 = 10, MainTable = 254, Boot = 3, OnLink = 4, LinkScope = 253, Proxy = 8;
    private const int HeaderBytes = 16;

    private readonly List<byte> _bytes = new(2048);
    private readonly List<(string Rule, bool MayFail)> _rules = [];

    /// <summary>Puts an interface up; another largest frame, and whether it forwards what comes by it, where given.</summary>
    public Netlink Up(int device, int? mtu = null, bool forwards = false)
    {
        var message = Link($"link {device} up", device, up: true, 0);
        if (mtu is { } size) Attribute(LinkMtu, size);
        // IFLA_AF_SPEC / AF_INET / IFLA_INET_CONF / IPV4_DEVCONF_FORWARDING, as /proc/sys/net/ipv4/conf would.
        if (forwards) Nested(LinkFamilies, () => Nested(Internet, () => Nested(1, () => Attribute(1, 1))));
        return End(message);
    }

    /// <summary>Gives an interface no IPv6 address of its own making. Not where the kernel has no IPv6, which is as good.</summary>
    public Netlink WithoutIPv6(int device)
    {
        var message = Link($"link {device} addrgenmode none", device, up: false, 0, mayFail: true);
        Nested(LinkFamilies, () => Nested(Internet6, () => Attribute(8, [1])));
        return End(message);
    }

    /// <summary>A pair of interfaces that are each other's other end, both with the same number and not up.</summary>
    public Netlink Pair(int device, string name, string peerName, SafeHandle peerNamespace, int mtu)
    {
        var message = Link($"link add {name} type veth peer {peerName}", device, up: false, Create | Exclusive);
        Attribute(LinkName, Encoding.ASCII.GetBytes(name + "\0"));
        Attribute(LinkMtu, mtu);
        Nested(LinkInfo, () =>
        {
            Attribute(1, "veth"u8);
            Nested(2, () => Nested(1, () =>
            {
                LinkHeader(device, up: false);
                Attribute(LinkName, Encoding.ASCII.GetBytes(peerName + "\0"));
                Attribute(LinkMtu, mtu);
                Attribute(LinkNamespace, (int)peerNamespace.DangerousGetHandle());
            }));
        });
        return End(message);
    }

    /// <summary>An address of an interface, alone in its network.</summary>
    public Netlink Address(int device, string address)
    {
        var message = Begin(NewAddress, Create | Exclusive, $"address add {address}");
        _bytes.AddRange([Internet, 32, 0, 0]);
        Append(device);
        Attribute(2, Bytes(address));
        Attribute(1, Bytes(address));
        return End(message);
    }

    /// <summary>Refuses a range, said to who asks.</summary>
    public Netlink Prohibit(string range) => Route(8, range, metric: 0);

    /// <summary>Drops what goes to a range without a word, while there is no better route.</summary>
    public Netlink Blackhole(string range) => Route(6, range, metric: 4096);

    /// <summary>A way by an interface, to a neighbour or to the target itself.</summary>
    public Netlink Route(string range, int device, string? gateway = null) => Route(1, range, metric: 0, device, gateway);

    /// <summary>Answers on an interface for an address that is elsewhere.</summary>
    public Netlink AnswerFor(int device, string address)
    {
        var message = Begin(NewNeighbour, Create | Exclusive, $"neighbour add proxy {address}");
        _bytes.AddRange([Internet, 0, 0, 0]);
        Append(device);
        _bytes.AddRange([0x80, 0, Proxy, 0]);
        Attribute(1, Bytes(address));
        return End(message);
    }

    /// <summary>Has it done in the namespace of a netlink socket.</summary>
    /// <exception cref="IOException">The kernel refused one.</exception>
    public void Do(SafeHandle socket)
    {
        var bytes = CollectionsMarshal.AsSpan(_bytes);
        if (LibC.send(socket, bytes, (nuint)bytes.Length, 0) != bytes.Length) throw new IOException($"the kernel takes no rules for networks: {Marshal.GetLastPInvokeErrorMessage()}");
        Span<byte> answers = stackalloc byte[8192];
        // One acknowledgement each, in order.
        for (var seen = 0; seen < _rules.Count;)
        {
            var count = (int)LibC.recv(socket, answers, (nuint)answers.Length, 0);
            if (count <= 0) throw new IOException($"the kernel does not answer about networks: {Marshal.GetLastPInvokeErrorMessage()}");
            for (var rest = answers[..count]; rest.Length >= HeaderBytes + sizeof(int);)
            {
                var length = Math.Clamp((BitConverter.ToInt32(rest) + 3) & ~3, HeaderBytes, rest.Length);
                if (BitConverter.ToUInt16(rest[4..]) == Error)
                {
                    var (rule, mayFail) = _rules[BitConverter.ToInt32(rest[8..])];
                    if (BitConverter.ToInt32(rest[HeaderBytes..]) is < 0 and var error && !mayFail) throw new IOException($"{rule}: {Marshal.GetPInvokeErrorMessage(-error)}");
                    seen++;
                }
                rest = rest[length..];
            }
        }
    }

    private Netlink Route(byte kind, string range, int metric, int? device = null, string? gateway = null)
    {
        var network = range == "default" ? new IPNetwork(IPAddress.Any, 0) : IPNetwork.Parse(range.Contains('/', StringComparison.Ordinal) ? range : range + "/32");
        var message = Begin(NewRoute, Create | Exclusive, $"route add {range} (type {kind})");
        _bytes.AddRange([Internet, (byte)network.PrefixLength, 0, 0, MainTable, Boot, device is not null && gateway is null ? LinkScope : (byte)0, kind]);
        Append(gateway is null ? 0 : OnLink);
        if (network.PrefixLength > 0) Attribute(1, network.BaseAddress.GetAddressBytes());
        if (device is { } index) Attribute(4, index);
        if (gateway is not null) Attribute(5, Bytes(gateway));
        if (metric > 0) Attribute(6, metric);
        return End(message);
    }

    private int Link(string rule, int device, bool up, ushort flags, bool mayFail = false)
    {
        var message = Begin(NewLink, flags, rule, mayFail);
        LinkHeader(device, up);
        return message;
    }

    private void LinkHeader(int device, bool up)
    {
        _bytes.AddRange([0, 0, 0, 0]);
        Append(device);
        Append(up ? 1 : 0);
        Append(up ? 1 : 0);
    }

    private int Begin(ushort kind, ushort flags, string rule, bool mayFail = false)
    {
        var start = _bytes.Count;
        Append(0); // the length, once it is known
        _bytes.AddRange([(byte)kind, 0, .. BitConverter.GetBytes((ushort)(flags | Request | Acknowledge))]);
        Append(_rules.Count);
        Append(0);
        _rules.Add((rule, mayFail));
        return start;
    }

    private Netlink End(int start)
    {
        BitConverter.TryWriteBytes(CollectionsMarshal.AsSpan(_bytes)[start..], _bytes.Count - start);
        return this;
    }

    private void Nested(ushort kind, Action inner)
    {
        var start = _bytes.Count;
        Append(0);
        inner();
        var header = CollectionsMarshal.AsSpan(_bytes)[start..];
        BinaryPrimitives.WriteUInt16LittleEndian(header, (ushort)(_bytes.Count - start));
        BinaryPrimitives.WriteUInt16LittleEndian(header[2..], kind);
    }

    private void Attribute(ushort kind, int value) => Attribute(kind, BitConverter.GetBytes(value));

    private void Attribute(ushort kind, ReadOnlySpan<byte> value)
    {
        _bytes.AddRange([.. BitConverter.GetBytes((ushort)(4 + value.Length)), .. BitConverter.GetBytes(kind), .. value]);
        while (_bytes.Count % 4 != 0) _bytes.Add(0);
    }

    private void Append(int value) => _bytes.AddRange(BitConverter.GetBytes(value));

    private static byte[] Bytes(string address) => IPAddress.Parse(address).GetAddressBytes();
}
