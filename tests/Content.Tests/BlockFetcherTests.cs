using System.Security.Cryptography;
using PeoplesCloud.Base;

namespace PeoplesCloud.Content.Tests;

public sealed class BlockFetcherTests
{
    private static readonly byte[] Bytes = "a block from elsewhere"u8.ToArray();
    private static readonly Cid Name = Cid.V1(Cid.Raw, SHA256.HashData(Bytes));

    private readonly MemoryBlockStore _store = new();

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_block_is_fetched_once_then_held()
    {
        var source = new Source((_, _) => Task.FromResult<ReadOnlyMemory<byte>?>(Bytes));
        var fetcher = new BlockFetcher(_store, [source]);
        Assert.Equal(Bytes, (await fetcher.GetAsync(Name, Stop))!.Value.ToArray());
        Assert.True(_store.Contains(Name));
        Assert.NotNull(await fetcher.GetAsync(Name, Stop));
        Assert.Equal(1, source.Calls);
    }

    [Fact]
    public async Task A_source_that_lies_fails_or_has_nothing_is_passed_over()
    {
        IBlockSource[] sources =
        [
            new Source((_, _) => Task.FromResult<ReadOnlyMemory<byte>?>("another block"u8.ToArray())),
            new Source((_, _) => Task.FromResult<ReadOnlyMemory<byte>?>(new byte[IBlockStore.MaxBlockBytes + 1])),
            new Source((_, _) => throw new IOException("gone")),
            new Source((_, _) => Task.FromCanceled<ReadOnlyMemory<byte>?>(new CancellationToken(canceled: true))),
            new Source((_, _) => Task.FromResult<ReadOnlyMemory<byte>?>(null)),
            new Source((_, _) => Task.FromResult<ReadOnlyMemory<byte>?>(Bytes)),
        ];
        Assert.Equal(Bytes, (await new BlockFetcher(_store, sources).GetAsync(Name, Stop))!.Value.ToArray());
        Assert.Null(await new BlockFetcher(new MemoryBlockStore(), sources[..^1]).GetAsync(Name, Stop));
        var error = await Assert.ThrowsAsync<PcException>(async () => await new BlockFetcher(new MemoryBlockStore(), sources[..^1]).GetRequiredAsync(Name, Stop));
        Assert.Equal(ErrorCode.BlockNotFound, error.Code);
    }

    [Fact]
    public async Task A_source_that_never_answers_costs_its_time_limit_only()
    {
        var time = new ManualTime();
        var silent = new Source((_, _) => new TaskCompletionSource<ReadOnlyMemory<byte>?>().Task); // does not even look at its token
        var good = new Source((_, _) => Task.FromResult<ReadOnlyMemory<byte>?>(Bytes));
        var get = new BlockFetcher(_store, [silent, good], new BlockFetcherOptions { SourceTimeout = TimeSpan.FromSeconds(7) }, time).GetAsync(Name, Stop).AsTask();
        await silent.Called.WaitAsync(TimeSpan.FromSeconds(60), Stop);
        Assert.False(get.IsCompleted);
        time.FireTimers();
        Assert.Equal(Bytes, (await get)!.Value.ToArray());
        Assert.Equal(TimeSpan.FromSeconds(7), time.LastDue);
    }

    [Fact]
    public async Task All_who_ask_at_the_same_time_share_one_fetch()
    {
        var answer = new TaskCompletionSource<ReadOnlyMemory<byte>?>();
        var source = new Source((_, _) => answer.Task);
        var fetcher = new BlockFetcher(_store, [source]);
        var gets = Enumerable.Range(0, 50).Select(_ => fetcher.GetAsync(Name, Stop).AsTask()).ToArray();
        await source.Called.WaitAsync(TimeSpan.FromSeconds(60), Stop);
        answer.SetResult(Bytes);
        foreach (var get in gets) Assert.Equal(Bytes, (await get)!.Value.ToArray());
        Assert.Equal(1, source.Calls);
    }

    [Fact]
    public async Task One_who_gives_up_does_not_stop_the_fetch_for_others_and_the_last_one_does()
    {
        var answer = new TaskCompletionSource<ReadOnlyMemory<byte>?>();
        var stopped = new TaskCompletionSource();
        var source = new Source((_, token) =>
        {
            token.Register(stopped.SetResult);
            return answer.Task;
        });
        var fetcher = new BlockFetcher(_store, [source]);
        using var impatient = new CancellationTokenSource();
        using var patient = new CancellationTokenSource();
        var first = fetcher.GetAsync(Name, impatient.Token).AsTask();
        var second = fetcher.GetAsync(Name, patient.Token).AsTask();
        await source.Called.WaitAsync(TimeSpan.FromSeconds(60), Stop);
        await impatient.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first);
        Assert.False(stopped.Task.IsCompleted);
        Assert.False(second.IsCompleted);
        await patient.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => second);
        await stopped.Task.WaitAsync(TimeSpan.FromSeconds(60), Stop);

        // Somebody who comes later starts anew.
        answer.SetResult(Bytes);
        Assert.NotNull(await fetcher.GetAsync(Name, Stop));
        Assert.Equal(2, source.Calls);
    }

    [Fact]
    public async Task A_damaged_block_of_the_own_store_is_fetched_again()
    {
        await _store.PutAsync([(Name, Bytes)], Stop);
        _store.Damage(Name);
        var source = new Source((_, _) => Task.FromResult<ReadOnlyMemory<byte>?>(Bytes));
        Assert.NotNull(await new BlockFetcher(_store, [source]).GetAsync(Name, Stop));
        Assert.NotNull(await _store.GetAsync(Name, Stop));
    }

    internal sealed class Source(Func<Cid, CancellationToken, Task<ReadOnlyMemory<byte>?>> answer) : IBlockSource
    {
        private readonly TaskCompletionSource _called = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private int _calls;

        public int Calls => _calls;

        public Task Called => _called.Task;

        public async ValueTask<ReadOnlyMemory<byte>?> FetchAsync(Cid cid, CancellationToken cancellationToken)
        {
            Interlocked.Increment(ref _calls);
            var task = answer(cid, cancellationToken);
            _called.TrySetResult();
            return await task;
        }
    }

    /// <summary>A clock whose timers end when the test says so.</summary>
    private sealed class ManualTime : TimeProvider
    {
        private readonly List<Timer> _timers = [];

        public TimeSpan LastDue { get; private set; }

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            LastDue = dueTime;
            var timer = new Timer(callback, state);
            lock (_timers) _timers.Add(timer);
            return timer;
        }

        public void FireTimers()
        {
            Timer[] timers;
            lock (_timers) timers = [.. _timers.Where(t => !t.IsDisposed)];
            foreach (var timer in timers) timer.Fire();
        }

        private sealed class Timer(TimerCallback callback, object? state) : ITimer
        {
            public bool IsDisposed { get; private set; }

            public void Fire() => callback(state);

            public bool Change(TimeSpan dueTime, TimeSpan period) => true;

            public void Dispose() => IsDisposed = true;

            public ValueTask DisposeAsync()
            {
                Dispose();
                return default;
            }
        }
    }
}
