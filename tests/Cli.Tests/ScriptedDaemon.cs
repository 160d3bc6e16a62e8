using System.Net.Sockets;
using System.Text;

namespace PeoplesCloud.Cli.Tests;

/// <summary>A socket in a home of its own that answers requests, one a connection, with given bytes in order, and hangs up.</summary>
internal sealed class ScriptedDaemon : IDisposable
{
    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly Task _serving;

    public ScriptedDaemon(params string[] answers) : this([.. answers.Select(Encoding.UTF8.GetBytes)])
    {
    }

    public ScriptedDaemon(IReadOnlyList<byte[]> answers)
    {
        _listener.Bind(new UnixDomainSocketEndPoint(HomeFolder.SocketOf(Home)));
        _listener.Listen();
        _serving = Task.Run(() => ServeAsync(answers));
    }

    public string Home { get; } = Directory.CreateTempSubdirectory("pc-cli-").FullName;

    /// <summary>What was asked last: the head of the request.</summary>
    public string Asked { get; private set; } = "";

    public static string Answer(string status, string body) => $"HTTP/1.1 {status}\r\nContent-Length: {Encoding.UTF8.GetByteCount(body)}\r\n\r\n{body}";

    public static string Chunked(params string[] chunks) =>
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + string.Concat(chunks.Select(chunk => $"{Encoding.UTF8.GetByteCount(chunk):x}\r\n{chunk}\r\n")) + "0\r\n\r\n";

    public void Dispose()
    {
        _listener.Dispose();
        _serving.Wait(TimeSpan.FromSeconds(30));
        Directory.Delete(Home, recursive: true);
    }

    private async Task ServeAsync(IReadOnlyList<byte[]> answers)
    {
        try
        {
            foreach (var answer in answers)
            {
                using var connection = await _listener.AcceptAsync();
                var buffer = new byte[64 * 1024];
                var read = await connection.ReceiveAsync(buffer);
                Asked = Encoding.UTF8.GetString(buffer, 0, read);
                await connection.SendAsync(answer);
                connection.Shutdown(SocketShutdown.Send);
                while (await connection.ReceiveAsync(buffer) > 0) { }
            }
        }
        catch (SocketException)
        {
            // The test is over, or the client hung up: both are fine here.
        }
    }
}
