using Microsoft.Extensions.Logging.Abstractions;
using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Content;
using PeoplesCloud.Daemon.Exports;
using PeoplesCloud.Daemon.Home;
using PeoplesCloud.Daemon.Storage;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Programs;
using PeoplesCloud.Simulation.Disk;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Tests.PowerCuts;

/// <summary>A home that is exported and imported, and what a cut of the power may leave of either: all of it or nothing.</summary>
internal static class TransferCuts
{
    private const string File = "oak.tar";

    /// <summary>Exports a home to one disk, and imports it on another.</summary>
    public static async Task RecordAsync(Recording exports, Recording imports)
    {
        var source = Path.Combine(exports.Folder, "source");
        var whole = await MakeAsync(source);

        exports.Tell(new Expected.Exported(false));
        var file = Path.Combine(exports.Trace.Root, File);
        new HomeExporter(source, file, withBlocks: true, TimeProvider.System, exports.Disk).Export();
        exports.Tell(new Expected.Exported(true));

        imports.Tell(whole);
        new HomeImporter(file, imports.Home, imports.Disk).Import();
        imports.Tell(new Expected.Home());
    }

    /// <summary>Throws when the export in a folder is not there though somebody was told of it, or is there and not whole.</summary>
    public static void CheckExport(string folder, bool isThere)
    {
        var file = Path.Combine(folder, File);
        if (isThere || System.IO.File.Exists(file)) new HomeImporter(file, Path.Combine(folder, "home"), new UnflushedDisk()).Import();
    }

    private static async Task<Expected.WholeOrNone> MakeAsync(string folder)
    {
        using var home = HomeFolder.Open(folder, new UnflushedDisk());
        using var key = new Ed25519Key(home.Seed);
        var replica = SwarmReplica.Create(new Ed25519Signer(key), new Ed25519Verifier(), "friends", "oak", new byte[32], new byte[16], new DateTimeOffset(2047, 2, 28, 23, 1, 2, TimeSpan.Zero), out var genesis);
        new SwarmTable(home.Database).Insert(new SwarmRow(replica.Id, "friends", new byte[32], null), [genesis]);
        await using var store = new FileBlockStore(home.Paths.Blocks, TimeProvider.System, NullLogger.Instance, new UnflushedDisk());
        var added = await new UnixFsAdder(store).AddStreamAsync(new MemoryStream([.. Enumerable.Range(0, 300_000).Select(i => (byte)(i >> 8))]), CancellationToken.None);
        await new PinSet(home.Paths.Pins, new UnflushedDisk()).AddAsync(added, CancellationToken.None);
        return new Expected.WholeOrNone(home.Seed, replica.Id, added);
    }
}
