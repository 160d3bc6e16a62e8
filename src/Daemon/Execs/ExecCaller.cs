using System.Buffers.Binary;
using System.IO.Pipelines;
using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Mesh;
using PeoplesCloud.Runtimes;

namespace PeoplesCloud.Daemon.Execs;

/// <summary>The side of a connection that wants something run: an input becomes frames, frames become outputs.</summary>
internal static class ExecCaller
{
    private const int BlockBytes = 16 << 10;

    /// <summary>Sends the command and its input, hands over its outputs, answers its exit code.</summary>
    /// <exception cref="PcException">What the other side said, or <see cref="ErrorCode.PeerUnreachable"/> when the connection ended before.</exception>
    public static async Task<int> RunAsync(
        IDuplexPipe pipe, byte[] open, Stream input, Func<OutputKind, ReadOnlyMemory<byte>, ValueTask> output, CancellationToken cancellationToken)
    {
        await ExecFrame.WriteAsync(pipe.Output, ExecFrameKind.Open, open, cancellationToken);
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var feeding = FeedAsync(pipe.Output, input, over.Token);
        try
        {
            while (await ExecFrame.ReadAsync(pipe.Input, cancellationToken) is { } frame)
            {
                switch (frame.Kind)
                {
                    case ExecFrameKind.Out:
                        await output(OutputKind.Out, frame.Payload);
                        break;
                    case ExecFrameKind.Err:
                        await output(OutputKind.Err, frame.Payload);
                        break;
                    case ExecFrameKind.Exit when frame.Payload.Length == 4:
                        return BinaryPrimitives.ReadInt32BigEndian(frame.Payload);
                    case ExecFrameKind.Error:
                        throw ErrorOf(frame.Payload);
                }
            }
            throw new PcException(ErrorCode.PeerUnreachable, "the connection to the program's host ended before the command did");
        }
        finally
        {
            await over.CancelAsync();
            await Task.WhenAny(feeding);
            _ = feeding.Exception;
        }
    }

    private static async Task FeedAsync(PipeWriter output, Stream input, CancellationToken cancellationToken)
    {
        var block = new byte[BlockBytes];
        while (await input.ReadAsync(block, cancellationToken) is > 0 and var count)
            await ExecFrame.WriteAsync(output, ExecFrameKind.Input, block.AsMemory(0, count), cancellationToken);
        await ExecFrame.WriteAsync(output, ExecFrameKind.InputEnds, default, cancellationToken);
    }

    private static PcException ErrorOf(byte[] payload)
    {
        var error = ExecJson.Read(payload, ExecJson.Default.ErrorReply);
        return error.Code is ['P', 'C', .. var digits] && int.TryParse(digits, out var number) && Enum.IsDefined((ErrorCode)number)
            ? new PcException((ErrorCode)number, MeshClient.Clean(error.Message), MeshClient.Clean(error.Hint))
            : new PcException(ErrorCode.PeerFailed, "the program's host could not run the command");
    }
}
