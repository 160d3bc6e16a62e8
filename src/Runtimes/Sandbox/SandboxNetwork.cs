using System.Globalization;
using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using System.Text;
using PeoplesCloud.Base;

namespace PeoplesCloud.Runtimes.Sandbox;

/// <summary>
/// The network of a sandbox that has one: two network namespaces of its own.
/// <code>
/// program ── eth0 10.0.2.15 ══ veth ══ 10.0.2.1 ── router ── tap0 10.0.2.100 ── slirp4netns (host) ── the host's sockets
/// </code>
/// As root they are made by <see cref="WakingNetwork"/> from outside, as an ordinary user by the shell that becomes the sandbox, from inside. The
/// router namespace holds no process; it forwards by its routes, and the refused ranges are routes of kind "prohibit" in it. They are
/// in the program's own namespace too, where they refuse at once, but there they can be passed by: a socket bound to an interface, or a
/// datagram that names one (IP_PKTINFO), is sent "on the link" although no route leads there, and multicast needs no more than that.
/// On this link is only the router, which answers for none of these addresses, forwards no multicast and knows no exception to its routes.
/// slirp4netns speaks IPv4 only here, so of IPv6 there is nothing but the own loopback.
/// </summary>
internal static class SandboxNetwork
{
    /// <summary>Where a sandbox asks for names; slirp4netns hands the questions to the host's resolver.</summary>
    public const string NameServer = "10.0.2.3";

    /// <summary>The number of the pair's interfaces, each in its namespace; the kernel counts from 1 and on some hosts gives every namespace a few.</summary>
    public const int Link = 100;

    private const string ProgramAddress = "10.0.2.15";
    private const string RouterAddress = "10.0.2.1";
    private const string Gateway = "10.0.2.2";
    private const string TapAddress = "10.0.2.100";
    private const int LargestFrame = 65520;

    /// <summary>Not the internet whatever the mode is: this network, shared by carriers, loopback, link-local (with the metadata address), special use, benchmarks, multicast, reserved.</summary>
    private static readonly string[] NeverReached =
    [
        "0.0.0.0/8", "10.0.2.0/24", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "192.0.0.0/24", "198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4",
    ];

    /// <summary>The private ranges of RFC 1918.</summary>
    private static readonly string[] Private = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"];

    /// <summary>
    /// What a program must not reach. The host's own addresses are refused in every mode: packets to them come by its loopback, past a firewall
    /// that guards its interfaces. In mode internet also the networks that the host stands in, in case a LAN uses public numbers.
    /// </summary>
    public static IReadOnlyList<string> Refused(NetworkMode mode)
    {
        var refused = new SortedSet<string>(NeverReached, StringComparer.Ordinal);
        if (mode != NetworkMode.Lan) refused.UnionWith(Private);
        foreach (var address in NetworkInterface.GetAllNetworkInterfaces().SelectMany(device => device.GetIPProperties().UnicastAddresses))
        {
            if (address.Address.AddressFamily != AddressFamily.InterNetwork) continue;
            _ = refused.Add($"{address.Address}/32");
            if (mode != NetworkMode.Lan && address.PrefixLength is > 0 and < 32) _ = refused.Add(new IPNetwork(Masked(address.Address, address.PrefixLength), address.PrefixLength).ToString());
        }
        return [.. refused];
    }

    /// <summary>Wraps a shell's script so that it runs in a network of its own, after <see cref="AttachAsync"/>.</summary>
    /// <param name="tools">The tools.</param>
    /// <param name="refused">The ranges to refuse.</param>
    /// <param name="script">What the shell does then.</param>
    public static string Script(NetworkTools tools, IReadOnlyList<string> refused, string script)
    {
        // An ordinary user may make a network only below a user namespace of its own.
        var user = SandboxFolders.IsRoot ? "" : "--user --map-root-user ";
        return Wrap(tools, refused, script, $"{ShellWords.Quote(tools.Unshare!.Path)} {user}--net", again: false);
    }

    /// <summary>The same for a network namespace that there is already, with nothing in it but its loopback.</summary>
    /// <param name="tools">The tools.</param>
    /// <param name="refused">The ranges to refuse.</param>
    /// <param name="script">What the shell does then.</param>
    /// <param name="process">A process in the namespace.</param>
    /// <param name="again">Whether there may be what is left of a network that is no longer served: its refusals, and its device for a moment.</param>
    public static string ScriptIn(NetworkTools tools, IReadOnlyList<string> refused, string script, int process, bool again)
    {
        // An ordinary user's engine keeps its containers' networks in a user namespace of its own, in which that user may do this.
        var user = SandboxFolders.IsRoot ? "" : "--user --preserve-credentials ";
        return Wrap(tools, refused, script, string.Create(CultureInfo.InvariantCulture, $"{ShellWords.Quote(tools.Enter!.Path)} --target {process} {user}--net"), again);
    }

    private static string Wrap(NetworkTools tools, IReadOnlyList<string> refused, string script, string enter, bool again)
    {
        var unshare = tools.Unshare!.Path;
        var router = new StringBuilder("echo router $$\nread -r attached || exit 1\n")
            .Append(Batch(tools, RouterRules(refused)))
            .Append("echo 1 >/proc/sys/net/ipv4/ip_forward || exit 1\n");
        var program = new StringBuilder($"{ShellWords.NewlineVariable}='\n'\n")
            .Append(again ? $"{IpOf(tools)} link delete eth0\n{IpOf(tools)} route flush type prohibit\n" : "")
            .Append(CultureInfo.InvariantCulture, $"{ShellWords.Quote(unshare)} --net /bin/sh -c {ShellWords.Quote(router.ToString())} || exit 1\n")
            .Append(Batch(tools, ProgramRules(refused)))
            .Append("echo up\n")
            .Append(script);
        return $"{ShellWords.NewlineVariable}='\n'\nexec {enter} /bin/sh -c {ShellWords.Quote(program.ToString())}\n";
    }

    /// <summary>Attaches the network of a shell that runs <see cref="Script"/>: starts slirp4netns, waits until the shell is in its network.</summary>
    /// <param name="tools">The tools.</param>
    /// <param name="shell">The shell.</param>
    /// <param name="join">Shell lines that join the sandbox's group: what slirp4netns holds for a program counts as the program's.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>slirp4netns; it ends when it is killed or the daemon dies (its input is a pipe of ours).</returns>
    /// <exception cref="PcException">The host refused (<see cref="ErrorCode.SandboxNetworkFailed"/>).</exception>
    public static async Task<SlirpProcess> AttachAsync(NetworkTools tools, SandboxShell shell, string join, CancellationToken cancellationToken)
    {
        // 1. The router namespace exists and says by which process.
        if (await shell.ReadPreambleAsync(cancellationToken) is not { } line || !line.StartsWith("router ", StringComparison.Ordinal)) throw await FailedAsync(shell, "the namespaces");
        var router = int.Parse(line.AsSpan("router ".Length), CultureInfo.InvariantCulture);

        // 2. slirp4netns serves it.
        var network = await StartSlirpAsync(tools, router.ToString(CultureInfo.InvariantCulture), join, cancellationToken);
        try
        {
            // 3. The shell sets the routes of both and is in the program's namespace.
            await shell.WriteAsync("\n"u8.ToArray(), last: false, cancellationToken);
            if (await shell.ReadPreambleAsync(cancellationToken) is not "up") throw await FailedAsync(shell, "the routes");
            return network;
        }
        catch
        {
            network.Kill();
            await network.Ended;
            throw;
        }
    }

    /// <summary>
    /// Starts slirp4netns, which makes tap0 in the router namespace and serves it from outside, in an empty root without rights and with a filter of its own.
    /// Returns when it does.
    /// </summary>
    /// <param name="tools">The tools.</param>
    /// <param name="router">The router namespace, as slirp4netns is told it.</param>
    /// <param name="join">Shell lines before it.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="PcException">It ended (<see cref="ErrorCode.SandboxNetworkFailed"/>).</exception>
    public static async Task<SlirpProcess> StartSlirpAsync(NetworkTools tools, string router, string join, CancellationToken cancellationToken)
    {
        var slirp = tools.Slirp!;
        var libraries = slirp.LibraryPath is { } path ? $"export LD_LIBRARY_PATH={ShellWords.Quote(path)}\n" : "";
        // Its way into the empty root detaches the old one, but makes only / private before: as root that would unmount the host's
        // own shared mounts too (/run/netns/*, /dev/shm). In a mount namespace of slaves nothing gets back to the host; an ordinary
        // user's namespace consists of slaves anyway.
        var apart = SandboxFolders.IsRoot ? $"{ShellWords.Quote(tools.Unshare!.Path)} --mount --propagation slave " : "";
        var start = $"{join}{libraries}exec {apart}{ShellWords.Quote(slirp.Path)} --ready-fd=3 --exit-fd=4 --disable-host-loopback --enable-sandbox --enable-seccomp --mtu={LargestFrame} {router} tap0 3>&1 1>&2 4<&0\n";
        var network = SlirpProcess.Start(start);
        try
        {
            return await network.IsReadyAsync(cancellationToken) ? network : throw Failed("slirp4netns", await network.FailAsync());
        }
        catch
        {
            network.Kill();
            await network.Ended;
            throw;
        }
    }

    /// <summary>Connects the two namespaces of a network that is not served yet: what is refused is refused, all else is dropped without a word.</summary>
    /// <exception cref="IOException">The kernel refused.</exception>
    public static void ConnectProgram(NetworkNamespace router, NetworkNamespace program, IReadOnlyList<string> refused)
    {
        var there = new Netlink().Up(Netlink.Loopback);
        foreach (var range in refused) _ = there.Prohibit(range);
        there.Blackhole(NameServer).Blackhole("default")
            .Pair(Link, "veth0", "eth0", program.Handle, LargestFrame).WithoutIPv6(Link).Address(Link, RouterAddress).Up(Link, forwards: true).Route(ProgramAddress, Link)
            .Do(router.Rules);
        var inside = new Netlink().Up(Netlink.Loopback).WithoutIPv6(Link).Address(Link, ProgramAddress).Up(Link);
        foreach (var range in refused) _ = inside.Prohibit(range);
        inside.Route(NameServer, Link, RouterAddress).Route("default", Link, RouterAddress).Do(program.Rules);
    }

    /// <summary>Leads from the router to tap0, which is there.</summary>
    /// <exception cref="IOException">The kernel refused.</exception>
    public static void ConnectTap(NetworkNamespace router)
    {
        var tap = LibC.InterfaceIndex(router.Rules, "tap0"u8);
        // slirp4netns asks on the tap who has the program's address.
        new Netlink().WithoutIPv6(tap).Up(tap, LargestFrame, forwards: true).Address(tap, TapAddress).AnswerFor(tap, ProgramAddress)
            .Route(NameServer, tap).Route("default", tap, Gateway).Do(router.Rules);
    }

    /// <summary>Why there can be no networks on this host, null when there can.</summary>
    public static string? Obstacle(NetworkTools tools)
    {
        foreach (var (tool, name) in new[] { (tools.Slirp, "slirp4netns"), (tools.Ip, "ip"), (tools.Unshare, "unshare"), (tools.Enter, "nsenter") })
            if (tool is null) return $"{name} is missing: {ToolBox.InstallLine(name)}";
        try
        {
            using var device = File.Open(TunDevice, FileMode.Open, FileAccess.ReadWrite);
            return null;
        }
        catch (UnauthorizedAccessException)
        {
            return $"{TunDevice} is not for every user: chmod 0666 {TunDevice}";
        }
        catch (IOException)
        {
            return $"{TunDevice} is missing: modprobe tun";
        }
    }

    private const string TunDevice = "/dev/net/tun";

    private static IEnumerable<string> RouterRules(IReadOnlyList<string> refused)
    {
        yield return "link set lo up";
        yield return $"link set tap0 up mtu {LargestFrame}";
        yield return $"address add {TapAddress}/32 dev tap0";
        // The refusals stand before the way out does.
        foreach (var range in refused) yield return $"route add prohibit {range}";
        yield return $"route add {NameServer} dev tap0";
        yield return $"route add default via {Gateway} dev tap0 onlink";
        // slirp4netns asks on the tap who has the program's address.
        yield return $"neighbour add proxy {ProgramAddress} dev tap0";
        yield return $"link add veth0 mtu {LargestFrame} type veth peer name eth0 mtu {LargestFrame} netns $PPID";
        yield return $"address add {RouterAddress}/32 dev veth0";
        yield return "link set veth0 up";
        yield return $"route add {ProgramAddress} dev veth0";
    }

    private static IEnumerable<string> ProgramRules(IReadOnlyList<string> refused)
    {
        yield return "link set lo up";
        yield return $"address add {ProgramAddress}/32 dev eth0";
        yield return "link set eth0 up";
        foreach (var range in refused) yield return $"route add prohibit {range}";
        yield return $"route add {NameServer} via {RouterAddress} dev eth0 onlink";
        yield return $"route add default via {RouterAddress} dev eth0 onlink";
    }

    /// <summary>One process of ip for all rules; the first that fails ends the shell.</summary>
    private static string Batch(NetworkTools tools, IEnumerable<string> rules) => $"{IpOf(tools)} -batch - <<RULES || exit 1\n{string.Join('\n', rules)}\nRULES\n";

    private static string IpOf(NetworkTools tools) => $"{(tools.Ip!.LibraryPath is { } path ? $"LD_LIBRARY_PATH={ShellWords.Quote(path)} " : "")}{ShellWords.Quote(tools.Ip.Path)}";

    private static async Task<PcException> FailedAsync(SandboxShell shell, string what)
    {
        shell.Kill();
        _ = await shell.Ended;
        return Failed(what, shell.Complaints);
    }

    /// <summary>The error for a network that cannot be.</summary>
    public static PcException Failed(string what, string why) => new(ErrorCode.SandboxNetworkFailed, $"{what} of a sandbox's network could not be set up: {why}");

    private static IPAddress Masked(IPAddress address, int prefixLength)
    {
        var bytes = address.GetAddressBytes();
        for (var bit = prefixLength; bit < 32; bit++) bytes[bit / 8] &= (byte)~(0x80 >> (bit % 8));
        return new IPAddress(bytes);
    }
}
