using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;

namespace PeoplesCloud.Daemon.Power;

/// <summary>
/// Hears from logind that the machine is about to sleep, and makes it wait for a moment: programs go to other hosts in order, instead of standing still until
/// their leases end there. Where there is no system bus or no logind, nothing is heard and a sleep is what it is without this: a lease that runs out.
/// Source: "Inhibitor Locks" of systemd (delay locks), org.freedesktop.login1(5).
/// </summary>
/// <param name="address">Where the system bus is.</param>
/// <param name="sleeps">Gives programs away; has <see cref="LongestDelay"/>.</param>
/// <param name="wakes">Called when the machine woke, or did not sleep after all.</param>
/// <param name="time">The clock of the delay.</param>
/// <param name="logger">The daemon's log.</param>
internal sealed class SleepWatch(string address, Func<Task> sleeps, Action wakes, TimeProvider time, ILogger logger)
{
    /// <summary>How long the machine is kept awake at most: logind waits 5 s by default (InhibitDelayMaxSec) and then sleeps all the same.</summary>
    public static readonly TimeSpan LongestDelay = TimeSpan.FromSeconds(4);

    private const string Logind = "org.freedesktop.login1";
    private const string Path = "/org/freedesktop/login1";
    private const string Manager = "org.freedesktop.login1.Manager";
    private const string Signal = "PrepareForSleep";

    private bool _heard;

    /// <summary>Listens until it is cancelled; ends by itself where there is nothing to listen to.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        SafeFileHandle? delay = null;
        var asleep = false;
        try
        {
            using var bus = await SystemBus.OpenAsync(address, cancellationToken);
            await bus.ListenAsync(Logind, Path, Manager, Signal, cancellationToken);
            delay = await DelayAsync(bus, cancellationToken);
            if (delay is null) return;
            _heard = true;
            while (true)
            {
                var signal = await bus.NextSignalAsync(cancellationToken);
                // Anybody on the bus may send a signal to this connection; only logind's own counts.
                if (signal is not { Member: Signal, Interface: Manager, Truth: { } goes } || signal.Sender != await bus.OwnerOfAsync(Logind, cancellationToken)) continue;
                if (goes)
                {
                    PowerLog.Sleeps(logger);
                    asleep = true;
                    await GiveAwayAsync(cancellationToken);
                    delay?.Dispose(); // from here on the machine may sleep
                    delay = null;
                }
                else
                {
                    PowerLog.Wakes(logger);
                    asleep = false;
                    wakes();
                    delay ??= await DelayAsync(bus, cancellationToken);
                }
            }
        }
        catch (IOException e) when (!_heard)
        {
            PowerLog.NoBus(logger, e.Message);
        }
        finally
        {
            delay?.Dispose();
            if (asleep) wakes(); // nobody would say so any more
        }
    }

    private async Task GiveAwayAsync(CancellationToken cancellationToken)
    {
        try
        {
            await sleeps().WaitAsync(LongestDelay, time, cancellationToken);
        }
        catch (TimeoutException)
        {
            PowerLog.TooLate(logger, LongestDelay);
        }
    }

    // An open file is the wish to be waited for; closing it ends that.
    private async Task<SafeFileHandle?> DelayAsync(SystemBus bus, CancellationToken cancellationToken)
    {
        var answer = await bus.CallAsync(Logind, Path, Manager, "Inhibit", ["sleep", "People's Cloud", "gives programs to other hosts", "delay"], cancellationToken);
        if (bus.TakeFileOf(answer) is { } file) return file;
        PowerLog.NoLogind(logger, answer.ErrorName);
        return null;
    }
}
