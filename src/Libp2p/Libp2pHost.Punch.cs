using System.Net;
using System.Net.Sockets;
using PeoplesCloud.Libp2p.Negotiation;

namespace PeoplesCloud.Libp2p;

/// <content>Dials from the port that it listens on, which is what the routers on the way know; for <see cref="Relay.HolePuncher"/>.</content>
public sealed partial class Libp2pHost
{
    private const int MaxPunched = 8;
    private static readonly TimeSpan PunchPause = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan ProposalWait = TimeSpan.FromMilliseconds(250); // a proposal comes with the packet that completes the connection
    private static readonly int HeaderBytes = MultistreamMessage.Encode(MultistreamMessage.Header).Length;

    // Both guarded by _listenLock: who is to be dialed in a punch and may come in by our own socket instead; what relays saw, and on which connection.
    private readonly Dictionary<IPEndPoint, PunchArrival> _awaited = [];
    private readonly Dictionary<PeerId, (Libp2pConnection Connection, Multiaddr Address)> _observed = [];

    /// <summary>A relayed connection with the peer; null when there is none.</summary>
    internal Libp2pConnection? RelayedWith(PeerId peer) => _table.Of(peer).FirstOrDefault(connection => connection.IsRelayed && !connection.IsClosing);

    /// <summary>
    /// Where the Internet sees the port that this node listens on, as the relay of a connection says. Connects with the relay from that
    /// port if it has not before; as long as that connection stands, the router keeps the port. Empty when nobody can tell.
    /// </summary>
    internal async Task<IReadOnlyList<Multiaddr>> ObserveAsync(Libp2pConnection relayed, CancellationToken cancellationToken)
    {
        if (relayed.RemoteAddress is not { Relay: { } relay, RelayAddress: { } stated }) return [];
        lock (_listenLock)
        {
            foreach (var (peer, seen) in _observed)
                if (seen.Connection.IsClosing) _observed.Remove(peer);
            if (_observed.TryGetValue(relay, out var known)) return [known.Address];
        }
        var dialed = _table.Of(relay).Where(connection => connection is { IsRelayed: false, IsOutbound: true }).Select(connection => connection.RemoteAddress);
        foreach (var address in dialed.Append(stated).Concat(_book.Get(relay)).Select(address => address.WithoutPeer()).Distinct().Take(MaxPunched))
        {
            try
            {
                if (await ObserveAsync(relay, address, cancellationToken) is { } observed) return [observed];
            }
            catch (Exception e) when (e is IOException or SocketException || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
            {
                HostLog.NotObserved(_logger, address, e.Message);
            }
        }
        return [];
    }

    private async Task<Multiaddr?> ObserveAsync(PeerId relay, Multiaddr address, CancellationToken cancellationToken)
    {
        if (address.IsWebSocket || !address.TryGetEndPoint(out var endPoint)) return null;
        using var limit = new CancellationTokenSource(_limits.ConnectTimeout, _time);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        if (await ConnectFromListeningPortAsync(endPoint, linked.Token) is not { } socket) return null;
        var connection = await UpgradeAsync(MeshSocket.Prepare(socket, _limits), address, relay, isOutbound: true, StreamUse.Quick, cancellationToken);
        _ = _tasks.Start(() => RunAsync(connection));
        var info = await IdentifyAsync(connection, cancellationToken);
        if (info.ObservedAddress is not { Port: > 0, IsRelayed: false } observed) return null;
        lock (_listenLock) _observed[relay] = (connection, observed.WithoutPeer());
        return observed.WithoutPeer();
    }

    /// <summary>
    /// Dials addresses of a peer from the listening port, again and again for the time of one connect, while the peer does the same.
    /// Whether there is a direct connection afterwards.
    /// </summary>
    /// <param name="peer">Who must answer.</param>
    /// <param name="addresses">Where its routers are seen.</param>
    /// <param name="isInitiator">Which side of the handshake we are: the sockets of a simultaneous open are alike.</param>
    /// <param name="cancellationToken">Gives up.</param>
    internal async Task<bool> PunchAsync(PeerId peer, IReadOnlyList<Multiaddr> addresses, bool isInitiator, CancellationToken cancellationToken)
    {
        using var arrivals = isInitiator ? Await(addresses) : null;
        return await PunchAsync(peer, addresses, arrivals, cancellationToken);
    }

    /// <summary>
    /// From now on what comes in from these addresses is taken for the other side of a punch in which we are the initiator. Before the other side
    /// can dial: its packet may be quicker than its word that it dials, and then both would wait for the other to begin the handshake.
    /// </summary>
    internal PunchArrivals Await(IReadOnlyList<Multiaddr> addresses)
    {
        var arrivals = new PunchArrivals(this, [.. TargetsOf(addresses).Select(target => new PunchArrival(target))]);
        lock (_listenLock)
        {
            foreach (var arrival in arrivals.All) _awaited[arrival.Target] = arrival;
        }
        return arrivals;
    }

    /// <summary>The same, as the initiator when there are arrivals.</summary>
    internal async Task<bool> PunchAsync(PeerId peer, IReadOnlyList<Multiaddr> addresses, PunchArrivals? arrivals, CancellationToken cancellationToken)
    {
        var isInitiator = arrivals is not null;
        arrivals?.Begin();
        using var limit = new CancellationTokenSource(_limits.ConnectTimeout, _time);
        using var attemptsEnd = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        var attempts = TargetsOf(addresses).Select(target => PunchOneAsync(peer, target, arrivals?.All.First(arrival => arrival.Target.Equals(target)) ?? new PunchArrival(target), attemptsEnd.Token)).ToList();
        var connected = false;
        while (attempts.Count > 0)
        {
            var attempt = await Task.WhenAny(attempts);
            attempts.Remove(attempt);
            if (await attempt is not var (socket, cameIn)) continue;
            if (connected)
            {
                socket.Dispose();
                continue;
            }
            try
            {
                var address = Multiaddr.FromEndPoint((IPEndPoint)socket.RemoteEndPoint!);
                var begins = isInitiator && !(cameIn && await ProposesAsync(socket, cancellationToken));
                var connection = await UpgradeAsync(MeshSocket.Prepare(socket, _limits), address, peer, begins, StreamUse.Quick, cancellationToken);
                connection.IsPunched = true;
                _ = _tasks.Start(() => RunAsync(connection));
                HostLog.Punched(_logger, peer, address);
                connected = true;
                await attemptsEnd.CancelAsync(); // the others end at once
            }
            catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException)
            {
                HostLog.DialFailed(_logger, peer, e.Message);
                socket.Dispose();
            }
        }
        return connected || OpenDirectly(peer) is not null;
    }

    // Null when the time is over, or the peer is here by another way.
    private async Task<(Socket Socket, bool CameIn)?> PunchOneAsync(PeerId peer, IPEndPoint target, PunchArrival arrival, CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested && OpenDirectly(peer) is null && !arrival.Came.IsCompleted)
        {
            using var won = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            var dial = ConnectFromListeningPortAsync(target, won.Token);
            while (!dial.IsCompleted && !arrival.Came.IsCompleted && OpenDirectly(peer) is null) await Task.WhenAny(dial, arrival.Came, Task.Delay(PunchPause, _time, CancellationToken.None));
            if (!dial.IsCompleted || arrival.Came.IsCompleted)
            {
                // It came in by our listener: to us as the initiator, or to the other end's.
                await won.CancelAsync();
                (await IgnoreAsync(dial))?.Dispose();
                return Arrived(arrival);
            }
            if (await IgnoreAsync(dial) is { } socket) return (socket, false);
            await Task.WhenAny(Task.Delay(PunchPause, _time, cancellationToken), arrival.Came); // a router that answers "no" is asked again
        }
        return Arrived(arrival);
    }

    private static (Socket Socket, bool CameIn)? Arrived(PunchArrival arrival) => arrival.Take() is { } socket ? (socket, true) : null;

    /// <summary>
    /// Whether the other end of a connection that came in takes itself for the initiator, as js-libp2p does though it began the punch: it sends its
    /// header and a proposal unasked. Who waits for us, as the specification says, sends no more than a header.
    /// </summary>
    private async Task<bool> ProposesAsync(Socket socket, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(ProposalWait, _time);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        var seen = new byte[HeaderBytes + 1];
        try
        {
            while (await socket.ReceiveAsync(seen, SocketFlags.Peek, linked.Token) is > 0 and var count)
            {
                if (count > HeaderBytes) return true;
                await Task.Delay(PunchPause, _time, linked.Token); // what was only looked at is there at once
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            // It waits.
        }
        return false;
    }

    private static List<IPEndPoint> TargetsOf(IReadOnlyList<Multiaddr> addresses) =>
        [.. addresses.Where(address => !address.IsWebSocket).Select(address => address.TryGetEndPoint(out var endPoint) ? endPoint : null).OfType<IPEndPoint>().Where(endPoint => endPoint.Port > 0).Distinct().Take(MaxPunched)];

    private static async Task<Socket?> IgnoreAsync(Task<Socket?> dial)
    {
        try
        {
            return await dial;
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException)
        {
            return null;
        }
    }

    // Null when nothing listens in this family.
    private async Task<Socket?> ConnectFromListeningPortAsync(IPEndPoint target, CancellationToken cancellationToken)
    {
        if (Bound.FirstOrDefault(bound => !bound.IsWebSocket && bound.EndPoint.AddressFamily == target.AddressFamily).EndPoint is not { } local) return null;
        var socket = new Socket(target.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
            PortSharing.Enable(socket);
            socket.Bind(local);
            await MeshSocket.ConnectAsync(socket, target, cancellationToken);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Gives an accepted socket to the punch that waits for it; false when none does. A router may have given it another port than it told the relay.</summary>
    private bool TryHandToPunch(Socket socket)
    {
        lock (_listenLock)
        {
            if (_awaited.Count == 0 || socket.RemoteEndPoint is not IPEndPoint from) return false;
            var target = _awaited.ContainsKey(from) ? from : _awaited.Values.FirstOrDefault(awaited => awaited.IsDialed && awaited.Target.Address.Equals(from.Address))?.Target;
            return target is not null && _awaited.Remove(target, out var arrival) && arrival.TryGive(socket);
        }
    }

    /// <summary>A connection from an address of the other side that may come in by our listener.</summary>
    internal sealed class PunchArrival(IPEndPoint target)
    {
        private readonly TaskCompletionSource<Socket> _came = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private int _isTaken;

        public IPEndPoint Target => target;

        /// <summary>Whether we dial too: then whatever comes from there belongs to the punch. Guarded by _listenLock.</summary>
        public bool IsDialed { get; set; }

        /// <summary>Completes when it came, or will not be taken any more.</summary>
        public Task Came => _came.Task;

        public bool TryGive(Socket socket) => _came.TrySetResult(socket);

        /// <summary>The socket, once; null when none came.</summary>
        public Socket? Take() => _came.Task.IsCompletedSuccessfully && Interlocked.Exchange(ref _isTaken, 1) == 0 ? _came.Task.Result : null;

        public void End()
        {
            if (!_came.TrySetCanceled()) Take()?.Dispose();
        }
    }

    /// <summary>What is awaited for one punch; disposing it ends that.</summary>
    internal sealed class PunchArrivals(Libp2pHost host, IReadOnlyList<PunchArrival> all) : IDisposable
    {
        public IReadOnlyList<PunchArrival> All => all;

        /// <summary>We dial from now on.</summary>
        public void Begin()
        {
            lock (host._listenLock)
            {
                foreach (var arrival in all) arrival.IsDialed = true;
            }
        }

        /// <inheritdoc/>
        public void Dispose()
        {
            lock (host._listenLock)
            {
                foreach (var arrival in all)
                    if (host._awaited.TryGetValue(arrival.Target, out var awaited) && awaited == arrival) host._awaited.Remove(arrival.Target);
            }
            foreach (var arrival in all) arrival.End();
        }
    }
}
