using System.Collections.Concurrent;
using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Programs.Data;

/// <summary>One program's data on this node, with what is going on with it. Who changes the store holds the gate.</summary>
internal sealed class KeptData(DataStore store) : IDisposable
{
    private CancellationTokenSource? _fetching;

    /// <summary>What is kept.</summary>
    public DataStore Store { get; } = store;

    /// <summary>One writer at a time.</summary>
    public SemaphoreSlim Gate { get; } = new(1);

    /// <summary>What a holder told last; null when none did since this daemon started.</summary>
    public HeardNotice? Heard { get; set; }

    /// <summary>The run on this node; null when there is none.</summary>
    public DataRun? Run { get; set; }

    /// <summary>Whether a version says all that is in the live folder. False when a daemon died while a program ran.</summary>
    public bool IsSettled { get; set; }

    /// <summary>The versions that guardians are just fetching from here: their pieces stay.</summary>
    public ConcurrentDictionary<PeerId, DataVersion> Fetched { get; } = [];

    /// <summary>Versions that somebody reads, with when it asked last: see <see cref="DataLimits.ReaderPatience"/>.</summary>
    public ConcurrentDictionary<PeerId, (DataVersion Version, long Asked)> Readers { get; } = [];

    /// <summary>Whether all of it was removed while somebody waited for the gate: whoever comes through it opens it anew.</summary>
    public bool IsRemoved { get; set; }

    /// <summary>The versions whose pieces stay though they are not the newest any more.</summary>
    public IEnumerable<DataVersion> Needed(DataLimits limits, TimeProvider time)
    {
        foreach (var reader in Readers)
            if (time.GetElapsedTime(reader.Value.Asked) > limits.ReaderPatience) Readers.TryRemove(reader);
        return Fetched.Values.Concat(Readers.Values.Select(reader => reader.Version));
    }

    /// <summary>Begins to fetch; ends at <see cref="GiveUpFetching"/> too. The gate is held.</summary>
    public CancellationTokenSource BeginFetching(CancellationToken cancellationToken) => _fetching = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);

    /// <summary>A run is to begin: it does not wait for a copy from a host that may be dead.</summary>
    public void GiveUpFetching()
    {
        try
        {
            _fetching?.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // It has ended.
        }
    }

    /// <inheritdoc/>
    public void Dispose() => Gate.Dispose();
}

/// <summary>A notice and when it came.</summary>
internal sealed record HeardNotice(PeerId From, DataNotice Notice, long Timestamp);
