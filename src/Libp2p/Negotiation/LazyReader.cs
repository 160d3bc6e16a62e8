using System.IO.Pipelines;

namespace PeoplesCloud.Libp2p.Negotiation;

/// <summary>
/// The input of a stream whose proposal was sent but not answered yet: the first read waits for the answer and checks it, so that no
/// byte of a refused stream reaches the application, even when data was already sent. Then it hands everything to the stream's reader.
/// </summary>
internal sealed class LazyReader(PipeReader inner, Func<Task> readAnswer) : PipeReader
{
    private readonly Lock _lock = new();
    private CancellationTokenSource? _waiting;
    private Task? _answer;
    private bool _agreed;
    private bool _cancelled;

    public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default) =>
        _agreed ? inner.ReadAsync(cancellationToken) : ReadFirstAsync(cancellationToken);

    public override bool TryRead(out ReadResult result)
    {
        result = default;
        return _agreed && inner.TryRead(out result);
    }

    public override void AdvanceTo(SequencePosition consumed)
    {
        if (_agreed) inner.AdvanceTo(consumed);
    }

    public override void AdvanceTo(SequencePosition consumed, SequencePosition examined)
    {
        if (_agreed) inner.AdvanceTo(consumed, examined);
    }

    public override void CancelPendingRead()
    {
        lock (_lock)
        {
            if (!_agreed)
            {
                _cancelled = true;
                _waiting?.Cancel();
                return;
            }
        }
        inner.CancelPendingRead();
    }

    public override void Complete(Exception? exception = null) => inner.Complete(exception);

    public override ValueTask CompleteAsync(Exception? exception = null) => inner.CompleteAsync(exception);

    private async ValueTask<ReadResult> ReadFirstAsync(CancellationToken cancellationToken)
    {
        using var waiting = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        lock (_lock)
        {
            if (_cancelled) return Cancelled();
            _waiting = waiting;
            // One task for all calls: a read that is cancelled half way must not lose the bytes it took.
            _answer ??= readAnswer();
        }
        try
        {
            await _answer.WaitAsync(waiting.Token);
            lock (_lock) _agreed = true;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested && waiting.IsCancellationRequested)
        {
            lock (_lock) return Cancelled();
        }
        finally
        {
            lock (_lock) _waiting = null;
        }
        return await inner.ReadAsync(cancellationToken);
    }

    private ReadResult Cancelled()
    {
        _cancelled = false;
        return new ReadResult(default, isCanceled: true, isCompleted: false);
    }
}
