using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace PeoplesCloud.Programs.Data;

/// <summary>
/// Hears from the kernel (inotify) that something in a folder changed, so that it need not be looked for; one for all programs, since a
/// user has few of them. Notices may be lost, or there may be none: whoever counts on changes looks for them too, from time to time.
/// </summary>
internal sealed partial class ChangeNotices : IDisposable
{
    private const int CloseOnExec = 0x80000;
    private const int EventBytes = 16;
    private const uint Changes = 0x2 | 0x4 | 0x8 | 0x40 | 0x80 | 0x100 | 0x200; // modify, attrib, close after writing, moved from and to, create, delete
    private const uint OnlyFolders = 0x1000000;
    private const uint Ended = 0x8000; // the watch is over: its folder is gone, or it was removed

    private readonly SafeFileHandle _events = Init(CloseOnExec);
    private readonly ConcurrentDictionary<int, Watch> _watches = [];
    private bool _isReading;
    private volatile bool _isClosed;

    /// <summary>Begins to watch a folder and all below it.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="changed">Called on a thread of ours after a change; returns at once.</param>
    public Watch Begin(string folder, Action changed)
    {
        lock (_watches)
        {
            if (!_isReading && !_events.IsInvalid) new Thread(Read) { IsBackground = true, Name = "data changes" }.Start();
            _isReading = true;
        }
        return new Watch(this, folder, changed);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _isClosed = true;
        // The thread waits in the kernel; a watch that ends wakes it, and it closes the handle.
        try
        {
            var number = _isReading && !_events.IsInvalid ? Add(_events, "/", OnlyFolders | 0x400) : -1;
            if (number < 0 || Remove(_events, number) != 0) _events.Dispose();
        }
        catch (ObjectDisposedException)
        {
            // A notice had woken it already.
        }
    }

    private void Read()
    {
        var buffer = new byte[16 << 10];
        using (_events)
        {
            while (!_isClosed)
            {
                var read = ReadEvents(_events, buffer, buffer.Length);
                if (read < EventBytes) return;
                Tell(buffer.AsSpan(0, (int)read));
            }
        }
    }

    // struct inotify_event: wd:i32 mask:u32 cookie:u32 len:u32 name. A full queue is an event of watch -1: everything may have changed.
    private void Tell(ReadOnlySpan<byte> events)
    {
        while (events.Length >= EventBytes)
        {
            var number = BinaryPrimitives.ReadInt32LittleEndian(events);
            var isOver = (BinaryPrimitives.ReadUInt32LittleEndian(events[4..]) & Ended) != 0;
            if (number < 0)
            {
                foreach (var watch in _watches.Values.Distinct()) watch.Changed();
            }
            else if (isOver ? _watches.TryRemove(number, out var told) : _watches.TryGetValue(number, out told))
            {
                told.Changed();
            }
            events = events[Math.Min(events.Length, EventBytes + (int)BinaryPrimitives.ReadUInt32LittleEndian(events[12..]))..];
        }
    }

    [LibraryImport("libc", EntryPoint = "inotify_init1", SetLastError = true)]
    private static partial SafeFileHandle Init(int flags);

    [LibraryImport("libc", EntryPoint = "inotify_add_watch", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    private static partial int Add(SafeFileHandle events, string path, uint mask);

    [LibraryImport("libc", EntryPoint = "inotify_rm_watch", SetLastError = true)]
    private static partial int Remove(SafeFileHandle events, int number);

    [LibraryImport("libc", EntryPoint = "read", SetLastError = true)]
    private static partial nint ReadEvents(SafeFileHandle events, byte[] buffer, nint length);

    /// <summary>One folder that is watched, until it is disposed of.</summary>
    internal sealed class Watch : IDisposable
    {
        private readonly ChangeNotices _notices;
        private readonly string _folder;

        public Watch(ChangeNotices notices, string folder, Action changed)
        {
            (_notices, _folder, Changed) = (notices, folder, changed);
            Renew();
        }

        /// <summary>Whether changes may go unnoticed: the kernel gives no notices, or not for so many folders.</summary>
        public bool IsBlind { get; private set; }

        /// <summary>Called after a change.</summary>
        public Action Changed { get; }

        /// <summary>Watches folders that are new. Through handles, never by a path that the program could turn elsewhere.</summary>
        public void Renew()
        {
            IsBlind = _notices._events.IsInvalid || _notices._isClosed;
            if (IsBlind) return;
            try
            {
                using var root = OpenFolder.Open(_folder);
                Renew(root, depth: 0);
            }
            catch (Exception closed) when (closed is IOException or UnauthorizedAccessException)
            {
                IsBlind = true; // the program took the right to read it away
            }
        }

        /// <inheritdoc/>
        public void Dispose()
        {
            try
            {
                foreach (var (number, _) in _notices._watches.Where(watch => watch.Value == this))
                    if (_notices._watches.TryRemove(number, out _) && !_notices._isClosed) _ = Remove(_notices._events, number);
            }
            catch (ObjectDisposedException)
            {
                // All of them end.
            }
        }

        private void Renew(OpenFolder folder, int depth)
        {
            // Again each time: a name may be another folder now, and the kernel knows one that is watched already.
            var number = Add(_notices._events, folder.Path, Changes | OnlyFolders);
            if (number < 0 || depth > DataLimits.MaxDepth)
            {
                IsBlind = true;
                return;
            }
            _notices._watches[number] = this;
            foreach (var name in folder.Names().Take(DataLimits.MaxEntries))
            {
                if (!folder.TryLook(name, out var status) || status.Kind != Bundles.FileKind.Folder) continue;
                using var inner = folder.TryEnter(name);
                if (inner is not null) Renew(inner, depth + 1);
            }
        }
    }
}
