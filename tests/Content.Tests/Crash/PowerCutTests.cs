using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Win32.SafeHandles;
using PeoplesCloud.Base;
using PeoplesCloud.Base.Files;
using PeoplesCloud.Content.Tests.UnixFs;

namespace PeoplesCloud.Content.Tests.Crash;

// Goal: as in CrashTests, but for a power cut, which also loses what the system held in memory. Method: a disk that remembers what
// was not yet flushed and takes it back at the cut: unflushed bytes become zeros, unflushed names are gone. It is the worst that
// POSIX allows, so the order of the steps is what is tested.
public sealed class PowerCutTests
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_power_cut_at_any_step_of_an_add_loses_nothing_that_was_acknowledged()
    {
        using var folder = new TestFolder();
        folder.Write("in/one", UnixFsVectors.Generate(600_000));
        for (var i = 0; i < 6; i++) folder.Write($"in/{i}", [(byte)i]);
        var acknowledged = 0;
        var step = 0;
        for (var wasCut = true; wasCut; step++)
        {
            var disk = new PowerCutDisk(step + 1);
            var store = folder[$"store-{step}"];
            var cids = await AddAsync(store, folder["in"], disk);
            wasCut = disk.WasCut;
            disk.LoseWhatWasNotFlushed();
            acknowledged += wasCut ? cids.Count : 0;

            await using var again = new FileBlockStore(store, TimeProvider.System, NullLogger.Instance, SystemDisk.Instance);
            var reader = new UnixFsReader(new BlockFetcher(again, []));
            foreach (var cid in cids) Assert.NotEmpty(await reader.WalkAsync(cid, Stop).ToListAsync(Stop));
            Assert.Empty(Directory.GetFiles(Path.Combine(store, "tmp")));
            foreach (var cid in again.List()) Assert.NotNull(await again.GetAsync(cid, Stop));
        }
        Assert.True(step > 25, $"only {step} steps were tried");
        Assert.NotEqual(0, acknowledged);
    }

    [Fact]
    public async Task Pins_that_were_acknowledged_survive_a_power_cut_at_any_step()
    {
        using var folder = new TestFolder();
        var first = Cid.V0(new byte[32]);
        var second = Cid.V1(Cid.Raw, new byte[32]);
        var step = 0;
        for (var wasCut = true; wasCut; step++)
        {
            Directory.CreateDirectory(folder[$"{step}"]);
            var file = Path.Combine(folder[$"{step}"], "pins");
            await new PinSet(file, SystemDisk.Instance).AddAsync(first, Stop);
            var disk = new PowerCutDisk(step + 1);
            var isAcknowledged = false;
            try
            {
                isAcknowledged = await new PinSet(file, disk).AddAsync(second, Stop);
            }
            catch (PcException)
            {
                // the power is out
            }
            wasCut = disk.WasCut;
            disk.LoseWhatWasNotFlushed();
            var pins = new PinSet(file, SystemDisk.Instance);
            Assert.True(pins.Contains(first));
            if (isAcknowledged) Assert.True(pins.Contains(second));
        }
        Assert.True(step > 3);
    }

    private static async Task<List<Cid>> AddAsync(string folder, string input, PowerCutDisk disk)
    {
        var acknowledged = new List<Cid>();
        try
        {
            await using var store = new FileBlockStore(folder, TimeProvider.System, NullLogger.Instance, disk);
            await foreach (var node in new UnixFsAdder(store).AddAsync(input, recursive: true, null, Stop)) acknowledged.Add(node.Cid);
        }
        catch (PcException)
        {
            // the power is out
        }
        return acknowledged;
    }

    private sealed class PowerCutDisk(int cutAt) : SystemDisk
    {
        private readonly Lock _gate = new();
        private readonly Dictionary<SafeFileHandle, string> _unflushed = [];
        private readonly List<(string From, string To, byte[]? Replaced)> _unflushedRenames = [];
        private int _steps;

        public bool WasCut => _steps >= cutAt;

        public override SafeFileHandle Create(string path, ReadOnlySpan<byte> bytes, UnixFileMode mode)
        {
            lock (_gate)
            {
                Step();
                var handle = base.Create(path, bytes, mode);
                _unflushed[handle] = path;
                return handle;
            }
        }

        public override void Flush(SafeFileHandle handle)
        {
            lock (_gate)
            {
                Step();
                _unflushed.Remove(handle);
            }
        }

        public override void Rename(string from, string to)
        {
            lock (_gate)
            {
                Step();
                _unflushedRenames.Add((from, to, File.Exists(to) ? File.ReadAllBytes(to) : null));
                foreach (var (handle, path) in _unflushed)
                    if (path == from) _unflushed[handle] = to;
                base.Rename(from, to);
            }
        }

        public override void FlushFolder(string folder)
        {
            lock (_gate)
            {
                Step();
                _unflushedRenames.RemoveAll(r => Path.GetDirectoryName(r.To) == folder);
            }
        }

        public void LoseWhatWasNotFlushed()
        {
            foreach (var path in _unflushed.Values.Where(File.Exists)) File.WriteAllBytes(path, new byte[new FileInfo(path).Length]);
            foreach (var (from, to, replaced) in Enumerable.Reverse(_unflushedRenames))
            {
                if (!File.Exists(to)) continue;
                File.Move(to, from);
                if (replaced is not null) File.WriteAllBytes(to, replaced);
            }
        }

        private void Step()
        {
            if (++_steps >= cutAt) throw new IOException("the power is out", 5);
        }
    }
}
