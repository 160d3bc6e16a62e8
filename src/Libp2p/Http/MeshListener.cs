using System.Net;
using System.Threading.Channels;
using Microsoft.AspNetCore.Connections;

namespace PeoplesCloud.Libp2p.Http;

/// <summary>Gives Kestrel a listener for <see cref="MeshEndPoint"/>, and for nothing else: the selector keeps it from end points of sockets.</summary>
internal sealed class MeshListenerFactory(Libp2pHost host) : IConnectionListenerFactory, IConnectionListenerFactorySelector
{
    public bool CanBind(EndPoint endpoint) => endpoint is MeshEndPoint;

    public ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default) =>
        ValueTask.FromResult<IConnectionListener>(new MeshListener(host, endpoint));
}

/// <summary>The <c>/http/1.1</c> streams of a host as connections of Kestrel.</summary>
internal sealed class MeshListener : IConnectionListener
{
    // Kestrel takes them at once; when it does not, the streams wait in their handlers and the peer's limit on streams holds.
    private const int MaxWaiting = 64;

    private readonly Libp2pHost _host;
    private readonly Channel<MeshConnectionContext> _waiting = Channel.CreateBounded<MeshConnectionContext>(MaxWaiting);
    private long _lastId;

    public MeshListener(Libp2pHost host, EndPoint endPoint)
    {
        (_host, EndPoint) = (host, endPoint);
        host.Handle(MeshHttp.Protocol, ServeAsync);
    }

    public EndPoint EndPoint { get; }

    public async ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken = default)
    {
        while (await _waiting.Reader.WaitToReadAsync(cancellationToken))
            if (_waiting.Reader.TryRead(out var connection)) return connection;
        return null;
    }

    public ValueTask UnbindAsync(CancellationToken cancellationToken = default)
    {
        _host.StopHandling(MeshHttp.Protocol);
        _waiting.Writer.TryComplete();
        return default;
    }

    public ValueTask DisposeAsync() => UnbindAsync(CancellationToken.None);

    // The handler lives as long as Kestrel's connection: the host disposes the stream when it ends.
    private async Task ServeAsync(Libp2pStream stream, CancellationToken cancellationToken)
    {
        var connection = new MeshConnectionContext($"{stream.RemotePeer}:{Interlocked.Increment(ref _lastId)}", stream, EndPoint, cancellationToken);
        try
        {
            await _waiting.Writer.WriteAsync(connection, cancellationToken);
        }
        catch (ChannelClosedException)
        {
            stream.Reset();
            return;
        }
        await connection.Ended;
    }
}
