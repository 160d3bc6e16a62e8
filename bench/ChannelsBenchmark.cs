using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace PeoplesCloud.Bench;

/// <summary>
/// From publish to subscriber and the answer of PUBLISH, one at a time: on a daemon's endpoint and from one member to another, against a bare
/// redis-server, in turns of one run; then as many as go through when nobody waits for each.
/// </summary>
internal static class ChannelsBenchmark
{
    private const int RoundsATurn = 500;
    private const int Burst = 100_000;

    public static async Task<int> RunAsync(string[] arguments)
    {
        var turns = arguments is ["--turns", var text] ? int.Parse(text) : 20;
        int[] ports = [FreePort(), FreePort(), FreePort()];
        using var nodes = new RealNodes(3, (node, home) =>
        {
            Directory.CreateDirectory(home);
            File.WriteAllText(Path.Combine(home, "config.toml"), $"[sessions]\nswarm = \"friends\"\nlisten = \"127.0.0.1:{ports[node]}\"\n");
        });
        var redisPort = FreePort();
        using var redis = Process.Start(new ProcessStartInfo("redis-server", ["--port", $"{redisPort}", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", nodes.Folder]) { UseShellExecute = false, RedirectStandardOutput = true })!;
        try
        {
            List<Pair> pairs =
            [
                new("redis-server, bare", await ConnectAsync(redisPort), await ConnectAsync(redisPort)),
                new("the endpoint of a daemon", await ConnectAsync(ports[1]), await ConnectAsync(ports[1])),
                new("from one member to another", await ConnectAsync(ports[1]), await ConnectAsync(ports[2])),
            ];
            foreach (var pair in pairs) await pair.SubscribeAsync();
            for (var turn = -2; turn < turns; turn++) // the first two: until the program is compiled for good
                foreach (var pair in pairs) await pair.TurnAsync(RoundsATurn, counts: turn >= 0);
            var bare = RealNodes.Percentile(pairs[0].Microseconds, 0.5);
            Console.WriteLine($"| publish to subscriber and its answer ({turns * RoundsATurn} times) | fastest us | p50 us | p99 us | ratio of p50 | messages/s in bursts | ratio |");
            Console.WriteLine("|---|---|---|---|---|---|---|");
            var bareRate = 0.0;
            foreach (var pair in pairs)
            {
                var rate = await pair.BurstAsync(Burst);
                if (bareRate == 0) bareRate = rate;
                Console.WriteLine($"| {pair.Name} | {pair.Microseconds.Min():0} | {RealNodes.Percentile(pair.Microseconds, 0.5):0} | {RealNodes.Percentile(pair.Microseconds, 0.99):0} | {RealNodes.Percentile(pair.Microseconds, 0.5) / bare:0.00} | {rate:0} | {rate / bareRate:0.00} |");
            }
            return 0;
        }
        finally
        {
            redis.Kill();
        }
    }

    private static async Task<Socket> ConnectAsync(int port)
    {
        for (var clock = Stopwatch.StartNew(); ;)
        {
            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            try
            {
                await socket.ConnectAsync(IPAddress.Loopback, port);
                return socket;
            }
            catch (SocketException) when (clock.Elapsed < TimeSpan.FromSeconds(10))
            {
                socket.Dispose();
                await Task.Delay(20);
            }
        }
    }

    private static int FreePort()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }

    private sealed class Pair(string name, Socket publisher, Socket subscriber)
    {
        private static readonly byte[] Publish = "*3\r\n$7\r\nPUBLISH\r\n$4\r\nnews\r\n$64\r\n0123456789012345678901234567890123456789012345678901234567890123\r\n"u8.ToArray();
        private static readonly int MessageBytes = Encoding.ASCII.GetByteCount("*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$64\r\n") + 66;

        private const int AnswerBytes = 4; // ":0" or ":1" and the line's end

        private readonly byte[] _buffer = new byte[256 << 10];

        public string Name => name;

        public List<double> Microseconds { get; } = [];

        // Heard once: what was published before a member was connected is told to nobody.
        public async Task SubscribeAsync()
        {
            subscriber.Send("SUBSCRIBE news\r\n"u8);
            Read(subscriber, Encoding.ASCII.GetByteCount("*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n"));
            do
            {
                publisher.Send(Publish);
                Read(publisher, AnswerBytes);
                await Task.Delay(200);
            }
            while (subscriber.Available < MessageBytes);
            while (subscriber.Available > 0) subscriber.Receive(_buffer);
        }

        public Task TurnAsync(int rounds, bool counts) => Task.Run(() =>
        {
            for (var round = 0; round < rounds; round++)
            {
                var start = Stopwatch.GetTimestamp();
                publisher.Send(Publish);
                Read(subscriber, MessageBytes);
                Read(publisher, AnswerBytes);
                if (counts) Microseconds.Add(Stopwatch.GetElapsedTime(start).TotalMicroseconds);
            }
        });

        public async Task<double> BurstAsync(int messages)
        {
            var clock = Stopwatch.StartNew();
            var hearing = Task.Run(() => Read(subscriber, (long)messages * MessageBytes));
            var answers = Task.Run(() =>
            {
                var own = new byte[64 << 10];
                for (var left = (long)messages * AnswerBytes; left > 0;) left -= publisher.Receive(own);
            });
            var some = Enumerable.Repeat(Publish, 100).SelectMany(bytes => bytes).ToArray();
            for (var sent = 0; sent < messages; sent += 100) publisher.Send(some);
            await Task.WhenAll(hearing, answers);
            return messages / clock.Elapsed.TotalSeconds;
        }

        private void Read(Socket socket, long bytes)
        {
            while (bytes > 0)
            {
                var read = socket.Receive(_buffer.AsSpan(0, (int)Math.Min(bytes, _buffer.Length)));
                bytes -= read > 0 ? read : throw new IOException("the connection ended");
            }
        }
    }
}
