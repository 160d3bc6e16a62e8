using System.IO.Pipelines;

namespace PeoplesCloud.Libp2p;

/// <summary>
/// One stream to a peer, with its protocol agreed. Completing <see cref="Output"/> closes our direction (half close): the other
/// side reads the end, and may still send. One reader and one writer at a time.
/// </summary>
public sealed class Libp2pStream : IDuplexPipe, IAsyncDisposable
{
    internal Libp2pStream(PeerId remotePeer, string protocol, IDuplexPipe pipe, Action reset, CancellationToken closed)
    {
        (RemotePeer, Protocol, Input, Output) = (remotePeer, protocol, pipe.Input, pipe.Output);
        (_reset, Closed) = (reset, closed);
    }

    private readonly Action _reset;

    /// <summary>The proven peer id of the other side.</summary>
    public PeerId RemotePeer { get; }

    /// <summary>The agreed protocol id.</summary>
    public string Protocol { get; }

    /// <summary>What the other side sends. Reading fails with <see cref="Libp2pException"/> when the stream was reset.</summary>
    public PipeReader Input { get; }

    /// <summary>What we send; flushing waits for the other side's window.</summary>
    public PipeWriter Output { get; }

    /// <summary>Cancelled when the stream was reset by either side or its connection ended.</summary>
    public CancellationToken Closed { get; }

    /// <summary>Ends both directions at once; what was not delivered is lost. The other side sees a reset.</summary>
    public void Reset() => _reset();

    /// <summary>The stream as a <see cref="Stream"/>. Disposing it completes both directions.</summary>
    public Stream AsStream() => throw new NotSupportedException();

    /// <summary>Completes both directions: sends the end after what was written, and drops what was not read.</summary>
    public async ValueTask DisposeAsync()
    {
        await Output.CompleteAsync();
        await Input.CompleteAsync();
    }
}
