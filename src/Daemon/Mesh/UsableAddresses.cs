using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Daemon.Mesh;

/// <summary>The addresses that a ticket and this node's presence carry.</summary>
internal static class UsableAddresses
{
    /// <summary>
    /// Addresses that another machine can dial, best first. Those of loopback and of bridges for containers (docker0, br-*, virbr*)
    /// mean another machine elsewhere, so they are given only when there is no other. Link-local IPv6 needs a scope that no other
    /// machine knows: never given.
    /// </summary>
    public static IReadOnlyList<Multiaddr> Choose(IEnumerable<Multiaddr> listening, IReadOnlySet<IPAddress> bridges)
    {
        var known = listening.Select(address => (Address: address, IP: IPAddress.TryParse(address.Host, out var ip) ? ip : null))
            .Where(a => a.IP is null || !(a.IP.IsIPv6LinkLocal || a.IP.Equals(IPAddress.Any) || a.IP.Equals(IPAddress.IPv6Any)))
            .ToList();
        var reachable = known.Where(a => a.IP is null || !(IPAddress.IsLoopback(a.IP) || bridges.Contains(a.IP))).ToList();
        return [.. (reachable.Count > 0 ? reachable : known).OrderBy(a => a.Address.IsWebSocket).ThenBy(a => Preference(a.IP)).Select(a => a.Address)];
    }

    /// <summary>Addresses of this machine's bridges for containers and virtual machines.</summary>
    public static IReadOnlySet<IPAddress> Bridges()
    {
        try
        {
            return NetworkInterface.GetAllNetworkInterfaces()
                .Where(i => i.Name.StartsWith("docker", StringComparison.Ordinal) || i.Name.StartsWith("br-", StringComparison.Ordinal)
                    || i.Name.StartsWith("virbr", StringComparison.Ordinal) || i.Name.StartsWith("lxc", StringComparison.Ordinal) || i.Name.StartsWith("podman", StringComparison.Ordinal))
                .SelectMany(i => i.GetIPProperties().UnicastAddresses.Select(u => u.Address))
                .ToHashSet();
        }
        catch (NetworkInformationException)
        {
            return new HashSet<IPAddress>(); // without /proc/net or /sys, nothing tells bridges apart
        }
    }

    /// <summary>Whether the host is an address that the whole Internet routes; names count as such.</summary>
    public static bool IsPublic(string host)
    {
        if (!IPAddress.TryParse(host, out var ip)) return host != "localhost";
        if (IPAddress.IsLoopback(ip)) return false;
        if (ip.AddressFamily == AddressFamily.InterNetworkV6) return !(ip.IsIPv6LinkLocal || ip.IsIPv6UniqueLocal || ip.IsIPv6SiteLocal || ip.IsIPv6Multicast);
        return ip.GetAddressBytes() is var b && b is not ([0 or 10 or 127, ..] or [172, >= 16 and <= 31, ..] or [192, 168, ..] or [169, 254, ..] or [100, >= 64 and <= 127, ..] or [>= 224, ..]);
    }

    /// <summary>Where this node is reached through the relays that keep a place for it: the nearest address of each, and one that the whole Internet routes.</summary>
    public static IEnumerable<Multiaddr> Through(IEnumerable<RelayReservation> reservations) => reservations.SelectMany(reservation =>
        reservation.Addresses.Take(1).Concat(reservation.Addresses.Where(address => IsPublic(address.Host)).Take(1)).Distinct());

    // Most machines of friends meet in one LAN or by a public IPv4 address; then IPv6.
    private static int Preference(IPAddress? ip) => ip is null ? 0 : ip.AddressFamily == AddressFamily.InterNetwork ? 1 : ip.IsIPv6UniqueLocal ? 3 : 2;
}
