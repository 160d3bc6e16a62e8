using System.Threading.Channels;
using PeoplesCloud.Base;
using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Programs.Data;

/// <summary>Tells one guardian of the newest version until it has saved it, again and again.</summary>
internal sealed class GuardianCopy : IAsyncDisposable
{
    private static readonly TimeSpan LongestPause = TimeSpan.FromMinutes(1);

    private readonly PeerId _guardian;
    private readonly DataRun _run;
    private readonly KeptData _kept;
    private readonly ProgramSpec _spec;
    private readonly DataParts _parts;
    private readonly CancellationTokenSource _stopping = new();
    private readonly Channel<bool> _wake = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private readonly TaskCompletionSource _hasLastOrFailed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly SendPace _pace;
    private readonly Task _loop;
    private DataVersion? _saved;
    private DataStamp _held;

    /// <summary>Begins.</summary>
    public GuardianCopy(PeerId guardian, DataRun run, KeptData kept, ProgramSpec spec, DataParts parts)
    {
        (_guardian, _run, _kept, _spec, _parts) = (guardian, run, kept, spec, parts);
        _pace = new SendPace(parts.Limits, parts.Time);
        _loop = RunAsync();
    }

    /// <summary>Completes when it has the last version, or an attempt to give it that failed.</summary>
    public Task HasLastOrFailed => _hasLastOrFailed.Task;

    /// <summary>There is something new.</summary>
    public void Wake() => _wake.Writer.TryWrite(true);

    /// <summary>Ends it without waiting.</summary>
    public void Stop() => _stopping.Cancel();

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _loop;
        _stopping.Dispose();
    }

    private async Task RunAsync()
    {
        await Task.Yield();
        var (saidPending, saidLast) = (0, false);
        var pause = _parts.Limits.RetryPause;
        while (!_stopping.IsCancellationRequested)
        {
            try
            {
                var told = _run.Told;
                if (told is { } now && (_held < now.Newest.Stamp || now.Pending != saidPending || (now.IsLast && !saidLast)))
                {
                    var lacked = _held < now.Newest.Stamp ? now.Newest.BytesUnlike(_saved) : 0;
                    if (_pace.WaitFor(lacked) is var wait && wait > TimeSpan.Zero && !_run.Leaving.IsCancellationRequested)
                    {
                        await RestAsync(wait);
                        continue; // with what is the newest then
                    }
                    var (before, began) = (_saved, _parts.Time.GetTimestamp());
                    await TellAsync(now);
                    (saidPending, saidLast, pause) = (now.Pending, now.IsLast, _parts.Limits.RetryPause);
                    if (_saved != before) _pace.Sent(lacked, _parts.Time.GetElapsedTime(began));
                }
                if (told is { IsLast: true } || (told is null && _run.IsLast)) _hasLastOrFailed.TrySetResult();
                await _wake.Reader.ReadAsync(_stopping.Token);
            }
            catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
            {
                return;
            }
            catch (Exception failed)
            {
                DataLog.NotCopied(_parts.Logger, _spec.Name, _guardian, failed.Message);
                if (failed is PcException { Code: ErrorCode.DataRefused or ErrorCode.DataDamaged }) _run.SayOnce($"data: not copied to {_parts.Swarm.NameOf(_spec.Swarm, _guardian)}: {Quoted.Line(failed.Message)}");
                if (_run.IsLast) _hasLastOrFailed.TrySetResult();
                await PauseAsync(pause);
                pause = pause * 2 < LongestPause ? pause * 2 : LongestPause;
            }
        }
    }

    private async Task TellAsync((DataVersion Newest, int Pending, bool IsLast) now)
    {
        using var timeout = new CancellationTokenSource(_parts.Limits.NoticeTimeout, _parts.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, _stopping.Token);
        _kept.Fetched[_guardian] = now.Newest;
        var lacking = _held < now.Newest.Stamp ? now.Newest.FilesUnlike(_saved) : 0;
        try
        {
            _held = await _parts.Mesh.NoticeAsync(_guardian, _spec, new DataNotice(now.Newest.Origin, lacking, now.Pending, now.IsLast), either.Token);
        }
        finally
        {
            _kept.Fetched.TryRemove(_guardian, out _);
        }
        if (_held == now.Newest.Stamp) _saved = now.Newest;
        else if (!_held.IsOfEpoch(now.Newest.Stamp) && _held > now.Newest.Stamp)
            _run.SayOnce($"data: {_parts.Swarm.NameOf(_spec.Swarm, _guardian)} has newer data, of epoch {_held.Epoch}: this host is not the program's host any more");
    }

    private async Task RestAsync(TimeSpan wait)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(_run.Leaving, _stopping.Token);
        try
        {
            await Task.Delay(wait, _parts.Time, either.Token);
        }
        catch (OperationCanceledException)
        {
            // The last one goes at once, and then it ends.
        }
    }

    private async Task PauseAsync(TimeSpan pause)
    {
        try
        {
            await Task.Delay(pause, _parts.Time, _stopping.Token);
        }
        catch (OperationCanceledException)
        {
            // It ends.
        }
    }
}
