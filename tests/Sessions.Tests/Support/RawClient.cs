using System.Net;
using System.Net.Sockets;
using System.Text;

namespace PeoplesCloud.Sessions.Tests.Support;

/// <summary>Sends bytes to a Redis or an endpoint and reads what comes.</summary>
internal sealed class RawClient : IDisposable
{
    private readonly Socket _socket;

    public RawClient(int port, int? receiveBytes = null)
    {
        _socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        if (receiveBytes is { } bytes) _socket.ReceiveBufferSize = bytes;
        _socket.Connect(IPAddress.Loopback, port);
    }

    public Task SendAsync(byte[] bytes) => _socket.SendAsync(bytes).WaitAsync(RedisServer.Patience);

    public Task SendAsync(string text) => SendAsync(Encoding.Latin1.GetBytes(text));

    /// <summary>Says that nothing more will be sent; what comes can still be read.</summary>
    public void EndSending() => _socket.Shutdown(SocketShutdown.Send);

    /// <summary>Sends and reads until the answer ends with these bytes, or the connection ends: then it ends with "&lt;closed&gt;".</summary>
    public async Task<string> AskAsync(byte[] bytes, byte[] end)
    {
        await SendAsync(bytes);
        return await ReadUntilAsync(text => text.EndsWith(Encoding.Latin1.GetString(end), StringComparison.Ordinal));
    }

    /// <summary>Reads until a condition on all that was read holds, or the connection ends.</summary>
    public async Task<string> ReadUntilAsync(Func<string, bool> isEnough)
    {
        var text = new StringBuilder();
        var buffer = new byte[64 << 10];
        while (!isEnough(text.ToString()))
        {
            int read;
            try
            {
                read = await _socket.ReceiveAsync(buffer).WaitAsync(RedisServer.Patience);
            }
            catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionReset)
            {
                read = 0;
            }
            if (read == 0) return text.Append("<closed>").ToString();
            text.Append(Encoding.Latin1.GetString(buffer, 0, read));
        }
        return text.ToString();
    }

    public void Dispose() => _socket.Dispose();
}
