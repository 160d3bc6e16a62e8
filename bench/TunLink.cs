using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace PeoplesCloud.Bench;

/// <summary>
/// A link between two network namespaces with a rate, a delay and a queue that drops what does not fit: two TUN devices whose
/// packets pass through this process, so that no kernel module is needed. Both directions are alike.
/// </summary>
internal sealed partial class TunLink : IDisposable
{
    private const uint SetInterface = 0x400454ca; // TUNSETIFF, linux/if_tun.h
    private const short Tun = 0x0001;
    private const short NoPacketInformation = 0x1000;
    private const int ReadWrite = 2;
    private const int MaxPacketBytes = 2048;

    private readonly SafeFileHandle _nearDevice;
    private readonly SafeFileHandle _farDevice;
    private int _dropped;

    private TunLink(string name, double bitsPerSecond, TimeSpan oneWay, int queuePackets)
    {
        (Near, Far) = ($"{name}-a", $"{name}-b");
        foreach (var space in new[] { Near, Far }) Run("ip", "netns", "add", space);
        _nearDevice = Open($"{name}a");
        _farDevice = Open($"{name}b");
        Run("ip", "link", "set", $"{name}a", "netns", Near);
        Run("ip", "link", "set", $"{name}b", "netns", Far);
        foreach (var (space, device, address) in new[] { (Near, $"{name}a", "10.99.0.1"), (Far, $"{name}b", FarAddress) })
        {
            Run("ip", "-n", space, "addr", "add", $"{address}/24", "dev", device);
            Run("ip", "-n", space, "link", "set", device, "up");
            Run("ip", "-n", space, "link", "set", "lo", "up");
        }
        Carry(_nearDevice, _farDevice, bitsPerSecond, oneWay, queuePackets);
        Carry(_farDevice, _nearDevice, bitsPerSecond, oneWay, queuePackets);
    }

    /// <summary>The namespace on this side.</summary>
    public string Near { get; }

    /// <summary>The namespace on the other side.</summary>
    public string Far { get; }

    /// <summary>The address in <see cref="Far"/>.</summary>
    public string FarAddress { get; } = "10.99.0.2";

    /// <summary>Packets that found the queue full.</summary>
    public int Dropped => Volatile.Read(ref _dropped);

    public static TunLink Create(double bitsPerSecond, TimeSpan oneWay, int queuePackets) => new($"pcl{Environment.ProcessId}", bitsPerSecond, oneWay, queuePackets);

    /// <summary>How TCP finds its rate in both namespaces.</summary>
    public void Configure(string congestionControl)
    {
        foreach (var space in new[] { Near, Far }) Run("ip", "netns", "exec", space, "sh", "-c", $"echo {congestionControl} > /proc/sys/net/ipv4/tcp_congestion_control");
    }

    /// <summary>Runs this program in a namespace.</summary>
    public static Process Start(string space, string[] arguments)
    {
        var start = new ProcessStartInfo("ip", ["netns", "exec", space, Environment.ProcessPath!, .. arguments]) { UseShellExecute = false, RedirectStandardOutput = true };
        return Process.Start(start)!;
    }

    public void Dispose()
    {
        _nearDevice.Dispose();
        _farDevice.Dispose();
        foreach (var space in new[] { Near, Far }) Run("ip", "netns", "del", space);
    }

    // The devices are closed under the threads that carry: that ends them.
    private static void UntilClosed(Action carry)
    {
        try
        {
            carry();
        }
        catch (ObjectDisposedException)
        {
        }
    }

    private void Carry(SafeFileHandle from, SafeFileHandle to, double bitsPerSecond, TimeSpan oneWay, int queuePackets)
    {
        // In time order: when the last bit of a packet has left the queue, and when it is there.
        var underWay = new ConcurrentQueue<(byte[] Packet, long Left, long Arrives)>();
        var queued = new ConcurrentQueue<long>();
        var reader = new Thread(() => UntilClosed(() =>
        {
            var buffer = new byte[MaxPacketBytes];
            long free = 0;
            while (!from.IsClosed && read(from, buffer, MaxPacketBytes) is > 0 and var count)
            {
                var now = Stopwatch.GetTimestamp();
                while (queued.TryPeek(out var left) && left <= now) queued.TryDequeue(out _);
                if (queued.Count >= queuePackets)
                {
                    Interlocked.Increment(ref _dropped);
                    continue;
                }
                free = Math.Max(free, now) + (long)(count * 8 / bitsPerSecond * Stopwatch.Frequency);
                queued.Enqueue(free);
                underWay.Enqueue((buffer[..(int)count], free, free + (long)(oneWay.TotalSeconds * Stopwatch.Frequency)));
            }
        })) { IsBackground = true };
        var writer = new Thread(() => UntilClosed(() =>
        {
            while (!to.IsClosed)
            {
                if (!underWay.TryPeek(out var next) || next.Arrives > Stopwatch.GetTimestamp())
                {
                    Thread.Sleep(0);
                    Thread.Sleep(TimeSpan.FromTicks(2000)); // 0.2 ms
                    continue;
                }
                underWay.TryDequeue(out next);
                _ = write(to, next.Packet, next.Packet.Length);
            }
        })) { IsBackground = true };
        reader.Start();
        writer.Start();
    }

    private static SafeFileHandle Open(string name)
    {
        var device = new SafeFileHandle(open("/dev/net/tun", ReadWrite), ownsHandle: true);
        var request = new byte[40]; // struct ifreq
        Encoding.ASCII.GetBytes(name).CopyTo(request, 0);
        BitConverter.TryWriteBytes(request.AsSpan(16), (short)(Tun | NoPacketInformation));
        if (device.IsInvalid || ioctl(device, SetInterface, request) != 0) throw new InvalidOperationException($"no TUN device: error {Marshal.GetLastPInvokeError()}; is /dev/net/tun there?");
        return device;
    }

    private static void Run(string program, params string[] arguments)
    {
        using var process = Process.Start(program, arguments);
        process.WaitForExit();
        if (process.ExitCode != 0) throw new InvalidOperationException($"{program} {string.Join(' ', arguments)} failed");
    }

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int open(string path, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int ioctl(SafeFileHandle device, nuint request, byte[] argument);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint read(SafeFileHandle device, byte[] buffer, nint count);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint write(SafeFileHandle device, byte[] buffer, nint count);
}
