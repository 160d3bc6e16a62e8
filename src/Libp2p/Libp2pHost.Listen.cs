using System.Net;
using System.Net.Sockets;
using PeoplesCloud.Base;
using PeoplesCloud.Libp2p.Connections;
using PeoplesCloud.Libp2p.Negotiation;
using PeoplesCloud.Libp2p.Noise;

namespace PeoplesCloud.Libp2p;

/// <content>Takes connections in.</content>
public sealed partial class Libp2pHost
{
    private const int Backlog = 128;

    private readonly Lock _listenLock = new();
    private readonly List<Socket> _listeners = [];
    private readonly Dictionary<IPAddress, int> _pendingByAddress = [];
    private int _pending;
    private long _refused;

    /// <summary>Inbound sockets that were closed unread since a limit was reached.</summary>
    internal long RefusedCount => Interlocked.Read(ref _refused);

    private IPEndPoint[] BoundEndPoints
    {
        get { lock (_listenLock) return [.. _listeners.Select(l => (IPEndPoint)l.LocalEndPoint!)]; }
    }

    /// <summary>Listens; port 0 takes a free one. Answers the address with the real port.</summary>
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
            _listeners.Add(socket);
        }
        var bound = Multiaddr.FromEndPoint((IPEndPoint)socket.LocalEndPoint!);
        HostLog.Listening(_logger, bound);
        _ = _tasks.Start(() => AcceptAsync(socket));
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
            foreach (var listener in _listeners) listener.Dispose();
            _listeners.Clear();
        }
    }

    private async Task AcceptAsync(Socket listener)
    {
        while (!_stopping.IsCancellationRequested)
        {
            try
            {
                var socket = await listener.AcceptAsync(_stopping.Token);
                if (!TryReserve(socket, out var address)) Refuse(socket);
                else _ = _tasks.Start(() => WelcomeAsync(socket, address));
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

    private bool TryReserve(Socket socket, out IPAddress address)
    {
        address = (socket.RemoteEndPoint as IPEndPoint)?.Address ?? IPAddress.None;
        lock (_listenLock)
        {
            var same = _pendingByAddress.GetValueOrDefault(address);
            if (_pending >= _limits.MaxPendingInbound || same >= _limits.MaxPendingInboundPerAddress || _table.Count + _pending >= _limits.MaxConnections) return false;
            _pending++;
            _pendingByAddress[address] = same + 1;
            return true;
        }
    }

    private void Unreserve(IPAddress address)
    {
        lock (_listenLock)
        {
            _pending--;
            if (--_pendingByAddress[address] == 0) _pendingByAddress.Remove(address);
        }
    }

    // A reset instead of a close in order: nothing of it stays behind, here or in the kernel.
    private void Refuse(Socket socket)
    {
        if (Interlocked.Increment(ref _refused) is var count && (count & (count - 1)) == 0) HostLog.Refused(_logger, count);
        socket.Close(timeout: 0);
    }

    private async Task WelcomeAsync(Socket socket, IPAddress address)
    {
        Libp2pConnection? connection = null;
        try
        {
            connection = await UpgradeAsync(socket, expected: null, isOutbound: false, _stopping.Token);
        }
        catch (Exception e) when (e is IOException or SocketException or OperationCanceledException or ObjectDisposedException)
        {
            HostLog.InboundFailed(_logger, address, e.Message);
        }
        finally
        {
            Unreserve(address); // only now: the table holds it already, so no limit has a gap
        }
        if (connection is not null) await RunAsync(connection);
    }

    /// <summary>Socket -> multistream-select -> Noise -> yamux -> a connection in the table. Closes the socket on any failure.</summary>
    private async ValueTask<Libp2pConnection> UpgradeAsync(Socket socket, PeerId? expected, bool isOutbound, CancellationToken cancellationToken)
    {
        NoiseChannel? channel = null;
        var completed = false;
        try
        {
            var remoteAddress = Multiaddr.FromEndPoint((IPEndPoint)socket.RemoteEndPoint!);
            var connection = await TimeLimit.RunAsync(_limits.HandshakeTimeout, _time, "the handshake", async token =>
            {
                // 1. Agree on Noise, in the clear.
                var transport = MeshSocket.Prepare(socket, _limits);
                var clear = NegotiationChannel.Over(transport);
                if (isOutbound) await MultistreamSelect.ProposeAsync(clear, NoiseHandshake.Protocol, _limits, token);
                else await MultistreamSelect.AnswerAsync(clear, static p => p == NoiseHandshake.Protocol, _limits, token);

                // 2. Prove who is who.
                channel = await NoiseHandshake.RunAsync(transport, _identity, isOutbound, expected, [Yamux.YamuxConnection.Protocol], _limits, _time, token);
                if (channel.RemotePeer == Self) throw new Libp2pException(Libp2pError.WrongPeer, "this is ourselves");

                // 3. Agree on the muxer, if the handshake did not.
                if (channel.EarlyMuxer != Yamux.YamuxConnection.Protocol)
                {
                    var secure = NegotiationChannel.Over(channel);
                    if (isOutbound) await MultistreamSelect.ProposeAsync(secure, Yamux.YamuxConnection.Protocol, _limits, token);
                    else await MultistreamSelect.AnswerAsync(secure, static p => p == Yamux.YamuxConnection.Protocol, _limits, token);
                }
                return Multiplex(channel, remoteAddress, isOutbound);
            }, cancellationToken);
            Admit(connection);
            completed = true;
            return connection;
        }
        finally
        {
            if (!completed)
            {
                if (channel is not null) await channel.DisposeAsync();
                socket.Dispose();
            }
        }
    }
}
