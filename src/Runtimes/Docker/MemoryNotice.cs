using System.Globalization;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using PeoplesCloud.Runtimes.Sandbox.Limits;

namespace PeoplesCloud.Runtimes.Docker;

/// <summary>
/// Hears from the kernel that a container went over its memory, where the engine does not say so. With control groups v1 the kernel writes to an eventfd, at once; with v2
/// the group's count is looked at four times a second, and the engine knows how the container's first process ended.
/// Source: the kernel's documentation of cgroup-v1/memory, "OOM Control", and of cgroup-v2, "memory.events".
/// </summary>
internal sealed partial class MemoryNotice
{
    private const int CloseOnExec = 0x80000;
    private const int StackBytes = 128 << 10;
    private const ulong OwnWord = 1UL << 32; // the kernel counts below it

    private static readonly TimeSpan LookInterval = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan RemovalPatience = TimeSpan.FromSeconds(1);

    private readonly string _group;
    private readonly Func<Task> _ranOut;
    private readonly SafeFileHandle? _events;
    private readonly ITimer? _looks;
    private readonly TaskCompletionSource<bool> _over = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TimeProvider _time;
    private int _told;

    private MemoryNotice(string group, bool isV1, Func<Task> ranOut, TimeProvider time)
    {
        (_group, _ranOut, _time) = (group, ranOut, time);
        if (!isV1)
        {
            _looks = time.CreateTimer(_ => Look(), null, LookInterval, LookInterval);
            return;
        }
        _events = Make(0, CloseOnExec);
        // "EVENTFD FILE", both as descriptors of this process.
        using (var file = File.OpenHandle(Path.Combine(group, "memory.oom_control")))
            File.WriteAllText(Path.Combine(group, "cgroup.event_control"), string.Create(CultureInfo.InvariantCulture, $"{_events.DangerousGetHandle()} {file.DangerousGetHandle()}"));
        new Thread(Listen, StackBytes) { IsBackground = true, Name = "container memory" }.Start();
    }

    /// <summary>Listens for a container; null when its group is not to be seen from here.</summary>
    /// <param name="process">Its first process.</param>
    /// <param name="container">Its id, which its groups are named by.</param>
    /// <param name="ranOut">Called once, when a process of it was ended for memory.</param>
    /// <param name="time">The clock.</param>
    public static MemoryNotice? Of(HostProcess? process, string container, Func<Task> ranOut, TimeProvider time)
    {
        if (process is null) return null;
        try
        {
            var layout = CgroupLayout.Parse(File.ReadAllLines("/proc/self/mountinfo"), File.ReadAllLines($"/proc/{process.Pid.ToString(CultureInfo.InvariantCulture)}/cgroup"), Directory.Exists);
            var isV1 = layout.V1.TryGetValue("memory", out var first);
            return (isV1 ? first : layout.V2) is { } group && group.Contains(container, StringComparison.Ordinal) ? new MemoryNotice(group, isV1, ranOut, time) : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null; // it has ended, or its groups are not ours to watch
        }
    }

    /// <summary>Ends it once the container has ended; answers whether that went over its memory.</summary>
    public async Task<bool> EndAsync()
    {
        if (_looks is not null)
        {
            await _looks.DisposeAsync();
            return Volatile.Read(ref _told) != 0;
        }
        // The kernel's last word is that the group was removed; what wakes the thread besides is ours.
        _ = Write(_events!, BitConverter.GetBytes(OwnWord), sizeof(ulong));
        return await _over.Task;
    }

    private void Look()
    {
        try
        {
            // "oom_kill 3"
            if (File.ReadLines(Path.Combine(_group, "memory.events")).Any(line => line.StartsWith("oom_kill ", StringComparison.Ordinal) && !line.EndsWith(" 0", StringComparison.Ordinal))) Tell();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Its group went.
        }
    }

    // The kernel tells once for each time that memory ran out, and once when the group is removed; nothing says which it was.
    private void Listen()
    {
        var (words, isOver, endsAt) = (0UL, false, 0L);
        var buffer = new byte[sizeof(ulong)];
        using (_events)
        {
            while (true)
            {
                if (Read(_events!, buffer, buffer.Length) < buffer.Length) break;
                var word = BitConverter.ToUInt64(buffer);
                words += word % OwnWord;
                isOver |= word >= OwnWord;
                if (words >= 2 || (words == 1 && Directory.Exists(_group))) Tell();
                if (!isOver) continue;
                // One word of a group that is gone: was that its end, or will that be told yet?
                if (words == 1 && _told == 0 && endsAt == 0)
                {
                    endsAt = _time.GetTimestamp();
                    _ = EndLaterAsync();
                    continue;
                }
                break;
            }
        }
        _over.TrySetResult(_told != 0);
    }

    private async Task EndLaterAsync()
    {
        await Task.Delay(RemovalPatience, _time);
        try
        {
            _ = Write(_events!, BitConverter.GetBytes(OwnWord), sizeof(ulong));
        }
        catch (ObjectDisposedException)
        {
            // It was told.
        }
    }

    private void Tell()
    {
        if (Interlocked.Exchange(ref _told, 1) == 0) _ = _ranOut();
    }

    [LibraryImport("libc", EntryPoint = "eventfd", SetLastError = true)]
    private static partial SafeFileHandle Make(uint initial, int flags);

    [LibraryImport("libc", EntryPoint = "read", SetLastError = true)]
    private static partial nint Read(SafeFileHandle events, byte[] buffer, nint length);

    [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
    private static partial nint Write(SafeFileHandle events, byte[] buffer, nint length);
}
