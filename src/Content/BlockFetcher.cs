using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using PeoplesCloud.Base;

namespace PeoplesCloud.Content;

/// <summary>How a fetcher asks.</summary>
public sealed record BlockFetcherOptions
{
    /// <summary>How long one source may take for one block. Default 30 s: 2 MiB at 70 kB/s. Lower finds the next source sooner, higher suits slow links.</summary>
    public TimeSpan SourceTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Blocks that a walk or a read asks for at a time. Default 8, 1 to 64: 2 MiB in flight, enough for 50 ms of delay at 40 MB/s.</summary>
    public int Parallelism { get; init; } = 8;
}

/// <summary>
/// Gives blocks from the own store, else from the first source whose answer is the block; what came from outside is stored before
/// it is handed out. Those who ask for one block at a time share one fetch, which goes on as long as one of them waits. A source
/// that fails, is slow or lies only costs the time until the next is asked. Thread-safe.
/// </summary>
public sealed class BlockFetcher
{
    private readonly IBlockStore _store;
    private readonly IReadOnlyList<IBlockSource> _sources;
    private readonly BlockFetcherOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Lock _gate = new();
    private readonly Dictionary<Cid, Fetch> _fetches = [];

    /// <summary>Asks the store, then the sources in their order.</summary>
    public BlockFetcher(IBlockStore store, IReadOnlyList<IBlockSource> sources, BlockFetcherOptions? options = null, TimeProvider? time = null, ILogger? logger = null)
    {
        _store = store;
        _sources = sources;
        _options = options ?? new BlockFetcherOptions();
        _time = time ?? TimeProvider.System;
        _logger = logger ?? NullLogger.Instance;
    }

    /// <summary>Blocks that a walk or a read asks for at a time.</summary>
    public int Parallelism => _options.Parallelism;

    /// <summary>The block, verified; null when neither the store nor any source has it.</summary>
    /// <exception cref="PcException">The store cannot keep it (<see cref="ErrorCode.DiskFull"/>, <see cref="ErrorCode.StoreFailed"/>).</exception>
    public async ValueTask<ReadOnlyMemory<byte>?> GetAsync(Cid cid, CancellationToken cancellationToken)
    {
        if (await _store.GetAsync(cid, cancellationToken) is { } held) return held;
        if (_sources.Count == 0) return null;
        Fetch fetch;
        lock (_gate)
        {
            if (!_fetches.TryGetValue(cid, out fetch!))
            {
                _fetches[cid] = fetch = new Fetch();
                var stop = fetch.Stop.Token;
                fetch.Task = Task.Run(() => FetchAsync(cid, stop), CancellationToken.None);
            }
            fetch.Waiting++;
        }
        try
        {
            return await fetch.Task.WaitAsync(cancellationToken);
        }
        finally
        {
            lock (_gate)
            {
                if (--fetch.Waiting == 0)
                {
                    if (_fetches.TryGetValue(cid, out var current) && current == fetch) _fetches.Remove(cid);
                    fetch.Stop.Cancel();
                }
            }
        }
    }

    /// <summary>The block, verified.</summary>
    /// <exception cref="PcException">Nobody has it (<see cref="ErrorCode.BlockNotFound"/>), or the store cannot keep it.</exception>
    public async ValueTask<ReadOnlyMemory<byte>> GetRequiredAsync(Cid cid, CancellationToken cancellationToken) =>
        await GetAsync(cid, cancellationToken) ?? throw new PcException(ErrorCode.BlockNotFound, $"block {cid} was not found on this node or at {_sources.Count} sources");

    private async Task<ReadOnlyMemory<byte>?> FetchAsync(Cid cid, CancellationToken cancellationToken)
    {
        foreach (var source in _sources)
        {
            if (await AskAsync(source, cid, cancellationToken) is not { } answer) continue;
            if (answer.Length > IBlockStore.MaxBlockBytes || !cid.Matches(answer.Span))
            {
                ContentLog.SourceLied(_logger, answer.Length, cid);
                continue;
            }
            await _store.PutAsync([(cid, answer)], cancellationToken);
            return answer;
        }
        return null;
    }

    private async Task<ReadOnlyMemory<byte>?> AskAsync(IBlockSource source, Cid cid, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(_options.SourceTimeout, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            // WaitAsync, because a source may fail to look at its token.
            return await source.FetchAsync(cid, either.Token).AsTask().WaitAsync(either.Token);
        }
        catch (Exception error) when (!cancellationToken.IsCancellationRequested)
        {
            ContentLog.SourceFailed(_logger, cid, error);
            return null;
        }
    }

    private sealed class Fetch
    {
        public CancellationTokenSource Stop { get; } = new();

        public Task<ReadOnlyMemory<byte>?> Task { get; set; } = null!;

        public int Waiting { get; set; }
    }
}
