using System.Buffers;
using System.IO.Pipelines;
using PeoplesCloud.Base.Formats;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Runtimes.Ports;

namespace PeoplesCloud.Daemon.Tunnels;

/// <summary>Datagrams over a stream of the mesh, as frames. Nothing is lost on the way; what is too slow for it is lost before.</summary>
internal sealed class StreamDatagrams(Libp2pStream stream) : IDatagramChannel
{
    /// <inheritdoc/>
    public async ValueTask SendAsync(ReadOnlyMemory<byte> datagram, CancellationToken cancellationToken)
    {
        FlushResult flushed;
        try
        {
            DatagramFrame.Write(stream.Output, datagram.Span);
            flushed = await stream.Output.FlushAsync(cancellationToken);
        }
        catch (Exception e) when (e is Libp2pException or InvalidOperationException)
        {
            throw Ended(e);
        }
        if (flushed.IsCompleted) throw Ended(null);
    }

    /// <inheritdoc/>
    public async ValueTask WaitAsync(CancellationToken cancellationToken)
    {
        var (buffer, _) = await ReadAsync(cancellationToken);
        stream.Input.AdvanceTo(buffer.Start);
    }

    /// <inheritdoc/>
    public async ValueTask<int> ReceiveAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        var (bytes, datagram) = await ReadAsync(cancellationToken);
        datagram.CopyTo(buffer.Span);
        stream.Input.AdvanceTo(bytes.GetPosition(0, datagram.End));
        return (int)datagram.Length;
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        // There is no order in which datagrams end.
        stream.Reset();
        return ValueTask.CompletedTask;
    }

    /// <summary>What there is, of which the first frame is whole.</summary>
    private async ValueTask<(ReadOnlySequence<byte> Bytes, ReadOnlySequence<byte> Datagram)> ReadAsync(CancellationToken cancellationToken)
    {
        try
        {
            while (true)
            {
                var result = await stream.Input.ReadAsync(cancellationToken);
                var rest = result.Buffer;
                var status = DatagramFrame.TryRead(ref rest, out var datagram);
                if (status == ParseStatus.Done) return (result.Buffer, datagram);
                stream.Input.AdvanceTo(result.Buffer.Start, result.Buffer.End);
                if (status == ParseStatus.Invalid || result.IsCompleted) throw Ended(null);
            }
        }
        catch (Exception e) when (e is Libp2pException or InvalidOperationException)
        {
            throw Ended(e);
        }
    }

    private static IOException Ended(Exception? e) => new("the tunnel has ended", e);
}
