using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using PeoplesCloud.Base;
using PeoplesCloud.Base.Files;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Programs.Data;

/// <summary>
/// The data of programs on this node: of those that run here, whose changes are copied to their guardians, and of those that this node
/// guards. docs/protocols/program-data.md. Start here: <see cref="BeginAsync"/> is what a new host does, <see cref="NoticedAsync"/> what
/// a guardian does. Thread-safe.
/// </summary>
public sealed partial class ProgramData : IProgramData, IAsyncDisposable
{
    private const string AboutFile = "about";
    private const int MaxAboutBytes = 512;

    private readonly string _folder;
    private readonly PeerId _self;
    private readonly ISigner _signer;
    private readonly ISignatureVerifier _verifier;
    private readonly IDataMesh _mesh;
    private readonly IDataSwarm _swarm;
    private readonly IDisk _disk;
    private readonly DataLimits _limits;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly ChangeNotices _notices = new();
    private readonly ConcurrentDictionary<DataKey, KeptData> _kept = [];
    private readonly Lock _opening = new();

    /// <summary>Opens what is kept.</summary>
    /// <param name="folder">programs-data/ in the home, absolute.</param>
    /// <param name="signer">Signs as this node.</param>
    /// <param name="verifier">Verifies others.</param>
    /// <param name="mesh">Asks other nodes.</param>
    /// <param name="swarm">Knows who is who.</param>
    /// <param name="disk">Takes what must survive a power cut.</param>
    /// <param name="limits">The bounds.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">The daemon's log.</param>
    public ProgramData(string folder, ISigner signer, ISignatureVerifier verifier, IDataMesh mesh, IDataSwarm swarm, IDisk disk, DataLimits limits, TimeProvider time, ILogger logger)
    {
        (_folder, _self, _signer, _verifier, _mesh, _swarm, _disk, _limits, _time, _logger) = (folder, signer.Self, signer, verifier, mesh, swarm, disk, limits, time, logger);
        disk.MakeFolder(folder);
        foreach (var path in Directory.EnumerateDirectories(folder))
            if (ReadAbout(path) is { } key && key.FolderName == Path.GetFileName(path)) KeptOf(key);
    }

    /// <summary>Raised when something of a program's data changed here: a newer version, a conflict.</summary>
    public event Action<DataKey>? Changed;

    /// <summary>All copies on this node together, in bytes; the folders in which programs run are not among them.</summary>
    public long Bytes => _kept.Values.Sum(kept => kept.Store.Bytes);

    /// <summary>What this node has of a program's data, with what the program left here if this daemon or the one before died while it ran.</summary>
    public async Task<DataState> SettledStateOf(ProgramSpec spec, CancellationToken cancellationToken)
    {
        if (Find(DataKey.Of(spec)) is { Run: null, IsSettled: false, Store.Live: not null } kept)
        {
            await kept.Gate.WaitAsync(cancellationToken);
            try
            {
                if (kept.Run is null && !kept.IsSettled) await SettleLiveAsync(kept, spec);
            }
            catch (Exception failed) when (failed is IOException or UnauthorizedAccessException or PcException)
            {
                DataLog.Failed(_logger, spec.Name, failed); // what there was before is still something
            }
            finally
            {
                kept.Gate.Release();
            }
        }
        return StateOf(spec);
    }

    /// <summary>What this node has of a program's data now.</summary>
    public DataState StateOf(ProgramSpec spec)
    {
        var kept = Find(DataKey.Of(spec));
        var heard = kept?.Heard;
        return new DataState(kept?.Store.Newest?.Origin, heard?.Notice, heard is null ? TimeSpan.Zero : SilenceOf(spec.Swarm, heard), [.. kept?.Store.Conflicts.Keys ?? []]);
    }

    /// <summary>
    /// The newest version here, or the conflict of that name, as its holder signed it; null when there is none, or when it is of a later deploy:
    /// who was a guardian then need not be one now.
    /// </summary>
    /// <param name="asker">Who is to fetch it.</param>
    /// <param name="spec">The program.</param>
    /// <param name="conflict">The name of a conflict; null for the newest version.</param>
    public byte[]? SignedVersion(PeerId asker, ProgramSpec spec, string? conflict)
    {
        if (Find(DataKey.Of(spec)) is not { } kept) return null;
        var store = kept.Store;
        var (version, signed) = conflict is null ? (store.Newest, store.NewestSigned) : store.Conflicts.GetValueOrDefault(conflict);
        if (version is null || version.Stamp.Deploy > DeployOf(spec)) return null;
        if (conflict is null && kept.Fetched.ContainsKey(asker)) kept.Fetched[asker] = version; // not the one that was told of
        else kept.Readers[asker] = (version, _time.GetTimestamp());
        return signed;
    }

    /// <summary>A piece; null when it is not here.</summary>
    /// <param name="spec">The program.</param>
    /// <param name="hash">The piece.</param>
    /// <param name="asker">Who reads a version: what it has not asked for yet stays.</param>
    public byte[]? Chunk(ProgramSpec spec, DataHash hash, PeerId? asker = null)
    {
        if (Find(DataKey.Of(spec)) is not { } kept) return null;
        if (asker is { } reader && kept.Readers.TryGetValue(reader, out var read)) kept.Readers.TryUpdate(reader, (read.Version, _time.GetTimestamp()), read);
        return kept.Store.Read(hash);
    }

    /// <summary>Removes a conflict that somebody has taken care of, or all that is here of a stopped program's data. Answers whether there was any.</summary>
    /// <param name="asker">Who is to be named in the log.</param>
    /// <param name="spec">The program.</param>
    /// <param name="conflict">The name of a conflict; null for everything.</param>
    /// <param name="cancellationToken">Gives up before it begins.</param>
    /// <exception cref="PcException"><see cref="ErrorCode.DataInUse"/>: a run on this node has it.</exception>
    public async Task<bool> DropAsync(PeerId asker, ProgramSpec spec, string? conflict, CancellationToken cancellationToken)
    {
        if (Find(DataKey.Of(spec)) is not { } kept) return false;
        if (conflict is null) kept.GiveUpFetching();
        await kept.Gate.WaitAsync(cancellationToken);
        try
        {
            if (conflict is null)
            {
                if (kept.Run is not null) throw new PcException(ErrorCode.DataInUse, $"{spec.Name} still runs on this node");
                if (kept.IsRemoved) return false;
                Remove(kept);
            }
            else
            {
                if (kept.IsRemoved || !kept.Store.DropConflict(conflict)) return false;
                kept.Store.Collect(kept.Needed(_limits, _time));
            }
            DataLog.Dropped(_logger, spec.Name, conflict ?? "all of it", asker);
            return true;
        }
        finally
        {
            kept.Gate.Release();
        }
    }

    /// <summary>Removes what is kept of programs that are stopped for longer than <see cref="DataLimits.KeptAfterStop"/>; answers how many.</summary>
    /// <param name="isLive">Whether a program of that owner and name is deployed and not stopped.</param>
    public async Task<int> CollectAsync(Func<DataKey, bool> isLive)
    {
        var removed = 0;
        foreach (var (key, kept) in _kept)
        {
            var folder = Path.Combine(_folder, key.FolderName);
            if (isLive(key) || kept.Run is not null || _time.GetUtcNow() - new DateTimeOffset(Directory.GetLastWriteTimeUtc(folder), TimeSpan.Zero) < _limits.KeptAfterStop) continue;
            await kept.Gate.WaitAsync(CancellationToken.None);
            try
            {
                if (kept.Run is not null || kept.IsRemoved) continue;
                Remove(kept);
                removed++;
            }
            finally
            {
                kept.Gate.Release();
            }
        }
        return removed;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        foreach (var kept in _kept.Values)
        {
            kept.GiveUpFetching();
            if (kept.Run is { } run) await run.DisposeAsync();
        }
        _notices.Dispose();
    }

    /// <summary>When a program was deployed, as stamps have it.</summary>
    internal static ulong DeployOf(ProgramSpec spec) => (ulong)Math.Max(0, spec.DeployedAt.ToUnixTimeMilliseconds());

    /// <summary>Makes a version the newest. What the one before says and this one does not know is kept. The gate is held.</summary>
    internal void Accept(KeptData kept, ProgramSpec spec, DataVersion version, byte[] signed)
    {
        var (store, before, beforeSigned) = (kept.Store, kept.Store.Newest, kept.Store.NewestSigned);
        if (before is not null && !version.TookOver(before)) KeepConflict(kept, spec, before, beforeSigned, version);
        store.Commit(version, signed);
        store.Collect(kept.Needed(_limits, _time));
        Changed?.Invoke(store.Key);
    }

    private void KeepConflict(KeptData kept, ProgramSpec spec, DataVersion lost, byte[] signed, DataVersion newest)
    {
        var known = kept.Store.Conflicts.Count;
        var name = kept.Store.KeepConflict(lost, signed, _swarm.NameOf(spec.Swarm, lost.Holder));
        if (kept.Store.Conflicts.Count == known && known < DataLimits.MaxConflicts) return; // the same files are kept already
        var conflict = new DataConflict(name, lost.Holder, lost.Stamp.Epoch, lost.FilesUnlike(newest));
        DataLog.Conflict(_logger, spec.Name, conflict.Files, name);
        _swarm.TellOfConflict(spec, conflict);
    }

    // The gate is held.
    private void Remove(KeptData kept)
    {
        kept.IsRemoved = true;
        _kept.TryRemove(kept.Store.Key, out _);
        DataStore.Remove(Path.Combine(_folder, kept.Store.Key.FolderName), _disk);
    }

    // Waits for the gate of what is kept now: what it waited for may have been removed.
    private async Task<KeptData> EnterAsync(DataKey key, CancellationToken cancellationToken)
    {
        while (true)
        {
            var kept = KeptOf(key);
            await kept.Gate.WaitAsync(cancellationToken);
            if (!kept.IsRemoved) return kept;
            kept.Gate.Release();
        }
    }

    private KeptData? Find(DataKey key) => _kept.GetValueOrDefault(key);

    private KeptData KeptOf(DataKey key)
    {
        lock (_opening)
        {
            if (_kept.TryGetValue(key, out var known)) return known;
            var folder = Path.Combine(_folder, key.FolderName);
            _disk.MakeFolder(folder);
            var about = Path.Combine(folder, AboutFile);
            if (!File.Exists(about)) _disk.Replace(about, System.Text.Encoding.UTF8.GetBytes($"{key.Swarm}\n{key.Owner}\n{key.Name}\n"));
            return _kept[key] = new KeptData(new DataStore(folder, key, _disk, _verifier));
        }
    }

    private static DataKey? ReadAbout(string folder)
    {
        var file = new FileInfo(Path.Combine(folder, AboutFile));
        if (!file.Exists || file.Length > MaxAboutBytes) return null;
        return File.ReadAllLines(file.FullName) is [var swarm, var owner, var name] && SwarmId.TryParse(swarm, out var id) && PeerId.TryParse(owner, out var peer) && Names.IsValid(name)
            ? new DataKey(id, peer, name)
            : null;
    }

    private TimeSpan SilenceOf(SwarmId swarm, HeardNotice heard)
    {
        if (heard.Notice.IsLast) return TimeSpan.Zero;
        var told = _time.GetElapsedTime(heard.Timestamp);
        return _swarm.SilenceOf(swarm, heard.From) is { } silence && silence < told ? silence : told;
    }

    private static PcException Damaged(PeerId from, string what) => new(ErrorCode.DataDamaged, $"{from}: {what}");
}
