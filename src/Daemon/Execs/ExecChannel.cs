using System.Buffers.Binary;
using System.IO.Pipelines;
using System.Text.Json;
using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Http;
using PeoplesCloud.Runtimes;

namespace PeoplesCloud.Daemon.Execs;

/// <summary>The side of a connection on which the command runs, or which passes on to it: frames in become a standard input, outputs become frames.</summary>
internal sealed class ExecChannel(IDuplexPipe pipe)
{
    private readonly Pipe _input = new(new PipeOptions(pauseWriterThreshold: 64 << 10, resumeWriterThreshold: 32 << 10));

    /// <summary>The first frame's payload.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.BadRequest"/>: it is none.</exception>
    public async Task<byte[]> OpenAsync(CancellationToken cancellationToken) =>
        await ExecFrame.ReadAsync(pipe.Input, cancellationToken) is { Kind: ExecFrameKind.Open } first ? first.Payload : throw new PcException(ErrorCode.BadRequest, "a command's connection begins with the command");

    /// <summary>Runs something with the caller's input and outputs, then says how it ended. When the caller goes away it is cancelled.</summary>
    /// <param name="run">Runs it: input, output, cancellation; answers the exit code.</param>
    /// <param name="explain">What the caller is told of an exception.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task ServeAsync(Func<Stream, Func<OutputKind, ReadOnlyMemory<byte>, ValueTask>, CancellationToken, Task<int>> run, Func<Exception, PcException> explain, CancellationToken cancellationToken)
    {
        using var gone = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var feeding = FeedAsync(gone);
        try
        {
            var code = await run(_input.Reader.AsStream(), (kind, bytes) => ExecFrame.WriteAsync(pipe.Output, kind == OutputKind.Out ? ExecFrameKind.Out : ExecFrameKind.Err, bytes, gone.Token), gone.Token);
            var exit = new byte[4];
            BinaryPrimitives.WriteInt32BigEndian(exit, code);
            await ExecFrame.WriteAsync(pipe.Output, ExecFrameKind.Exit, exit, cancellationToken);
        }
        catch (Exception e) when (!gone.IsCancellationRequested)
        {
            var reply = Errors.ReplyOf(explain(e));
            await ExecFrame.WriteAsync(pipe.Output, ExecFrameKind.Error, JsonSerializer.SerializeToUtf8Bytes(reply, ExecJson.Default.ErrorReply), cancellationToken);
        }
        finally
        {
            await gone.CancelAsync();
            await feeding;
            await _input.Reader.CompleteAsync();
        }
    }

    private async Task FeedAsync(CancellationTokenSource gone)
    {
        try
        {
            while (await ExecFrame.ReadAsync(pipe.Input, gone.Token) is { } frame)
            {
                if (frame.Kind == ExecFrameKind.Input) await _input.Writer.WriteAsync(frame.Payload, gone.Token);
                if (frame.Kind == ExecFrameKind.InputEnds) await _input.Writer.CompleteAsync();
            }
            await gone.CancelAsync(); // the caller waits for no answer any more
        }
        catch (Exception) when (gone.IsCancellationRequested)
        {
            // It is over.
        }
        catch (Exception)
        {
            await gone.CancelAsync(); // the connection broke, or frames are none
        }
        finally
        {
            await _input.Writer.CompleteAsync();
        }
    }
}
