using PeoplesCloud.Base;
using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Programs.Data;

// A guardian's side: fetches what a holder has told of.
public sealed partial class ProgramData
{
    private const int MaxFetches = 3;

    /// <summary>A holder told what there is: fetches it. Answers the newest that is saved here, which is newer when somebody else is the holder now.</summary>
    /// <param name="from">Who told; proven by the connection.</param>
    /// <param name="spec">The program.</param>
    /// <param name="notice">What it told.</param>
    /// <param name="cancellationToken">Gives up; what was fetched is kept.</param>
    /// <exception cref="PcException"><see cref="ErrorCode.DataRefused"/>, <see cref="ErrorCode.DataDamaged"/>, or the holder is not reached.</exception>
    public async Task<DataStamp> NoticedAsync(PeerId from, ProgramSpec spec, DataNotice notice, CancellationToken cancellationToken)
    {
        var key = DataKey.Of(spec);
        if (notice.Newest.Stamp.Deploy != DeployOf(spec) || !_swarm.MayHold(key, from, notice.Newest.Stamp)) throw new PcException(ErrorCode.DataRefused, $"{from} is not the host of {spec.Name}");
        var kept = KeptOf(key);
        if (kept.Store.Newest is { } newer && newer.Stamp > notice.Newest.Stamp) return newer.Stamp;
        kept.Heard = new HeardNotice(from, notice, _time.GetTimestamp());
        if (kept.Store.Newest?.Stamp == notice.Newest.Stamp) return notice.Newest.Stamp;

        kept = await EnterAsync(key, cancellationToken);
        using var fetching = kept.BeginFetching(cancellationToken);
        try
        {
            // It is about to end, or else the sender is wrong; either way it asks again.
            if (kept.Run is not null) throw new PcException(ErrorCode.DataRefused, $"{spec.Name} still runs on this node");
            if (kept.Store.Newest?.Stamp >= notice.Newest.Stamp) return kept.Store.Newest.Stamp;
            await SettleLiveAsync(kept, spec);
            await FetchAsync(kept, spec, from, notice.Newest.Stamp, fetching.Token);
            kept.Store.DropLive(); // all that was in it is in a version
            return kept.Store.Newest!.Stamp;
        }
        catch (IOException failed)
        {
            throw new PcException(ErrorCode.DataRefused, $"the copy of {spec.Name}'s data could not be saved: {failed.Message}", inner: failed);
        }
        finally
        {
            kept.Gate.Release();
        }
    }

    // Fetches a member's newest version, if it is as new as that. The gate is held.
    private async Task FetchAsync(KeptData kept, ProgramSpec spec, PeerId from, DataStamp atLeast, CancellationToken cancellationToken)
    {
        for (var attempt = 0; attempt < MaxFetches; attempt++)
        {
            var signed = await _mesh.VersionAsync(from, spec, null, cancellationToken);
            if (!DataVersionCodec.TryRead(signed, _verifier, out var version) || version.Key != kept.Store.Key) throw Damaged(from, "what it sent is no version of this program's data");
            if (version.Stamp < atLeast || !_swarm.MayHold(version.Key, version.Holder, version.Stamp)) throw Damaged(from, "what it sent is not what it told of");
            CheckSize(kept, spec, version);
            if (!await FetchChunksAsync(kept, spec, from, version, cancellationToken)) continue; // it has a newer one by now
            Accept(kept, spec, version, signed);
            return;
        }
        throw new PcException(ErrorCode.DataRefused, $"the data of {spec.Name} changes faster than it can be fetched from {from}");
    }

    private async Task<bool> FetchChunksAsync(KeptData kept, ProgramSpec spec, PeerId from, DataVersion version, CancellationToken cancellationToken)
    {
        var missing = version.Chunks.DistinctBy(chunk => chunk.Hash).Where(chunk => !kept.Store.Has(chunk.Hash)).ToList();
        foreach (var batch in missing.Chunk(DataLimits.BatchChunks))
        {
            using var timeout = new CancellationTokenSource(_limits.FetchTimeout, _time);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
            var chunks = await _mesh.ChunksAsync(from, spec, [.. batch.Select(chunk => chunk.Hash)], either.Token);
            for (var i = 0; i < batch.Length; i++)
            {
                if (chunks[i].IsEmpty) return false;
                if (chunks[i].Length != batch[i].Bytes || DataHash.Of(chunks[i].Span) != batch[i].Hash) throw Damaged(from, "it sent other bytes than it had told of");
                kept.Store.Write(batch[i].Hash, chunks[i].Span);
            }
        }
        kept.Store.FlushPieces();
        return true;
    }

    private void CheckSize(KeptData kept, ProgramSpec spec, DataVersion version)
    {
        var bytes = version.TotalBytes;
        if (bytes > spec.Deployed.Limits.DiskBytes) throw new PcException(ErrorCode.DataRefused, $"the data of {spec.Name} has {Size.Text(bytes)}, more than the {Size.Text(spec.Deployed.Limits.DiskBytes)} that it was deployed with");
        var missing = version.Chunks.DistinctBy(chunk => chunk.Hash).Where(chunk => !kept.Store.Has(chunk.Hash)).Sum(chunk => (long)chunk.Bytes);
        if (Bytes + missing > _limits.MaxTotalBytes) throw new PcException(ErrorCode.DataRefused, $"this guardian keeps at most {Size.Text(_limits.MaxTotalBytes)} of programs' data");
    }
}
