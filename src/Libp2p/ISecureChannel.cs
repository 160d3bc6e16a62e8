namespace PeoplesCloud.Libp2p;

/// <summary>
/// An encrypted, authenticated byte channel below the stream muxer. One reader and one writer at a time; reading and writing
/// may overlap. Real: Noise. Disposing closes the transport.
/// </summary>
internal interface ISecureChannel : IAsyncDisposable
{
    /// <summary>The peer id that the other side proved.</summary>
    PeerId RemotePeer { get; }

    /// <summary>The muxer agreed inside the handshake; null when it has to be negotiated.</summary>
    string? EarlyMuxer { get; }

    /// <summary>Reads at least one byte; 0 at the authenticated or unauthenticated end.</summary>
    ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken);

    /// <summary>Writes all bytes.</summary>
    ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken);
}
