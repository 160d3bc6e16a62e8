using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using PeoplesCloud.Base;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Runtimes;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Programs.Data;

/// <summary>What a run needs of the node.</summary>
internal sealed record DataParts(PeerId Self, ISigner Signer, IDataMesh Mesh, IDataSwarm Swarm, ChangeNotices Notices, DataLimits Limits, TimeProvider Time, ILogger Logger);

/// <summary>
/// A program's data while it runs here. One loop makes versions of what changed; one for each guardian tells it of the newest until it
/// has saved it. Thread-safe.
/// </summary>
internal sealed class DataRun : IProgramDataRun
{
    // Copying takes at most about a sixth of the time, however much a program writes.
    private const int RestFactor = 5;
    private static readonly TimeSpan LongestRest = TimeSpan.FromSeconds(10);

    private readonly ProgramData _data;
    private readonly KeptData _kept;
    private readonly ProgramSpec _spec;
    private readonly DataStamp _began;
    private readonly Action<string> _say;
    private readonly DataParts _parts;
    private readonly DataScanner _scanner;
    private readonly Channel<bool> _changes = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private readonly CancellationTokenSource _stopping = new();
    private readonly Dictionary<PeerId, GuardianCopy> _copies = [];
    private readonly HashSet<string> _said = new(StringComparer.Ordinal);
    private readonly Lock _lock = new();
    private ChangeNotices.Watch? _watch;
    private Task _loop = Task.CompletedTask;
    private Task? _disposed;
    private IRun? _run;
    private long _firstBytes = -1;
    private long? _restlessSince;
    private bool _isLast;
    private bool _isEnding;

    public DataRun(ProgramData data, KeptData kept, ProgramSpec spec, DataStamp began, DataAge age, Action<string> say, DataParts parts)
    {
        (_data, _kept, _spec, _began, _say, _parts) = (data, kept, spec, began, say, parts);
        Leaving = _stopping.Token;
        Age = age;
        Folder = kept.Store.LivePath;
        _scanner = new DataScanner(Folder, kept.Store, parts.Limits, parts.Time);
    }

    /// <inheritdoc/>
    public string Folder { get; }

    /// <inheritdoc/>
    public DataAge Age { get; }

    /// <summary>What the guardians are told now; null while there is nothing.</summary>
    public (DataVersion Newest, int Pending, bool IsLast)? Told
    {
        get
        {
            lock (_lock) return _kept.Store.Newest is { } newest && newest.Stamp.IsOfEpoch(_began) ? (newest, Pending, _isLast) : null;
        }
    }

    /// <summary>Whether the program has left this host.</summary>
    public bool IsLast
    {
        get
        {
            lock (_lock) return _isLast;
        }
    }

    /// <summary>Cancelled when the program leaves this host: what is still to be sent is sent at once.</summary>
    public CancellationToken Leaving { get; }

    private int Pending { get; set; }

    /// <summary>Begins; call once, with the gate held.</summary>
    public void Start()
    {
        // An epoch begins with a version of its own, so that a former host hears that it is over, whatever it had changed.
        if (_kept.Store.Newest is { } newest) Commit(newest.Entries);
        _loop = RunAsync();
    }

    /// <inheritdoc/>
    public void Started(IRun run) => _run = run;

    /// <inheritdoc/>
    public async ValueTask EndedAsync()
    {
        _run = null;
        await CopyAsync();
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        lock (_lock) return new ValueTask(_disposed ??= EndAsync());
    }

    private async Task EndAsync()
    {
        await Task.Yield();
        await _stopping.CancelAsync();
        await _loop;
        (_run, _isEnding) = (null, true);
        await CopyAsync();
        lock (_lock) _isLast = true;
        GuardianCopy[] copies = [.. _copies.Values];
        foreach (var copy in copies) copy.Wake();
        await Task.WhenAny(Task.WhenAll(copies.Select(copy => copy.HasLastOrFailed)), Task.Delay(_parts.Limits.HandOverTimeout, _parts.Time, CancellationToken.None));
        foreach (var copy in copies) await copy.DisposeAsync();
        _kept.Fetched.Clear();
        _watch?.Dispose();
        _kept.Run = null; // the live folder is a version now
        _stopping.Dispose();
    }

    private async Task RunAsync()
    {
        await Task.Yield();
        var (limits, time) = (_parts.Limits, _parts.Time);
        try
        {
            _watch = _parts.Notices.Begin(Folder, () => _changes.Writer.TryWrite(true));
            while (!_stopping.IsCancellationRequested)
            {
                if (await WaitForChangeAsync(_watch.IsBlind ? limits.BlindScanInterval : limits.ScanInterval)) await Task.Delay(limits.Settle, time, _stopping.Token);
                while (_changes.Reader.TryRead(out _))
                {
                    // All of them are in the copy that is made now.
                }
                var started = time.GetTimestamp();
                _watch.Renew();
                await CopyAsync();
                var rest = time.GetElapsedTime(started) * RestFactor;
                await Task.Delay(rest < LongestRest ? rest : LongestRest, time, _stopping.Token);
            }
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
            // The run ends.
        }
        catch (Exception failed)
        {
            // The program goes on; what it changes is copied when it ends.
            DataLog.Failed(_parts.Logger, _spec.Name, failed);
            SayOnce($"data: changes are not copied any more: {failed.Message}");
        }
    }

    private async Task<bool> WaitForChangeAsync(TimeSpan atMost)
    {
        using var timeout = new CancellationTokenSource(atMost, _parts.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, _stopping.Token);
        try
        {
            return await _changes.Reader.WaitToReadAsync(either.Token);
        }
        catch (OperationCanceledException) when (!_stopping.IsCancellationRequested)
        {
            return false;
        }
    }

    private async Task CopyAsync()
    {
        await _kept.Gate.WaitAsync(CancellationToken.None);
        try
        {
            var guardians = RenewCopies();
            // Alone, a copy would help nobody; the folder itself is all there is. The last one tells others what there was when they come.
            var snapshot = guardians > 0 || _isEnding ? await _scanner.TakeAsync(PauseAsync, MostPausedBytes) : null;
            await BoundAsync(snapshot?.Bytes ?? _scanner.Measure().Bytes);
            if (snapshot is null) return;
            foreach (var leftOut in snapshot.LeftOut) SayOnce($"data: not copied: {leftOut}");
            if (snapshot.Problem is { } problem) SayOnce($"data: not copied: {problem}");
            TakePending(snapshot.Pending);
            if (snapshot.Entries is not null && snapshot.Pending > 0 && _run is not null) SayOnce("data: more changes without rest than the program can be paused for: its files are copied one by one, not as they were at one moment");
            if (snapshot.Entries is { } entries && snapshot.Bytes <= _spec.Deployed.Limits.DiskBytes && DataVersionCodec.HashOf(entries) != _kept.Store.Newest?.Content && (entries.Count > 0 || _kept.Store.Newest is not null)) Commit(entries);
        }
        catch (Exception failed) when (failed is IOException or UnauthorizedAccessException)
        {
            // A full disk, most likely; tried again with the next change.
            SayOnce($"data: not copied: {failed.Message}");
        }
        finally
        {
            _kept.Gate.Release();
        }
    }

    // What has ended rests.
    private long MostPausedBytes =>
        _run is null ? long.MaxValue : _restlessSince is { } since && _parts.Time.GetElapsedTime(since) >= _parts.Limits.RestPatience ? _parts.Limits.MaxLongPauseBytes : _parts.Limits.MaxPausedBytes;

    // The gate is held. Who takes over later is to know that there was more, though there is no newer version.
    private void TakePending(int pending)
    {
        _restlessSince = pending == 0 ? null : _restlessSince ?? _parts.Time.GetTimestamp();
        lock (_lock)
        {
            if (Pending == pending) return;
            Pending = pending;
        }
        foreach (var copy in _copies.Values) copy.Wake();
    }

    private void Commit(IReadOnlyList<DataEntry> entries)
    {
        var before = _kept.Store.Newest;
        var version = new DataVersion
        {
            Key = _kept.Store.Key,
            Stamp = _began with { Number = (before is not null && before.Stamp.IsOfEpoch(_began) ? before.Stamp.Number : 0) + 1 },
            Holder = _parts.Self,
            Taken = _parts.Time.GetUtcNow(),
            Origins = _kept.Store.Live!.Origins,
            Entries = entries,
        };
        _data.Accept(_kept, _spec, version, DataVersionCodec.Sign(version, _parts.Signer));
        foreach (var copy in _copies.Values) copy.Wake();
    }

    // The guardians may change while it runs. The gate is held.
    private int RenewCopies()
    {
        var guardians = _parts.Swarm.GuardiansOf(_spec).ToHashSet();
        foreach (var (gone, copy) in _copies.Where(copy => !guardians.Contains(copy.Key)).ToList())
        {
            _copies.Remove(gone);
            copy.Stop();
        }
        foreach (var guardian in guardians.Where(guardian => !_copies.ContainsKey(guardian))) _copies[guardian] = new GuardianCopy(guardian, this, _kept, _spec, _parts);
        return _copies.Count;
    }

    private async ValueTask<IAsyncDisposable?> PauseAsync()
    {
        if (_run is not { } run) return null;
        await run.FreezeAsync();
        return new Pause(run);
    }

    // No file system limits a folder's size everywhere; so it is measured, and who writes too much is ended. A program that begins with
    // too much may make it less.
    private async Task BoundAsync(long bytes)
    {
        var most = _spec.Deployed.Limits.DiskBytes;
        if (_firstBytes < 0) _firstBytes = bytes;
        if (bytes <= most || bytes <= _firstBytes || _run is not { } run) return;
        _say($"data: holds {Size.Text(bytes)}, more than the {Size.Text(most)} that this program may use; it was ended");
        _firstBytes = bytes;
        await run.StopAsync(TimeSpan.Zero);
    }

    /// <summary>Says something to the program's owner, but not with every copy again.</summary>
    internal void SayOnce(string text)
    {
        lock (_lock)
        {
            if (_said.Count >= 100 || !_said.Add(text)) return;
        }
        _say(text);
    }

    private sealed class Pause(IRun run) : IAsyncDisposable
    {
        public ValueTask DisposeAsync() => run.ThawAsync();
    }
}
