using System.Net.Sockets;
using PeoplesCloud.Runtimes.Ports;

namespace PeoplesCloud.Runtimes.Sandbox;

/// <summary>A connected UDP socket that was made in a sandbox's network. It would outlive the run, so the door closes it then.</summary>
internal sealed class SandboxDatagrams(Socket socket, Action<SandboxDatagrams> closed) : IDatagramChannel
{
    // As many datagrams that met nobody may be told one by one.
    private const int SendAttempts = 4;

    /// <inheritdoc/>
    public async ValueTask SendAsync(ReadOnlyMemory<byte> datagram, CancellationToken cancellationToken)
    {
        try
        {
            for (var attempt = 1; ; attempt++)
            {
                try
                {
                    _ = await socket.SendAsync(datagram, SocketFlags.None, cancellationToken);
                    return;
                }
                catch (SocketException e) when (IsLoss(e) && attempt < SendAttempts)
                {
                    // Said of an earlier datagram, that it met nobody, and this one was not sent.
                }
            }
        }
        catch (SocketException e) when (IsLoss(e) || e.SocketErrorCode is SocketError.MessageSize or SocketError.NoBufferSpaceAvailable)
        {
            // As UDP has it.
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            throw Ended(e);
        }
    }

    /// <inheritdoc/>
    public async ValueTask WaitAsync(CancellationToken cancellationToken) => _ = await ReceiveAsync(Memory<byte>.Empty, SocketFlags.Peek, cancellationToken);

    /// <inheritdoc/>
    public ValueTask<int> ReceiveAsync(Memory<byte> buffer, CancellationToken cancellationToken) => ReceiveAsync(buffer, SocketFlags.None, cancellationToken);

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        Close();
        closed(this);
        return ValueTask.CompletedTask;
    }

    /// <summary>Ends it; who waits for a datagram is told.</summary>
    public void Close() => socket.Dispose();

    private async ValueTask<int> ReceiveAsync(Memory<byte> buffer, SocketFlags how, CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                return await socket.ReceiveAsync(buffer, how, cancellationToken);
            }
            catch (SocketException e) when (IsLoss(e))
            {
                // What was sent before met nobody; the program may listen again.
            }
            catch (SocketException e) when (e.SocketErrorCode is SocketError.MessageSize && buffer.IsEmpty)
            {
                return 0; // more than nothing is there
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                throw Ended(e);
            }
        }
    }

    private static bool IsLoss(SocketException e) => e.SocketErrorCode is SocketError.ConnectionRefused;

    private static IOException Ended(Exception e) => new("the program has ended", e);
}
