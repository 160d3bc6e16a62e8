using PeoplesCloud.Daemon.Storage;

namespace PeoplesCloud.Daemon.Tests.Storage;

public sealed class SqliteConnectionTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("pc-sqlite-").FullName;

    [Fact]
    public void What_is_bound_is_read_again()
    {
        using var connection = Open();
        connection.Execute("CREATE TABLE t (bytes BLOB, text TEXT, number INTEGER)");
        byte[]?[] all = [null, [], [0, 1, 0]];
        using (var insert = connection.Prepare("INSERT INTO t VALUES ($bytes, $text, $number)"))
        {
            insert.Bind("$text", "wörter").Bind("$number", long.MinValue);
            foreach (var bytes in all) insert.Bind("$bytes", bytes).Run();
        }
        using var select = connection.Prepare("SELECT bytes, text, number FROM t ORDER BY rowid");
        foreach (var bytes in all)
        {
            Assert.True(select.Read());
            Assert.Equal(bytes is null, select.IsNull(0)); // no bytes are not NULL: a grant to all swarms is told by it
            Assert.Equal(bytes ?? [], select.Bytes(0));
            Assert.Equal(("wörter", long.MinValue), (select.Text(1), select.Number(2)));
        }
        Assert.False(select.Read());
    }

    [Fact]
    public void A_transaction_that_throws_is_undone_and_the_next_one_is_not()
    {
        using var connection = Open();
        connection.Execute("CREATE TABLE t (n INTEGER PRIMARY KEY)");
        Assert.Throws<InvalidOperationException>(() => connection.InTransaction(() =>
        {
            connection.Execute("INSERT INTO t VALUES (1)");
            throw new InvalidOperationException("on purpose");
        }));
        connection.InTransaction(() => connection.Execute("INSERT INTO t VALUES (2)"));
        const int constraint = 19; // SQLITE_CONSTRAINT
        Assert.Equal(constraint, Assert.Throws<SqliteException>(() => connection.InTransaction(() => connection.Execute("INSERT INTO t VALUES (3); INSERT INTO t VALUES (2)"))).Code);
        using var sum = connection.Prepare("SELECT sum(n) FROM t");
        Assert.True(sum.Read());
        Assert.Equal(2, sum.Number(0));
    }

    [Fact]
    public void What_cannot_be_is_said_and_what_is_closed_is_not_used()
    {
        const int cannotOpen = 14; // SQLITE_CANTOPEN
        Assert.Equal(cannotOpen, Assert.Throws<SqliteException>(() => SqliteConnection.Open(Path.Combine(_folder, "missing"), mayMake: false)).Code);
        var connection = Open();
        Assert.Contains("nothing", Assert.Throws<SqliteException>(() => connection.Prepare("SELECT nothing")).Message, StringComparison.Ordinal);
        using (var select = connection.Prepare("SELECT $one")) Assert.Throws<ArgumentException>(() => select.Bind("$two", 2));
        connection.Dispose();
        connection.Dispose();
        Assert.Throws<ObjectDisposedException>(() => connection.Execute("SELECT 1"));
        Assert.Throws<ObjectDisposedException>(() => connection.Prepare("SELECT 1"));
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private SqliteConnection Open() => SqliteConnection.Open(Path.Combine(_folder, "db"), mayMake: true);
}
