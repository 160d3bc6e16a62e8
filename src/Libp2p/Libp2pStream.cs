using System.IO.Pipelines;
using PeoplesCloud.Libp2p.Yamux;

namespace PeoplesCloud.Libp2p;

/// <summary>
/// One stream to a peer, with its protocol agreed. Completing <see cref="Output"/> closes our direction (half close): the other
/// side reads the end, and may still send. One reader and one writer at a time.
/// </summary>
public sealed class Libp2pStream : IDuplexPipe, IAsyncDisposable
{
    private readonly YamuxStream _stream;

    internal Libp2pStream(PeerId remotePeer, string protocol, YamuxStream stream, PipeReader input, Multiaddr remoteAddress)
    {
        (RemotePeer, Protocol, Input) = (remotePeer, protocol, input);
        (_stream, RemoteAddress) = (stream, remoteAddress);
    }

    /// <summary>The proven peer id of the other side.</summary>
    public PeerId RemotePeer { get; }

    /// <summary>The other side's address on this connection.</summary>
    public Multiaddr RemoteAddress { get; }

    /// <summary>What both sides of this stream's connection know and no other connection has (<see cref="Libp2pConnection.ChannelBinding"/>): a proof
    /// that is bound to it is worth nothing when somebody passes it on over another connection.</summary>
    public ReadOnlyMemory<byte> ChannelBinding { get; internal init; }

    /// <summary>The agreed protocol id.</summary>
    public string Protocol { get; }

    /// <summary>What the other side sends. Reading fails with <see cref="Libp2pException"/> when the stream was reset, or when the other side
    /// refused the protocol after it was proposed.</summary>
    public PipeReader Input { get; }

    /// <summary>What we send; flushing waits for the other side's window.</summary>
    public PipeWriter Output => _stream.Output;

    /// <summary>Cancelled when the stream was reset by either side or its connection ended; not when both directions were closed in order.</summary>
    public CancellationToken Closed => _stream.Aborted;

    /// <summary>Ends both directions at once; what was not delivered is lost. The other side sees a reset.</summary>
    public void Reset() => _stream.Reset();

    /// <summary>The stream as a <see cref="Stream"/>, asynchronous only. Disposing it is disposing this stream.</summary>
    public Stream AsStream() => new DuplexStream(this, resetOnDispose: false);

    /// <summary>Completes both directions: sends the end after what was written, and drops what was not read.</summary>
    public async ValueTask DisposeAsync()
    {
        await Output.CompleteAsync();
        await Input.CompleteAsync();
    }
}
