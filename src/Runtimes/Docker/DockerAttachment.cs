using System.Net.Sockets;
using System.Threading.Channels;
using PeoplesCloud.Runtimes.Docker.Init;

namespace PeoplesCloud.Runtimes.Docker;

/// <summary>A connection that carries a container's input and both kinds of its output.</summary>
internal sealed class DockerAttachment(HttpClient http, Socket socket, Stream stream) : IAsyncDisposable
{
    // The latest counts: who is paused reads none of them meanwhile.
    private readonly Channel<TimeSpan> _until = Channel.CreateBounded<TimeSpan>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropOldest, SingleReader = true });
    private Task? _telling;

    /// <summary>What is written here is the command's standard input.</summary>
    public Stream Input => stream;

    /// <summary>Ends the command's input; its output goes on.</summary>
    public void EndInput()
    {
        try
        {
            socket.Shutdown(SocketShutdown.Send);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The connection has ended, and the input with it.
        }
    }

    /// <summary>Tells the keeper inside until when the command may run, as time since boot; returns at once. Nothing else may be written then.</summary>
    public void RunsUntil(TimeSpan sinceBoot)
    {
        _ = _until.Writer.TryWrite(sinceBoot);
        lock (_until) _telling ??= TellAsync();
    }

    /// <summary>Hands output over until it ends: with the command, or with the engine. Waiting in the receiver is the backpressure: the engine keeps 1 MB, then the command waits.</summary>
    /// <param name="output">The receiver.</param>
    /// <param name="failed">Called once when the receiver threw; what follows is dropped.</param>
    public async Task PumpAsync(Func<OutputKind, ReadOnlyMemory<byte>, ValueTask> output, Action<Exception> failed)
    {
        var frames = new DockerFrames();
        var buffer = new byte[DockerLimits.OutputBytes];
        var receives = true;
        try
        {
            while (await stream.ReadAsync(buffer) is > 0 and var count)
            {
                ReadOnlyMemory<byte> input = buffer.AsMemory(0, count);
                while (frames.TryTake(ref input, out var kind, out var piece))
                {
                    if (!receives) continue;
                    try
                    {
                        await output(kind, piece);
                    }
                    catch (Exception e)
                    {
                        receives = false;
                        failed(e);
                    }
                }
            }
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException or InvalidDataException)
        {
            // The engine went away; that the command did too is found out elsewhere.
            if (e is InvalidDataException) failed(e);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        _ = _until.Writer.TryComplete();
        await stream.DisposeAsync();
        http.Dispose();
        if (_telling is { } telling) await telling;
    }

    private async Task TellAsync()
    {
        try
        {
            await foreach (var until in _until.Reader.ReadAllAsync()) await stream.WriteAsync(InitScript.Until(until));
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            // The container has ended, or the engine: found out elsewhere.
        }
    }
}
