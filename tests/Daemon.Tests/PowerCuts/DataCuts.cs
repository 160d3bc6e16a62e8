using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Base.Files;
using PeoplesCloud.Content;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Programs;
using PeoplesCloud.Programs.Data;
using PeoplesCloud.Simulation.Disk;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Tests.PowerCuts;

/// <summary>A guardian of a program's data while hosts come and go, and what a cut of its power may leave of that.</summary>
internal static class DataCuts
{
    private static readonly byte[][] Seeds = [.. Enumerable.Range(1, 3).Select(i => Enumerable.Repeat((byte)i, 32).ToArray())];

    /// <summary>
    /// Two hosts run the program one after the other; the second did not know what the first wrote last. Then the guardian itself is the host.
    /// </summary>
    public static async Task RecordAsync(Recording made)
    {
        using var keys = new Keys();
        await using var first = new Node(keys, 1, Path.Combine(made.Folder, "first"), new UnflushedDisk());
        await using var second = new Node(keys, 2, Path.Combine(made.Folder, "second"), new UnflushedDisk());
        await using var guardian = new Node(keys, 0, Path.Combine(made.Home, "programs-data"), made.Disk);
        Node[] all = [first, second, guardian];
        foreach (var node in all) node.Others = [.. all.Where(other => other != node)];
        var large = new string('x', (2 * DataLimits.ChunkBytes) + 700);

        // Nobody else is there yet: what the program writes and flushes is in its folder only.
        guardian.Others = [];
        await using (var run = await guardian.BeginAsync(1))
        {
            using (var file = made.Disk.Create(Path.Combine(run.Folder, "apple"), "zero"u8, DurableWrites.OwnerFile)) made.Disk.Flush(file);
            made.Disk.FlushFolder(run.Folder);
            made.Tell(new Expected.ProgramFiles("apple=zero"));
        }
        guardian.Others = [first, second];

        await using (var run = await first.BeginAsync(2))
        {
            made.Tell(new Expected.Either(new Expected.ProgramFiles("").About));
            Write(run, "score", "one");
            Write(run, "deep/large", large);
            await guardian.UntilAsync($"apple=zero deep/large={Short(large)} score=one");
            await second.UntilAsync($"apple=zero deep/large={Short(large)} score=one");
            made.Tell(new Expected.ProgramFiles(guardian.Files()!));
            second.Others = [];
            made.Tell(new Expected.Either(new Expected.ProgramFiles("").About));
            Write(run, "score", "two");
        }
        var lost = guardian.Files()!;
        Assert.Contains("score=two", lost, StringComparison.Ordinal);
        made.Tell(new Expected.ProgramFiles(lost), new Expected.Either(new Expected.ProgramFiles("").About));

        // Whoever is told of a conflict can count on it, even if nothing else is done any more.
        guardian.OnConflict = conflict => made.Tell(new Expected.KeptConflict(conflict.Name, lost));
        await using (var run = await second.BeginAsync(3))
        {
            second.Others = [guardian];
            Write(run, "score", "three");
        }
        var files = guardian.Files()!;
        Assert.Contains("score=three", files, StringComparison.Ordinal);
        made.Tell(new Expected.ProgramFiles(files), new Expected.KeptConflict("data.conflict-node1-2", lost));

        // It is the host, alone: what the program writes and flushes is nowhere else.
        guardian.Others = [];
        await using (await guardian.BeginAsync(4)) made.Tell(new Expected.ProgramFiles(files));
        await using (var run = await guardian.BeginAsync(5))
        {
            made.Tell(new Expected.Either(new Expected.ProgramFiles("").About));
            using (var file = made.Disk.Create(Path.Combine(run.Folder, "zebra"), "four"u8, DurableWrites.OwnerFile)) made.Disk.Flush(file);
            made.Disk.FlushFolder(run.Folder);
            made.Tell(new Expected.ProgramFiles(files + " zebra=four"));
        }
    }

    /// <summary>Throws when what was told of is not there, or not whole.</summary>
    public static async Task CheckAsync(string folder, IReadOnlyList<Expected> expected)
    {
        var files = expected.OfType<Expected.ProgramFiles>().SingleOrDefault();
        if (files is null && !expected.OfType<Expected.KeptConflict>().Any()) return;
        using var keys = new Keys();
        await using var node = new Node(keys, 0, folder, new UnflushedDisk());
        foreach (var conflict in expected.OfType<Expected.KeptConflict>()) Assert.Equal(conflict.Files, node.Files(conflict.Name));
        if (files is null) return;
        await using var run = await node.BeginAsync(9);
        Assert.Equal(files.Files, string.Join(' ', Directory.EnumerateFiles(run.Folder, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal)
            .Select(path => $"{Path.GetRelativePath(run.Folder, path)}={Short(File.ReadAllText(path))}")));
    }

    private static string Short(string text) => text.Length < 100 ? text : DataHash.Of(Encoding.UTF8.GetBytes(text)).ToString();

    private static void Write(IProgramDataRun run, string name, string text)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Path.Combine(run.Folder, name))!);
        File.WriteAllText(Path.Combine(run.Folder, name), text);
    }

    private sealed class Keys : IDisposable
    {
        private readonly Ed25519Key[] _keys = [.. Seeds.Select(seed => new Ed25519Key(seed))];

        public Ed25519Signer this[int number] => new(_keys[number]);

        public ProgramSpec Spec => new(
            EntryHash.Of("program"u8), new SwarmId(EntryHash.Of("swarm"u8)), this[0].Self,
            new ProgramDeployed("bot", Cid.V0(new byte[32]), 1, "py3", new ProgramLimits(1 << 28, 1000, 64, 1 << 28, "none"), []), new DateTimeOffset(2031, 5, 4, 3, 2, 1, TimeSpan.Zero));

        public int NumberOf(PeerId peer) => Array.FindIndex(_keys, key => PeerId.FromEd25519(key.PublicKey.Span) == peer);

        public void Dispose()
        {
            foreach (var key in _keys) key.Dispose();
        }
    }

    private sealed class Node : IDataMesh, IDataSwarm, IAsyncDisposable
    {
        private readonly Keys _keys;
        private readonly int _number;
        private readonly ProgramData _data;

        public Node(Keys keys, int number, string folder, IDisk disk)
        {
            (_keys, _number) = (keys, number);
            var limits = new DataLimits { Settle = TimeSpan.Zero, ScanInterval = TimeSpan.FromMilliseconds(100), RetryPause = TimeSpan.FromMilliseconds(20) };
            if (!Directory.Exists(Path.GetDirectoryName(folder))) Directory.CreateDirectory(Path.GetDirectoryName(folder)!);
            _data = new ProgramData(folder, keys[number], new Ed25519Verifier(), this, this, disk, limits, TimeProvider.System, NullLogger.Instance);
        }

        public IReadOnlyList<Node> Others { get; set; } = [];

        public Action<DataConflict> OnConflict { get; set; } = _ => { };

        private PeerId Self => _keys[_number].Self;

        public async Task<IProgramDataRun> BeginAsync(ulong epoch) => await _data.BeginAsync(_keys.Spec, epoch, _ => { }, TestContext.Current.CancellationToken);

        public string? Files(string? conflict = null)
        {
            if (!DataVersionCodec.TryRead(_data.SignedVersion(Self, _keys.Spec, conflict), new Ed25519Verifier(), out var version)) return null;
            return string.Join(' ', version.Entries.Where(entry => entry.Kind != DataKind.Folder)
                .Select(entry => $"{entry.Path}={Short(string.Concat(entry.Chunks.Select(chunk => _data.Chunk(_keys.Spec, chunk) is { } bytes ? Encoding.UTF8.GetString(bytes) : "(missing)")))}"));
        }

        public Task UntilAsync(string files) => TestNode.UntilAsync(() => Files() == files, () => $"it has {Files()}");

        public ValueTask<DataState> StateAsync(PeerId member, ProgramSpec spec, CancellationToken cancellationToken) => ValueTask.FromResult(Of(member)._data.StateOf(spec));

        public async ValueTask<DataStamp> NoticeAsync(PeerId member, ProgramSpec spec, DataNotice notice, CancellationToken cancellationToken) => await Of(member)._data.NoticedAsync(Self, spec, notice, cancellationToken);

        public ValueTask<byte[]> VersionAsync(PeerId member, ProgramSpec spec, string? conflict, CancellationToken cancellationToken) => ValueTask.FromResult(Of(member)._data.SignedVersion(Self, spec, conflict)!);

        public ValueTask<IReadOnlyList<ReadOnlyMemory<byte>>> ChunksAsync(PeerId member, ProgramSpec spec, IReadOnlyList<DataHash> hashes, CancellationToken cancellationToken) =>
            ValueTask.FromResult<IReadOnlyList<ReadOnlyMemory<byte>>>([.. hashes.Select(hash => (ReadOnlyMemory<byte>)Of(member)._data.Chunk(spec, hash))]);

        public ValueTask<bool> DropAsync(PeerId member, ProgramSpec spec, string? conflict, CancellationToken cancellationToken) => ValueTask.FromResult(false);

        public bool MayHold(DataKey key, PeerId member, DataStamp stamp) => true;

        public IReadOnlyList<PeerId> GuardiansOf(ProgramSpec spec) => [.. Others.Select(node => node.Self)];

        public IReadOnlyList<PeerId> KeepersOf(ProgramSpec spec) => GuardiansOf(spec);

        public TimeSpan? SilenceOf(SwarmId swarm, PeerId member) => null;

        public string NameOf(SwarmId swarm, PeerId member) => $"node{_keys.NumberOf(member)}";

        public void TellOfConflict(ProgramSpec spec, DataConflict conflict) => OnConflict(conflict);

        public async ValueTask DisposeAsync() => await _data.DisposeAsync();

        // Who was told of others hears from them, too.
        private Node Of(PeerId member) => Others.FirstOrDefault(node => node.Self == member) ?? throw new IOException("not reached");
    }
}
