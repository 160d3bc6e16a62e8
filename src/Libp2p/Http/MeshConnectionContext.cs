using System.Net;
using Microsoft.AspNetCore.Connections;

namespace PeoplesCloud.Libp2p.Http;

/// <summary>One HTTP stream as Kestrel sees it.</summary>
internal sealed class MeshConnectionContext : DefaultConnectionContext, IRemotePeerFeature
{
    private readonly Libp2pStream _stream;
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public MeshConnectionContext(string id, Libp2pStream stream, EndPoint local, CancellationToken closed)
        : base(id, stream, stream)
    {
        _stream = stream;
        ConnectionClosed = closed;
        LocalEndPoint = local;
        RemoteEndPoint = new MeshEndPoint(stream.RemotePeer);
        Features.Set<IRemotePeerFeature>(this);
    }

    public PeerId RemotePeer => _stream.RemotePeer;

    /// <summary>Completes when Kestrel is done with the stream.</summary>
    public Task Ended => _ended.Task;

    public override void Abort(ConnectionAbortedException abortReason) => _stream.Reset();

    public override async ValueTask DisposeAsync()
    {
        _ended.TrySetResult();
        await base.DisposeAsync();
    }
}
