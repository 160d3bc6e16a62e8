using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Mesh;

namespace PeoplesCloud.Daemon.Sessions;

/// <summary>
/// Logs of sessions on whichever node they run: this one, or a member of the swarm that carries the messages, over the mesh. On a Redis nodes need not
/// know each other: there it is said which one has the log. Thread-safe.
/// </summary>
/// <param name="node">This node as one that answers requests.</param>
/// <param name="channels">The swarm that carries messages; null when a Redis does.</param>
/// <param name="client">Asks members.</param>
internal sealed class SessionLogs(SessionNode node, ChannelService? channels, MeshClient client)
{
    /// <summary>Two files of a log, and some.</summary>
    private const int MaxBytes = 4 << 20;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    /// <summary>What a session wrote.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.SessionNotFound"/>, <see cref="ErrorCode.SessionElsewhere"/>, or what stands between this node and the other.</exception>
    public async Task<byte[]> ReadAsync(string session, CancellationToken cancellationToken)
    {
        if (node.Knows(session)) return node.Log(session);
        if (await node.WhereAsync(session, cancellationToken) is not { } cloud || cloud == node.Cloud) throw new PcException(ErrorCode.SessionNotFound, $"no node that answers runs or ran a session {session}");
        if (channels?.Carrier is { Me: not null } swarm && swarm.State.ActiveMembers.FirstOrDefault(member => SessionNode.CloudOf(member.Peer) == cloud) is { } member)
            return await client.PostForBulkAsync(member.Peer, $"/mesh/v1/swarms/{swarm.Id}/sessions/{session}/log", default, MaxBytes, Patience, cancellationToken);
        throw new PcException(ErrorCode.SessionElsewhere, $"session {session} runs or ran on node {cloud}, and its log cannot be read from here");
    }
}
