using System.Globalization;
using PeoplesCloud.Daemon.Leases;

namespace PeoplesCloud.Daemon.Tests.Leases;

/// <summary>The clock of leases. That it goes on in suspend is the kernel's promise for the clock that it reads.</summary>
public sealed class BootTimeProviderTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private readonly BootTimeProvider _clock = new();

    [Fact]
    public void It_counts_from_the_machine_s_start_with_its_sleep()
    {
        // The first number of /proc/uptime is CLOCK_BOOTTIME; in a namespace of its own for time both are moved alike.
        var before = Uptime();
        var now = (double)_clock.GetTimestamp() / _clock.TimestampFrequency;
        Assert.InRange(now, before - 0.02, Uptime() + 0.02);
    }

    [Fact]
    public async Task Timers_ring_in_the_order_in_which_they_are_due()
    {
        var rung = new List<int>();
        var (first, all) = (new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously), new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        void Ring(object? number)
        {
            rung.Add((int)number!); // all on one thread
            if (rung.Count == 1) first.SetResult();
            if (rung.Count == 3) all.SetResult();
        }
        var began = _clock.GetTimestamp();
        await using var late = _clock.CreateTimer(Ring, 3, TimeSpan.FromMinutes(30), Timeout.InfiniteTimeSpan);
        await using var early = _clock.CreateTimer(Ring, 1, TimeSpan.FromMilliseconds(60), Timeout.InfiniteTimeSpan);
        await using var moved = _clock.CreateTimer(Ring, 2, TimeSpan.FromHours(2), Timeout.InfiniteTimeSpan);
        moved.Change(TimeSpan.FromMinutes(20), Timeout.InfiniteTimeSpan);
        await using var cancelled = _clock.CreateTimer(Ring, 9, TimeSpan.FromMinutes(10), Timeout.InfiniteTimeSpan);
        cancelled.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        await first.Task.WaitAsync(Patience);
        Assert.True(_clock.GetElapsedTime(began) >= TimeSpan.FromMilliseconds(60));
        _clock.Jump(TimeSpan.FromHours(1));
        await all.Task.WaitAsync(Patience);
        Assert.Equal([1, 2, 3], rung);
    }

    [Fact]
    public async Task A_timer_with_a_period_rings_again_until_it_is_disposed_of()
    {
        var rung = new SemaphoreSlim(0);
        var timer = _clock.CreateTimer(_ => rung.Release(), null, TimeSpan.Zero, TimeSpan.FromMilliseconds(5));
        for (var i = 0; i < 5; i++) Assert.True(await rung.WaitAsync(Patience));
        await timer.DisposeAsync();
    }

    // Goal: nothing is done after a sleep before whoever must know is told. Method: a timer that is due while the machine seems to sleep.
    [Fact]
    public async Task After_a_sleep_it_is_told_before_any_timer_rings()
    {
        var happened = new List<string>();
        var late = TimeSpan.Zero;
        var rung = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _clock.Woke = time =>
        {
            late = time;
            happened.Add("woke");
        };
        await using var timer = _clock.CreateTimer(_ =>
        {
            happened.Add("rang"); // all on one thread
            rung.TrySetResult();
        }, null, TimeSpan.FromMinutes(10), Timeout.InfiniteTimeSpan);
        _clock.Jump(TimeSpan.FromHours(1));
        await rung.Task.WaitAsync(Patience);
        Assert.Equal(["woke", "rang"], happened);
        Assert.InRange(late, TimeSpan.FromMinutes(50), TimeSpan.FromMinutes(50) + Patience);
    }

    [Fact]
    public void The_dead_man_s_switch_can_be_set_put_off_and_taken_back()
    {
        // That it ends a process that stands still is tested with a daemon of its own; this one must live.
        using var dead = new DeadMansSwitch();
        Assert.True(dead.IsPossible);
        dead.Set(TimeSpan.FromMinutes(10));
        dead.Set(TimeSpan.FromMinutes(5));
        dead.Set(null);
    }

    public void Dispose() => _clock.Dispose();

    private static double Uptime() => double.Parse(File.ReadAllText("/proc/uptime").Split(' ')[0], CultureInfo.InvariantCulture);
}
