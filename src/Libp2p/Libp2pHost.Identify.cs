using PeoplesCloud.Libp2p.Connections;
using PeoplesCloud.Libp2p.Identify;

namespace PeoplesCloud.Libp2p;

/// <content>Says who we are, hears who the others are, and passes changes of both on.</content>
public sealed partial class Libp2pHost
{
    private SelfDescription? _description; // as of the last sweep, swapped whole

    /// <summary>What identify said about us not long ago.</summary>
    private SelfDescription Description => Volatile.Read(ref _description) ?? (_description = Describe());

    private SelfDescription Describe() => new(
        [.. ListenAddresses.Concat(Reservations.SelectMany(r => r.Addresses).Select(a => a.WithoutPeer())).Distinct()],
        [.. _handlers.Keys.Order(StringComparer.Ordinal)]);

    // Every new connection is identified once: what the peer speaks saves a round trip later, and where it listens lets us dial it back.
    private async Task LearnAsync(Libp2pConnection connection)
    {
        try
        {
            Learn(connection, await IdentifyAsync(connection, _stopping.Token));
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            HostLog.NotIdentified(_logger, connection.RemotePeer, e.Message);
        }
    }

    private void Learn(Libp2pConnection connection, IdentifyInfo info)
    {
        connection.Identified = info;
        var isLocal = connection.RemoteAddress.IsLoopback;
        _ = _book.Add(connection.RemotePeer, info.ListenAddresses.Where(a => isLocal || !a.IsLoopback), AddressSource.Itself);
    }

    private async ValueTask<IdentifyInfo> IdentifyAsync(Libp2pConnection connection, CancellationToken cancellationToken)
    {
        var stream = await connection.OpenAsync(IdentifyProtocol.Id, cancellationToken);
        return await RequestAsync(stream, "identify", token => IdentifyProtocol.ReadAsync(stream, _limits, token), cancellationToken);
    }

    private Task AnswerIdentifyAsync(Libp2pStream stream, CancellationToken cancellationToken) =>
        IdentifyProtocol.WriteAsync(stream, Message(Describe(), observed: stream.RemoteAddress), cancellationToken);

    private byte[] Message(SelfDescription self, Multiaddr? observed) => IdentifyMessage.Write(
        PublicKeys.EncodeEd25519(_identity.PublicKey.Span), IdentifyProtocol.Family, _options.AgentVersion, self.Addresses, observed, self.Protocols);

    /// <summary>Tells each peer that speaks push what changed since it was told last. Changes of one sweep go together.</summary>
    private void PushChanges()
    {
        var connections = _table.Snapshot();
        if (connections.Count == 0) return;
        var now = Describe();
        if (now.Equals(_description)) now = Description; // one object for all connections
        else Volatile.Write(ref _description, now);
        byte[]? message = null;
        foreach (var connection in connections)
        {
            if (now.Equals(connection.Told) || connection.Identified?.Protocols.Contains(IdentifyProtocol.PushId, StringComparer.Ordinal) != true) continue;
            if (_table.Preferred(connection.RemotePeer) != connection) continue;
            connection.Told = now;
            message ??= Message(now, observed: null);
            _ = _tasks.Start(() => PushAsync(connection, message));
        }
    }

    private async Task PushAsync(Libp2pConnection connection, byte[] message)
    {
        try
        {
            var stream = await connection.OpenAsync(IdentifyProtocol.PushId, _stopping.Token);
            await RequestAsync(stream, "a push of identify", async token =>
            {
                await IdentifyProtocol.WriteAsync(stream, message, token);
                await stream.Output.CompleteAsync();
                return await IdentifyProtocol.ReadEndAsync(stream, token); // heard, or at least taken
            }, _stopping.Token);
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            HostLog.NotPushed(_logger, connection.RemotePeer, e.Message);
        }
    }

    private async Task HearPushAsync(Libp2pStream stream, CancellationToken cancellationToken)
    {
        var news = await RequestAsync(stream, "a push of identify", token => IdentifyProtocol.ReadAsync(stream, _limits, token), cancellationToken);
        foreach (var connection in _table.Of(stream.RemotePeer))
        {
            // What was never heard is asked for by identify, which answers with all of it.
            if (connection.Identified is { } known) Learn(connection, known.With(news));
        }
        HostLog.HeardPush(_logger, stream.RemotePeer);
    }
}
