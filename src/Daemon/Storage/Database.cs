using Microsoft.Data.Sqlite;
using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Home;

namespace PeoplesCloud.Daemon.Storage;

/// <summary>
/// pc.db: one connection, used by one caller at a time. WAL with synchronous=FULL, so that a commit is on the disk when it
/// returns (https://www.sqlite.org/pragma.html#pragma_synchronous). The schema's version is in <c>user_version</c>.
/// </summary>
internal sealed class Database : IDisposable
{
    /// <summary>The version this program writes. A home with a higher one is refused, one with a lower one is migrated.</summary>
    public const int SchemaVersion = 2;

    /// <summary>Written to <c>application_id</c>, so that another program's database is not taken for ours: "pcld".</summary>
    private const int ApplicationId = 0x70636C64;

    // Entries are kept as the bytes that were signed, in the order in which they came; the hash is what makes an append repeatable.
    private const string Schema = """
        CREATE TABLE entries (number INTEGER PRIMARY KEY, swarm BLOB NOT NULL, hash BLOB NOT NULL, bytes BLOB NOT NULL, UNIQUE (swarm, hash));
        CREATE TABLE swarms (id BLOB PRIMARY KEY, name TEXT NOT NULL UNIQUE, key BLOB NOT NULL, key_entry BLOB) WITHOUT ROWID;
        CREATE TABLE readable (digest BLOB NOT NULL, swarm BLOB NOT NULL, PRIMARY KEY (digest, swarm)) WITHOUT ROWID;
        CREATE TABLE addresses (peer BLOB NOT NULL, address TEXT NOT NULL, seen INTEGER NOT NULL, PRIMARY KEY (peer, address)) WITHOUT ROWID;
        """;

    // What brings a database of version n + 1 to version n + 2.
    private static readonly string[] Migrations = ["ALTER TABLE swarms ADD COLUMN key_entry BLOB"];

    private readonly SqliteConnection _connection;
    private readonly Lock _gate = new();
    private readonly string _path;

    private Database(SqliteConnection connection, string path)
    {
        _connection = connection;
        _path = path;
    }

    /// <summary>Opens or makes the database.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.HomeNewer"/>, <see cref="ErrorCode.DatabaseDamaged"/>, <see cref="ErrorCode.DiskFull"/>, <see cref="ErrorCode.SqliteMissing"/>.</exception>
    public static Database Open(string path)
    {
        SqliteLibrary.Use();
        var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = path, Pooling = false }.ToString());
        try
        {
            connection.Open();
            Execute(connection, "PRAGMA trusted_schema=OFF; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA busy_timeout=5000; PRAGMA cache_size=-512; PRAGMA wal_autocheckpoint=200");
            Migrate(connection, path);
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            return new Database(connection, path);
        }
        catch (Exception e)
        {
            connection.Dispose();
            if (e is PcException) throw;
            throw DiskErrors.Explain(e, path);
        }
    }

    /// <summary>
    /// Copies a database as it is at one moment into a new file, whether another process uses it or not (https://www.sqlite.org/lang_vacuum.html,
    /// VACUUM INTO). The caller keeps others away from the folder: the file's mode is the default one until it is set here.
    /// </summary>
    /// <exception cref="PcException"><see cref="ErrorCode.DatabaseDamaged"/>, <see cref="ErrorCode.DiskFull"/>, <see cref="ErrorCode.SqliteMissing"/>.</exception>
    public static void CopyTo(string path, string copy)
    {
        SqliteLibrary.Use();
        try
        {
            using var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = path, Pooling = false, Mode = SqliteOpenMode.ReadWrite }.ToString());
            connection.Open();
            Execute(connection, "PRAGMA busy_timeout=5000");
            using var command = connection.CreateCommand();
            command.CommandText = "VACUUM INTO $copy";
            command.Parameters.AddWithValue("$copy", copy);
            command.ExecuteNonQuery();
            File.SetUnixFileMode(copy, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        }
        catch (SqliteException e)
        {
            throw DiskErrors.Explain(e, path);
        }
    }

    /// <summary>Runs reads; one caller at a time.</summary>
    public T Read<T>(Func<SqliteConnection, T> read)
    {
        lock (_gate)
        {
            try
            {
                return read(_connection);
            }
            catch (SqliteException e)
            {
                throw DiskErrors.Explain(e, _path);
            }
        }
    }

    /// <summary>Runs writes in one transaction; durable when this returns, undone when it throws.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.DiskFull"/> and others of the disk.</exception>
    public void Write(Action<SqliteConnection, SqliteTransaction> write)
    {
        lock (_gate)
        {
            try
            {
                using var transaction = _connection.BeginTransaction();
                write(_connection, transaction);
                transaction.Commit();
            }
            catch (SqliteException e)
            {
                throw DiskErrors.Explain(e, _path);
            }
        }
    }

    /// <summary>Closes the database; waits for a caller that is inside.</summary>
    public void Dispose()
    {
        lock (_gate) _connection.Dispose();
    }

    private static void Migrate(SqliteConnection connection, string path)
    {
        using var transaction = connection.BeginTransaction();
        var found = Pragma(connection, "user_version");
        if (found > SchemaVersion)
            throw new PcException(ErrorCode.HomeNewer, $"{path} was written by a newer version of pc (schema {found}, this program knows {SchemaVersion})");
        if (found == 0)
        {
            Execute(connection, Schema, transaction);
            Execute(connection, $"PRAGMA application_id={ApplicationId}; PRAGMA user_version={SchemaVersion}", transaction);
        }
        else if (Pragma(connection, "application_id") != ApplicationId)
        {
            throw new PcException(ErrorCode.DatabaseDamaged, $"{path} is a database of another program");
        }
        else if (found < SchemaVersion)
        {
            foreach (var migration in Migrations[(int)(found - 1)..]) Execute(connection, migration, transaction);
            Execute(connection, $"PRAGMA user_version={SchemaVersion}", transaction);
        }
        transaction.Commit();
    }

    private static long Pragma(SqliteConnection connection, string name)
    {
        using var command = connection.CreateCommand();
        command.CommandText = $"PRAGMA {name}";
        return (long)command.ExecuteScalar()!;
    }

    private static void Execute(SqliteConnection connection, string sql, SqliteTransaction? transaction = null)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        command.Transaction = transaction;
        command.ExecuteNonQuery();
    }
}
