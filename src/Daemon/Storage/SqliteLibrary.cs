using System.Reflection;
using System.Runtime.InteropServices;
using PeoplesCloud.Base;
using SQLitePCL;

namespace PeoplesCloud.Daemon.Storage;

/// <summary>Uses the system's SQLite (Debian: libsqlite3-0), whose security updates come with the system.</summary>
internal static class SqliteLibrary
{
    private static readonly Lazy<nint> Handle = new(() => Load("libsqlite3.so.0", "libsqlite3.so"));

    private static readonly Lazy<bool> Provider = new(() =>
    {
        NativeLibrary.SetDllImportResolver(typeof(SQLite3Provider_e_sqlite3).Assembly, Resolve);
        raw.SetProvider(new SQLite3Provider_e_sqlite3());
        raw.FreezeProvider();
        return true;
    });

    /// <summary>Makes SQLite usable; cheap when it already is.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.SqliteMissing"/>.</exception>
    public static void Use()
    {
        _ = Handle.Value;
        _ = Provider.Value;
    }

    /// <summary>The first of these files that can be loaded.</summary>
    internal static nint Load(params ReadOnlySpan<string> files)
    {
        foreach (var file in files)
        {
            if (NativeLibrary.TryLoad(file, out var handle)) return handle;
        }
        throw new PcException(ErrorCode.SqliteMissing, $"the library {files[0]} was not found on this machine");
    }

    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? path) =>
        string.Equals(name, "e_sqlite3", StringComparison.Ordinal) ? Handle.Value : 0;
}
