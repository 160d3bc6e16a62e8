using System.Net;
using System.Net.Sockets;
using PeoplesCloud.Base;
using PeoplesCloud.Libp2p.Connections;
using PeoplesCloud.Libp2p.WebSockets;

namespace PeoplesCloud.Libp2p;

/// <content>Takes connections in.</content>
public sealed partial class Libp2pHost
{
    private const int Backlog = 128;

    private readonly Lock _listenLock = new();
    private readonly List<(Socket Socket, bool IsWebSocket)> _listeners = [];
    private readonly Dictionary<string, int> _pendingByHost = new(StringComparer.Ordinal);
    private int _pending;
    private long _refused;

    /// <summary>Inbound sockets that were closed unread since a limit was reached.</summary>
    internal long RefusedCount => Interlocked.Read(ref _refused);

    private IReadOnlyList<(IPEndPoint EndPoint, bool IsWebSocket)> Bound
    {
        get { lock (_listenLock) return [.. _listeners.Select(l => ((IPEndPoint)l.Socket.LocalEndPoint!, l.IsWebSocket))]; }
    }

    /// <summary>Listens on TCP, or on WebSocket if the address says so; port 0 takes a free one. Answers the address with the real port.</summary>
    /// <exception cref="PcException">The port is taken or needs more rights, or the address is not one that this machine can listen on.</exception>
    public Task<Multiaddr> ListenAsync(Multiaddr address, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (!address.TryGetEndPoint(out var endPoint))
            throw new PcException(ErrorCode.MeshAddressUnusable, $"{address} has no IP address and TCP port to listen on");
        var socket = new Socket(endPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            if (endPoint.AddressFamily == AddressFamily.InterNetworkV6) socket.DualMode = false; // an IPv4 listener of its own may stand beside it
            socket.Bind(endPoint);
            socket.Listen(Backlog);
            PortSharing.Enable(socket); // only now: another program that wants the port was refused, and our own sockets may dial from it
        }
        catch (SocketException e)
        {
            socket.Dispose();
            throw Explain(e, address, endPoint);
        }
        lock (_listenLock)
        {
            if (_stopping.IsCancellationRequested)
            {
                socket.Dispose();
                throw new Libp2pException(Libp2pError.Stopped, "the host is stopped");
            }
            _listeners.Add((socket, address.IsWebSocket));
        }
        var bound = AddressOf((IPEndPoint)socket.LocalEndPoint!, address.IsWebSocket);
        HostLog.Listening(_logger, bound);
        _ = _tasks.Start(() => AcceptAsync(socket, address.IsWebSocket));
        return Task.FromResult(bound);
    }

    internal static PcException Explain(SocketException failure, Multiaddr address, IPEndPoint endPoint) => failure.SocketErrorCode switch
    {
        SocketError.AddressAlreadyInUse => new PcException(ErrorCode.MeshPortTaken, $"port {endPoint.Port} of {endPoint.Address} is taken by another program", inner: failure),
        SocketError.AccessDenied => new PcException(ErrorCode.MeshPortDenied, $"port {endPoint.Port} may not be used by this user", inner: failure),
        _ => new PcException(ErrorCode.MeshAddressUnusable, $"{address} cannot be listened on: {failure.Message}", inner: failure),
    };

    private void StopListening()
    {
        lock (_listenLock)
        {
            foreach (var (socket, _) in _listeners) socket.Dispose();
            _listeners.Clear();
        }
    }

    private async Task AcceptAsync(Socket listener, bool isWebSocket)
    {
        while (!_stopping.IsCancellationRequested)
        {
            try
            {
                var socket = await listener.AcceptAsync(_stopping.Token);
                if (!isWebSocket && TryHandToPunch(socket)) continue;
                var address = AddressOf(socket.RemoteEndPoint as IPEndPoint ?? new IPEndPoint(IPAddress.None, 0), isWebSocket);
                if (TryReserve(address)) _ = _tasks.Start(() => WelcomeAsync(socket, address));
                else
                {
                    CountRefused();
                    socket.Close(timeout: 0); // a reset instead of a close in order: nothing of it stays behind, here or in the kernel
                }
            }
            catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException)
            {
                return;
            }
            catch (SocketException e)
            {
                // A connection that died in the backlog, or no file descriptor is left: then the pause keeps this from spinning.
                HostLog.AcceptFailed(_logger, e.Message);
                await Task.Delay(AcceptPause, _time, CancellationToken.None);
            }
        }
    }

    private static readonly TimeSpan AcceptPause = TimeSpan.FromMilliseconds(100);

    /// <summary>Takes in a connection that came another way than to our sockets, through a relay for example, and keeps it until it ends.
    /// It counts as any other; never throws what a peer can cause.</summary>
    internal async Task WelcomeAsync(Stream raw, Multiaddr remoteAddress)
    {
        if (TryReserve(remoteAddress))
        {
            await WelcomeAsync(() => ValueTask.FromResult(raw), remoteAddress);
            return;
        }
        CountRefused();
        await raw.DisposeAsync();
    }

    private static Multiaddr AddressOf(IPEndPoint endPoint, bool isWebSocket) => Multiaddr.FromEndPoint(endPoint) is var address && isWebSocket ? address.WithWebSocket() : address;

    private Task WelcomeAsync(Socket socket, Multiaddr remoteAddress) => WelcomeAsync(async () =>
    {
        try
        {
            var transport = MeshSocket.Prepare(socket, _limits);
            if (!remoteAddress.IsWebSocket) return transport;
            return await TimeLimit.RunAsync(_limits.HandshakeTimeout, _time, "the upgrade to WebSocket", token => WebSocketHandshake.AcceptAsync(transport, _limits, token), _stopping.Token);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }, remoteAddress);

    // The place for the handshake is reserved.
    private async Task WelcomeAsync(Func<ValueTask<Stream>> open, Multiaddr remoteAddress)
    {
        Libp2pConnection? connection = null;
        try
        {
            connection = await UpgradeAsync(await open(), remoteAddress, expected: null, isOutbound: false, StreamUse.Quick, _stopping.Token);
        }
        catch (Exception e) when (e is IOException or SocketException or OperationCanceledException or ObjectDisposedException)
        {
            HostLog.InboundFailed(_logger, remoteAddress, e.Message);
        }
        finally
        {
            Unreserve(remoteAddress); // only now: the table holds it already, so no limit has a gap
        }
        if (connection is not null) await RunAsync(connection);
    }

    private bool TryReserve(Multiaddr remoteAddress)
    {
        lock (_listenLock)
        {
            var same = _pendingByHost.GetValueOrDefault(remoteAddress.Host);
            if (_pending >= _limits.MaxPendingInbound || same >= _limits.MaxPendingInboundPerAddress || _table.Count + _pending >= _limits.MaxConnections) return false;
            _pending++;
            _pendingByHost[remoteAddress.Host] = same + 1;
            return true;
        }
    }

    private void Unreserve(Multiaddr remoteAddress)
    {
        lock (_listenLock)
        {
            _pending--;
            if (--_pendingByHost[remoteAddress.Host] == 0) _pendingByHost.Remove(remoteAddress.Host);
        }
    }

    private void CountRefused()
    {
        if (Interlocked.Increment(ref _refused) is var count && (count & (count - 1)) == 0) HostLog.Refused(_logger, count);
    }
}
