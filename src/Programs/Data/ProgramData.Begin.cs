using PeoplesCloud.Base;
using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Programs.Data;

// What a new host does before a program starts: find the newest copy that it can reach, and make a folder of it.
public sealed partial class ProgramData
{
    /// <inheritdoc/>
    public async ValueTask<IProgramDataRun> BeginAsync(ProgramSpec spec, ulong epoch, Action<string> say, CancellationToken cancellationToken)
    {
        KeptOf(DataKey.Of(spec)).GiveUpFetching();
        var kept = await EnterAsync(DataKey.Of(spec), cancellationToken);
        try
        {
            if (kept.Run is not null) throw new PcException(ErrorCode.DataUnavailable, $"the data of {spec.Name} is used by another run on this host");
            var began = new DataStamp(DeployOf(spec), epoch, 0);

            // 1. What the program left here when it ran here last.
            var left = await SettleLiveAsync(kept, spec);

            // 2. What the others have; the newest of it, if it is newer than ours.
            var (age, members) = await FetchNewestAsync(kept, spec, began, cancellationToken);
            if (kept.Store.Newest is { } newer && newer.Stamp > began && !(newer.Stamp.IsOfEpoch(began) && newer.Holder == _self))
                throw new PcException(ErrorCode.DataSuperseded, $"a member has data of {spec.Name} that is newer than this run: epoch {newer.Stamp.Epoch}");

            // 3. A folder with it. The own one goes on when it has the newest files.
            var newest = kept.Store.Newest;
            IReadOnlyList<DataOrigin> origins = newest is null ? [] : newest.Stamp.IsOfEpoch(began) ? newest.Origins : [newest.Origin, .. newest.Origins.Take(DataLimits.MaxOrigins - 1)];
            if (left is not null && left == newest?.Content) kept.Store.ContinueLive(began, origins);
            else await MakeLiveAsync(kept, spec, began, origins, members, cancellationToken);

            // 4. From here on it is ours, and the guardians hear so.
            if (newest is not null || age.FilesBehind > 0) say($"data: began with {(newest is null ? "nothing" : $"{newest.Files} {(newest.Files == 1 ? "file" : "files")}, {Size.Text(newest.TotalBytes)}")}, {age}");
            var run = new DataRun(this, kept, spec, began, age, say, new DataParts(_self, _signer, _mesh, _swarm, _notices, _limits, _time, _logger));
            kept.Run = run;
            kept.IsSettled = false;
            run.Start();
            return run;
        }
        catch (Exception failed) when (failed is IOException or UnauthorizedAccessException)
        {
            throw new PcException(ErrorCode.DataUnavailable, $"the data folder of {spec.Name} could not be made: {failed.Message}", inner: failed);
        }
        finally
        {
            kept.Gate.Release();
        }
    }

    /// <summary>
    /// Makes a version of what is in the live folder, if that is not one already: the daemon may have died before it could. A version that
    /// is older than the newest and that nobody took over is kept as a conflict. Answers what is in it. The gate is held, and no run goes on.
    /// </summary>
    private async Task<DataHash?> SettleLiveAsync(KeptData kept, ProgramSpec spec)
    {
        if (kept.Store.Live is not { } live) return null;
        kept.IsSettled = true;
        var snapshot = await new DataScanner(kept.Store.LivePath, kept.Store, _limits, _time).TakeAsync(() => ValueTask.FromResult<IAsyncDisposable?>(null));
        if (snapshot.Entries is not { } entries) throw new PcException(ErrorCode.DataUnavailable, $"what {spec.Name} left on this host cannot be copied: {snapshot.Problem}");
        var newest = kept.Store.Newest;
        var content = DataVersionCodec.HashOf(entries);
        var own = newest is not null && newest.Stamp.IsOfEpoch(live.Began) && newest.Holder == _self ? newest : null;
        if (content == (own?.Content ?? (live.Origins is [var began, ..] ? began.Content : null)) || (own is null && live.Origins.Count == 0 && entries.Count == 0)) return content;
        // Above all that this run is known to have made: the newest may be built on one that is not here any more, and did not know this.
        var made = (newest?.Origins ?? []).Select(origin => origin.Stamp).Where(stamp => stamp.IsOfEpoch(live.Began)).Select(stamp => stamp.Number);
        var version = new DataVersion
        {
            Key = kept.Store.Key,
            Stamp = live.Began with { Number = made.Append(own?.Stamp.Number ?? 0).Append(live.Began.Number).Max() + 1 },
            Holder = _self,
            Taken = _time.GetUtcNow(),
            Origins = live.Origins,
            Entries = entries,
        };
        var signed = DataVersionCodec.Sign(version, _signer);
        if (newest is null || version.Stamp > newest.Stamp) Accept(kept, spec, version, signed);
        else if (!newest.TookOver(version)) KeepConflict(kept, spec, version, signed, newest);
        return content;
    }

    private async Task<(DataAge Age, IReadOnlyList<PeerId> Members)> FetchNewestAsync(KeptData kept, ProgramSpec spec, DataStamp began, CancellationToken cancellationToken)
    {
        var members = _swarm.KeepersOf(spec);
        var answers = (await Task.WhenAll(members.Select(member => AskAsync(member, spec, cancellationToken)))).OfType<(PeerId Member, DataState State)>().ToList();
        PeerId? from = null;
        foreach (var (member, state) in answers.Where(answer => answer.State.Newest?.Stamp < began).OrderByDescending(answer => answer.State.Newest!.Value.Stamp))
        {
            if (kept.Store.Newest?.Stamp >= state.Newest!.Value.Stamp) break; // ours is as new, and all that follow are older
            try
            {
                await FetchAsync(kept, spec, member, state.Newest.Value.Stamp, cancellationToken);
                from = member;
                break;
            }
            catch (Exception failed) when (failed is PcException or OperationCanceledException && !cancellationToken.IsCancellationRequested)
            {
                DataLog.NotFetched(_logger, spec.Name, member, failed.Message);
            }
        }
        var told = answers.Where(answer => answer.State.Told is not null).Select(answer => (Told: answer.State.Told!, answer.State.Silence)).ToList();
        if (kept.Heard is { } heard) told.Add((heard.Notice, SilenceOf(spec.Swarm, heard)));
        return (AgeOf(kept.Store.Newest, told, from, members.Count, answers.Count), [.. answers.Select(answer => answer.Member)]);
    }

    // A piece may be damaged on this disk, which is noticed when it is read: others have it.
    private async Task MakeLiveAsync(KeptData kept, ProgramSpec spec, DataStamp began, IReadOnlyList<DataOrigin> origins, IReadOnlyList<PeerId> members, CancellationToken cancellationToken)
    {
        var newest = kept.Store.Newest;
        foreach (var member in members)
        {
            if (newest is null || newest.Chunks.All(chunk => kept.Store.Read(chunk.Hash) is not null)) break;
            try
            {
                await FetchChunksAsync(kept, spec, member, newest, cancellationToken);
            }
            catch (Exception failed) when (failed is PcException or OperationCanceledException && !cancellationToken.IsCancellationRequested)
            {
                DataLog.NotFetched(_logger, spec.Name, member, failed.Message);
            }
        }
        kept.Store.MakeLive(newest, began, origins);
    }

    // What the last holder told last decides, whomever it told.
    private DataAge AgeOf(DataVersion? newest, List<(DataNotice Told, TimeSpan Silence)> told, PeerId? from, int asked, int answered)
    {
        if (newest is null) return new DataAge(0, TimeSpan.Zero, null, asked, answered);
        if (newest.Holder == _self || told.Count == 0) return new DataAge(0, newest.Holder == _self ? TimeSpan.Zero : Since(newest.Taken), from, asked, answered);
        var last = told.MaxBy(one => (one.Told.Newest.Stamp, -one.Silence));
        if (last.Told.Newest.Stamp > newest.Stamp) return new DataAge(Math.Max(1, last.Told.Lacking + last.Told.Pending), Since(newest.Taken), from, asked, answered);
        if (last.Told.Newest.Stamp < newest.Stamp) return new DataAge(0, Since(newest.Taken), from, asked, answered);
        var silence = told.Where(one => one.Told.Newest.Stamp == newest.Stamp).Min(one => one.Told.IsLast ? TimeSpan.Zero : one.Silence);
        return new DataAge(last.Told.IsLast ? 0 : last.Told.Pending, silence, from, asked, answered);
    }

    private TimeSpan Since(DateTimeOffset taken) => TimeSpan.FromTicks(Math.Max(0, (_time.GetUtcNow() - taken).Ticks));

    private async Task<(PeerId, DataState)?> AskAsync(PeerId member, ProgramSpec spec, CancellationToken cancellationToken)
    {
        using var timeout = new CancellationTokenSource(_limits.AskTimeout, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        try
        {
            return (member, await _mesh.StateAsync(member, spec, either.Token).AsTask().WaitAsync(either.Token));
        }
        catch (Exception unreachable) when (unreachable is PcException or IOException or OperationCanceledException && !cancellationToken.IsCancellationRequested)
        {
            return null;
        }
    }
}
