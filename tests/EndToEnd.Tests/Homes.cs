namespace PeoplesCloud.EndToEnd.Tests;

/// <summary>How a home's router treats TCP connections from outside, by the names of RFC 3489.</summary>
internal enum Nat
{
    /// <summary>There is no router: the host has an address of the internet.</summary>
    None,

    /// <summary>Whoever knows the router's port gets in.</summary>
    FullCone,

    /// <summary>Whoever has an address that the host sent something to gets in.</summary>
    Restricted,

    /// <summary>Only the address and port that the host sent something to get in.</summary>
    PortRestricted,

    /// <summary>As that, and every connection leaves from another port.</summary>
    Symmetric,
}

/// <summary>
/// An internet of network namespaces: hosts at home behind routers of their own, which are namespaces with nftables, and hosts
/// without one. All homes number their hosts alike, 192.168.1.2, as real ones do. Routers drop what they do not pass, so that a
/// connection attempt that comes too early is lost, not refused. Needs root.
/// </summary>
internal sealed class Homes : IHosts, IDisposable
{
    private const string HostAddress = "192.168.1.2";

    private static int _count;

    private readonly string _prefix = $"pc-nat-{Environment.ProcessId}-{Interlocked.Increment(ref _count)}-";
    private readonly List<string> _namespaces = [];
    private int _addresses;

    private readonly string _internet;

    /// <param name="internet">How addresses of this internet begin; the default is set aside for documents, which some programs know.</param>
    public Homes(string internet = "203.0.113.")
    {
        _internet = internet;
        try
        {
            Add("internet");
            Ip("-n", Name("internet"), "link", "add", "internet", "type", "bridge");
            Ip("-n", Name("internet"), "link", "set", "internet", "up");
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Adds a host, behind a router of this kind. Returns the address by which the internet sees it.</summary>
    public string AddHost(string host, Nat nat)
    {
        var address = $"{_internet}{++_addresses}";
        Add(host);
        if (nat == Nat.None)
        {
            Connect(host, "eth0", address);
            return address;
        }
        var router = $"{host}-r";
        Add(router);
        Connect(router, "wan", address);
        Ip("-n", Name(router), "link", "add", "lan", "type", "veth", "peer", "name", "eth0", "netns", Name(host));
        Ip("-n", Name(router), "address", "add", "192.168.1.1/24", "dev", "lan");
        Ip("-n", Name(router), "link", "set", "lan", "up");
        Ip("-n", Name(host), "address", "add", $"{HostAddress}/24", "dev", "eth0");
        Ip("-n", Name(host), "link", "set", "eth0", "up");
        Ip("-n", Name(host), "route", "add", "default", "via", "192.168.1.1");
        // A file below /proc/sys shows the network of whoever opens it.
        Pc.Run(Pc.Start("", "/usr/bin/env", [.. On(router), "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"], null)).Ok();
        Pc.Run(Pc.Start("", "/usr/bin/env", [.. On(router), "nft", Rules(nat)], null)).Ok();
        return address;
    }

    public string[] On(string host) => ["nsenter", $"--net=/run/netns/{Name(host)}"];

    public void Dispose()
    {
        foreach (var name in _namespaces) Pc.Run(Pc.Start("", "/usr/bin/env", ["ip", "netns", "del", name], null));
    }

    /// <summary>The router's rules. Connection tracking finds the answers to what went out; the rest is what the kinds differ in.</summary>
    private static string Rules(Nat nat)
    {
        var leaves = nat == Nat.Symmetric ? "masquerade fully-random" : "masquerade";
        var enters = nat is Nat.FullCone or Nat.Restricted ? $"iifname wan tcp dport 1024-65535 dnat to {HostAddress};" : "";
        var passes = nat switch
        {
            Nat.FullCone => "iifname wan accept;",
            Nat.Restricted => "iifname wan ip saddr @contacted accept;",
            _ => "",
        };
        return $$"""
            add table ip home;
            add set ip home contacted { type ipv4_addr; flags dynamic, timeout; timeout 5m; };
            add chain ip home leaving { type nat hook postrouting priority 100; };
            add chain ip home entering { type nat hook prerouting priority -100; };
            add chain ip home passing { type filter hook forward priority 0; policy drop; };
            add chain ip home taken { type filter hook input priority 0; policy drop; };
            add rule ip home leaving oifname wan {{leaves}};
            {{(enters.Length > 0 ? "add rule ip home entering " + enters : "")}}
            add rule ip home passing iifname lan update @contacted { ip daddr } accept;
            add rule ip home passing ct state established,related accept;
            {{(passes.Length > 0 ? "add rule ip home passing " + passes : "")}}
            add rule ip home taken iifname lan accept;
            """;
    }

    private string Name(string host) => _prefix + host;

    private void Add(string host)
    {
        Ip("netns", "add", Name(host));
        _namespaces.Add(Name(host));
        Ip("-n", Name(host), "link", "set", "lo", "up");
    }

    private void Connect(string host, string device, string address)
    {
        var port = $"p{_addresses}";
        Ip("-n", Name("internet"), "link", "add", port, "type", "veth", "peer", "name", device, "netns", Name(host));
        Ip("-n", Name("internet"), "link", "set", port, "master", "internet");
        Ip("-n", Name("internet"), "link", "set", port, "up");
        Ip("-n", Name(host), "address", "add", $"{address}/24", "dev", device);
        Ip("-n", Name(host), "link", "set", device, "up");
    }

    private static void Ip(params string[] arguments) => Pc.Run(Pc.Start("", "/usr/bin/env", ["ip", .. arguments], null)).Ok();
}
