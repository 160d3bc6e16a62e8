using System.Net;
using System.Net.Sockets;
using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Swarms;

namespace PeoplesCloud.Daemon.Tunnels;

/// <summary>
/// A TCP port of 127.0.0.1 that leads to a program's port wherever the program runs. Whoever can connect to this machine's loopback can use it,
/// so it lives only as long as somebody holds it open.
/// </summary>
internal sealed class OpenedPort : IDisposable
{
    private readonly TcpListener _listener;
    private readonly TunnelDialer _dialer;
    private readonly LocalSwarm _swarm;
    private readonly string _program;
    private readonly int _number;

    /// <summary>Listens.</summary>
    /// <param name="dialer">Connects to the program.</param>
    /// <param name="swarm">The program's swarm.</param>
    /// <param name="program">The program's name.</param>
    /// <param name="number">Its port.</param>
    /// <param name="local">The port here: 0 takes any; null the same number when it is free and needs no right, else any.</param>
    /// <exception cref="PcException"><see cref="ErrorCode.LocalPortTaken"/>.</exception>
    public OpenedPort(TunnelDialer dialer, LocalSwarm swarm, string program, int number, int? local)
    {
        (_dialer, _swarm, _program, _number) = (dialer, swarm, program, number);
        _listener = Listen(local, number);
        EndPoint = (IPEndPoint)_listener.LocalEndpoint;
    }

    /// <summary>Where it listens.</summary>
    public IPEndPoint EndPoint { get; }

    /// <summary>Accepts and carries until it is cancelled; then all connections are broken off.</summary>
    /// <param name="failed">Hears why a connection could not be made; not at the same time.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task RunAsync(Func<string, Task> failed, CancellationToken cancellationToken)
    {
        using var places = new SemaphoreSlim(_dialer.Limits.MaxPerPort);
        using var turn = new SemaphoreSlim(1);
        var connections = new HashSet<Task>();
        try
        {
            while (true)
            {
                await places.WaitAsync(cancellationToken);
                var socket = await _listener.AcceptSocketAsync(cancellationToken);
                connections.RemoveWhere(done => done.IsCompleted);
                connections.Add(CarryAsync(socket));
            }
        }
        finally
        {
            _listener.Stop();
            await Task.WhenAll(connections);
        }

        async Task CarryAsync(Socket socket)
        {
            try
            {
                await ServeAsync(socket, SayAsync, cancellationToken);
            }
            finally
            {
                places.Release();
            }
        }

        async Task SayAsync(string text)
        {
            await turn.WaitAsync(cancellationToken);
            try
            {
                await failed(text);
            }
            finally
            {
                turn.Release();
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _listener.Dispose();

    private async Task ServeAsync(Socket socket, Func<string, Task> failed, CancellationToken cancellationToken)
    {
        try
        {
            socket.NoDelay = true;
            await using var far = await _dialer.DialAsync(_swarm, _program, _number, cancellationToken);
            await using var near = TunnelEnd.Of(socket);
            await TunnelEnd.JoinAsync(near, far, _dialer.Limits.BufferBytes, cancellationToken);
        }
        catch (Exception e) when (e is PcException or OperationCanceledException or SocketException)
        {
            TunnelEnd.Reset(socket);
            if (!cancellationToken.IsCancellationRequested) await failed(e.Message);
        }
    }

    private static TcpListener Listen(int? local, int wanted)
    {
        const int FirstFree = 1024; // below are ports that only root may take
        if (local is null && wanted >= FirstFree && TryListen(wanted) is { } same) return same;
        return TryListen(local ?? 0) ?? throw new PcException(ErrorCode.LocalPortTaken, $"port {local} of this machine is used by another program, or needs root");
    }

    private static TcpListener? TryListen(int port)
    {
        var listener = new TcpListener(IPAddress.Loopback, port);
        try
        {
            listener.Start();
            return listener;
        }
        catch (SocketException)
        {
            listener.Dispose();
            return null;
        }
    }
}
