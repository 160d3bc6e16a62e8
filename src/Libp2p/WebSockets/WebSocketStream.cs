using System.Net.WebSockets;

namespace PeoplesCloud.Libp2p.WebSockets;

/// <summary>
/// The bytes that go over a WebSocket: each write is one binary message, and where messages begin and end means nothing. Asynchronous only; one reader and
/// one writer. The end is the end of the connection: what is above says goodbye in its own words.
/// </summary>
internal sealed class WebSocketStream(WebSocket socket, Stream transport) : Stream
{
    public override bool CanRead => true;

    public override bool CanWrite => true;

    public override bool CanSeek => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (buffer.IsEmpty) return 0;
        try
        {
            while (true)
            {
                var result = await socket.ReceiveAsync(buffer, cancellationToken);
                if (result.MessageType == WebSocketMessageType.Close) return 0;
                if (result.MessageType == WebSocketMessageType.Text) throw new Libp2pException(Libp2pError.ProtocolViolation, "a text message came over the WebSocket");
                if (result.Count > 0) return result.Count; // empty messages are allowed and mean nothing
            }
        }
        catch (WebSocketException e)
        {
            throw Ended(e);
        }
    }

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        try
        {
            await socket.SendAsync(buffer, WebSocketMessageType.Binary, endOfMessage: true, cancellationToken);
        }
        catch (WebSocketException e)
        {
            throw Ended(e);
        }
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public override void Flush()
    {
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException("use ReadAsync");

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException("use WriteAsync");

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            transport.Dispose();
            socket.Dispose();
        }
        base.Dispose(disposing);
    }

    private static Libp2pException Ended(WebSocketException e) => new Libp2pException(Libp2pError.ConnectionClosed, $"the WebSocket ended: {e.Message}", e);
}
