using System.Buffers.Binary;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace PeoplesCloud.Bench;

/// <summary>
/// A program's port through pc open, from one daemon to another and into the sandbox, against the same program without a sandbox behind a plain proxy
/// that copies bytes; in turns, medians of the rounds. The first round warms up and does not count.
/// <code>bench tunnel [--mib 256] [--rounds 5] [--pings 2000]</code>
/// </summary>
internal static class TunnelBenchmark
{
    private const int Port = 7000;

    // A connection begins with one byte and a number: d gives that many bytes, u takes that many and says one byte, e gives back what it gets.
    private const string Server = """
        import socket, struct, sys, threading
        at = int(sys.argv[1])
        stream = socket.create_server(('127.0.0.1', at), backlog=100)
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        datagrams.bind(('127.0.0.1', stream.getsockname()[1] if at == 0 else at + 1))
        def echo():
          while True:
            data, sender = datagrams.recvfrom(65536)
            datagrams.sendto(data, sender)
        def serve(peer):
          peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
          head = b''
          while len(head) < 9: head += peer.recv(9 - len(head))
          how, left = struct.unpack('>cq', head)
          piece = bytes(1 << 18)
          while how == b'd' and left > 0:
            peer.sendall(piece[:min(left, len(piece))])
            left -= len(piece)
          room = bytearray(1 << 18)
          while how == b'u' and left > 0: left -= peer.recv_into(room)
          if how == b'u': peer.sendall(b'.')
          while how == b'e' and (data := peer.recv(1 << 16)): peer.sendall(data)
          peer.close()
        threading.Thread(target=echo, daemon=True).start()
        print(stream.getsockname()[1], flush=True)
        while True: threading.Thread(target=serve, args=(stream.accept()[0],), daemon=True).start()
        """;

    public static async Task<int> RunAsync(string[] args)
    {
        var (mib, rounds, pings) = (256, 5, 2000);
        for (var i = 0; i + 1 < args.Length; i += 2)
        {
            var number = int.Parse(args[i + 1], CultureInfo.InvariantCulture);
            switch (args[i])
            {
                case "--mib": mib = number; break;
                case "--rounds": rounds = number; break;
                case "--pings": pings = number; break;
                default:
                    Console.Error.WriteLine($"unknown option {args[i]}");
                    return 2;
            }
        }

        using var nodes = new RealNodes(2);
        var folder = Directory.CreateDirectory(Path.Combine(nodes.Folder, "server")).FullName;
        await File.WriteAllTextAsync(Path.Combine(folder, "bot.py"), Server);
        await File.WriteAllTextAsync(Path.Combine(folder, "pc.toml"), $"run = [\"python3\", \"bot.py\", \"{Port}\"]\nports = [{Port}, \"{Port + 1}/udp\"]\ncpus = 2\n");
        nodes.Run(0, "deploy", "friends", folder, "--name", "server", "--json");
        using var plain = Process.Start(new ProcessStartInfo("python3", [Path.Combine(folder, "bot.py"), "0"]) { UseShellExecute = false, RedirectStandardOutput = true })!;
        using var opened = nodes.Start(0, "open", "friends", "server", $"{Port}", "--local", "0", "--json");
        using var openedDatagrams = nodes.Start(0, "open", "friends", "server", $"{Port + 1}", "--local", "0", "--json");
        try
        {
            var direct = int.Parse((await plain.StandardOutput.ReadLineAsync())!, CultureInfo.InvariantCulture);
            using var proxy = new Proxy(direct);
            var (connections, datagrams) = (await LocalOfAsync(opened), await LocalOfAsync(openedDatagrams));
            var ways = new (string Name, int Stream, int Datagrams)[] { ("the program alone", direct, direct), ("a plain proxy", proxy.Port, proxy.Port), ("pc open, two daemons", connections, datagrams) };
            var results = ways.ToDictionary(way => way.Name, _ => new List<Sample>(), StringComparer.Ordinal);
            for (var round = 0; round <= rounds; round++)
            {
                foreach (var (name, stream, udp) in ways)
                {
                    var sample = Measure(stream, udp, (long)mib << 20, pings);
                    if (round > 0) results[name].Add(sample);
                }
            }
            Console.WriteLine($"\n{mib} MiB each way on one connection; 64 bytes there and back {pings} times by TCP and by UDP; {pings / 10} new connections with one byte there and back; {rounds} rounds\n");
            Console.WriteLine("| way | down MB/s | ratio | up MB/s | ratio | TCP round trip p50 us | ratio | UDP round trip p50 us | ratio | UDP lost | new connection p50 us | ratio |\n|---|---|---|---|---|---|---|---|---|---|---|---|");
            var peer = results["a plain proxy"];
            foreach (var (name, _, _) in ways)
            {
                string Cell(Func<Sample, double> of) => string.Create(CultureInfo.InvariantCulture, $"{Median(results[name], of):F0} | {Median(results[name], of) / Median(peer, of):F2}");
                Console.WriteLine($"| {name} | {Cell(s => s.Down)} | {Cell(s => s.Up)} | {Cell(s => s.RoundTrip)} | {Cell(s => s.Datagram)} | {results[name].Sum(s => s.Lost)} | {Cell(s => s.Connect)} |");
            }
        }
        finally
        {
            foreach (var process in new[] { plain, opened, openedDatagrams }) process.Kill();
        }
        return 0;
    }

    private static async Task<int> LocalOfAsync(Process open) =>
        System.Text.Json.JsonDocument.Parse((await open.StandardOutput.ReadLineAsync())!).RootElement.GetProperty("result").GetProperty("local").GetInt32();

    private static Sample Measure(int stream, int datagrams, long bytes, int pings)
    {
        var buffer = new byte[1 << 18];
        // 1. Much in one direction.
        var start = Stopwatch.GetTimestamp();
        using (var down = Connect(stream, 'd', bytes))
            for (var left = bytes; left > 0;) left -= Some(down.Receive(buffer));
        var downTime = Stopwatch.GetElapsedTime(start);
        start = Stopwatch.GetTimestamp();
        using (var up = Connect(stream, 'u', bytes))
        {
            for (var left = bytes; left > 0; left -= buffer.Length) up.Send(buffer, (int)Math.Min(left, buffer.Length), SocketFlags.None);
            _ = Some(up.Receive(buffer, 1, SocketFlags.None));
        }
        var upTime = Stopwatch.GetElapsedTime(start);
        // 2. Little there and back.
        var times = new List<double>();
        using (var echo = Connect(stream, 'e', 0))
        {
            for (var i = 0; i < pings; i++)
            {
                start = Stopwatch.GetTimestamp();
                echo.Send(buffer, 64, SocketFlags.None);
                for (var left = 64; left > 0;) left -= Some(echo.Receive(buffer, left, SocketFlags.None));
                times.Add(Stopwatch.GetElapsedTime(start).TotalMicroseconds);
            }
        }
        // 3. The same by datagrams. One that does not come back is lost.
        var (datagramTimes, lost) = (new List<double>(), 0);
        using (var sender = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp) { ReceiveTimeout = 1000 })
        {
            sender.Connect(IPAddress.Loopback, datagrams);
            for (var i = 0; i < pings; i++)
            {
                start = Stopwatch.GetTimestamp();
                BinaryPrimitives.WriteInt32BigEndian(buffer, i);
                sender.Send(buffer, 64, SocketFlags.None);
                try
                {
                    do sender.Receive(buffer, 64, SocketFlags.None);
                    while (BinaryPrimitives.ReadInt32BigEndian(buffer) != i);
                    datagramTimes.Add(Stopwatch.GetElapsedTime(start).TotalMicroseconds);
                }
                catch (SocketException)
                {
                    lost++;
                }
            }
        }
        // 4. New connections.
        var connects = new List<double>();
        for (var i = 0; i < pings / 10; i++)
        {
            start = Stopwatch.GetTimestamp();
            using var one = Connect(stream, 'e', 0);
            one.Send(buffer, 1, SocketFlags.None);
            _ = Some(one.Receive(buffer, 1, SocketFlags.None));
            connects.Add(Stopwatch.GetElapsedTime(start).TotalMicroseconds);
        }
        return new Sample(bytes / 1e6 / downTime.TotalSeconds, bytes / 1e6 / upTime.TotalSeconds, RealNodes.Percentile(times, 0.5), RealNodes.Percentile(datagramTimes, 0.5), lost, RealNodes.Percentile(connects, 0.5));
    }

    private static Socket Connect(int port, char how, long count)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        socket.Connect(IPAddress.Loopback, port);
        var head = new byte[9];
        head[0] = (byte)how;
        BinaryPrimitives.WriteInt64BigEndian(head.AsSpan(1), count);
        socket.Send(head);
        return socket;
    }

    private static int Some(int count) => count > 0 ? count : throw new EndOfStreamException("not all arrived");

    private static double Median(List<Sample> samples, Func<Sample, double> of) => samples.Select(of).Order().ElementAt(samples.Count / 2);

    private sealed record Sample(double Down, double Up, double RoundTrip, double Datagram, int Lost, double Connect);

    /// <summary>Copies bytes and datagrams of one port to another, as simply as it goes.</summary>
    private sealed class Proxy : IDisposable
    {
        private const int BufferBytes = 64 << 10;
        private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
        private readonly Socket _near = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        private readonly int _target;

        public Proxy(int target)
        {
            _target = target;
            _listener.Start();
            _near.Bind(_listener.LocalEndpoint);
            _ = AcceptAsync();
            _ = PassAsync();
        }

        public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

        public void Dispose()
        {
            _listener.Dispose();
            _near.Dispose();
        }

        private async Task AcceptAsync()
        {
            while (true)
            {
                var near = await _listener.AcceptSocketAsync();
                var far = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = near.NoDelay = true };
                await far.ConnectAsync(IPAddress.Loopback, _target);
                _ = Task.WhenAll(CopyAsync(near, far), CopyAsync(far, near));
            }
        }

        private static async Task CopyAsync(Socket from, Socket to)
        {
            try
            {
                var buffer = new byte[BufferBytes];
                for (int count; (count = await from.ReceiveAsync(buffer, SocketFlags.None)) > 0;)
                {
                    for (var sent = 0; sent < count;) sent += await to.SendAsync(buffer.AsMemory(sent, count - sent), SocketFlags.None);
                }
                to.Shutdown(SocketShutdown.Send);
            }
            catch (SocketException)
            {
                to.Dispose();
                from.Dispose();
            }
        }

        // For senders one after the other.
        private async Task PassAsync()
        {
            var ways = new Dictionary<EndPoint, Socket>();
            var buffer = new byte[BufferBytes];
            while (true)
            {
                var received = await _near.ReceiveFromAsync(buffer, SocketFlags.None, new IPEndPoint(IPAddress.Any, 0));
                if (!ways.TryGetValue(received.RemoteEndPoint, out var way))
                {
                    way = ways[received.RemoteEndPoint] = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
                    way.Connect(IPAddress.Loopback, _target);
                    _ = ReturnAsync(way, received.RemoteEndPoint);
                }
                _ = await way.SendAsync(buffer.AsMemory(0, received.ReceivedBytes), SocketFlags.None);
            }
        }

        private async Task ReturnAsync(Socket way, EndPoint to)
        {
            for (var buffer = new byte[BufferBytes]; ;) _ = await _near.SendToAsync(buffer.AsMemory(0, await way.ReceiveAsync(buffer, SocketFlags.None)), SocketFlags.None, to);
        }
    }
}
