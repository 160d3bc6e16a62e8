using System.Collections.Concurrent;
using System.Net;
using System.Net.NetworkInformation;
using System.Net.Security;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Libp2p.Connections;
using PeoplesCloud.Libp2p.Identify;
using PeoplesCloud.Libp2p.Relay;
using PeoplesCloud.Libp2p.Tls;
using PeoplesCloud.Libp2p.WebSockets;

namespace PeoplesCloud.Libp2p;

/// <summary>
/// A libp2p node: listens, dials, keeps one connection with each peer and opens streams on it. Protocols (multistream-select, Noise, TLS,
/// yamux, identify, ping) are described in docs/protocols/mesh.md. It knows nothing of swarms: whoever has the address and proves
/// some key gets in, and every handler decides by <see cref="Libp2pStream.RemotePeer"/>. Thread-safe.
/// </summary>
/// <remarks>This file: what an application calls. <c>.Listen</c> takes byte streams in, <c>.Dial</c> makes them, <c>.Upgrade</c> makes connections of both, <c>.Run</c> keeps them, <c>.Identify</c> knows who they are with, <c>.Relay</c> has what goes through relays.</remarks>
/// <example>
/// <code>
/// await using var host = new Libp2pHost(key, new Libp2pOptions(), TimeProvider.System, loggers);
/// host.Handle("/echo/1", async (stream, token) => await stream.Input.CopyToAsync(stream.Output, token));
/// await host.ListenAsync(address, token);
/// host.AddAddresses(peer, addresses);
/// await using var stream = await host.OpenStreamAsync(peer, "/echo/1", token);
/// </code>
/// </example>
public sealed partial class Libp2pHost : IAsyncDisposable
{
    private readonly Ed25519Key _identity;
    private readonly Libp2pOptions _options;
    private readonly Libp2pLimits _limits;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly AddressBook _book;
    private readonly ConnectionTable _table;
    private readonly DialRace _race;
    private IDialTransport[] _transports; // swapped whole
    private readonly Lazy<SslStreamCertificateContext> _certificate; // made for the first peer that speaks TLS
    private readonly ConcurrentDictionary<string, Func<Libp2pStream, CancellationToken, Task>> _handlers = new(StringComparer.Ordinal);
    private readonly TaskSet _tasks = new();
    private readonly CancellationTokenSource _stopping = new();
    private readonly Channel<(PeerId Peer, bool Connected)> _presence = Channel.CreateUnbounded<(PeerId, bool)>(new UnboundedChannelOptions { SingleReader = true });
    private int _disposed;

    /// <summary>Creates a host that does not listen yet.</summary>
    /// <param name="identity">Our key; stays with the caller, who disposes it after the host.</param>
    /// <param name="options">Limits and names.</param>
    /// <param name="time">The clock of every limit.</param>
    /// <param name="loggers">Where the host logs.</param>
    /// <exception cref="ArgumentException">An option is out of its range.</exception>
    public Libp2pHost(Ed25519Key identity, Libp2pOptions options, TimeProvider time, ILoggerFactory loggers)
    {
        options.Validate();
        (_identity, _options, _limits, _time) = (identity, options, options.Limits, time);
        _logger = loggers.CreateLogger<Libp2pHost>();
        Self = PeerId.FromEd25519(identity.PublicKey.Span);
        _book = new AddressBook(_limits);
        _table = new ConnectionTable(Self, _limits);
        _certificate = new Lazy<SslStreamCertificateContext>(() => SslStreamCertificateContext.Create(TlsCertificate.Create(identity), additionalCertificates: null, offline: true));
        _race = new DialRace(_limits, time);
        _relayed = new RelayClient(this, _limits, time, _logger);
        var tcp = new TcpTransport(_limits, time);
        _transports = [tcp, new WebSocketTransport(tcp, _limits, time), _relayed];
        _table.PresenceChanged += (peer, connected) => _presence.Writer.TryWrite((peer, connected));
        _table.PresenceChanged += OnPresence;
        Handle(PingProtocol.Id, PingProtocol.AnswerAsync);
        Handle(IdentifyProtocol.Id, AnswerIdentifyAsync);
        Handle(IdentifyProtocol.PushId, HearPushAsync);
        Handle(RelayService.StopProtocol, _relayed.ServeAsync);
        _puncher = new HolePuncher(this, _limits, time);
        Handle(HolePuncher.Protocol, _puncher.ServeAsync);
        _ = _tasks.Start(RaiseEventsAsync);
        _ = _tasks.Start(SweepAsync);
    }

    /// <summary>Our peer id.</summary>
    public PeerId Self { get; }

    /// <summary>Where we listen, with real ports, without the peer id. An any-address (0.0.0.0, ::) stands for each address that the machine has now.</summary>
    public IReadOnlyList<Multiaddr> ListenAddresses => [.. Bound.SelectMany(b => Expand(b.EndPoint).Select(e => AddressOf(e, b.IsWebSocket))).Distinct()];

    /// <summary>The open connections.</summary>
    public IReadOnlyList<Libp2pConnection> Connections => _table.Snapshot();

    /// <summary>The first connection with a peer is ready. Raised in order, on a thread of the host; must not block for long.</summary>
    public event Action<PeerId>? PeerConnected;

    /// <summary>The last connection with a peer ended. Raised in order with <see cref="PeerConnected"/>.</summary>
    public event Action<PeerId>? PeerDisconnected;

    /// <summary>Serves a protocol, in place of an earlier handler of it. The stream is disposed when the handler ends and reset when it
    /// fails; the token is cancelled when the stream was reset, its connection ended or the host stops.</summary>
    public void Handle(string protocol, Func<Libp2pStream, CancellationToken, Task> handler) => _handlers[protocol] = handler;

    /// <summary>Does not serve a protocol any more; open streams go on.</summary>
    public void StopHandling(string protocol) => _handlers.TryRemove(protocol, out _);

    /// <summary>Adds addresses to the address book that dials use. A new address also ends a wait after failed dials.</summary>
    public void AddAddresses(PeerId peer, IEnumerable<Multiaddr> addresses)
    {
        if (_book.Add(peer, addresses, AddressSource.Application)) ForgetFailures(peer);
    }

    /// <summary>The open connection with the peer, or a new one. Concurrent calls share one dial, which goes on when one of them is cancelled.</summary>
    /// <exception cref="Libp2pException">The peer could not be reached, was another one, or a limit was reached.</exception>
    public ValueTask<Libp2pConnection> ConnectAsync(PeerId peer, CancellationToken cancellationToken = default) =>
        _table.Preferred(peer) is { } open ? ValueTask.FromResult(open) : new ValueTask<Libp2pConnection>(DialSharedAsync(peer, DialKind.Any).WaitAsync(cancellationToken));

    /// <summary>Opens a stream and agrees on the protocol, connecting first when needed. When the peer is known to speak the protocol,
    /// its answer is checked by the first read instead of being awaited here.</summary>
    /// <exception cref="Libp2pException">The peer could not be reached or does not speak the protocol.</exception>
    public ValueTask<Libp2pStream> OpenStreamAsync(PeerId peer, string protocol, CancellationToken cancellationToken = default) =>
        OpenStreamAsync(peer, protocol, StreamUse.Quick, cancellationToken);

    /// <summary>As the other one, for a use. Bulk takes the ordinary connection when the peer has no second one for it, or it cannot be had soon.</summary>
    /// <exception cref="Libp2pException">The peer could not be reached or does not speak the protocol.</exception>
    public async ValueTask<Libp2pStream> OpenStreamAsync(PeerId peer, string protocol, StreamUse use, CancellationToken cancellationToken = default)
    {
        for (var attempt = 0; ; attempt++)
        {
            var connection = use == StreamUse.Bulk ? await ConnectForBulkAsync(peer, cancellationToken) : await ConnectAsync(peer, cancellationToken);
            try
            {
                return await connection.OpenAsync(protocol, cancellationToken);
            }
            catch (Libp2pException e) when (e.Error is Libp2pError.ConnectionClosed or Libp2pError.Reset && connection.IsClosing && attempt < 2)
            {
                // The other side closed the idle connection just now: again on another one.
            }
        }
    }

    private async ValueTask<Libp2pConnection> ConnectForBulkAsync(PeerId peer, CancellationToken cancellationToken)
    {
        if (_table.Preferred(peer, StreamUse.Bulk) is { } open) return open;
        var quick = await ConnectAsync(peer, cancellationToken);
        if (quick.IsRelayed) return quick; // a second one through a relay would share its cap
        try
        {
            return await DialSharedAsync(peer, DialKind.Bulk).WaitAsync(_limits.BulkDialPatience, _time, cancellationToken);
        }
        catch (Exception e) when (e is Libp2pException or TimeoutException)
        {
            return quick; // it is for speed, not for reach
        }
    }

    /// <summary>Closes all connections with the peer; their streams are reset.</summary>
    public void Disconnect(PeerId peer)
    {
        foreach (var connection in _table.Of(peer)) Close(connection);
    }

    /// <summary>Round-trip time of 32 random bytes over a new stream.</summary>
    /// <exception cref="Libp2pException">The peer could not be reached, or answered wrongly or too late.</exception>
    public async ValueTask<TimeSpan> PingAsync(PeerId peer, CancellationToken cancellationToken = default)
    {
        var stream = await OpenStreamAsync(peer, PingProtocol.Id, cancellationToken);
        var roundTrip = await RequestAsync(stream, "a ping", token => PingProtocol.MeasureAsync(stream, _time, token), cancellationToken);
        _table.Preferred(peer)?.Measured(roundTrip);
        return roundTrip;
    }

    /// <summary>Asks the peer what it says about itself.</summary>
    /// <exception cref="Libp2pException">The peer could not be reached, or its answer broke the protocol.</exception>
    public async ValueTask<IdentifyInfo> IdentifyAsync(PeerId peer, CancellationToken cancellationToken = default)
    {
        var connection = await ConnectAsync(peer, cancellationToken);
        return await IdentifyAsync(connection, cancellationToken);
    }

    /// <summary>Stops listening, closes all connections and waits for all handlers.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0) return;
        await _stopping.CancelAsync();
        StopListening();
        await Task.WhenAll(_table.Snapshot().Select(c => c.CloseAsync()));
        _presence.Writer.TryComplete();
        await _tasks.WhenAllDoneAsync();
        if (_certificate.IsValueCreated) _certificate.Value.TargetCertificate.Dispose();
        _stopping.Dispose();
    }

    private static IReadOnlyList<IPEndPoint> Expand(IPEndPoint bound)
    {
        if (!bound.Address.Equals(IPAddress.Any) && !bound.Address.Equals(IPAddress.IPv6Any)) return [bound];
        return [.. NetworkInterface.GetAllNetworkInterfaces()
            .Where(i => i.OperationalStatus is OperationalStatus.Up or OperationalStatus.Unknown)
            .SelectMany(i => i.GetIPProperties().UnicastAddresses)
            .Where(a => a.Address.AddressFamily == bound.AddressFamily && !a.Address.IsIPv6LinkLocal)
            .Select(a => new IPEndPoint(a.Address, bound.Port))];
    }
}
