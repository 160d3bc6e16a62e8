using System.Runtime.InteropServices;

namespace PeoplesCloud.Daemon.Storage;

/// <summary>
/// A connection of the system's SQLite (https://www.sqlite.org/c3ref/intro.html), with the few calls that pc.db needs: ADO.NET and what it loads
/// takes an idle daemon 4 MiB. One caller at a time.
/// </summary>
internal sealed unsafe class SqliteConnection : IDisposable
{
    private const int OpenReadWrite = 2;
    private const int OpenCreate = 4;

    /// <summary>How long another process that writes is waited for.</summary>
    private const int BusyMilliseconds = 5000;

    private nint _handle;

    private SqliteConnection(nint handle) => _handle = handle;

    /// <summary>Opens a database.</summary>
    /// <param name="path">Its file.</param>
    /// <param name="mayMake">Whether it is made when it does not exist.</param>
    /// <exception cref="SqliteException">It cannot be opened.</exception>
    /// <exception cref="Base.PcException"><see cref="Base.ErrorCode.SqliteMissing"/>.</exception>
    public static SqliteConnection Open(string path, bool mayMake)
    {
        SqliteLibrary.Use();
        var code = SqliteLibrary.Open(path, out var handle, OpenReadWrite | (mayMake ? OpenCreate : 0), 0);
        var connection = new SqliteConnection(handle); // also one that could not be opened has to be closed
        try
        {
            connection.Check(code);
            connection.Check(SqliteLibrary.BusyTimeout(handle, BusyMilliseconds));
            return connection;
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    /// <summary>Runs statements that answer nothing and have no parameters.</summary>
    /// <exception cref="SqliteException"/>
    public void Execute(string sql)
    {
        ObjectDisposedException.ThrowIf(_handle == 0, this);
        Check(SqliteLibrary.Execute(_handle, sql, 0, 0, 0));
    }

    /// <summary>Prepares one statement; it is disposed before the connection.</summary>
    /// <exception cref="SqliteException"/>
    public SqliteStatement Prepare(string sql)
    {
        ObjectDisposedException.ThrowIf(_handle == 0, this);
        Check(SqliteLibrary.Prepare(_handle, sql, -1, out var statement, 0));
        return new SqliteStatement(this, statement);
    }

    /// <summary>Runs writes in one transaction; durable when this returns, undone when it throws.</summary>
    /// <exception cref="SqliteException"/>
    public void InTransaction(Action write)
    {
        Execute("BEGIN IMMEDIATE");
        try
        {
            write();
            Execute("COMMIT");
        }
        catch
        {
            // A full disk and others have undone it already.
            if (SqliteLibrary.IsAutoCommit(_handle) == 0) _ = SqliteLibrary.Execute(_handle, "ROLLBACK", 0, 0, 0);
            throw;
        }
    }

    /// <summary>Closes the database.</summary>
    public void Dispose()
    {
        _ = SqliteLibrary.Close(_handle);
        _handle = 0;
    }

    /// <summary>Throws what SQLite says when a call did not succeed.</summary>
    internal void Check(int code)
    {
        if (code == 0) return;
        var message = _handle == 0 ? null : Marshal.PtrToStringUTF8((nint)SqliteLibrary.Message(_handle));
        throw new SqliteException(code & 0xFF, message ?? $"SQLite answers {code}");
    }
}
