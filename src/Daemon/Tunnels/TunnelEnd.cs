using System.Buffers;
using System.Net.Sockets;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Runtimes;

namespace PeoplesCloud.Daemon.Tunnels;

/// <summary>One end of a tunnel: bytes both ways, each way closed on its own, or both broken off so that the other side sees that it is not all.</summary>
/// <param name="stream">The bytes.</param>
/// <param name="closeWrite">Says that nothing more will be written.</param>
/// <param name="abort">Breaks both ways off.</param>
internal sealed class TunnelEnd(Stream stream, Func<ValueTask> closeWrite, Action abort) : IAsyncDisposable
{
    /// <summary>The bytes.</summary>
    public Stream Stream => stream;

    /// <summary>The mesh's end.</summary>
    public static TunnelEnd Of(Libp2pStream stream) => new(stream.AsStream(), () => stream.Output.CompleteAsync(), stream.Reset);

    /// <summary>The program's end.</summary>
    public static TunnelEnd OfRun(Stream connection) => new(
        connection,
        () =>
        {
            if (connection is IHalfClosable half) half.CloseWrite();
            return ValueTask.CompletedTask;
        },
        connection.Dispose);

    /// <summary>The end of a person's program on this machine; the socket is taken over.</summary>
    public static TunnelEnd Of(Socket socket) => new(
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
    public static async Task JoinAsync(TunnelEnd one, TunnelEnd other, int bufferBytes, CancellationToken cancellationToken)
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

    private static async Task CarryAsync(TunnelEnd from, TunnelEnd to, int bufferBytes)
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
