using Microsoft.Data.Sqlite;
using PeoplesCloud.Content;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Storage;

/// <summary>
/// Which swarm's members may read which block. What nobody was granted is not served, even when the block is held. A grant
/// names a swarm, or all swarms that this node is in (content added without naming one). Durable; thread-safe.
/// </summary>
internal sealed class ContentAccess(Database database, Func<SwarmId, PeerId, bool> isMember, Func<PeerId, SwarmId?> sharedSwarm)
{
    private static readonly byte[] AllSwarms = [];

    /// <summary>Lets the members of a swarm read blocks; null: of all swarms that this node is in, now and later.</summary>
    public void Grant(IEnumerable<Cid> cids, SwarmId? swarm)
    {
        database.Write((connection, transaction) =>
        {
            using var command = connection.CreateCommand();
            command.Transaction = transaction;
            command.CommandText = "INSERT OR IGNORE INTO readable (digest, swarm) VALUES ($digest, $swarm)";
            var digest = command.Parameters.Add("$digest", SqliteType.Blob);
            command.Parameters.AddWithValue("$swarm", swarm?.ToBytes() ?? AllSwarms);
            foreach (var cid in cids)
            {
                digest.Value = cid.Digest.ToArray();
                command.ExecuteNonQuery();
            }
        });
    }

    /// <summary>Forgets all grants of blocks; durable when it returns.</summary>
    public void Forget(IEnumerable<Cid> cids)
    {
        database.Write((connection, transaction) =>
        {
            using var command = connection.CreateCommand();
            command.Transaction = transaction;
            command.CommandText = "DELETE FROM readable WHERE digest = $digest";
            var digest = command.Parameters.Add("$digest", SqliteType.Blob);
            foreach (var cid in cids)
            {
                digest.Value = cid.Digest.ToArray();
                command.ExecuteNonQuery();
            }
        });
    }

    /// <summary>A swarm through which the peer may read the block; null when there is none.</summary>
    public SwarmId? MayRead(PeerId peer, Cid cid)
    {
        foreach (var granted in database.Read(connection => Grants(connection, cid)))
        {
            if (granted.Length == 0 && sharedSwarm(peer) is { } shared) return shared;
            if (SwarmId.TryFromBytes(granted, out var swarm) && isMember(swarm, peer)) return swarm;
        }
        return null;
    }

    private static List<byte[]> Grants(SqliteConnection connection, Cid cid)
    {
        using var command = connection.CreateCommand();
        command.CommandText = "SELECT swarm FROM readable WHERE digest = $digest";
        command.Parameters.AddWithValue("$digest", cid.Digest.ToArray());
        using var reader = command.ExecuteReader();
        var grants = new List<byte[]>();
        while (reader.Read()) grants.Add(reader.GetFieldValue<byte[]>(0));
        return grants;
    }
}

/// <summary>
/// The block store as one purpose sees it: what is put is granted to a swarm's members (null: to those of all swarms) before the
/// put is acknowledged. Grants that come while a transaction is on its way to the disk share the next one: a transaction for each
/// block would make an add wait for thousands of fsyncs.
/// </summary>
internal sealed class GrantingBlockStore(IBlockStore store, ContentAccess access, SwarmId? swarm) : IBlockStore
{
    private readonly Lock _gate = new();
    private List<Cid> _gathering = [];
    private TaskCompletionSource _granted = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private bool _isGranting;

    /// <inheritdoc/>
    public bool Contains(Cid cid) => store.Contains(cid);

    /// <inheritdoc/>
    public ValueTask<ReadOnlyMemory<byte>?> GetAsync(Cid cid, CancellationToken cancellationToken) => store.GetAsync(cid, cancellationToken);

    /// <inheritdoc/>
    public async ValueTask PutAsync(IReadOnlyList<(Cid Cid, ReadOnlyMemory<byte> Bytes)> blocks, CancellationToken cancellationToken)
    {
        await store.PutAsync(blocks, cancellationToken);
        Task granted;
        lock (_gate)
        {
            _gathering.AddRange(blocks.Select(block => block.Cid));
            granted = _granted.Task;
            if (!_isGranting)
            {
                _isGranting = true;
                _ = Task.Run(GrantUntilEmpty, CancellationToken.None); // every failure reaches those who wait
            }
        }
        await granted;
    }

    /// <inheritdoc/>
    public IEnumerable<Cid> List() => store.List();

    private void GrantUntilEmpty()
    {
        while (true)
        {
            List<Cid> group;
            TaskCompletionSource granted;
            lock (_gate)
            {
                if (_gathering.Count == 0)
                {
                    _isGranting = false;
                    return;
                }
                (group, _gathering) = (_gathering, []);
                (granted, _granted) = (_granted, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
            }
            try
            {
                access.Grant(group, swarm);
                granted.SetResult();
            }
            catch (Exception error)
            {
                granted.SetException(error);
            }
        }
    }
}
