using PeoplesCloud.Base.Files;
using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Home;
using PeoplesCloud.Daemon.Storage;

namespace PeoplesCloud.Daemon.Tests.Home;

public sealed class HomeFolderTests : IDisposable
{
    private readonly string _home = TestNode.NewHome();

    [Fact]
    public void A_home_keeps_its_identity_and_nobody_else_may_read_it()
    {
        byte[] seed;
        using (var home = HomeFolder.Open(_home, SystemDisk.Instance))
        {
            seed = home.Seed;
            foreach (var file in new[] { home.Paths.Identity, home.Paths.Database })
                Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
        }
        using var again = HomeFolder.Open(_home, SystemDisk.Instance);
        Assert.Equal(seed, again.Seed);
    }

    [Fact]
    public void Two_daemons_on_one_home_are_refused_and_the_first_goes_on()
    {
        using var first = HomeFolder.Open(_home, SystemDisk.Instance);
        AssertRefused(ErrorCode.HomeInUse);
        Assert.True(File.Exists(first.Paths.Database));
    }

    [Fact]
    public void A_home_of_a_newer_version_is_refused_and_left_untouched()
    {
        using (var home = HomeFolder.Open(_home, SystemDisk.Instance)) home.Database.Write((connection, transaction) => Run(connection, $"PRAGMA user_version={Database.SchemaVersion + 1}"));
        AssertRefused(ErrorCode.HomeNewer);
    }

    [Fact]
    public void A_database_of_the_first_version_is_brought_to_this_one_and_keeps_its_swarms()
    {
        var id = new PeoplesCloud.Swarm.SwarmId(PeoplesCloud.Swarm.EntryHash.Of([1]));
        using (var home = HomeFolder.Open(_home, SystemDisk.Instance))
        {
            new SwarmTable(home.Database).Insert(new SwarmRow(id, "friends", [1, 2, 3], null), []);
            home.Database.Write((connection, transaction) =>
            {
                Run(connection, "ALTER TABLE swarms DROP COLUMN key_entry");
                Run(connection, "PRAGMA user_version=1");
            });
        }
        using var again = HomeFolder.Open(_home, SystemDisk.Instance);
        var row = Assert.Single(new SwarmTable(again.Database).All());
        Assert.Equal(("friends", null), (row.Name, row.KeyEntry));
        Assert.Equal([1, 2, 3], row.Key);
        Assert.Equal((long)Database.SchemaVersion, again.Database.Read(connection => Run(connection, "PRAGMA user_version")));
    }

    [Fact]
    public void A_damaged_database_is_refused()
    {
        File.WriteAllText(Path.Combine(_home, "pc.db"), new string('x', 8192));
        AssertRefused(ErrorCode.DatabaseDamaged);
    }

    [Fact]
    public void A_database_of_another_program_is_refused()
    {
        using (var home = HomeFolder.Open(_home, SystemDisk.Instance)) home.Database.Write((connection, transaction) => Run(connection, "PRAGMA application_id=1"));
        AssertRefused(ErrorCode.DatabaseDamaged);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(30)]
    [InlineData(60)]
    public void A_damaged_identity_is_refused_wherever_it_is_damaged(int at)
    {
        HomeFolder.Open(_home, SystemDisk.Instance).Dispose();
        var file = Path.Combine(_home, "identity.key");
        var content = File.ReadAllBytes(file);
        content[at] ^= 1;
        File.WriteAllBytes(file, content);
        AssertRefused(ErrorCode.IdentityDamaged);
    }

    [Fact]
    public void An_identity_that_others_may_read_is_refused()
    {
        HomeFolder.Open(_home, SystemDisk.Instance).Dispose();
        File.SetUnixFileMode(Path.Combine(_home, "identity.key"), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead);
        AssertRefused(ErrorCode.IdentityDamaged);
    }

    [Fact]
    public void A_home_that_is_a_file_or_too_long_for_a_socket_is_refused()
    {
        var file = Path.Combine(_home, "file");
        File.WriteAllText(file, "");
        Assert.Equal(ErrorCode.HomeUnusable, Assert.Throws<PcException>(() => HomeFolder.Open(file, SystemDisk.Instance)).Code);
        Assert.Equal(ErrorCode.HomeUnusable, Assert.Throws<PcException>(() => HomeFolder.Open(Path.Combine(_home, new string('a', 100)), SystemDisk.Instance)).Code);
    }

    [Fact]
    public void A_full_disk_is_said_and_keeps_what_was_written()
    {
        // SQLite itself says that there is no room: its own limit on pages stands in for the disk's.
        using var home = HomeFolder.Open(_home, SystemDisk.Instance);
        home.Database.Write((connection, transaction) => Run(connection, "INSERT INTO addresses VALUES (x'01', 'kept', 1)"));
        home.Database.Read(connection => Run(connection, "PRAGMA max_page_count=1"));
        var full = Assert.Throws<PcException>(() => home.Database.Write((connection, transaction) =>
            Run(connection, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) INSERT INTO addresses SELECT randomblob(32), hex(randomblob(100)), i FROM n")));
        Assert.Equal(ErrorCode.DiskFull, full.Code);
        home.Database.Read(connection => Run(connection, "PRAGMA max_page_count=1000000"));
        Assert.Equal("kept", home.Database.Read(connection => Run(connection, "SELECT group_concat(address) FROM addresses")));
    }

    public void Dispose() => Directory.Delete(_home, recursive: true);

    private void AssertRefused(ErrorCode code)
    {
        var before = Directory.GetFiles(_home).Where(f => !f.EndsWith("-wal", StringComparison.Ordinal) && !f.EndsWith("-shm", StringComparison.Ordinal)).Order().ToList();
        Assert.Equal(code, Assert.Throws<PcException>(() => HomeFolder.Open(_home, SystemDisk.Instance)).Code);
        if (code == ErrorCode.HomeNewer) Assert.Equal(before, Directory.GetFiles(_home).Where(f => !f.EndsWith("-wal", StringComparison.Ordinal) && !f.EndsWith("-shm", StringComparison.Ordinal)).Order());
    }

    private static object? Run(Microsoft.Data.Sqlite.SqliteConnection connection, string sql)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        return command.ExecuteScalar();
    }
}
