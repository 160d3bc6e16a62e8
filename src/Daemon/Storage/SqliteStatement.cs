using System.Text;

namespace PeoplesCloud.Daemon.Storage;

/// <summary>A prepared statement: parameters are bound by their names, rows read one by one. It may be run again with other parameters.</summary>
internal sealed unsafe class SqliteStatement : IDisposable
{
    private const int Row = 100;
    private const int Done = 101;
    private const int Null = 5;
    private static readonly nint Copy = -1; // SQLITE_TRANSIENT: it takes a copy of what is bound

    private readonly SqliteConnection _connection;
    private nint _handle;

    internal SqliteStatement(SqliteConnection connection, nint handle)
    {
        _connection = connection;
        _handle = handle;
    }

    /// <summary>Binds bytes; null is NULL, and no bytes are not.</summary>
    public SqliteStatement Bind(string name, byte[]? value)
    {
        fixed (byte* bytes = value)
        {
            _connection.Check(value switch
            {
                null => SqliteLibrary.BindNull(_handle, IndexOf(name)),
                [] => SqliteLibrary.BindZeros(_handle, IndexOf(name), 0),
                _ => SqliteLibrary.BindBytes(_handle, IndexOf(name), bytes, value.Length, Copy),
            });
        }
        return this;
    }

    /// <summary>Binds text.</summary>
    public SqliteStatement Bind(string name, string value)
    {
        _connection.Check(SqliteLibrary.BindText(_handle, IndexOf(name), value, -1, Copy));
        return this;
    }

    /// <summary>Binds a number.</summary>
    public SqliteStatement Bind(string name, long value)
    {
        _connection.Check(SqliteLibrary.BindNumber(_handle, IndexOf(name), value));
        return this;
    }

    /// <summary>Goes to the next row; false when there is none.</summary>
    /// <exception cref="SqliteException"/>
    public bool Read()
    {
        var code = SqliteLibrary.Step(_handle);
        if (code is not (Row or Done)) _connection.Check(code);
        return code == Row;
    }

    /// <summary>Runs it to its end, whatever it answers.</summary>
    /// <exception cref="SqliteException"/>
    public void Run()
    {
        try
        {
            while (Read()) { }
        }
        finally
        {
            _ = SqliteLibrary.Reset(_handle); // says again what was said
        }
    }

    /// <summary>Whether the row has nothing in a column.</summary>
    public bool IsNull(int column) => SqliteLibrary.ColumnType(_handle, column) == Null;

    /// <summary>The row's bytes in a column.</summary>
    public byte[] Bytes(int column)
    {
        var bytes = SqliteLibrary.ColumnBytes(_handle, column); // before their count: https://www.sqlite.org/c3ref/column_blob.html
        return new ReadOnlySpan<byte>(bytes, SqliteLibrary.ColumnLength(_handle, column)).ToArray();
    }

    /// <summary>The row's text in a column.</summary>
    public string Text(int column)
    {
        var bytes = SqliteLibrary.ColumnText(_handle, column);
        return Encoding.UTF8.GetString(bytes, SqliteLibrary.ColumnLength(_handle, column));
    }

    /// <summary>The row's number in a column.</summary>
    public long Number(int column) => SqliteLibrary.ColumnNumber(_handle, column);

    /// <summary>Lets go of it.</summary>
    public void Dispose()
    {
        _ = SqliteLibrary.Finish(_handle); // says again what was said
        _handle = 0;
    }

    private int IndexOf(string name) => SqliteLibrary.ParameterIndex(_handle, name) is > 0 and var index ? index : throw new ArgumentException($"the statement has no {name}", nameof(name));
}
