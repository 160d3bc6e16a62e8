using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging.Abstractions;
using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Base.Files;
using PeoplesCloud.Content;
using PeoplesCloud.Daemon.Home;
using PeoplesCloud.Daemon.Storage;
using PeoplesCloud.Daemon.Swarms;
using PeoplesCloud.Daemon.Tests.Hosting;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Programs;
using PeoplesCloud.Programs.Hosting;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Tests.PowerCuts;

/// <summary>Each part that keeps something, alone, then two whole nodes: what they did to their disks while they were used.</summary>
public sealed class Recordings : IAsyncLifetime
{
    private readonly List<Recording> _all = [];

    internal IReadOnlyList<Recording> All => _all;

    internal Recording this[string name] => _all.Single(recording => recording.Name == name);

    public async ValueTask InitializeAsync()
    {
        RecordHome();
        RecordIdentity();
        RecordDatabase();
        await RecordPinsAsync();
        await RecordBlocksAsync();
        await DataCuts.RecordAsync(Begin("data"));
        await TransferCuts.RecordAsync(Begin("export", withHome: false), Begin("import", withHome: false));
        await RecordNodesAsync();
    }

    public ValueTask DisposeAsync()
    {
        foreach (var recording in _all) recording.Dispose();
        return ValueTask.CompletedTask;
    }

    private Recording Begin(string name, bool withHome = true)
    {
        var recording = new Recording(name);
        _all.Add(recording);
        if (withHome) recording.Disk.MakeFolder(recording.Home);
        return recording;
    }

    private void RecordHome()
    {
        var made = Begin("home", withHome: false);
        using var home = HomeFolder.Open(made.Home, made.Disk);
        made.Tell(new Expected.Identity(home.Seed));
    }

    private void RecordIdentity()
    {
        var made = Begin("identity");
        made.Tell(new Expected.Identity(IdentityFile.LoadOrCreate(Path.Combine(made.Home, "identity.key"), made.Disk)));
    }

    private void RecordDatabase()
    {
        var made = Begin("database");
        using var key = new Ed25519Key(IdentityFile.LoadOrCreate(Path.Combine(made.Home, "identity.key"), made.Disk));
        var (signer, verifier) = (new Ed25519Signer(key), new Ed25519Verifier());
        var now = new DateTimeOffset(2047, 2, 28, 23, 1, 2, TimeSpan.Zero);
        for (var opened = 0; opened < 2; opened++)
        {
            using var database = Database.Open(Path.Combine(made.Home, "pc.db"));
            // Often, so that the log begins anew while it still holds what was checkpointed before.
            database.Read(connection => Run(connection, "PRAGMA wal_autocheckpoint=12"));
            var table = new SwarmTable(database);
            var store = new SqliteFeedStore(database);
            var replica = SwarmReplica.Create(signer, verifier, $"friends-{opened}", "oak", new byte[32], [.. Enumerable.Repeat((byte)opened, 16)], now, out var genesis);
            var entries = new List<EntryHash> { genesis.Hash };
            table.Insert(new SwarmRow(replica.Id, "friends", new byte[32], null), [genesis]);
            made.Tell(new Expected.InSwarm(replica.Id, "friends", [.. entries]));
            for (var i = 0; i < 8; i++)
            {
                var (_, entry) = replica.IssueTicket(Role.Member, TimeSpan.FromDays(1), 0, [], [.. Enumerable.Repeat((byte)i, 16)], now);
                store.Append(replica.Id, [entry]);
                entries.Add(entry.Hash);
                made.Tell(new Expected.InSwarm(replica.Id, "friends", [.. entries]));
            }
            made.Tell(new Expected.Either(replica.Id.ToString()));
            table.Delete(replica.Id);
            made.Tell(new Expected.Left(replica.Id));
        }
    }

    private async Task RecordPinsAsync()
    {
        var made = Begin("pins");
        var pins = new PinSet(Path.Combine(made.Home, "pins"), made.Disk);
        var cids = Enumerable.Range(0, 3).Select(i => Cid.V1(Cid.Raw, [.. Enumerable.Repeat((byte)i, 32)])).ToList();
        foreach (var cid in cids)
        {
            await pins.AddAsync(cid, CancellationToken.None);
            made.Tell(new Expected.Pinned(cid, true));
        }
        made.Tell(new Expected.Either(new Expected.Pinned(cids[1], true).About));
        await pins.RemoveAsync(cids[1], CancellationToken.None);
        made.Tell(new Expected.Pinned(cids[1], false));
    }

    private async Task RecordBlocksAsync()
    {
        var made = Begin("blocks");
        for (var opened = 0; opened < 2; opened++)
        {
            await using var store = new FileBlockStore(Path.Combine(made.Home, "blocks"), TimeProvider.System, NullLogger.Instance, made.Disk);
            var added = await new UnixFsAdder(store).AddStreamAsync(new MemoryStream(Noise(600_000, opened)), CancellationToken.None);
            made.Tell(new Expected.Held(added));
        }
    }

    // Oak makes a swarm, adds, pins, deploys, collects and starts again; elm joins, hosts, runs the program to its end.
    private async Task RecordNodesAsync()
    {
        var (oaks, elms) = (Begin("oak", withHome: false), Begin("elm", withHome: false));
        await using var oak = await TestNode.StartAsync("oak", home: oaks.Home, disk: oaks.Disk);
        oaks.Tell(new Expected.Identity(SeedOf(oaks)));
        await using var elm = await TestNode.StartAsync("elm", hosts: true, home: elms.Home, disk: elms.Disk);
        elms.Tell(new Expected.Identity(SeedOf(elms)));

        var ticket = (await oak.CreateAsync("friends")).Ticket!;
        TellSwarm(oaks, oak, "friends");
        await elm.JoinAsync(ticket);
        TellSwarm(elms, elm, "friends");
        TellSwarm(oaks, oak, "friends");

        var folder = Directory.CreateDirectory(Path.Combine(oaks.Folder, "photos")).FullName;
        await File.WriteAllBytesAsync(Path.Combine(folder, "large"), Noise(300_000, 7));
        await File.WriteAllTextAsync(Path.Combine(folder, "small"), "hello");
        var photos = Cid.Parse((await oak.AddAsync(folder, recursive: true))[^1].Cid);
        oaks.Tell(new Expected.Held(photos), new Expected.Granted(photos, null), new Expected.Pinned(photos, true), new Expected.Either(new Expected.Pinned(photos, true).About));
        await oak.Node.Content.UnpinAsync(photos, onlyPublic: false, CancellationToken.None);
        oaks.Tell(new Expected.Pinned(photos, false));

        // The host itself is the first who knows that a program finished, before a feed or a presence says so.
        var host = elm.Node.Programs.Host;
        Expected.Finished? mark = null;
        host.Changed += () =>
        {
            if (mark is null && host.Programs is [{ State: ProgramState.Stopped } finished]) elms.Tell(mark = new Expected.Finished(finished.Spec.LocalName, true));
        };
        using var bot = new ProgramFolder("print('done')\n");
        var deployed = await oak.DeployAsync("friends", bot.Path);
        var friends = oak.Node.Swarms.Require("friends").Id;
        var bundle = Cid.Parse(deployed.Hash);
        oaks.Tell(new Expected.Held(bundle), new Expected.Granted(bundle, friends));
        elms.Tell(new Expected.Held(bundle));
        TellSwarm(oaks, oak, "friends");
        // What was unpinned may go, what the feeds name stays; what comes again right after is there again.
        oaks.Tell(new Expected.Either(new Expected.Held(photos).About), new Expected.Either(new Expected.Granted(photos, null).About));
        var collected = await oak.Node.Content.CollectAsync(dryRun: false, CancellationToken.None);
        Assert.NotEqual(0, collected.RemovedBlocks);
        oaks.Tell(new Expected.Either(new Expected.Pinned(photos, true).About));
        Assert.Equal(photos, Cid.Parse((await oak.AddAsync(folder, recursive: true))[^1].Cid));
        oaks.Tell(new Expected.Held(photos), new Expected.Granted(photos, null), new Expected.Pinned(photos, true));

        await oak.WaitForAsync("friends", seen => seen.Programs is [{ State: "stopped" }]);
        Assert.NotNull(mark);
        elms.Tell(new Expected.Either(mark.About));
        await oak.StopProgramAsync("friends", deployed.Program);
        await elm.WaitForAsync("friends", seen => seen.Programs.Count == 0);
        await TestNode.UntilAsync(() => elms.Flushes.Contains("ProgramHost.Unmark: names")); // what is left of it is removed after the stop was told
        elms.Tell(mark with { Is = false });
        TellSwarm(elms, elm, "friends");

        await oak.CreateAsync("family");
        TellSwarm(oaks, oak, "family");
        var family = oak.Node.Swarms.Require("family").Id;
        oaks.Tell(new Expected.Either(family.ToString()));
        await oak.Node.Membership.LeaveAsync("family", CancellationToken.None);
        oaks.Tell(new Expected.Left(family));

        await oak.StopAsync();
        await oak.StartAgainAsync();
        var file = Path.Combine(folder, "small");
        await File.WriteAllTextAsync(file, "hello again");
        var again = Cid.Parse((await oak.AddAsync(file))[^1].Cid);
        oaks.Tell(new Expected.Held(again), new Expected.Pinned(again, true));
    }

    private static void TellSwarm(Recording recording, TestNode node, string name)
    {
        var swarm = node.Node.Swarms.Require(name);
        recording.Tell(new Expected.InSwarm(swarm.Id, name, [.. swarm.Read(replica => replica.MissingFor(FeedHeads.None, int.MaxValue, out _)).Select(entry => entry.Hash)]));
    }

    private static byte[] SeedOf(Recording recording) => IdentityFile.LoadOrCreate(Path.Combine(recording.Home, "identity.key"), recording.Disk);

    private static byte[] Noise(int length, int seed)
    {
        var noise = new byte[length];
        new Random(seed).NextBytes(noise);
        return noise;
    }

    private static object? Run(SqliteConnection connection, string sql)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        return command.ExecuteScalar();
    }
}
