using System.Net;
using System.Net.Sockets;
using PeoplesCloud.Base;

namespace PeoplesCloud.Runtimes.Ports;

/// <summary>
/// A port of this machine, by TCP, UDP or both under one number, that leads to a target. What comes while the target is not up yet is held: the first
/// bytes of a connection wait in its socket, the first datagrams in their sender's queue. Thread-safe.
/// <code>
/// using var port = PortForwarder.TryListen(new IPEndPoint(IPAddress.Any, 0), PortKinds.Both, new RunPort(run, 8080, limits, time), limits, time);
/// await port.RunAsync(why => log(why), cancellationToken);
/// </code>
/// </summary>
public sealed class PortForwarder : IDisposable
{
    // Another program may have the number that the kernel chose, by the other protocol.
    private const int Attempts = 16;

    // A client that vanished does not hold a place for ever.
    private const int KeepAliveSeconds = 60;

    private readonly TcpListener? _listener;
    private readonly DatagramFlows? _flows;
    private readonly IPortTarget _target;
    private readonly PortLimits _limits;
    private readonly TimeProvider _time;
    private int _connections;
    private long _lastUsed;

    private PortForwarder(TcpListener? listener, Socket? datagrams, IPortTarget target, PortLimits limits, TimeProvider time)
    {
        (_listener, _target, _limits, _time) = (listener, target, limits, time);
        _flows = datagrams is null ? null : new DatagramFlows(datagrams, target, limits, time, Use);
        EndPoint = (IPEndPoint)(listener?.LocalEndpoint ?? datagrams!.LocalEndPoint!);
        Use();
    }

    /// <summary>Where it listens.</summary>
    public IPEndPoint EndPoint { get; }

    /// <summary>TCP connections that are open or wait for the target now.</summary>
    public int Connections => Volatile.Read(ref _connections);

    /// <summary>Senders of datagrams that were heard lately (<see cref="PortLimits.FlowIdle"/>).</summary>
    public int Flows => _flows?.Count ?? 0;

    /// <summary>How long nobody has been connected and no datagram has come from outside; zero while a connection is open.</summary>
    public TimeSpan Idle => Connections > 0 ? TimeSpan.Zero : _time.GetElapsedTime(Volatile.Read(ref _lastUsed));

    /// <summary>Listens.</summary>
    /// <param name="at">Address and port; port 0 takes any free one, for both kinds the same.</param>
    /// <param name="kinds">What it listens for.</param>
    /// <param name="target">Where it leads.</param>
    /// <param name="limits">What it may take.</param>
    /// <param name="time">The clock.</param>
    /// <returns>Null when the port is taken, needs a right, or is none of this machine.</returns>
    public static PortForwarder? TryListen(IPEndPoint at, PortKinds kinds, IPortTarget target, PortLimits limits, TimeProvider time)
    {
        ArgumentOutOfRangeException.ThrowIfZero((int)kinds);
        for (var attempt = 0; attempt < (at.Port == 0 ? Attempts : 1); attempt++)
        {
            var listener = kinds.HasFlag(PortKinds.Tcp) ? TryListen(at) : null;
            if (kinds.HasFlag(PortKinds.Tcp) && listener is null) continue;
            var datagrams = kinds.HasFlag(PortKinds.Udp) ? TryBind(listener is null ? at : (IPEndPoint)listener.LocalEndpoint) : null;
            if (!kinds.HasFlag(PortKinds.Udp) || datagrams is not null) return new PortForwarder(listener, datagrams, target, limits, time);
            listener?.Dispose();
        }
        return null;
    }

    /// <summary>Carries until it is cancelled; then all connections are broken off and the port is free again. Call once.</summary>
    /// <param name="failed">Hears why a connection could not be made or a sender's datagrams were lost; not at the same time.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task RunAsync(Func<string, Task> failed, CancellationToken cancellationToken)
    {
        using var turn = new SemaphoreSlim(1);
        try
        {
            await Task.WhenAll(
                _listener is null ? Task.CompletedTask : AcceptAsync(_listener, SayAsync, cancellationToken),
                _flows is null ? Task.CompletedTask : _flows.RunAsync(SayAsync, cancellationToken));
        }
        finally
        {
            Dispose();
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

    /// <summary>Stops listening.</summary>
    public void Dispose()
    {
        _listener?.Dispose();
        _flows?.Dispose();
    }

    private async Task AcceptAsync(TcpListener listener, Func<string, Task> failed, CancellationToken cancellationToken)
    {
        using var places = new SemaphoreSlim(_limits.MaxConnections);
        var connections = new HashSet<Task>();
        try
        {
            while (true)
            {
                await places.WaitAsync(cancellationToken);
                var socket = await listener.AcceptSocketAsync(cancellationToken);
                connections.RemoveWhere(done => done.IsCompleted);
                connections.Add(CarryAsync(socket));
            }
        }
        finally
        {
            listener.Stop();
            await Task.WhenAll(connections);
        }

        async Task CarryAsync(Socket socket)
        {
            Interlocked.Increment(ref _connections);
            try
            {
                await ServeAsync(socket, failed, cancellationToken);
            }
            finally
            {
                Use();
                Interlocked.Decrement(ref _connections);
                places.Release();
            }
        }
    }

    private async Task ServeAsync(Socket socket, Func<string, Task> failed, CancellationToken cancellationToken)
    {
        try
        {
            socket.NoDelay = true;
            socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, optionValue: true);
            socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, KeepAliveSeconds);
            await using var far = await _target.ConnectAsync(cancellationToken);
            await using var near = PortEnd.Of(socket);
            await PortEnd.JoinAsync(near, far, _limits.BufferBytes, cancellationToken);
        }
        catch (Exception e) when (e is PcException or IOException or OperationCanceledException or SocketException)
        {
            PortEnd.Reset(socket);
            if (!cancellationToken.IsCancellationRequested) await failed(e.Message);
        }
    }

    private void Use() => Volatile.Write(ref _lastUsed, _time.GetTimestamp());

    private static TcpListener? TryListen(IPEndPoint at)
    {
        var listener = new TcpListener(at);
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

    private static Socket? TryBind(IPEndPoint at)
    {
        var socket = new Socket(at.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        try
        {
            socket.Bind(at);
            return socket;
        }
        catch (SocketException)
        {
            socket.Dispose();
            return null;
        }
    }
}

/// <summary>What a port listens for.</summary>
[Flags]
public enum PortKinds
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>Connections.</summary>
    Tcp = 1,

    /// <summary>Datagrams.</summary>
    Udp = 2,

    /// <summary>Both, under one number.</summary>
    Both = Tcp | Udp,
}
