using System.Net;
using System.Net.Sockets;
using System.Text;

namespace PeoplesCloud.Libp2p.Tests.Hosts;

public sealed class MeshSocketTests
{
    private const int Tcp = 6;
    private const int Congestion = 13;

    [Fact]
    public async Task A_socket_gets_bbr_where_the_kernel_has_it_and_keeps_its_own_where_not()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(listener.LocalEndpoint, TestContext.Current.CancellationToken);
        var before = ControlOf(socket);
        Assert.Equal(MeshSocket.AskForBbr(socket) ? "bbr" : before, ControlOf(socket));
    }

    [Fact]
    public async Task On_loopback_the_machines_own_control_stays()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(listener.LocalEndpoint, TestContext.Current.CancellationToken);
        socket.SetRawSocketOption(Tcp, Congestion, "reno"u8); // every kernel has it and lets everybody use it
        await using var stream = MeshSocket.Prepare(socket, new Libp2pLimits());
        Assert.Equal("reno", ControlOf(socket));
    }

    private static string ControlOf(Socket socket)
    {
        var name = new byte[16];
        var length = socket.GetRawSocketOption(Tcp, Congestion, name);
        return Encoding.ASCII.GetString(name, 0, length).TrimEnd('\0');
    }
}
