using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Mesh;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Programs;
using PeoplesCloud.Programs.Data;

namespace PeoplesCloud.Daemon.Data;

/// <summary>The replication of programs' data over the mesh's routes; see <see cref="DataEndpoints"/>.</summary>
internal sealed class DataMesh(MeshClient client) : IDataMesh
{
    /// <inheritdoc/>
    public async ValueTask<DataState> StateAsync(PeerId member, ProgramSpec spec, CancellationToken cancellationToken) =>
        DataMessages.ReadState(await client.PostAsync(member, PathOf(spec, "state"), default, DataLimits.MaxStateBytes, cancellationToken)) ?? throw Unreadable(member);

    /// <inheritdoc/>
    public async ValueTask<DataStamp> NoticeAsync(PeerId member, ProgramSpec spec, DataNotice notice, CancellationToken cancellationToken)
    {
        var answer = await client.PostAsync(member, PathOf(spec, "notice"), DataMessages.Encode(notice), DataStamp.Size, cancellationToken, DataLimits.Default.NoticeTimeout);
        return DataMessages.ReadStamp(answer) ?? throw Unreadable(member);
    }

    /// <inheritdoc/>
    public async ValueTask<byte[]> VersionAsync(PeerId member, ProgramSpec spec, string? conflict, CancellationToken cancellationToken)
    {
        var path = PathOf(spec, conflict is null ? "version" : $"version?conflict={Uri.EscapeDataString(conflict)}");
        return await client.PostForBulkAsync(member, path, default, DataLimits.MaxVersionBytes, DataLimits.Default.FetchTimeout, cancellationToken);
    }

    /// <inheritdoc/>
    public async ValueTask<IReadOnlyList<ReadOnlyMemory<byte>>> ChunksAsync(PeerId member, ProgramSpec spec, IReadOnlyList<DataHash> hashes, CancellationToken cancellationToken)
    {
        var answer = await client.PostForBulkAsync(member, PathOf(spec, "chunks"), DataMessages.Encode(hashes), DataMessages.MaxChunksBytes, DataLimits.Default.FetchTimeout, cancellationToken);
        return DataMessages.ReadChunks(answer, hashes.Count) ?? throw Unreadable(member);
    }

    /// <inheritdoc/>
    public async ValueTask<bool> DropAsync(PeerId member, ProgramSpec spec, string? conflict, CancellationToken cancellationToken)
    {
        var path = PathOf(spec, conflict is null ? "drop" : $"drop?conflict={Uri.EscapeDataString(conflict)}");
        return await client.PostAsync(member, path, default, 1, cancellationToken, DataLimits.Default.DropTimeout) is [1];
    }

    private static string PathOf(ProgramSpec spec, string what) => $"/mesh/v1/swarms/{spec.Swarm}/programs/{spec.Id}/data/{what}";

    private static PcException Unreadable(PeerId member) => new(ErrorCode.PeerFailed, $"{member}: what it answered about a program's data could not be read");
}
