using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using System.Security.Cryptography;
using Microsoft.Extensions.Logging;
using PeoplesCloud.Libp2p.Discovery;

namespace PeoplesCloud.Libp2p;

/// <summary>
/// Finds other nodes on the local network and lets itself be found: libp2p's mDNS discovery over IPv4 (docs/protocols/mdns.md). What
/// is found is a stranger's word; whoever uses it dials with the expected peer id. Thread-safe.
/// </summary>
public sealed class MdnsDiscovery : IAsyncDisposable
{
    private static readonly IPAddress Group = IPAddress.Parse("224.0.0.251");

    private readonly Lock _lock = new();
    private readonly MdnsEngine _engine;
    private readonly Libp2pLimits _limits;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly IPEndPoint _target;
    private readonly Func<IEnumerable<IPAddress>> _interfaces;
    private readonly CancellationTokenSource _stopping = new();
    private readonly HashSet<IPAddress> _joined = [];
    private readonly SemaphoreSlim _askNow = new(0, 1);
    private Socket? _socket;
    private Task _running = Task.CompletedTask;
    private int _disposed;

    /// <summary>Creates it; <see cref="Start"/> starts it.</summary>
    /// <param name="self">Our peer id.</param>
    /// <param name="addresses">Where we listen now; loopback and relayed ones are not told.</param>
    /// <param name="limits">Bounds.</param>
    /// <param name="time">The clock.</param>
    /// <param name="loggers">Where it logs.</param>
    public MdnsDiscovery(PeerId self, Func<IReadOnlyList<Multiaddr>> addresses, Libp2pLimits limits, TimeProvider time, ILoggerFactory loggers)
        : this(self, addresses, limits, time, loggers, 5353, MulticastInterfaces)
    {
    }

    internal MdnsDiscovery(PeerId self, Func<IReadOnlyList<Multiaddr>> addresses, Libp2pLimits limits, TimeProvider time, ILoggerFactory loggers, int port, Func<IEnumerable<IPAddress>> interfaces)
    {
        (_limits, _time, _interfaces, _target) = (limits, time, interfaces, new IPEndPoint(Group, port));
        _logger = loggers.CreateLogger<MdnsDiscovery>();
        // A name that means nothing, new at each start.
        _engine = new MdnsEngine(self, RandomNumberGenerator.GetString("abcdefghijklmnopqrstuvwxyz0123456789", 32), addresses, limits, time);
    }

    /// <summary>A node said where it is, for the first time or again. Raised on a thread of the discovery; must not block.</summary>
    public event Action<LocalPeer>? Found;

    /// <summary>Who was heard of in the last minutes.</summary>
    public IReadOnlyList<LocalPeer> Peers
    {
        get { lock (_lock) return _engine.Peers; }
    }

    /// <summary>Starts; false when this machine gives no socket for it (then nothing is found, and nothing else changes).</summary>
    public bool Start()
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        try
        {
            socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
            if (OperatingSystem.IsLinux()) PortSharing.Enable(socket); // avahi or another node has the port too
            socket.SetSocketOption(SocketOptionLevel.IP, SocketOptionName.MulticastTimeToLive, 255);
            socket.SetSocketOption(SocketOptionLevel.IP, SocketOptionName.MulticastLoopback, true); // nodes on the same machine
            socket.Bind(new IPEndPoint(IPAddress.Any, _target.Port));
        }
        catch (SocketException e)
        {
            MdnsLog.Unavailable(_logger, e.Message);
            socket.Dispose();
            return false;
        }
        _socket = socket;
        _running = Task.WhenAll(Task.Run(ReceiveAsync, CancellationToken.None), Task.Run(AskAsync, CancellationToken.None));
        return true;
    }

    /// <summary>Asks again now, for somebody who waits for an answer.</summary>
    public void Ask()
    {
        try
        {
            if (_askNow.CurrentCount == 0) _askNow.Release();
        }
        catch (SemaphoreFullException)
        {
            // Somebody else asked in this moment.
        }
    }

    /// <summary>Says goodbye and stops.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0) return;
        await _stopping.CancelAsync();
        if (_socket is { } socket)
        {
            byte[]? goodbye;
            lock (_lock) goodbye = _engine.Announcement(goodbye: true);
            if (goodbye is not null) Send(goodbye);
            socket.Dispose();
        }
        await _running;
        _stopping.Dispose();
        _askNow.Dispose();
    }

    // At first every second, then rarer: 1, 2, 4 ... s.
    private async Task AskAsync()
    {
        var pause = TimeSpan.FromSeconds(1);
        try
        {
            while (!_stopping.IsCancellationRequested)
            {
                Join();
                byte[]? here;
                lock (_lock) here = _engine.Announcement();
                if (here is not null)
                {
                    Send(here);
                    Send(MdnsEngine.Query());
                }
                using var timer = new CancellationTokenSource(pause, _time);
                using var either = CancellationTokenSource.CreateLinkedTokenSource(timer.Token, _stopping.Token);
                try
                {
                    await _askNow.WaitAsync(either.Token);
                }
                catch (OperationCanceledException) when (timer.IsCancellationRequested)
                {
                    pause = TimeSpan.FromTicks(Math.Min(pause.Ticks * 2, _limits.LocalQueryInterval.Ticks));
                }
            }
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
            // It stops.
        }
    }

    private async Task ReceiveAsync()
    {
        var buffer = new byte[DnsMessage.MaxBytes];
        var from = new IPEndPoint(IPAddress.Any, 0);
        while (!_stopping.IsCancellationRequested)
        {
            try
            {
                var received = await _socket!.ReceiveFromAsync(buffer, SocketFlags.None, from, _stopping.Token);
                byte[]? answer;
                IReadOnlyList<LocalPeer> found;
                lock (_lock) (answer, found) = _engine.Handle(buffer.AsSpan(0, received.ReceivedBytes));
                if (answer is not null) Send(answer);
                foreach (var peer in found) Raise(peer);
            }
            catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException)
            {
                return;
            }
            catch (SocketException e)
            {
                MdnsLog.Unavailable(_logger, e.Message);
                await Task.Delay(TimeSpan.FromSeconds(1), _time, CancellationToken.None);
            }
        }
    }

    private void Raise(LocalPeer peer)
    {
        try
        {
            Found?.Invoke(peer);
        }
        catch (Exception e)
        {
            MdnsLog.SubscriberFailed(_logger, peer.Peer, e);
        }
    }

    // Interfaces come and go: a laptop finds another network, a container starts.
    private void Join()
    {
        var now = _interfaces().ToHashSet();
        lock (_lock)
        {
            _joined.IntersectWith(now);
            foreach (var address in now.Except(_joined).ToArray())
            {
                try
                {
                    _socket!.SetSocketOption(SocketOptionLevel.IP, SocketOptionName.AddMembership, new MulticastOption(Group, address));
                }
                catch (SocketException e) when (e.SocketErrorCode is not SocketError.AddressAlreadyInUse)
                {
                    MdnsLog.NotJoined(_logger, address, e.Message);
                    continue;
                }
                catch (SocketException)
                {
                    // Still a member from before the interface was gone for a while.
                }
                _joined.Add(address);
            }
        }
    }

    private void Send(byte[] message)
    {
        lock (_lock)
        {
            foreach (var address in _joined)
            {
                try
                {
                    _socket!.SetSocketOption(SocketOptionLevel.IP, SocketOptionName.MulticastInterface, address.GetAddressBytes());
                    _socket.SendTo(message, _target);
                }
                catch (Exception e) when (e is SocketException or ObjectDisposedException)
                {
                    MdnsLog.NotSent(_logger, address, e.Message);
                }
            }
        }
    }

    private static IEnumerable<IPAddress> MulticastInterfaces() => NetworkInterface.GetAllNetworkInterfaces()
        .Where(i => i is { OperationalStatus: OperationalStatus.Up or OperationalStatus.Unknown, SupportsMulticast: true, NetworkInterfaceType: not NetworkInterfaceType.Loopback })
        .Select(i => i.GetIPProperties().UnicastAddresses.FirstOrDefault(a => a.Address.AddressFamily == AddressFamily.InterNetwork)?.Address)
        .OfType<IPAddress>();
}
