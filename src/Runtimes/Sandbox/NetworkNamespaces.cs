using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace PeoplesCloud.Runtimes.Sandbox;

/// <summary>A network namespace that no process is in: it is there as long as somebody holds it or a socket in it.</summary>
/// <param name="Handle">The namespace.</param>
/// <param name="Rules">A netlink socket in it, which obeys whoever may do so whatever thread it is.</param>
/// <param name="Packets">A packet socket in it that hears nothing yet.</param>
internal sealed record NetworkNamespace(SafeFileHandle Handle, SafeFileHandle Rules, SafeFileHandle Packets) : IDisposable
{
    /// <summary>How other processes of the same user name it.</summary>
    public string Path { get; } = $"/proc/{Environment.ProcessId}/fd/{Handle.DangerousGetHandle()}";

    /// <summary>
    /// Makes namespaces. A thread makes them by entering them, and is never used again: it ends in the last, having run nothing but what is needed here.
    /// Nothing that it does may begin other threads, which would be where it is: it completes no task and calls no callback. As root only.
    /// </summary>
    /// <exception cref="IOException">The kernel refused.</exception>
    public static NetworkNamespace[] Create(int count)
    {
        var made = new (int Handle, int Rules, int Packets)[count];
        var (error, what) = (0, "");
        RunApart(() =>
        {
            for (var i = 0; i < made.Length && error == 0; i++)
            {
                made[i] = (-1, -1, -1);
                if (LibC.unshare(LibC.NewNetwork) != 0) (error, what) = (Marshal.GetLastPInvokeError(), "unshare");
                else if ((made[i].Handle = LibC.open("/proc/thread-self/ns/net", LibC.CloseOnExec)) < 0) (error, what) = (Marshal.GetLastPInvokeError(), "/proc/thread-self/ns/net");
                else if ((made[i].Rules = LibC.socket(LibC.NetlinkFamily, LibC.RawSocket | LibC.CloseOnExec, 0)) < 0) (error, what) = (Marshal.GetLastPInvokeError(), "a netlink socket");
                else if ((made[i].Packets = PacketSocket()) < 0) (error, what) = (Marshal.GetLastPInvokeError(), "a packet socket");
            }
        });
        var all = made.Where(one => one != default).Select(one => new NetworkNamespace(Own(one.Handle), Own(one.Rules), Own(one.Packets))).ToArray();
        if (error == 0) return all;
        foreach (var one in all) one.Dispose();
        throw new IOException($"{what}: {Marshal.GetPInvokeErrorMessage(error)}");
    }

    /// <summary>A further packet socket in it that hears nothing yet.</summary>
    /// <exception cref="IOException">The kernel refused.</exception>
    public SafeFileHandle OpenPackets()
    {
        var (descriptor, error, there) = (-1, 0, (int)Handle.DangerousGetHandle());
        RunApart(() =>
        {
            if (LibC.setns(there, LibC.NewNetwork) != 0 || (descriptor = PacketSocket()) < 0) error = Marshal.GetLastPInvokeError();
        });
        return error == 0 ? Own(descriptor) : throw new IOException($"a packet socket: {Marshal.GetPInvokeErrorMessage(error)}");
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Packets.Dispose();
        Rules.Dispose();
        Handle.Dispose();
    }

    private static void RunApart(ThreadStart work)
    {
        var thread = new Thread(work, maxStackSize: 256 << 10) { IsBackground = true, Name = "namespaces" };
        thread.Start();
        thread.Join();
    }

    private static int PacketSocket() => LibC.socket(LibC.PacketFamily, LibC.RawSocket | LibC.CloseOnExec | LibC.NonBlocking, 0);

    private static SafeFileHandle Own(int descriptor) => new(descriptor, ownsHandle: true);
}
