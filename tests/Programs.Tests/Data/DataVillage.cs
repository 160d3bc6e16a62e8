using System.Collections.Concurrent;
using Microsoft.Extensions.Logging.Abstractions;
using PeoplesCloud.Base;
using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Base.Files;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Programs.Data;
using PeoplesCloud.Programs.Tests.Support;
using PeoplesCloud.Runtimes;
using PeoplesCloud.Runtimes.Ports;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Programs.Tests.Data;

/// <summary>Some nodes that keep one program's data, with method calls as the mesh, on real folders.</summary>
internal sealed class DataVillage : IAsyncDisposable
{
    private readonly List<DataNode> _nodes = [];
    private readonly SwarmId _swarm = new(EntryHash.Of("swarm"u8));
    private int _deploys;

    public TestFolder Folder { get; } = new();

    public IReadOnlyList<DataNode> Nodes => _nodes;

    /// <summary>The program as it is deployed now.</summary>
    public ProgramSpec Spec { get; private set; } = null!;

    /// <summary>When deploys were, with whoever may hold the program then.</summary>
    public HashSet<ulong> Deploys { get; } = [];

    public DataNode Add(string name, IDisk? disk = null, DataLimits? limits = null)
    {
        var node = new DataNode(this, name, disk ?? new QuickDisk(), limits ?? new DataLimits { ScanInterval = TimeSpan.FromSeconds(1), RetryPause = TimeSpan.FromMilliseconds(50), ReaderPatience = TimeSpan.Zero });
        _nodes.Add(node);
        if (Spec is null) Deploy();
        return node;
    }

    /// <summary>Deploys the program (again).</summary>
    public ProgramSpec Deploy(long diskBytes = 64 << 20)
    {
        var limits = new ProgramLimits(1 << 28, 1000, 64, diskBytes, "none");
        var deployed = new ProgramDeployed("bot", PeoplesCloud.Content.Cid.V0(new byte[32]), 1, "py3", limits, []) { Manifest = new ProgramManifest { Data = true } };
        var at = new DateTimeOffset(2031, 5, 4, 3, 2, 1, TimeSpan.Zero).AddSeconds(++_deploys);
        Deploys.Add((ulong)at.ToUnixTimeMilliseconds());
        return Spec = new ProgramSpec(EntryHash.Of([(byte)_deploys]), _swarm, _nodes[0].Self, deployed, at);
    }

    public DataNode Of(PeerId peer) => _nodes.Single(node => node.Self == peer);

    public async ValueTask DisposeAsync()
    {
        foreach (var node in _nodes) await node.DisposeAsync();
        Folder.Dispose();
    }
}

/// <summary>A disk without flushes, for tests that cut no power.</summary>
internal class QuickDisk : SystemDisk
{
    public override void Flush(Microsoft.Win32.SafeHandles.SafeFileHandle file)
    {
    }

    public override void FlushFolder(string folder)
    {
    }
}

/// <summary>One node, which is also its own view of the others.</summary>
internal sealed class DataNode : IDataMesh, IDataSwarm, IAsyncDisposable
{
    private readonly DataVillage _village;
    private readonly Ed25519Key _key = new(Ed25519Key.NewSeed());
    private readonly IDisk _disk;
    private readonly DataLimits _limits;

    public DataNode(DataVillage village, string name, IDisk disk, DataLimits limits)
    {
        (_village, Name, _disk, _limits) = (village, name, disk, limits);
        Signer = new Ed25519Signer(_key);
        Data = Open();
    }

    public string Name { get; }

    public Ed25519Signer Signer { get; }

    public PeerId Self => Signer.Self;

    public ProgramData Data { get; private set; }

    /// <summary>Whether it reaches others and others reach it.</summary>
    public bool Awake { get; set; } = true;

    /// <summary>Peers that it may not reach.</summary>
    public HashSet<DataNode> Cut { get; } = [];

    /// <summary>What its log says.</summary>
    public ConcurrentQueue<string> Said { get; } = [];

    /// <summary>Conflicts that were told.</summary>
    public ConcurrentQueue<DataConflict> Told { get; } = [];

    /// <summary>The highest epoch that anybody is believed to have.</summary>
    public ulong HighestEpoch { get; set; } = 100;

    /// <summary>Changes what it answers with pieces.</summary>
    public Func<byte[]?, byte[]?> Tamper { get; set; } = bytes => bytes;

    /// <summary>Replaces the version that it answers.</summary>
    public Func<byte[], byte[]> Forge { get; set; } = signed => signed;

    /// <summary>Completes when it may answer with pieces.</summary>
    public Task ChunkGate { get; set; } = Task.CompletedTask;

    /// <summary>Pieces that it gave.</summary>
    public int ChunksGiven { get; private set; }

    public string Home => _village.Folder[Name];

    /// <summary>The folder of the program's data on this node.</summary>
    public string Kept => Path.Combine(Home, DataKey.Of(_village.Spec).FolderName);

    public DataOrigin? Newest => Data.StateOf(_village.Spec).Newest;

    public async Task<IProgramDataRun> BeginAsync(ulong epoch, ProgramSpec? spec = null) =>
        await Data.BeginAsync(spec ?? _village.Spec, epoch, Said.Enqueue, TestContext.Current.CancellationToken);

    /// <summary>A daemon that dies: what runs ends without another word, and a new one opens what is on the disk.</summary>
    public void DieAndStartAgain() => Data = Open();

    /// <summary>The files of the newest version that is here, as text.</summary>
    public string Files(string? conflict = null)
    {
        var signed = Data.SignedVersion(Self, _village.Spec, conflict);
        if (signed is null) return "";
        Assert.True(DataVersionCodec.TryRead(signed, new Ed25519Verifier(), out var version));
        return string.Join(' ', version.Entries.Select(entry => entry.Kind == DataKind.Folder ? entry.Path + "/" : $"{entry.Path}={TextOf(entry)}"));
    }

    /// <summary>Waits until the newest version here holds these files.</summary>
    public Task UntilAsync(string files) =>
        ReplicationTests.UntilAsync(() => Files() == files, () => $"{Name} has '{Files()}', not '{files}'; it said: {string.Join(" | ", _village.Nodes.SelectMany(node => node.Said))}");

    public async ValueTask<DataState> StateAsync(PeerId member, ProgramSpec spec, CancellationToken cancellationToken) => DataMessages.ReadState(DataMessages.Encode(await (await ReachAsync(member)).Data.SettledStateOf(spec, cancellationToken)))!;

    public async ValueTask<DataStamp> NoticeAsync(PeerId member, ProgramSpec spec, DataNotice notice, CancellationToken cancellationToken) =>
        await (await ReachAsync(member)).Data.NoticedAsync(Self, spec, DataMessages.ReadNotice(DataMessages.Encode(notice))!, cancellationToken);

    public async ValueTask<byte[]> VersionAsync(PeerId member, ProgramSpec spec, string? conflict, CancellationToken cancellationToken)
    {
        var node = await ReachAsync(member);
        return node.Forge(node.Data.SignedVersion(Self, spec, conflict) ?? throw new PcException(ErrorCode.DataNotFound, "no such version"));
    }

    public async ValueTask<IReadOnlyList<ReadOnlyMemory<byte>>> ChunksAsync(PeerId member, ProgramSpec spec, IReadOnlyList<DataHash> hashes, CancellationToken cancellationToken)
    {
        var node = await ReachAsync(member);
        await node.ChunkGate.WaitAsync(cancellationToken);
        node.ChunksGiven += hashes.Count;
        return DataMessages.ReadChunks(DataMessages.EncodeChunks([.. hashes.Select(hash => node.Tamper(node.Data.Chunk(spec, hash, Self)))]), hashes.Count)!;
    }

    public async ValueTask<bool> DropAsync(PeerId member, ProgramSpec spec, string? conflict, CancellationToken cancellationToken) => await (await ReachAsync(member)).Data.DropAsync(Self, spec, conflict, cancellationToken);

    public bool MayHold(DataKey key, PeerId member, DataStamp stamp) => _village.Deploys.Contains(stamp.Deploy) && stamp.Epoch <= HighestEpoch;

    public IReadOnlyList<PeerId> GuardiansOf(ProgramSpec spec) => [.. _village.Nodes.Where(node => node != this).Select(node => node.Self)];

    public IReadOnlyList<PeerId> KeepersOf(ProgramSpec spec) => GuardiansOf(spec);

    public TimeSpan? SilenceOf(SwarmId swarm, PeerId member) => null;

    public string NameOf(SwarmId swarm, PeerId member) => _village.Of(member).Name;

    public void TellOfConflict(ProgramSpec spec, DataConflict conflict) => Told.Enqueue(conflict);

    public async ValueTask DisposeAsync()
    {
        Awake = false;
        await Data.DisposeAsync();
        _key.Dispose();
    }

    private ProgramData Open()
    {
        Directory.CreateDirectory(Home);
        return new ProgramData(Home, Signer, new Ed25519Verifier(), this, this, _disk, _limits, TimeProvider.System, NullLogger.Instance);
    }

    private string TextOf(DataEntry entry) => string.Concat(entry.Chunks.Select(chunk => Data.Chunk(_village.Spec, chunk) is { } bytes ? System.Text.Encoding.UTF8.GetString(bytes) : "(missing)"));

    private async Task<DataNode> ReachAsync(PeerId member)
    {
        await Task.Yield();
        var node = _village.Of(member);
        return Awake && node.Awake && !Cut.Contains(node) && !node.Cut.Contains(this) ? node : throw new PcException(ErrorCode.PeerUnreachable, $"{node.Name} is not reached");
    }
}

/// <summary>A run that can be paused and ended, and does nothing.</summary>
internal sealed class PausableRun : IRun
{
    private readonly TaskCompletionSource<RunExit> _exited = new();

    /// <summary>Called when it is frozen and when it is thawed.</summary>
    public Action<bool> Frozen { get; set; } = _ => { };

    public int Freezes { get; private set; }

    public Task<RunExit> Exited => _exited.Task;

    public ValueTask StopAsync(TimeSpan grace)
    {
        _exited.TrySetResult(new RunExit(137, RunExitReason.Stopped));
        return ValueTask.CompletedTask;
    }

    public ValueTask<Stream> ConnectAsync(int port, CancellationToken cancellationToken) => throw new IOException("nothing listens");

    public ValueTask<IDatagramChannel> OpenDatagramsAsync(int port, CancellationToken cancellationToken) => throw new IOException("nothing listens");

    public ValueTask FreezeAsync()
    {
        Freezes++;
        Frozen(true);
        return ValueTask.CompletedTask;
    }

    public ValueTask ThawAsync()
    {
        Frozen(false);
        return ValueTask.CompletedTask;
    }

    public ValueTask<int> ExecAsync(IReadOnlyList<string> command, Stream input, Func<OutputKind, ReadOnlyMemory<byte>, ValueTask> output, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    public RunUsage Usage() => new(-1, TimeSpan.Zero, -1);

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
