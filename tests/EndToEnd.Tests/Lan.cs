namespace PeoplesCloud.EndToEnd.Tests;

/// <summary>Hosts of a network on this machine.</summary>
internal interface IHosts
{
    /// <summary>What goes before a command so that it runs on a host. Only the network changes: files and cgroups stay in sight.</summary>
    string[] On(string host);
}

/// <summary>
/// Hosts of one LAN on this machine: each is a network namespace with a cable to a switch. The switch is in a namespace of its own,
/// so that neither this machine's addresses nor its firewall take part, and runs beside each other do not meet. Needs root.
/// </summary>
internal sealed class Lan : IHosts, IDisposable
{
    private static int _count;

    private readonly string _prefix = $"pc-e2e-{Environment.ProcessId}-{Interlocked.Increment(ref _count)}-";
    private readonly List<string> _namespaces = [];
    private readonly Dictionary<string, int> _moves = [];
    private readonly string _subnet = $"10.77.{Random.Shared.Next(1, 255)}.";

    public Lan(params string[] hosts)
    {
        try
        {
            Add("switch");
            Ip("-n", Name("switch"), "link", "add", "switch", "type", "bridge");
            Ip("-n", Name("switch"), "link", "set", "switch", "up");
            foreach (var host in hosts) AddHost(host);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Only root may make network namespaces that pc can be started in.</summary>
    public static bool Possible => Environment.IsPrivilegedProcess;

    public string AddressOf(string host) => _subnet + (_namespaces.IndexOf(Name(host)) + 50 * _moves.GetValueOrDefault(host));

    public string[] On(string host) => ["nsenter", $"--net=/run/netns/{Name(host)}"];

    /// <summary>Pulls the host's cable out of the switch; its addresses stay, as those of a laptop do for a while.</summary>
    public void Unplug(string host) => Ip("-n", Name("switch"), "link", "set", host, "down");

    /// <summary>Gives a host another address, as a router does after a night.</summary>
    public void Move(string host)
    {
        var before = AddressOf(host);
        _moves[host] = _moves.GetValueOrDefault(host) + 1;
        Ip("-n", Name(host), "address", "del", $"{before}/24", "dev", "eth0");
        Ip("-n", Name(host), "address", "add", $"{AddressOf(host)}/24", "dev", "eth0");
    }

    public void Plug(string host) => Ip("-n", Name("switch"), "link", "set", host, "up");

    /// <summary>The address at which an observer listens that every host reaches by a cable of its own, which nobody pulls.</summary>
    public const string ObserverAddress = "203.0.113.254";

    private const string ObserverSubnet = "10.88.0.";

    /// <summary>
    /// Adds an observer: a host that takes no part, with a second cable to each host. Programs in sandboxes reach it, since its address is no private
    /// one; nodes do not use it as long as they listen on their LAN's address only.
    /// </summary>
    public void Observe(params string[] hosts)
    {
        Add("observer");
        Ip("-n", Name("observer"), "link", "add", "watch", "type", "bridge");
        Ip("-n", Name("observer"), "address", "add", $"{ObserverAddress}/32", "dev", "watch");
        Ip("-n", Name("observer"), "address", "add", $"{ObserverSubnet}254/24", "dev", "watch");
        Ip("-n", Name("observer"), "link", "set", "watch", "up");
        foreach (var host in hosts)
        {
            Ip("-n", Name("observer"), "link", "add", host, "type", "veth", "peer", "name", "eth1", "netns", Name(host));
            Ip("-n", Name("observer"), "link", "set", host, "master", "watch");
            Ip("-n", Name("observer"), "link", "set", host, "up");
            Ip("-n", Name(host), "address", "add", $"{ObservedAddressOf(host)}/24", "dev", "eth1");
            Ip("-n", Name(host), "link", "set", "eth1", "up");
            // Behind a gateway: what is on a cable of the host's own is its LAN, which programs do not see.
            Ip("-n", Name(host), "route", "add", ObserverAddress, "via", $"{ObserverSubnet}254");
        }
    }

    /// <summary>Where the observer sees a host's programs come from.</summary>
    public string ObservedAddressOf(string host) => ObserverSubnet + _namespaces.IndexOf(Name(host));

    /// <summary>Gives a host the bridge that Docker makes on every machine, with the address that it has on all of them.</summary>
    public void AddDocker(string host)
    {
        Ip("-n", Name(host), "link", "add", "docker0", "type", "bridge");
        // A bridge with a container on it is up.
        Ip("-n", Name(host), "link", "add", "container", "type", "veth", "peer", "name", "inside");
        Ip("-n", Name(host), "link", "set", "container", "master", "docker0");
        Ip("-n", Name(host), "address", "add", "172.17.0.1/16", "dev", "docker0");
        foreach (var link in new[] { "inside", "container", "docker0" }) Ip("-n", Name(host), "link", "set", link, "up");
    }

    public void Dispose()
    {
        foreach (var name in _namespaces) Pc.Run(Pc.Start("", "/usr/bin/env", ["ip", "netns", "del", name], null));
    }

    private string Name(string host) => _prefix + host;

    private void Add(string host)
    {
        Ip("netns", "add", Name(host));
        _namespaces.Add(Name(host));
        Ip("-n", Name(host), "link", "set", "lo", "up");
    }

    private void AddHost(string host)
    {
        Add(host);
        Ip("-n", Name("switch"), "link", "add", host, "type", "veth", "peer", "name", "eth0", "netns", Name(host));
        Ip("-n", Name("switch"), "link", "set", host, "master", "switch");
        Ip("-n", Name("switch"), "link", "set", host, "up");
        Ip("-n", Name(host), "address", "add", $"{AddressOf(host)}/24", "dev", "eth0");
        Ip("-n", Name(host), "link", "set", "eth0", "up");
    }

    private static void Ip(params string[] arguments) => Pc.Run(Pc.Start("", "/usr/bin/env", ["ip", .. arguments], null)).Ok();
}
