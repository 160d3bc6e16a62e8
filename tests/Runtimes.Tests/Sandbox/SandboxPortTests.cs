using System.Net;
using System.Net.Sockets;
using System.Text;
using PeoplesCloud.Runtimes.Ports;

namespace PeoplesCloud.Runtimes.Tests.Sandbox;

/// <summary>A port of the host leads into a sandbox that is started when somebody comes.</summary>
public sealed class SandboxPortTests : SandboxTestBase
{
    private const string Server = """
        import socket, threading
        stream = socket.create_server(('127.0.0.1', 7000))
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        datagrams.bind(('127.0.0.1', 7000))
        def serve():
          while True:
            data, sender = datagrams.recvfrom(65536)
            datagrams.sendto(b'by udp: ' + data, sender)
        threading.Thread(target=serve, daemon=True).start()
        while True:
          peer = stream.accept()[0]
          peer.sendall(b'by tcp: ' + peer.recv(100))
        """;

    [Fact]
    public async Task A_run_is_started_by_the_first_who_comes_and_again_when_it_has_ended()
    {
        var starts = 0;
        IRun? run = null;
        using var turn = new SemaphoreSlim(1);
        var limits = new PortLimits { Patience = Patience };
        using var port = PortForwarder.TryListen(new IPEndPoint(IPAddress.Loopback, 0), PortKinds.Both, new RunPort(UpAsync, 7000, limits, TimeProvider.System), limits, TimeProvider.System)!;
        using var stop = new CancellationTokenSource();
        var said = new List<string>();
        var running = port.RunAsync(
            text =>
            {
                said.Add(text);
                return Task.CompletedTask;
            },
            stop.Token);
        Assert.Equal(0, starts);

        // A datagram and a connection at the same time: one start, and neither is lost.
        using var sender = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        await sender.ConnectAsync(port.EndPoint, Token);
        await sender.SendAsync("first"u8.ToArray(), Token);
        Assert.Equal("by tcp: first", await AskByTcpAsync("first"));
        Assert.Equal("by udp: first", await HearAsync(sender));
        Assert.Equal(1, starts);

        // It is put to sleep, and woken by a datagram; then by a connection.
        await run!.StopAsync(TimeSpan.Zero);
        await sender.SendAsync("second"u8.ToArray(), Token);
        Assert.Equal("by udp: second", await HearAsync(sender));
        await run.StopAsync(TimeSpan.Zero);
        Assert.Equal("by tcp: third", await AskByTcpAsync("third"));
        Assert.Equal(3, starts);

        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);
        Assert.Empty(said);
        await run.DisposeAsync();

        async ValueTask<IRun> UpAsync(CancellationToken cancellationToken)
        {
            await turn.WaitAsync(cancellationToken);
            try
            {
                if (run is { Exited.IsCompleted: false }) return run;
                starts++;
                return run = await Runtime.StartAsync(Python(Server), new Recorder().Receive, cancellationToken);
            }
            finally
            {
                turn.Release();
            }
        }

        async Task<string> AskByTcpAsync(string text)
        {
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            await socket.ConnectAsync(port.EndPoint, Token);
            await socket.SendAsync(Encoding.ASCII.GetBytes(text), Token);
            return await HearAsync(socket);
        }
    }

    private static async Task<string> HearAsync(Socket socket)
    {
        var buffer = new byte[100];
        return Encoding.ASCII.GetString(buffer, 0, await socket.ReceiveAsync(buffer, Token).AsTask().WaitAsync(Patience, Token));
    }
}
