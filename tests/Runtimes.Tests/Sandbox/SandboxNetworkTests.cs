using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using PeoplesCloud.Runtimes.Sandbox;

namespace PeoplesCloud.Runtimes.Tests.Sandbox;

/// <summary>What a sandbox reaches in each network mode, tried from inside by connecting and by datagrams that go around routes.</summary>
[Collection(nameof(FarNetwork))]
public sealed class SandboxNetworkTests(FarNetwork far) : SandboxTestBase, IAsyncLifetime
{
    /// <summary>The first network of a runtime is served at once, later ones (as root) from their first packet on: that is what these tests are to try.</summary>
    public async ValueTask InitializeAsync()
    {
        if (SandboxNetwork.Obstacle(Runtime.Host().Tools.Network) is null) await (await SandboxSlot.PrepareAsync(Runtime.Host(), NetworkMode.Internet, Token)).DisposeAsync();
    }

    /// <summary>Prints for each address:port whether a greeting came, an error or a time-out.</summary>
    internal const string Connect = """
        import errno, socket, sys, time
        def greeting(address, port):
          for attempt in range(10):
            s = socket.socket()
            s.settimeout(20)
            try:
              s.connect((address, port))
              return s.recv(100).decode()
            except OSError as e:
              # Our refusals are EACCES at once; these are the host's, and may pass.
              if e.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH) and attempt < 9:
                time.sleep(0.1)
                continue
              return 'refused' if e.errno in (errno.EACCES, errno.ECONNREFUSED, errno.ENETUNREACH, errno.EHOSTUNREACH) else str(e)
        for target in sys.argv[1:]:
          address, port = target.rsplit(':', 1)
          print(target, greeting(address, int(port)))
        """;

    /// <summary>Datagrams and connections with an interface named, which Linux sends on the link without asking the routes.</summary>
    internal const string GoAround = """
        import socket, struct, sys
        port = int(sys.argv[1])
        index = next((i for i, name in socket.if_nameindex() if name != 'lo'))
        for target in sys.argv[2:]:
          u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
          for way in ('plain', 'pktinfo', 'bound', 'multicast-if'):
            try:
              if way == 'pktinfo':
                u.sendmsg([f'{way}-{target}'.encode()], [(0, 8, struct.pack('=I4s4s', index, bytes(4), bytes(4)))], 0, (target, port))
                continue
              if way == 'bound': u.setsockopt(socket.SOL_SOCKET, 25, socket.if_indextoname(index).encode())
              if way == 'multicast-if': u.setsockopt(0, 32, struct.pack('4s4si', bytes(4), bytes(4), index))
              u.sendto(f'{way}-{target}'.encode(), (target, port))
            except OSError: pass
          t = socket.socket(); t.settimeout(1)
          try:
            t.setsockopt(socket.SOL_SOCKET, 25, socket.if_indextoname(index).encode())
            t.connect((target, port)); print(target, t.recv(100).decode())
          except OSError as e: print(target, 'nothing')
        # One that must arrive, after all the others: the way out is the same queue.
        u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.settimeout(20)
        u.sendto(b'last', ('203.0.113.77', port)); print(u.recv(100).decode())
        """;

    [Fact]
    public async Task Without_a_network_there_is_only_the_own_loopback()
    {
        var output = await OutputAsync(Python("""
            import socket
            print([name for _, name in socket.if_nameindex()])
            s = socket.create_server(('127.0.0.1', 0)); c = socket.create_connection(s.getsockname()); print('own loopback')
            try: socket.create_connection(('203.0.113.77', 80))
            except OSError as e: print(e.strerror)
            """));

        Assert.Equal("['lo']\nown loopback\nNetwork is unreachable\n", output);
    }

    [Theory]
    [InlineData(NetworkMode.Internet)]
    [InlineData(NetworkMode.Lan)]
    public async Task The_internet_is_reached_and_the_host_itself_is_not(NetworkMode mode)
    {
        far.Need();
        // Services of this host on its loopback, on every address, and on an abstract name, as a daemon of ours has.
        using var loopback = new TcpListener(IPAddress.Loopback, 0);
        using var everywhere = new TcpListener(IPAddress.Any, 0);
        loopback.Start();
        everywhere.Start();
        using var hidden = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        hidden.Bind(new UnixDomainSocketEndPoint($"\0pc-test-{Environment.ProcessId}"));
        hidden.Listen();
        Assert.Equal("hello", await far.HearAsync(FarNetwork.Internet, Token));
        int own = ((IPEndPoint)loopback.LocalEndpoint).Port, any = ((IPEndPoint)everywhere.LocalEndpoint).Port;
        var ownAddresses = NetworkInterface.GetAllNetworkInterfaces().SelectMany(device => device.GetIPProperties().UnicastAddresses)
            .Where(address => address.Address.AddressFamily == AddressFamily.InterNetwork).Select(address => $"{address.Address}:{any}").ToArray();
        Assert.Contains($"{FarNetwork.HostEnd}:{any}", ownAddresses);
        string[] refused = [$"127.0.0.1:{own}", $"10.0.2.2:{own}", $"10.0.2.2:{any}", $"10.0.2.3:{any}", $"10.0.2.1:{any}", $"0.0.0.0:{any}", .. ownAddresses];

        var output = await OutputAsync(Spec(["python3", "-c", Connect, $"{FarNetwork.Internet}:{far.Port}", .. refused]) with { Network = mode });

        Assert.Equal($"{FarNetwork.Internet}:{far.Port} hello\n{string.Concat(refused.Select(target => $"{target} refused\n"))}", output);
        Assert.False(loopback.Pending());
        Assert.False(everywhere.Pending());
        Assert.Equal("Connection refused\n", await OutputAsync(Python($"""
            import socket
            s = socket.socket(socket.AF_UNIX)
            try: s.connect('\0pc-test-{Environment.ProcessId}'); print('reached')
            except OSError as e: print(e.strerror)
            """) with { Network = mode }));
    }

    // Half a MiB of datagrams of a KiB each out, of which slirp4netns may drop what it likes: they were sent. A MiB over the loopback.
    private const string Send = """
        import socket, sys
        u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for i in range(512): u.sendto(bytes(1024), (sys.argv[1], 9))
        s = socket.create_server(('127.0.0.1', 0)); c = socket.create_connection(s.getsockname()); p = s.accept()[0]
        for i in range(16): c.sendall(bytes(65536)); assert len(p.recv(65536, socket.MSG_WAITALL)) == 65536
        print('sent', flush=True)

        """;

    [Fact]
    public async Task What_goes_over_the_network_is_counted_also_when_it_has_ended_and_the_loopback_is_not()
    {
        far.Need();
        var output = new Recorder();
        await using var run = await Runtime.StartAsync(Spec("python3", "-c", Send + "import time; time.sleep(600)", FarNetwork.Internet) with { Network = NetworkMode.Internet }, output.Receive, Token);
        await output.WaitForAsync("sent");
        Assert.InRange(run.Usage().NetworkBytes, 512 << 10, 768 << 10);
        await run.StopAsync(TimeSpan.Zero);
        Assert.InRange(run.Usage().NetworkBytes, 512 << 10, 768 << 10);

        // One that ends before anybody asks.
        await using var brief = await Runtime.StartAsync(Spec("python3", "-c", Send, FarNetwork.Internet) with { Network = NetworkMode.Internet }, output.Receive, Token);
        Assert.Equal(0, (await brief.Exited.WaitAsync(Patience, Token)).ExitCode);
        Assert.InRange(brief.Usage().NetworkBytes, 512 << 10, 768 << 10);

        await using var none = await Runtime.StartAsync(Spec("python3", "-c", "print('none')"), output.Receive, Token);
        await none.Exited.WaitAsync(Patience, Token);
        Assert.Equal(0, none.Usage().NetworkBytes);
    }

    /// <summary>What stands in for the /run/netns and /dev/shm of this host: a mount below a shared one. slirp4netns leaves its root by detaching it.</summary>
    [Fact]
    public async Task The_mounts_of_the_host_stay_when_a_network_is_attached()
    {
        if (!Host.IsRoot) return; // as a user nothing gets back to the host, and no mount can be made
        var outer = Directory.CreateDirectory(Path.Combine(Folder, "mounts")).FullName;
        Host.Run("mount", "-t", "tmpfs", "tmpfs", outer);
        try
        {
            Host.Run("mount", "--make-shared", outer);
            var inner = Directory.CreateDirectory(Path.Combine(outer, "inner")).FullName;
            Host.Run("mount", "-t", "tmpfs", "tmpfs", inner);
            await File.WriteAllTextAsync(Path.Combine(inner, "file"), "still there", Token);

            Assert.Equal("up\n", await OutputAsync(Python("print('up')") with { Network = NetworkMode.Internet }));

            Assert.Equal("still there", await File.ReadAllTextAsync(Path.Combine(inner, "file"), Token));
        }
        finally
        {
            Host.Run("umount", "-R", outer);
        }
    }

    [Theory]
    [InlineData(NetworkMode.Internet, "refused")]
    [InlineData(NetworkMode.Lan, "hello")]
    public async Task The_LAN_is_reached_only_when_it_is_allowed_and_the_metadata_address_never(NetworkMode mode, string lan)
    {
        far.Need();
        foreach (var address in new[] { FarNetwork.Lan10, FarNetwork.Lan172, FarNetwork.Lan192, FarNetwork.Metadata, FarNetwork.Carrier })
            Assert.Equal("hello", await far.HearAsync(address, Token));

        var output = await OutputAsync(Spec(
            ["python3", "-c", Connect, .. new[] { FarNetwork.Lan10, FarNetwork.Lan172, FarNetwork.Lan192, FarNetwork.Metadata, FarNetwork.Carrier }.Select(address => $"{address}:{far.Port}")])
            with { Network = mode });

        Assert.Equal(
            $"{FarNetwork.Lan10}:{far.Port} {lan}\n{FarNetwork.Lan172}:{far.Port} {lan}\n{FarNetwork.Lan192}:{far.Port} {lan}\n{FarNetwork.Metadata}:{far.Port} refused\n{FarNetwork.Carrier}:{far.Port} refused\n",
            output);
    }

    [Fact]
    public async Task Naming_an_interface_does_not_go_around_the_refusals()
    {
        far.Need();
        string[] targets = [FarNetwork.Lan10, FarNetwork.Metadata, FarNetwork.Multicast, "255.255.255.255", "10.0.2.2"];
        // The host's own multicast arrives, so a silence is the sandbox's.
        using (var own = new UdpClient())
        {
            await own.SendAsync("own-multicast"u8.ToArray(), FarNetwork.Multicast, far.Port, Token);
        }

        var output = await OutputAsync(Spec(["python3", "-c", GoAround, $"{far.Port}", .. targets]) with { Network = NetworkMode.Internet });

        Assert.Equal(string.Concat(targets.Select(target => $"{target} nothing\n")) + "hello\n", output);
        if (far.Datagrams() is not { } datagrams) return;
        Assert.Contains("own-multicast", datagrams, StringComparison.Ordinal);
        Assert.Contains("last", datagrams, StringComparison.Ordinal);
        foreach (var target in targets) Assert.DoesNotContain(target, datagrams, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Names_are_asked_of_the_name_server_inside()
    {
        far.Need();

        var output = await OutputAsync(Python("print(open('/etc/resolv.conf').read())\nimport socket\nprint(socket.gethostbyname('localhost'))") with { Network = NetworkMode.Internet });

        Assert.Equal("nameserver 10.0.2.3\n\n127.0.0.1\n", output);
    }

    [Fact]
    public void The_ranges_of_the_modes_differ_by_the_private_ones()
    {
        var internet = SandboxNetwork.Refused(NetworkMode.Internet);
        var lan = SandboxNetwork.Refused(NetworkMode.Lan);

        Assert.Contains("10.0.0.0/8", internet);
        Assert.DoesNotContain("10.0.0.0/8", lan);
        foreach (var always in new[] { "169.254.0.0/16", "127.0.0.0/8", "224.0.0.0/4", "127.0.0.1/32" })
        {
            Assert.Contains(always, internet);
            Assert.Contains(always, lan);
        }
    }
}
