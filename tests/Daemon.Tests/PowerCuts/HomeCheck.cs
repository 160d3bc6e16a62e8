using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging.Abstractions;
using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Base.Files;
using PeoplesCloud.Content;
using PeoplesCloud.Daemon.Home;
using PeoplesCloud.Daemon.Storage;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Programs;
using PeoplesCloud.Simulation.Disk;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Tests.PowerCuts;

/// <summary>Opens what a cut left of a home as a daemon would, and looks whether it is whole and holds what was acknowledged.</summary>
internal static class HomeCheck
{
    private static readonly IDisk Disk = new UnflushedDisk();

    /// <summary>Throws when it is not.</summary>
    public static async Task RunAsync(string home, IEnumerable<Expected> acknowledged)
    {
        var expected = acknowledged.GroupBy(e => e.About, StringComparer.Ordinal).Select(group => group.Last()).ToList();
        if (expected.OfType<Expected.Exported>().SingleOrDefault() is { } exported)
        {
            TransferCuts.CheckExport(Path.GetDirectoryName(home)!, exported.Is);
            return;
        }
        var whole = expected.OfType<Expected.WholeOrNone>().SingleOrDefault();
        Assert.True(Directory.Exists(home) || expected.OfType<Expected.Home>().FirstOrDefault() is null, "the home is not there");
        if (whole is not null && !Directory.Exists(home)) return;
        using var open = HomeFolder.Open(home, Disk);
        if (whole is not null) expected.AddRange([new Expected.Identity(whole.Seed), new Expected.InSwarm(whole.Swarm, "friends", []), new Expected.Pinned(whole.Pin, true), new Expected.Held(whole.Pin)]);
        var finished = CheckSwarms(open, expected);
        if (expected.OfType<Expected.Identity>().SingleOrDefault() is { } identity) Assert.Equal(identity.Seed, open.Seed);

        await using var store = new FileBlockStore(open.Paths.Blocks, TimeProvider.System, NullLogger.Instance, Disk);
        Assert.Empty(Directory.GetFiles(Path.Combine(open.Paths.Blocks, "tmp")));
        foreach (var cid in store.List()) Assert.True(await store.GetAsync(cid, CancellationToken.None) is not null, $"block {cid} is damaged");
        var reader = new UnixFsReader(new BlockFetcher(store, []));
        foreach (var held in expected.OfType<Expected.Held>()) Assert.NotEmpty(await BlocksAsync(reader, held.Root));
        foreach (var granted in expected.OfType<Expected.Granted>()) CheckGrants(open.Database, await BlocksAsync(reader, granted.Root), granted.Readers);

        var pins = new PinSet(open.Paths.Pins, Disk);
        foreach (var pin in expected.OfType<Expected.Pinned>()) Assert.Equal((pin.Root, pin.Is), (pin.Root, pins.Contains(pin.Root)));
        await DataCuts.CheckAsync(open.Paths.ProgramsData, expected);
        // That it finished is remembered by the mark until the feed says so.
        foreach (var mark in expected.OfType<Expected.Finished>())
            Assert.Equal(mark.Is, File.Exists(Path.Combine(open.Paths.Programs, mark.LocalName, "finished")) || (mark.Is && finished.Contains(mark.LocalName)));
    }

    // Answers the programs that the feeds know to have finished.
    private static HashSet<string> CheckSwarms(HomeFolder home, List<Expected> expected)
    {
        var finished = new HashSet<string>(StringComparer.Ordinal);
        using var identity = new Ed25519Key(home.Seed);
        var store = new SqliteFeedStore(home.Database);
        var rows = new SwarmTable(home.Database).All();
        // A swarm without its entries, or entries without their swarm, would be half a join.
        Assert.Equal(rows.Select(row => row.Id).Order(), store.Swarms().Order());
        foreach (var row in rows)
        {
            Assert.Equal(32, row.Key.Length);
            var replica = SwarmReplica.Load(new Ed25519Signer(identity), new Ed25519Verifier(), row.Id, store.Load(row.Id));
            Assert.NotNull(replica.State.Name);
            finished.UnionWith(replica.State.Programs.Values.Where(program => program.Finished).Select(program => ProgramSpec.LocalNameOf(program.Id)));
        }
        foreach (var left in expected.OfType<Expected.Left>()) Assert.DoesNotContain(rows, row => row.Id == left.Id);
        foreach (var swarm in expected.OfType<Expected.InSwarm>())
        {
            Assert.Contains(rows, row => row.Id == swarm.Id && row.Name == swarm.Name);
            var held = store.Load(swarm.Id).Select(entry => entry.Hash).ToHashSet();
            Assert.True(swarm.Entries.All(held.Contains), $"{swarm.Entries.Count(entry => !held.Contains(entry))} of {swarm.Entries.Count} entries of {swarm.Name} are lost");
        }
        return finished;
    }

    private static async Task<List<Cid>> BlocksAsync(UnixFsReader reader, Cid root) => await reader.WalkAsync(root, CancellationToken.None).ToListAsync();

    private static void CheckGrants(Database database, List<Cid> blocks, SwarmId? readers)
    {
        foreach (var block in blocks)
        {
            var rows = database.Read(connection =>
            {
                using var command = connection.CreateCommand();
                command.CommandText = "SELECT count(*) FROM readable WHERE digest = $digest AND swarm = $swarm";
                command.Parameters.AddWithValue("$digest", block.Digest.ToArray());
                command.Parameters.AddWithValue("$swarm", readers?.ToBytes() ?? []);
                return (long)command.ExecuteScalar()!;
            });
            Assert.True(rows == 1, $"block {block} is not granted");
        }
    }
}
