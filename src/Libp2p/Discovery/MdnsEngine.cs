namespace PeoplesCloud.Libp2p.Discovery;

/// <summary>
/// What libp2p's mDNS discovery says and makes of what it hears: no socket, no wait. A query asks for the service's name, an answer
/// points to a random name whose TXT record holds the addresses, so that the names on the network tell neither peer nor swarm.
/// Not thread-safe.
/// </summary>
internal sealed class MdnsEngine(PeerId self, string instance, Func<IReadOnlyList<Multiaddr>> addresses, Libp2pLimits limits, TimeProvider time)
{
    public const string Service = "_p2p._udp.local";

    private const string MetaQuery = "_services._dns-sd._udp.local";
    private const string AddressKey = "dnsaddr=";
    private const uint TtlSeconds = 120;
    private static readonly TimeSpan MinAnswerGap = TimeSpan.FromSeconds(1); // RFC 6762, section 6

    private readonly Dictionary<PeerId, LocalPeer> _peers = [];
    private long? _answeredAt;

    /// <summary>Who was heard of and has not been silent since.</summary>
    public IReadOnlyList<LocalPeer> Peers
    {
        get
        {
            DropOld();
            return [.. _peers.Values];
        }
    }

    /// <summary>The question for all peers.</summary>
    public static byte[] Query() => new DnsMessage(false, [new DnsQuestion(Service, DnsMessage.Ptr)], []).Encode();

    /// <summary>Where we are, or with <paramref name="goodbye"/> that we are not there any more; null when there is nothing to say.</summary>
    public byte[]? Announcement(bool goodbye = false)
    {
        var texts = addresses().Where(address => address is { Port: > 0, IsRelayed: false, IsLoopback: false })
            .Select(address => $"{AddressKey}{address.WithPeer(self)}").Where(text => text.Length <= byte.MaxValue).Take(limits.MaxAddressesPerPeer).ToList();
        if (texts.Count == 0) return null;
        var ttl = goodbye ? 0 : TtlSeconds;
        var name = $"{instance}.{Service}";
        return new DnsMessage(true, [], [new DnsRecord(Service, DnsMessage.Ptr, ttl, name, []), new DnsRecord(name, DnsMessage.Txt, ttl, "", texts)]).Encode();
    }

    /// <summary>Takes a datagram of a stranger. Answers what to send to all, if anything, and who was found.</summary>
    public (byte[]? Answer, IReadOnlyList<LocalPeer> Found) Handle(ReadOnlySpan<byte> datagram)
    {
        if (!DnsMessage.TryRead(datagram, out var message)) return (null, []);
        if (message.IsResponse) return (null, Learn(message.Records));
        byte[]? answer = null;
        if (message.Questions.Any(question => question.Type is DnsMessage.Ptr or 255 && Is(question.Name, Service)) && MayAnswer()) answer = Announcement();
        else if (message.Questions.Any(question => question.Type == DnsMessage.Ptr && Is(question.Name, MetaQuery)) && MayAnswer())
            answer = new DnsMessage(true, [], [new DnsRecord(MetaQuery, DnsMessage.Ptr, TtlSeconds, Service, [])]).Encode();
        return (answer, []);
    }

    private List<LocalPeer> Learn(IReadOnlyList<DnsRecord> records)
    {
        var found = new List<LocalPeer>();
        foreach (var record in records)
        {
            if (record.Type != DnsMessage.Txt || !record.Name.EndsWith($".{Service}", StringComparison.OrdinalIgnoreCase)) continue;
            var said = record.Texts.Where(text => text.StartsWith(AddressKey, StringComparison.Ordinal)).Take(limits.MaxAddressesPerPeer * 2)
                .Select(text => Multiaddr.TryParse(text.AsSpan(AddressKey.Length), out var address) ? address : null)
                .Where(address => address is { Peer: not null, Port: > 0, IsRelayed: false }).Select(address => address!);
            foreach (var group in said.GroupBy(address => address.Peer!.Value))
            {
                if (group.Key == self) continue;
                if (record.TtlSeconds == 0)
                {
                    _peers.Remove(group.Key);
                    continue;
                }
                DropOld();
                if (!_peers.ContainsKey(group.Key) && _peers.Count >= limits.MaxLocalPeers) continue;
                var peer = new LocalPeer(group.Key, [.. group.Select(address => address.WithoutPeer()).Distinct().Take(limits.MaxAddressesPerPeer)], time.GetUtcNow());
                _peers[group.Key] = peer;
                found.Add(peer);
            }
        }
        return found;
    }

    private bool MayAnswer()
    {
        if (_answeredAt is { } at && time.GetElapsedTime(at) < MinAnswerGap) return false;
        _answeredAt = time.GetTimestamp();
        return true;
    }

    private void DropOld()
    {
        var oldest = time.GetUtcNow() - limits.LocalPeerLifetime;
        foreach (var (peer, seen) in _peers)
            if (seen.SeenAt < oldest) _peers.Remove(peer);
    }

    private static bool Is(string name, string expected) => string.Equals(name, expected, StringComparison.OrdinalIgnoreCase);
}
