using System.Net;
using System.Net.Sockets;
using System.Text;

namespace PeoplesCloud.Bench;

/// <summary>One connection of a client of Redis, that publishes or hears; nothing is read ahead of its turn, so that times are what they are.</summary>
internal sealed class RedisLine : IDisposable
{
    private readonly Socket _socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
    private readonly BufferedStream _input;

    private RedisLine(int port)
    {
        _socket.Connect(IPAddress.Loopback, port);
        _input = new BufferedStream(new NetworkStream(_socket, ownsSocket: false), 64 << 10);
    }

    /// <summary>Connects, also to what is just starting.</summary>
    public static async Task<RedisLine> ConnectAsync(int port)
    {
        for (var attempt = 0; ; attempt++)
        {
            try
            {
                return new RedisLine(port);
            }
            catch (SocketException) when (attempt < 500)
            {
                await Task.Delay(20);
            }
        }
    }

    /// <summary>A command as it is sent.</summary>
    public static byte[] Command(params string[] words) =>
        Encoding.UTF8.GetBytes($"*{words.Length}\r\n" + string.Concat(words.Select(word => $"${Encoding.UTF8.GetByteCount(word)}\r\n{word}\r\n")));

    public void Send(params string[] words) => Send(Command(words));

    public void Send(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty) bytes = bytes[_socket.Send(bytes)..];
    }

    /// <summary>Subscribes to patterns and waits until that is confirmed.</summary>
    public void Hear(params string[] patterns)
    {
        Send(["PSUBSCRIBE", .. patterns]);
        foreach (var _ in patterns) ReadValue();
    }

    /// <summary>The next message to one of the patterns.</summary>
    public (string Channel, string Payload) Next() => ReadValue() is [_, _, string channel, string payload] ? (channel, payload) : throw new IOException("this is no message");

    /// <summary>Publishes and waits for how many heard it.</summary>
    public long Publish(string channel, string payload)
    {
        Send("PUBLISH", channel, payload);
        return (long)ReadValue()[0]!;
    }

    /// <summary>Reads an answer: an array, or one value as an array of it.</summary>
    public object?[] ReadValue()
    {
        var line = ReadLine();
        switch (line[0])
        {
            case ':':
                return [long.Parse(line[1..])];
            case '$':
                if (line == "$-1") return [null];
                var bytes = new byte[int.Parse(line[1..]) + 2];
                _input.ReadExactly(bytes);
                return [Encoding.UTF8.GetString(bytes.AsSpan(..^2))];
            case '*':
                return [.. Enumerable.Range(0, int.Parse(line[1..])).Select(_ => ReadValue()[0])];
            case '-':
                throw new IOException(line);
            default:
                return [line[1..]];
        }
    }

    /// <summary>Ends it; who waits in a read of it hears that.</summary>
    public void Dispose()
    {
        try
        {
            _socket.Shutdown(SocketShutdown.Both);
        }
        catch (SocketException)
        {
            // The other side was first.
        }
        _socket.Dispose();
    }

    private string ReadLine()
    {
        var line = new StringBuilder();
        for (int next; (next = _input.ReadByte()) != '\n';)
        {
            if (next < 0) throw new IOException("the connection ended");
            if (next != '\r') line.Append((char)next);
        }
        return line.ToString();
    }
}
