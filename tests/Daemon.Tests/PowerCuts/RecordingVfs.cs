using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using PeoplesCloud.Daemon.Storage;
using PeoplesCloud.Simulation.Disk;

namespace PeoplesCloud.Daemon.Tests.PowerCuts;

/// <summary>
/// Notes what SQLite itself does to the disk. It is SQLite's own "unix" file system with some methods replaced by ones that note the
/// step first (https://www.sqlite.org/vfs.html): bytes written, cut, flushed; files made and removed; folders opened for a flush. It
/// becomes the process's default; files below no trace are passed on as they are. Real flushes are left out below a trace and below
/// <see cref="Unflushed"/>: what a cut leaves is computed, and the tests open thousands of databases.
/// </summary>
internal static unsafe partial class RecordingVfs
{
    // Offsets in struct sqlite3_vfs and struct sqlite3_io_methods on machines with pointers of 8 bytes (sqlite3.h).
    private const int VfsBytes = 168;
    private const int VfsName = 24;
    private const int VfsOpen = 40;
    private const int VfsDelete = 48;
    private const int VfsSetSystemCall = 144;
    private const int VfsGetSystemCall = 152;
    private const int MethodsBytes = 152;
    private const int MethodsClose = 8;
    private const int MethodsWrite = 24;
    private const int MethodsTruncate = 32;
    private const int MethodsSync = 40;

    private const int ReadOnlyOpen = 1; // SQLITE_OPEN_READONLY

    private static readonly ConcurrentDictionary<DiskTrace, bool> Traces = new();
    private static readonly ConcurrentDictionary<string, bool> UnflushedFolders = new(StringComparer.Ordinal);
    private static readonly ConcurrentDictionary<nint, OpenFile> Open = new();
    private static readonly ConcurrentDictionary<nint, nint> Patched = new(); // databases and logs have methods of their own
    private static readonly Lazy<byte> Registered = new(Register);
    private static byte* _unix;
    private static delegate* unmanaged<byte*, int*, int> _openDirectory;

    /// <summary>Notes what SQLite does below a trace's root from now on.</summary>
    public static void Record(DiskTrace trace)
    {
        _ = Registered.Value;
        Traces[trace] = true;
    }

    /// <summary>Notes no more.</summary>
    public static void Forget(DiskTrace trace) => Traces.TryRemove(trace, out _);

    /// <summary>Leaves out real flushes of databases below a folder.</summary>
    public static void Unflushed(string folder)
    {
        _ = Registered.Value;
        UnflushedFolders[folder + "/"] = true;
    }

    /// <summary>Takes <see cref="Unflushed"/> back.</summary>
    public static void Flushed(string folder) => UnflushedFolders.TryRemove(folder + "/", out _);

    private static byte Register()
    {
        SqliteLibrary.Use();
        _unix = VfsFind(null);
        var ours = (byte*)NativeMemory.Alloc(VfsBytes);
        Buffer.MemoryCopy(_unix, ours, VfsBytes, VfsBytes);
        *(byte**)(ours + VfsName) = (byte*)Marshal.StringToCoTaskMemUTF8("recording");
        *(delegate* unmanaged<byte*, byte*, byte*, int, int*, int>*)(ours + VfsOpen) = &OnOpen;
        *(delegate* unmanaged<byte*, byte*, int, int>*)(ours + VfsDelete) = &OnDelete;
        var getSystemCall = *(delegate* unmanaged<byte*, byte*, void*>*)(_unix + VfsGetSystemCall);
        var setSystemCall = *(delegate* unmanaged<byte*, byte*, void*, int>*)(_unix + VfsSetSystemCall);
        fixed (byte* name = "openDirectory\0"u8)
        {
            _openDirectory = (delegate* unmanaged<byte*, int*, int>)getSystemCall(_unix, name);
            if (_openDirectory is null || setSystemCall(_unix, name, (delegate* unmanaged<byte*, int*, int>)&OnOpenDirectory) != 0) throw new InvalidOperationException("this SQLite has no openDirectory to replace");
        }
        if (VfsRegister(ours, 1) != 0) throw new InvalidOperationException("SQLite took no other file system");
        return 0;
    }

    private static DiskTrace? TraceOf(string path) => Traces.Keys.FirstOrDefault(trace => trace.Covers(path));

    [UnmanagedCallersOnly]
    private static int OnOpen(byte* vfs, byte* name, byte* file, int flags, int* outFlags)
    {
        var path = Marshal.PtrToStringUTF8((nint)name);
        var trace = path is null ? null : TraceOf(path);
        var isNew = trace is not null && (flags & ReadOnlyOpen) == 0 && !File.Exists(path);
        var result = (*(delegate* unmanaged<byte*, byte*, byte*, int, int*, int>*)(_unix + VfsOpen))(_unix, name, file, flags, outFlags);
        if (result != 0 || path is null || *(byte**)file == null) return result;
        var isQuick = trace is not null || UnflushedFolders.Keys.Any(folder => path.StartsWith(folder, StringComparison.Ordinal));
        if (!isQuick) return result;
        var methods = *(byte**)file;
        Open[(nint)file] = new OpenFile(path, methods, trace, trace is null ? 0 : isNew ? trace.Make(path) : trace.Find(path)) { FolderIsUnflushed = isNew };
        *(byte**)file = (byte*)Patched.GetOrAdd((nint)methods, Patch);
        return result;
    }

    private static nint Patch(nint methods)
    {
        var ours = (byte*)NativeMemory.Alloc(MethodsBytes);
        Buffer.MemoryCopy((byte*)methods, ours, MethodsBytes, MethodsBytes);
        *(delegate* unmanaged<byte*, int>*)(ours + MethodsClose) = &OnClose;
        *(delegate* unmanaged<byte*, byte*, int, long, int>*)(ours + MethodsWrite) = &OnWrite;
        *(delegate* unmanaged<byte*, long, int>*)(ours + MethodsTruncate) = &OnTruncate;
        *(delegate* unmanaged<byte*, int, int>*)(ours + MethodsSync) = &OnSync;
        return (nint)ours;
    }

    [UnmanagedCallersOnly]
    private static int OnDelete(byte* vfs, byte* name, int flushFolder)
    {
        if (Marshal.PtrToStringUTF8((nint)name) is { } path && TraceOf(path) is { } trace && File.Exists(path)) trace.Note(new DiskStep.Deleted(path));
        return (*(delegate* unmanaged<byte*, byte*, int, int>*)(_unix + VfsDelete))(_unix, name, flushFolder);
    }

    // Called with the name of a file whose folder is to be flushed.
    [UnmanagedCallersOnly]
    private static int OnOpenDirectory(byte* name, int* descriptor)
    {
        if (Marshal.PtrToStringUTF8((nint)name) is { } path && TraceOf(path) is { } trace) trace.Note(new DiskStep.FolderFlushed(Path.GetDirectoryName(path)!, $"SQLite, {Path.GetFileName(path)}: names"));
        return _openDirectory(name, descriptor);
    }

    [UnmanagedCallersOnly]
    private static int OnClose(byte* file)
    {
        Open.TryRemove((nint)file, out var open);
        *(byte**)file = open!.Methods;
        return (*(delegate* unmanaged<byte*, int>*)(open.Methods + MethodsClose))(file);
    }

    [UnmanagedCallersOnly]
    private static int OnWrite(byte* file, byte* bytes, int count, long offset)
    {
        var open = Open[(nint)file];
        open.Trace?.Note(new DiskStep.Written(open.Number, offset, new ReadOnlySpan<byte>(bytes, count).ToArray()));
        return (*(delegate* unmanaged<byte*, byte*, int, long, int>*)(open.Methods + MethodsWrite))(file, bytes, count, offset);
    }

    [UnmanagedCallersOnly]
    private static int OnTruncate(byte* file, long length)
    {
        var open = Open[(nint)file];
        open.Trace?.Note(new DiskStep.Truncated(open.Number, length));
        return (*(delegate* unmanaged<byte*, long, int>*)(open.Methods + MethodsTruncate))(file, length);
    }

    // The first flush of a file that SQLite made goes on to the real one, because that decides whether to flush the folder too.
    [UnmanagedCallersOnly]
    private static int OnSync(byte* file, int flags)
    {
        var open = Open[(nint)file];
        open.Trace?.Note(new DiskStep.Flushed(open.Number, $"SQLite, {Path.GetFileName(open.Path)}: bytes"));
        if (!open.FolderIsUnflushed) return 0;
        open.FolderIsUnflushed = false;
        return (*(delegate* unmanaged<byte*, int, int>*)(open.Methods + MethodsSync))(file, flags);
    }

    [LibraryImport("libsqlite3.so.0", EntryPoint = "sqlite3_vfs_find")]
    private static partial byte* VfsFind(byte* name);

    [LibraryImport("libsqlite3.so.0", EntryPoint = "sqlite3_vfs_register")]
    private static partial int VfsRegister(byte* vfs, int isDefault);

    private sealed class OpenFile(string path, byte* methods, DiskTrace? trace, int number)
    {
        public string Path { get; } = path;

        public byte* Methods { get; } = methods;

        public DiskTrace? Trace { get; } = trace;

        public int Number { get; } = number;

        public bool FolderIsUnflushed { get; set; }
    }
}
