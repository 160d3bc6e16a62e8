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
