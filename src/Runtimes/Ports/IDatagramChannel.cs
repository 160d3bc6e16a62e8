namespace PeoplesCloud.Runtimes.Ports;

/// <summary>
/// A way for datagrams to and from one UDP port of a command, with an address of its own there: the command sees two channels as two senders, and
/// what it answers to one comes out of that one. As with UDP anything may be lost. One sender and one receiver at a time.
/// </summary>
public interface IDatagramChannel : IAsyncDisposable
{
    /// <summary>Sends one datagram, which may be empty; completes when the way takes it, or when it is lost because nobody listens any more.</summary>
    /// <param name="datagram">At most <see cref="PortLimits.MaxDatagramBytes"/>; one that is too long is lost.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="IOException">The way has ended, and with it all that may still come.</exception>
    ValueTask SendAsync(ReadOnlyMemory<byte> datagram, CancellationToken cancellationToken);

    /// <summary>Completes when a datagram may be there, so that whoever waits holds no buffer meanwhile.</summary>
    /// <exception cref="IOException">The way has ended.</exception>
    ValueTask WaitAsync(CancellationToken cancellationToken);

    /// <summary>Receives one datagram; waits for it if there is none.</summary>
    /// <param name="buffer">As large as <see cref="PortLimits.MaxDatagramBytes"/>.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>Its length, which may be 0.</returns>
    /// <exception cref="IOException">The way has ended.</exception>
    ValueTask<int> ReceiveAsync(Memory<byte> buffer, CancellationToken cancellationToken);
}
