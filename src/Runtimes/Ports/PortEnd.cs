using System.Buffers;
using System.Net.Sockets;

namespace PeoplesCloud.Runtimes.Ports;

/// <summary>One end of a connection that is passed on: bytes both ways, each way closed on its own, or both broken off so that the other side sees that it is not all.</summary>
/// <param name="stream">The bytes.</param>
/// <param name="closeWrite">Says that nothing more will be written.</param>
/// <param name="abort">Breaks both ways off.</param>
public sealed class PortEnd(Stream stream, Func<ValueTask> closeWrite, Action abort) : IAsyncDisposable
{
    /// <summary>The bytes.</summary>
    public Stream Stream => stream;

    /// <summary>The program's end.</summary>
    public static PortEnd OfRun(Stream connection) => new(
        connection,
        () =>
        {
            if (connection is IHalfClosable half) half.CloseWrite();
            return ValueTask.CompletedTask;
        },
        connection.Dispose);

    /// <summary>The end of a program outside, as a browser; the socket is taken over.</summary>
    public static PortEnd Of(Socket socket) => new(
        new NetworkStream(socket, ownsSocket: true),
        () =>
        {
            socket.Shutdown(SocketShutdown.Send);
            return ValueTask.CompletedTask;
        },
        () => Reset(socket));

    /// <summary>
    /// Carries bytes until both directions have ended. What one side sends is read only as fast as the other takes it. When one direction
    /// fails or <paramref name="cancellationToken"/> is cancelled, both ends are broken off.
    /// </summary>
    public static async Task JoinAsync(PortEnd one, PortEnd other, int bufferBytes, CancellationToken cancellationToken)
    {
        await using var cut = cancellationToken.UnsafeRegister(
            _ =>
            {
                one.Abort();
                other.Abort();
            },
            null);
        await Task.WhenAll(CarryAsync(one, other, bufferBytes), CarryAsync(other, one, bufferBytes));
    }

    /// <summary>Ends a connection so that the other side sees a reset, not an end.</summary>
    public static void Reset(Socket socket)
    {
        try
        {
            socket.LingerState = new LingerOption(enable: true, 0);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // It is closed already.
        }
        socket.Dispose();
    }

    /// <summary>Breaks both ways off.</summary>
    public void Abort() => abort();

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => stream.DisposeAsync();

    private static async Task CarryAsync(PortEnd from, PortEnd to, int bufferBytes)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(bufferBytes);
        try
        {
            int count;
            while ((count = await from.Stream.ReadAsync(buffer, CancellationToken.None)) > 0) await to.Stream.WriteAsync(buffer.AsMemory(0, count), CancellationToken.None);
            await to.CloseWriteAsync();
        }
        catch (Exception)
        {
            // Whatever broke, half of it is worth nothing to the other side: it must not look like an end in order.
            from.Abort();
            to.Abort();
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private ValueTask CloseWriteAsync() => closeWrite();
}
