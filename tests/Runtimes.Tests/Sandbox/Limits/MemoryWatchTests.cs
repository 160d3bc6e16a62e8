using PeoplesCloud.Runtimes.Sandbox.Limits;

namespace PeoplesCloud.Runtimes.Tests.Sandbox.Limits;

public sealed class MemoryWatchTests
{
    [Fact]
    public void A_run_that_is_over_its_memory_is_ended_once()
    {
        var time = new HandDrivenTime();
        using var watch = new MemoryWatch(isCheap: true, time);
        var (over, ended, others) = (false, 0, 0);
        using var run = watch.Add(() => over, () => ended++);
        using var broken = watch.Add(() => throw new IOException("it ends at this moment"), () => others++);
        using var other = watch.Add(() => false, () => others++);

        time.Tick();
        Assert.Equal(0, ended);
        over = true;
        time.Tick();
        time.Tick();

        Assert.Equal((1, 0), (ended, others));
    }

    [Fact]
    public void Where_a_look_costs_much_all_are_seen_in_turn()
    {
        var time = new HandDrivenTime();
        using var watch = new MemoryWatch(isCheap: false, time);
        var looks = new int[40];
        var runs = Enumerable.Range(0, looks.Length).Select(index => watch.Add(() => looks[index]++ < 0, () => { })).ToList();

        time.Tick();
        Assert.Equal(16, looks.Sum());
        for (var round = 0; round < 4; round++) time.Tick();
        Assert.All(looks, count => Assert.Equal(2, count));

        foreach (var run in runs.Skip(1)) run.Dispose();
        time.Tick();
        Assert.Equal(3, looks[0]);
        runs[0].Dispose();
        Assert.False(time.IsRunning);
    }

    private sealed class HandDrivenTime : TimeProvider
    {
        private Hand? _timer;

        public bool IsRunning => _timer!.IsRunning;

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) => _timer = new Hand(() => callback(state));

        public void Tick()
        {
            Assert.True(IsRunning);
            _timer!.Call();
        }

        private sealed class Hand(Action call) : ITimer
        {
            public bool IsRunning { get; private set; }

            public void Call() => call();

            public bool Change(TimeSpan dueTime, TimeSpan period)
            {
                IsRunning = dueTime != Timeout.InfiniteTimeSpan;
                return true;
            }

            public void Dispose() => IsRunning = false;

            public ValueTask DisposeAsync()
            {
                Dispose();
                return ValueTask.CompletedTask;
            }
        }
    }
}
