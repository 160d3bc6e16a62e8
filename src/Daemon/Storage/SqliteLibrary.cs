using System.Reflection;
using System.Runtime.InteropServices;
using PeoplesCloud.Base;

namespace PeoplesCloud.Daemon.Storage;

/// <summary>Uses the system's SQLite (Debian: libsqlite3-0), whose security updates come with the system.</summary>
internal static unsafe partial class SqliteLibrary
{
    private const string Name = "sqlite3";

    private static readonly Lazy<nint> Handle = new(() =>
    {
        var handle = Load("libsqlite3.so.0", "libsqlite3.so");
        NativeLibrary.SetDllImportResolver(typeof(SqliteLibrary).Assembly, Resolve);
        return handle;
    });

    /// <summary>Makes SQLite usable; cheap when it already is.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.SqliteMissing"/>.</exception>
    public static void Use() => _ = Handle.Value;

    /// <summary>The first of these files that can be loaded.</summary>
    internal static nint Load(params ReadOnlySpan<string> files)
    {
        foreach (var file in files)
        {
            if (NativeLibrary.TryLoad(file, out var handle)) return handle;
        }
        throw new PcException(ErrorCode.SqliteMissing, $"the library {files[0]} was not found on this machine");
    }

    // What each does: https://www.sqlite.org/c3ref/funclist.html
    [LibraryImport(Name, EntryPoint = "sqlite3_open_v2", StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int Open(string path, out nint connection, int flags, nint fileSystem);

    [LibraryImport(Name, EntryPoint = "sqlite3_close_v2")]
    internal static partial int Close(nint connection);

    [LibraryImport(Name, EntryPoint = "sqlite3_errmsg")]
    internal static partial byte* Message(nint connection);

    [LibraryImport(Name, EntryPoint = "sqlite3_busy_timeout")]
    internal static partial int BusyTimeout(nint connection, int milliseconds);

    [LibraryImport(Name, EntryPoint = "sqlite3_get_autocommit")]
    internal static partial int IsAutoCommit(nint connection);

    [LibraryImport(Name, EntryPoint = "sqlite3_exec", StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int Execute(nint connection, string sql, nint callback, nint argument, nint message);

    [LibraryImport(Name, EntryPoint = "sqlite3_prepare_v2", StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int Prepare(nint connection, string sql, int length, out nint statement, nint rest);

    [LibraryImport(Name, EntryPoint = "sqlite3_bind_parameter_index", StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int ParameterIndex(nint statement, string name);

    [LibraryImport(Name, EntryPoint = "sqlite3_bind_null")]
    internal static partial int BindNull(nint statement, int index);

    [LibraryImport(Name, EntryPoint = "sqlite3_bind_zeroblob")]
    internal static partial int BindZeros(nint statement, int index, int count);

    [LibraryImport(Name, EntryPoint = "sqlite3_bind_blob")]
    internal static partial int BindBytes(nint statement, int index, byte* bytes, int count, nint release);

    [LibraryImport(Name, EntryPoint = "sqlite3_bind_text", StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int BindText(nint statement, int index, string text, int count, nint release);

    [LibraryImport(Name, EntryPoint = "sqlite3_bind_int64")]
    internal static partial int BindNumber(nint statement, int index, long number);

    [LibraryImport(Name, EntryPoint = "sqlite3_step")]
    internal static partial int Step(nint statement);

    [LibraryImport(Name, EntryPoint = "sqlite3_reset")]
    internal static partial int Reset(nint statement);

    [LibraryImport(Name, EntryPoint = "sqlite3_finalize")]
    internal static partial int Finish(nint statement);

    [LibraryImport(Name, EntryPoint = "sqlite3_column_type")]
    internal static partial int ColumnType(nint statement, int column);

    [LibraryImport(Name, EntryPoint = "sqlite3_column_blob")]
    internal static partial byte* ColumnBytes(nint statement, int column);

    [LibraryImport(Name, EntryPoint = "sqlite3_column_text")]
    internal static partial byte* ColumnText(nint statement, int column);

    [LibraryImport(Name, EntryPoint = "sqlite3_column_bytes")]
    internal static partial int ColumnLength(nint statement, int column);

    [LibraryImport(Name, EntryPoint = "sqlite3_column_int64")]
    internal static partial long ColumnNumber(nint statement, int column);

    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? path) => string.Equals(name, Name, StringComparison.Ordinal) ? Handle.Value : 0;
}
