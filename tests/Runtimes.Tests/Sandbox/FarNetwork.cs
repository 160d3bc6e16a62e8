using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace PeoplesCloud.Runtimes.Tests.Sandbox;

/// <summary>
/// A network beside this host, in a namespace behind a veth: one address stands in for the internet, others for a LAN, the metadata service,
/// carrier-shared and link-local hosts. All are served by one server that greets who connects and tells which datagrams it got.
/// Made by root; a child process that runs the tests as a user finds its data in the environment.
/// </summary>
public sealed class FarNetwork : IDisposable
{
    /// <summary>The environment variable that tells a child process where the network is: the port.</summary>
    public const string Variable = "PC_TEST_FAR_NETWORK";

    public const string Internet = "203.0.113.77";
    public const string Lan10 = "10.201.7.7";
    public const string Lan172 = "172.29.7.7";
    public const string Lan192 = "192.168.207.7";
    public const string Metadata = "169.254.169.254";
    public const string Carrier = "100.71.7.7";
    public const string Multicast = "239.77.7.7";

    /// <summary>The host's own end of the veth.</summary>
    public const string HostEnd = "198.51.100.77";

    private const string Server = """
        import selectors, socket, struct, sys
        s = selectors.DefaultSelector()
        tcp = socket.create_server(('0.0.0.0', 0))
        port = tcp.getsockname()[1]
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(('0.0.0.0', port))
        s.register(tcp, 1); s.register(udp, 1); s.register(sys.stdin, 1)
        print(port, flush=True)
        got = []
        while True:
          for key, _ in s.select():
            if key.fileobj is tcp:
              c, _ = tcp.accept(); c.sendall(b'hello'); c.close()
            elif key.fileobj is udp:
              data, who = udp.recvfrom(2048); got.append(data.decode()); udp.sendto(b'hello', who)
            else:
              line = sys.stdin.readline().split()
              if not line: sys.exit()
              if line[0] == 'join': udp.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, struct.pack('4s4s', *map(socket.inet_aton, line[1:])))
              print(' '.join(got), flush=True)
        """;

    private static readonly string[] All = [Internet, Lan10, Lan172, Lan192, Metadata, Carrier];

    private readonly string _name = $"pcrt{Environment.ProcessId}";
    private readonly Process? _server;
    private readonly FileStream? _turn;

    /// <summary>Makes the network, or takes over the parent's.</summary>
    public FarNetwork()
    {
        if (int.TryParse(Environment.GetEnvironmentVariable(Variable), out var port))
        {
            Port = port;
            return;
        }
        if (!Host.IsRoot) return;
        _turn = TakeTurn();
        _server = Process.Start(new ProcessStartInfo("unshare", ["--net", "/usr/bin/python3", "-c", Server])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            UseShellExecute = false,
        })!;
        Port = int.Parse(_server.StandardOutput.ReadLine()!);
        Host.Run("ip", "link", "add", _name, "type", "veth", "peer", "name", "far", "netns", $"{_server.Id}");
        Host.Run("ip", "address", "add", $"{HostEnd}/32", "dev", _name);
        Host.Run("ip", "link", "set", _name, "up");
        There("link", "set", "lo", "up");
        There("link", "set", "far", "up");
        foreach (var address in All)
        {
            There("address", "add", $"{address}/32", "dev", "far");
            Host.Run("ip", "route", "add", address, "dev", _name, "src", HostEnd);
        }
        Host.Run("ip", "route", "add", Multicast, "dev", _name, "src", HostEnd);
        There("route", "add", $"{HostEnd}/32", "dev", "far");
        _ = Ask($"join {Multicast} {Internet}");
        // The kernel tells the two ends of each other a moment after both are up.
        var patience = Stopwatch.StartNew();
        foreach (var address in All)
            while (!Answers(address) && patience.Elapsed < RuntimeConformance.Patience) Thread.Yield();
    }

    /// <summary>Where every address of it answers, by TCP and UDP; 0 when there is no network because the tests do not run as root.</summary>
    public int Port { get; }

    /// <summary>Skips a test that needs it.</summary>
    public void Need()
    {
        Assert.SkipWhen(Port == 0, "only root can make the network beside this host");
        if (_server is { HasExited: true }) Assert.Fail($"the server of the network beside this host has ended with {_server.ExitCode}");
    }

    /// <summary>The datagrams it got so far; null in a child process, which cannot ask.</summary>
    public string? Datagrams() => _server is null ? null : Ask("datagrams");

    /// <summary>What this host hears when it connects to an address: the check that a refusal is the sandbox's.</summary>
    public async Task<string> HearAsync(string address, CancellationToken cancellationToken)
    {
        // A busy host was seen to call a route unreachable that it had, twice in some thirty runs, and a moment later not.
        var patience = Stopwatch.StartNew();
        while (true)
        {
            using var client = new TcpClient();
            try
            {
                await client.ConnectAsync(IPAddress.Parse(address), Port, cancellationToken);
                using var reader = new StreamReader(client.GetStream());
                return await reader.ReadToEndAsync(cancellationToken);
            }
            catch (SocketException e)
            {
                if (patience.Elapsed > RuntimeConformance.Patience)
                    Assert.Fail($"{address} did not answer: {e.Message}\n{Host.Run("ip", "route", "get", address)}{Host.Run("ip", "route")}{Host.Run("ip", "-br", "address")}");
                await Task.Delay(50, cancellationToken);
            }
        }
    }

    private bool Answers(string address)
    {
        try
        {
            using var client = new TcpClient(address, Port);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    public void Dispose()
    {
        if (_server is null) return;
        _server.Kill();
        _server.WaitForExit();
        _server.Dispose();
        _turn!.Dispose();
    }

    /// <summary>The addresses are the host's: two runs of the tests on one host take turns.</summary>
    private static FileStream TakeTurn()
    {
        var patience = Stopwatch.StartNew();
        while (true)
        {
            try
            {
                return new FileStream(Path.Combine(Path.GetTempPath(), "pc-test-far-network.lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (IOException) when (patience.Elapsed < 5 * RuntimeConformance.Patience)
            {
                Thread.Sleep(100);
            }
        }
    }

    // The namespace is the server's alone: with its end the veth goes, too.
    private void There(params string[] rule) => Host.Run("nsenter", ["--net", "--target", $"{_server!.Id}", "ip", .. rule]);

    private string? Ask(string question)
    {
        _server!.StandardInput.WriteLine(question);
        _server.StandardInput.Flush();
        return _server.StandardOutput.ReadLine();
    }
}

/// <summary>Tests of one collection share the network and do not run beside each other.</summary>
[CollectionDefinition(nameof(FarNetwork))]
public sealed class FarNetworkCollection : ICollectionFixture<FarNetwork>;
