using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using PeoplesCloud.Base;
using PeoplesCloud.Base.Files;
using PeoplesCloud.Content.Tests.UnixFs;

namespace PeoplesCloud.Content.Tests.Collecting;

public sealed class BlockCollectorTests : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly TestFolder _folder = new();
    private readonly FileBlockStore _store;
    private readonly BlockHolds _holds = new();
    private readonly HashSet<Cid> _pins = [];
    private readonly List<Cid> _needed = [];
    private readonly List<Cid> _forgotten = [];
    private readonly BlockCollector _collector;
    private Action _reading = () => { };

    public BlockCollectorTests()
    {
        _store = new FileBlockStore(_folder["blocks"], TimeProvider.System, NullLogger.Instance, SystemDisk.Instance);
        var roots = new BlockRoots
        {
            Pinned = () =>
            {
                _reading();
                lock (_pins) return _pins.ToArray();
            },
            Needed = () => _needed,
            Forget = cids =>
            {
                Assert.All(cids, cid => Assert.True(_store.Contains(cid))); // readers go before the block
                _forgotten.AddRange(cids);
            },
        };
        _collector = new BlockCollector(_store, _holds, roots, TimeProvider.System, NullLogger.Instance);
    }

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public async ValueTask DisposeAsync()
    {
        _collector.Dispose();
        await _store.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public async Task What_is_pinned_stays_with_all_below_it_and_the_rest_goes_with_its_readers()
    {
        // Leaves of both kinds, inner nodes, a folder of shards.
        _folder.Write("in/large", UnixFsVectors.Generate(1_000_000));
        for (var i = 0; i < 7000; i++) File.CreateSymbolicLink(_folder[$"in/{i:d4}"], "x");
        var folder = await AddAsync(UnixFsProfile.V0, "in");
        var file = await AddAsync(UnixFsProfile.V1, "in/large");
        var loose = await PutAsync("loose");
        _pins.UnionWith([folder, file]);
        var before = _store.List().Count();

        var dry = await _collector.CollectAsync(0, dryRun: true, Stop);
        Assert.Equal((1, 5, before - 1), (dry.RemovedBlocks, dry.RemovedBytes, dry.KeptBlocks));
        Assert.True(_store.Contains(loose));
        Assert.Equal(dry, await _collector.CollectAsync(0, dryRun: false, Stop));
        Assert.Equal([Raw(loose)], _forgotten);
        Assert.False(_store.Contains(loose));
        Assert.Equal(before - 1, _store.List().Count());
        await ReadAsync(folder);

        _pins.Remove(folder);
        await _collector.CollectAsync(0, dryRun: false, Stop);
        await ReadAsync(file); // what two pins share stays for the other
        _pins.Clear();
        await _collector.CollectAsync(0, dryRun: false, Stop);
        Assert.Empty(_store.List());
    }

    [Fact]
    public async Task The_oldest_use_goes_first_and_only_down_to_what_was_asked_for()
    {
        var cids = new List<Cid>();
        for (var i = 0; i < 10; i++)
        {
            cids.Add(await PutAsync($"block {i}"));
            SetUse(cids[i], TimeSpan.FromDays(10 - i));
        }
        Assert.NotNull(await _store.GetAsync(cids[0], Stop)); // reading is a use
        await PutAsync("block 1"); // so is putting again

        var result = await _collector.CollectAsync(keepBytes: 5 * 7, dryRun: false, Stop);
        Assert.Equal((5, 35, 5, 35), (result.RemovedBlocks, result.RemovedBytes, result.KeptBlocks, result.KeptBytes));
        Assert.Equal(new[] { 0, 1, 7, 8, 9 }.Select(i => Raw(cids[i])).Order(), _store.List().Order());
        Assert.Equal(0, (await _collector.CollectAsync(keepBytes: 35, dryRun: false, Stop)).RemovedBlocks);
    }

    [Fact]
    public async Task A_pin_that_is_not_whole_stops_the_collection_and_says_how_to_go_on()
    {
        _folder.Write("in/a", UnixFsVectors.Generate(600_000));
        var pinned = await AddAsync(UnixFsProfile.V0, "in");
        var inner = await AddAsync(UnixFsProfile.V0, "in/a");
        var loose = await PutAsync("loose");
        _pins.Add(pinned);
        _store.Remove(inner);
        var error = await Assert.ThrowsAsync<PcException>(() => _collector.CollectAsync(0, dryRun: false, Stop));
        Assert.Equal(ErrorCode.PinIncomplete, error.Code);
        Assert.Contains(pinned.ToString(), error.Hint, StringComparison.Ordinal);
        Assert.True(_store.Contains(loose));

        // A bundle of which this node has only a part is no reason to stop: its owner has the rest.
        _pins.Clear();
        _needed.Add(pinned);
        await _collector.CollectAsync(0, dryRun: false, Stop);
        Assert.Equal([Raw(pinned)], _store.List());
    }

    [Fact]
    public async Task What_is_on_its_way_is_held()
    {
        var before = await PutAsync("was here before");
        Cid written, read;
        using (var hold = _holds.Open(_store))
        {
            written = await PutAsync("written in the hold", hold);
            read = before;
            Assert.NotNull(await hold.GetAsync(read, Stop));
            await _collector.CollectAsync(0, dryRun: false, Stop);
            Assert.True(_store.Contains(written) && _store.Contains(read));
        }
        await _collector.CollectAsync(0, dryRun: false, Stop);
        Assert.Empty(_store.List());
    }

    [Fact]
    public async Task A_hold_that_closes_after_the_pins_were_read_counts_until_the_end()
    {
        // The add pins and lets go between our reading of the pins and the removal.
        var hold = _holds.Open(_store);
        var cid = await PutAsync("just added", hold);
        _reading = hold.Dispose;
        await _collector.CollectAsync(0, dryRun: false, Stop);
        Assert.True(_store.Contains(cid));
        _reading = () => { };
        await _collector.CollectAsync(0, dryRun: false, Stop);
        Assert.False(_store.Contains(cid));
    }

    [Fact]
    public async Task Adds_and_collections_at_once_lose_nothing_that_was_pinned()
    {
        // The same few files over and over: blocks are found held, removed and written again in every order.
        var pins = new System.Collections.Concurrent.ConcurrentDictionary<int, Cid>();
        _reading = () =>
        {
            lock (_pins)
            {
                _pins.Clear();
                _pins.UnionWith(pins.Values);
            }
        };
        var adding = Task.WhenAll(Enumerable.Range(0, 4).Select(worker => Task.Run(async () =>
        {
            var random = new Random(worker);
            for (var round = 0; round < 50; round++)
            {
                var path = _folder.Write($"in-{worker}/file", UnixFsVectors.Generate(300_000 + 1000 * random.Next(3)));
                using (var hold = _holds.Open(_store))
                {
                    pins[worker] = (await new UnixFsAdder(hold).AddAsync(path, false, null, Stop).ToListAsync(Stop))[^1].Cid;
                }
                await ReadAsync(pins[worker]);
                if (random.Next(3) == 0) pins.TryRemove(worker, out _);
            }
        }, Stop)));
        var removed = 0L;
        while (!adding.IsCompleted) removed += (await _collector.CollectAsync(0, dryRun: false, Stop)).RemovedBlocks;
        await adding.WaitAsync(Patience, Stop);
        Assert.True(removed > 0, "collections met nothing to remove: this proves nothing");
    }

    [Fact]
    public async Task The_store_is_brought_under_its_limit_by_itself()
    {
        for (var i = 0; i < 20; i++) await PutAsync(new string('x', 90_000) + i);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Stop);
        var running = _collector.RunAsync(1_000_000, stop.Token);
        using var limit = new CancellationTokenSource(Patience);
        while (_store.ListStored().Sum(b => b.Bytes) > 900_000) await Task.Delay(10, limit.Token);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);
        Assert.InRange(_store.ListStored().Sum(b => b.Bytes), 800_000, 900_000);
    }

    private static Cid Raw(Cid cid) => Cid.V1(Cid.Raw, cid.Digest);

    private async Task<Cid> PutAsync(string text, IBlockStore? store = null)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        var cid = Cid.V1(Cid.Raw, SHA256.HashData(bytes));
        await (store ?? _store).PutAsync([(cid, bytes)], Stop);
        return cid;
    }

    private async Task<Cid> AddAsync(UnixFsProfile profile, string name) =>
        (await new UnixFsAdder(_store, profile).AddAsync(_folder[name], true, null, Stop).ToListAsync(Stop))[^1].Cid;

    private async Task ReadAsync(Cid cid)
    {
        await foreach (var _ in new UnixFsReader(new BlockFetcher(_store, [])).WalkAsync(cid, Stop))
        {
        }
    }

    private void SetUse(Cid cid, TimeSpan ago)
    {
        var name = Convert.ToHexStringLower(cid.Digest);
        File.SetLastWriteTimeUtc(_folder[$"blocks/{name[0]}/{name}"], DateTime.UtcNow - ago);
    }
}
