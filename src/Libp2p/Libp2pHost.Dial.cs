using System.Net;
using System.Net.Sockets;
using PeoplesCloud.Libp2p.Connections;

namespace PeoplesCloud.Libp2p;

/// <content>Makes connections: one dial to a peer at a time, with a growing pause after failures.</content>
public sealed partial class Libp2pHost
{
    private readonly Lock _dialLock = new();
    private readonly Dictionary<(PeerId Peer, DialKind Kind), Task<Libp2pConnection>> _dials = [];
    private readonly Dictionary<(PeerId Peer, DialKind Kind), DialFailure> _failures = [];

    /// <summary>What a dial is after; one at a time of each.</summary>
    private enum DialKind
    {
        /// <summary>Any connection for quick streams.</summary>
        Any,

        /// <summary>One that goes through no relay.</summary>
        Direct,

        /// <summary>The second one, for bulk; through no relay either.</summary>
        Bulk,
    }

    /// <summary>Dials in a row that failed, and until when (a timestamp of the clock) the peer is left alone.</summary>
    private sealed record DialFailure(int Count, long Until, Libp2pException Reason);

    /// <summary>Adds a way to dial, which is asked before those that are there.</summary>
    internal void AddTransport(IDialTransport transport)
    {
        lock (_dialLock) _transports = [transport, .. _transports];
    }

    /// <summary>
    /// A new connection with whoever is at one of these addresses: it proves some key, and whether that is the right one must be
    /// found out over the connection. An address that names its peer is believed only if that one answers.
    /// </summary>
    /// <exception cref="Libp2pException">Nobody could be reached, it was ourselves, or a limit was reached.</exception>
    public async Task<Libp2pConnection> ConnectAsync(IReadOnlyList<Multiaddr> addresses, CancellationToken cancellationToken = default)
    {
        if (addresses.FirstOrDefault(address => address.Peer is not null)?.Peer is { } named)
        {
            AddAddresses(named, addresses);
            return await ConnectAsync(named, cancellationToken);
        }
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _stopping.Token);
        var connection = await DialAsync(null, addresses, StreamUse.Quick, stop.Token);
        AddAddresses(connection.RemotePeer, [connection.RemoteAddress]);
        _ = _tasks.Start(() => RunAsync(connection));
        return connection;
    }

    /// <summary>One dial for all who want the same. Each kind goes its own way: a relayed connection neither stands in for a direct one nor hears of its failure.</summary>
    private Task<Libp2pConnection> DialSharedAsync(PeerId peer, DialKind kind)
    {
        var key = (peer, kind);
        lock (_dialLock)
        {
            if (_stopping.IsCancellationRequested) return Task.FromException<Libp2pConnection>(new Libp2pException(Libp2pError.Stopped, "the host is stopped"));
            if (Usable(peer, kind) is { } open) return Task.FromResult(open);
            if (_dials.TryGetValue(key, out var running)) return running;
            if (peer == Self) return Task.FromException<Libp2pConnection>(new Libp2pException(Libp2pError.WrongPeer, "a node does not dial itself"));
            if (_failures.TryGetValue(key, out var failure) && _time.GetTimestamp() < failure.Until)
            {
                var again = new Libp2pException(failure.Reason.Error, $"{failure.Reason.Message}; not tried again yet after {failure.Count} failed dials", failure.Reason) { IsRefused = failure.Reason.IsRefused };
                return Task.FromException<Libp2pConnection>(again);
            }
            var dial = new TaskCompletionSource<Libp2pConnection>(TaskCreationOptions.RunContinuationsAsynchronously);
            _dials[key] = dial.Task;
            _ = dial.Task.Exception; // a dial whose callers all went away has nobody to tell
            _ = _tasks.Start(() => DialAndRunAsync(key, dial));
            return dial.Task;
        }
    }

    private async Task DialAndRunAsync((PeerId Peer, DialKind Kind) key, TaskCompletionSource<Libp2pConnection> dial)
    {
        var peer = key.Peer;
        var tried = new HashSet<Multiaddr>();
        Libp2pConnection? connection = null;
        for (var addresses = AddressesFor(peer, key.Kind); connection is null;)
        {
            try
            {
                connection = await DialAsync(peer, addresses, key.Kind == DialKind.Bulk ? StreamUse.Bulk : StreamUse.Quick, _stopping.Token);
                lock (_dialLock) _dials.Remove(key);
                dial.SetResult(connection);
            }
            catch (Exception e)
            {
                var reason = e as Libp2pException ?? new Libp2pException(_stopping.IsCancellationRequested ? Libp2pError.Stopped : Libp2pError.Unreachable, $"{peer} could not be dialed: {e.Message}", e);
                HostLog.DialFailed(_logger, peer, reason.Message);
                tried.UnionWith(addresses);
                lock (_dialLock)
                {
                    // Whoever named a new address meanwhile, and then asked for this dial, is not answered by a failure at the old ones.
                    addresses = tried.Count <= _limits.MaxAddressesPerPeer && !_stopping.IsCancellationRequested ? [.. AddressesFor(peer, key.Kind).Where(address => !tried.Contains(address))] : [];
                    if (addresses.Length > 0) continue;
                    _dials.Remove(key);
                    if (_book.Get(peer).Count > 0) RememberFailure(key, reason);
                }
                // The peer may have dialed us meanwhile.
                if (Usable(peer, key.Kind) is { } inbound) dial.SetResult(inbound);
                else dial.SetException(reason);
                return;
            }
        }
        await RunAsync(connection);
    }

    /// <summary>Where the first connection got through, the second is tried first.</summary>
    private Multiaddr[] AddressesFor(PeerId peer, DialKind kind)
    {
        var addresses = _book.Get(peer).Where(address => kind == DialKind.Any || !address.IsRelayed);
        if (kind == DialKind.Bulk && OpenDirectly(peer) is { IsOutbound: true } first) addresses = addresses.Prepend(first.RemoteAddress);
        return [.. addresses];
    }

    private async Task<Libp2pConnection> DialAsync(PeerId? peer, IReadOnlyList<Multiaddr> addresses, StreamUse use, CancellationToken cancellationToken)
    {
        if (_table.Count >= _limits.MaxConnections) throw new Libp2pException(Libp2pError.LimitReached, $"this node has {_limits.MaxConnections} connections, as many as it may");
        var failures = new DialFailures();
        Libp2pException? handshakeFailure = null;
        var targets = new Queue<DialTarget>(await FindTargetsAsync(addresses, failures, cancellationToken));
        while (await _race.ConnectFirstAsync(peer, targets, failures, cancellationToken) is var (raw, target))
        {
            try
            {
                return await UpgradeAsync(raw, target.Address, peer, isOutbound: true, use, cancellationToken);
            }
            catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException)
            {
                failures.Add(target.Address, e);
                // Another peer at this address is the more telling reason, also when a later address does not answer.
                if (e is Libp2pException told && handshakeFailure?.Error is not Libp2pError.WrongPeer) handshakeFailure = told;
            }
        }
        var whom = peer is { } known ? known.ToString() : string.Join(" or ", addresses);
        throw new Libp2pException(handshakeFailure?.Error ?? Libp2pError.Unreachable, $"{whom} cannot be reached: {failures}", handshakeFailure) { IsRefused = failures.AreRefusals };
    }

    /// <summary>What to dial, cheapest kind first. A name becomes its IP addresses, each of them raced; one behind a relay is the relay's to resolve.</summary>
    private async Task<IEnumerable<DialTarget>> FindTargetsAsync(IReadOnlyList<Multiaddr> addresses, DialFailures failures, CancellationToken cancellationToken)
    {
        var targets = new List<DialTarget>();
        var transports = Volatile.Read(ref _transports);
        foreach (var address in addresses)
        {
            if (Array.Find(transports, t => t.CanDial(address)) is not { } transport) failures.Skip(address);
            else if (!address.IsName || address.IsRelayed) targets.Add(new DialTarget(transport, address));
            else
            {
                try
                {
                    var resolved = await Dns.GetHostAddressesAsync(address.Host, address.Family, cancellationToken);
                    targets.AddRange(resolved.Select(ip => new DialTarget(transport, address.WithIP(ip))));
                }
                catch (SocketException e)
                {
                    failures.Add(address, e);
                }
            }
        }
        return targets.Distinct().OrderBy(t => t.Preference).ThenBy(t => t.Address.Relay is { } relay ? RoundTripTo(relay) : default).Take(_limits.MaxAddressesPerDial);
    }

    private Libp2pConnection? Usable(PeerId peer, DialKind kind) => kind switch
    {
        DialKind.Direct => OpenDirectly(peer),
        DialKind.Bulk => _table.Preferred(peer, StreamUse.Bulk),
        _ => _table.Preferred(peer),
    };

    // Guarded by _dialLock.
    private void RememberFailure((PeerId Peer, DialKind Kind) key, Libp2pException reason)
    {
        var count = _failures.TryGetValue(key, out var before) ? before.Count + 1 : 1;
        var pause = Math.Min(_limits.DialBackoff.TotalSeconds * Math.Pow(2, Math.Min(count - 1, 20)), _limits.MaxDialBackoff.TotalSeconds);
        _failures[key] = new DialFailure(count, _time.GetTimestamp() + (long)(pause * _time.TimestampFrequency), reason);
    }

    private void ForgetFailures(PeerId peer)
    {
        lock (_dialLock)
        {
            foreach (var kind in Enum.GetValues<DialKind>()) _failures.Remove((peer, kind));
        }
    }

    private void ForgetOldFailures()
    {
        var old = _time.GetTimestamp() - (long)(_limits.MaxDialBackoff.TotalSeconds * _time.TimestampFrequency);
        lock (_dialLock)
        {
            foreach (var (key, failure) in _failures)
                if (failure.Until < old) _failures.Remove(key);
        }
    }
}
