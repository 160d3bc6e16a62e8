using PeoplesCloud.Base;
using PeoplesCloud.Content;
using PeoplesCloud.Daemon.Mesh;
using PeoplesCloud.Daemon.Storage;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Contents;

/// <summary>
/// Asks members for a block: those named first, then the one that answered last, then the others that are awake. What a member
/// gave may be read by the swarm through which it gave it, so that more members serve what is wanted often.
/// </summary>
/// <param name="client">Asks.</param>
/// <param name="access">Remembers through which swarm a block came.</param>
/// <param name="first">Members to ask first: a program's owner and guardians.</param>
/// <param name="others">All members that are awake, in the order to ask them.</param>
/// <param name="isMine">Whether this node is in a swarm; what another swarm's name came with is not passed on.</param>
/// <param name="time">For how long a member that failed is not asked again.</param>
internal sealed class MeshBlockSource(MeshClient client, ContentAccess access, IReadOnlyList<PeerId> first, Func<IEnumerable<PeerId>> others, Func<SwarmId, bool> isMine, TimeProvider time) : IBlockSource
{
    private static readonly TimeSpan Forgiven = TimeSpan.FromSeconds(30);
    private readonly Lock _gate = new();
    private readonly Dictionary<PeerId, long> _failed = [];
    private PeerId _last;

    /// <summary>The header in which the answering member says through which swarm the block may be read.</summary>
    public const string SwarmHeader = "Pc-Swarm";

    /// <inheritdoc/>
    public async ValueTask<ReadOnlyMemory<byte>?> FetchAsync(Cid cid, CancellationToken cancellationToken)
    {
        foreach (var peer in Order())
        {
            try
            {
                var answer = await client.GetBlockAsync(peer, $"/mesh/v1/blocks/{cid}", SwarmHeader, IBlockStore.MaxBlockBytes, cancellationToken);
                if (answer is not { } found) continue;
                lock (_gate) _last = peer;
                // The fetcher verifies too; a grant is only written for what is true.
                if (SwarmId.TryParse(found.Header, out var swarm) && isMine(swarm) && cid.Matches(found.Body)) access.Grant([cid], swarm);
                return found.Body;
            }
            catch (PcException e) when (e.Code is ErrorCode.PeerUnreachable or ErrorCode.PeerFailed)
            {
                lock (_gate) _failed[peer] = time.GetTimestamp();
            }
        }
        return null;
    }

    private List<PeerId> Order()
    {
        lock (_gate)
        {
            var order = new List<PeerId>();
            if (!_last.IsDefault) order.Add(_last);
            order.AddRange(first);
            order.AddRange(others());
            return [.. order.Distinct().Where(peer => !_failed.TryGetValue(peer, out var at) || time.GetElapsedTime(at) > Forgiven)];
        }
    }
}
