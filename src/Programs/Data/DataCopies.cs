using PeoplesCloud.Base;
using PeoplesCloud.Content;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Programs.Data;

/// <summary>One copy of a program's data on one member.</summary>
/// <param name="On">Who has it.</param>
/// <param name="Conflict">Its name when it is a conflict; null for the newest that the member has.</param>
/// <param name="Version">What is in it.</param>
public sealed record DataCopy(PeerId On, string? Conflict, DataVersion Version);

/// <summary>What members have of a program's data.</summary>
/// <param name="Copies">The copies, the newest first, conflicts last.</param>
/// <param name="Missing">Who could not say what it has, and why.</param>
public sealed record DataCopyList(IReadOnlyList<DataCopy> Copies, IReadOnlyList<(PeerId Member, PcException Problem)> Missing)
{
    /// <summary>The newest version that anybody has; null when there is none.</summary>
    public DataVersion? Newest => Copies.Where(copy => copy.Conflict is null).MaxBy(copy => copy.Version.Stamp)?.Version;
}

/// <summary>
/// The copies of a program's data as whoever controls it sees them: which there are, one of them as a folder, one of them gone. Asks this
/// node and others alike; what others answer is verified as a guardian verifies it. Thread-safe.
/// </summary>
/// <param name="self">This node.</param>
/// <param name="data">What is here.</param>
/// <param name="mesh">Asks others.</param>
/// <param name="swarm">Knows who may have been the holder.</param>
/// <param name="verifier">Verifies what others sent.</param>
public sealed class DataCopies(PeerId self, ProgramData data, IDataMesh mesh, IDataSwarm swarm, ISignatureVerifier verifier)
{
    /// <summary>What these members have.</summary>
    public async Task<DataCopyList> ListAsync(ProgramSpec spec, IReadOnlyList<PeerId> members, CancellationToken cancellationToken)
    {
        var answers = await Task.WhenAll(members.Select(member => TryAsync(member, () => StateAsync(member, spec, cancellationToken), cancellationToken)));
        var (copies, missing) = (new List<DataCopy>(), new List<(PeerId, PcException)>());
        var known = new Dictionary<DataOrigin, DataVersion>();
        foreach (var (member, state, problem) in answers)
        {
            if (state is null)
            {
                missing.Add((member, problem!));
                continue;
            }
            // Most have the same: its list of files is fetched once.
            foreach (var name in state.Newest is null ? state.Conflicts : state.Conflicts.Prepend(null))
            {
                if (name is null && known.TryGetValue(state.Newest!.Value, out var same))
                {
                    copies.Add(new DataCopy(member, null, same));
                    continue;
                }
                var (_, version, unread) = await TryAsync(member, () => VersionAsync(member, spec, name, cancellationToken), cancellationToken);
                if (version is null) missing.Add((member, unread!));
                else copies.Add(new DataCopy(member, name, version));
                if (name is null && version is not null) known[version.Origin] = version;
            }
        }
        return new DataCopyList([.. copies.OrderBy(copy => copy.Conflict is not null).ThenByDescending(copy => copy.Version.Stamp).ThenBy(copy => copy.Conflict, StringComparer.Ordinal)], missing);
    }

    /// <summary>Writes a copy into a folder that is not there yet; it appears when it is whole.</summary>
    /// <param name="spec">The program.</param>
    /// <param name="members">Whose copies count.</param>
    /// <param name="conflict">The name of a conflict; null for the newest copy.</param>
    /// <param name="folder">The folder, absolute.</param>
    /// <param name="progress">Hears how far it is.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="PcException"><see cref="ErrorCode.DataNotFound"/>, <see cref="ErrorCode.OutputExists"/>, or why the copy was not had.</exception>
    public async Task<DataCopy> GetAsync(ProgramSpec spec, IReadOnlyList<PeerId> members, string? conflict, string folder, IProgress<AddProgress>? progress, CancellationToken cancellationToken)
    {
        folder = Path.TrimEndingDirectorySeparator(folder);
        if (Path.Exists(folder)) throw new PcException(ErrorCode.OutputExists, $"{folder} is there already");
        var list = await ListAsync(spec, members, cancellationToken);
        var wanted = list.Copies.Where(copy => copy.Conflict == conflict).ToList();
        if (wanted.Count == 0) throw NotFound(spec, conflict, list);
        try
        {
            for (var i = 0; ; i++)
            {
                var copy = wanted[i];
                try
                {
                    return copy with { Version = await FolderCopy.WriteAsync(copy.Version, ct => VersionAsync(copy.On, spec, conflict, ct), (hashes, ct) => ReadAsync(copy.On, spec, hashes, ct), folder, progress, cancellationToken) };
                }
                catch (PcException failed) when (failed.Code != ErrorCode.OutputExists && i + 1 < wanted.Count && wanted[i + 1].Version.Origin == copy.Version.Origin)
                {
                    // Somebody else has the same.
                }
            }
        }
        catch (Exception failed) when (failed is IOException or UnauthorizedAccessException)
        {
            throw new PcException(ErrorCode.DataNotWritten, $"{folder} could not be written: {failed.Message}", inner: failed);
        }
    }

    /// <summary>Removes a conflict, or all of a program's data, from these members. Answers what each of them did.</summary>
    /// <param name="spec">The program.</param>
    /// <param name="members">Who is asked.</param>
    /// <param name="conflict">The name of a conflict; null for everything, which is refused while the program is not stopped.</param>
    /// <param name="cancellationToken">Gives up; who was asked already goes on.</param>
    public async Task<IReadOnlyList<(PeerId Member, bool Dropped, PcException? Problem)>> DropAsync(ProgramSpec spec, IReadOnlyList<PeerId> members, string? conflict, CancellationToken cancellationToken)
    {
        var answers = await Task.WhenAll(members.Select(member => TryAsync(
            member,
            async () => new Answer(member == self ? await data.DropAsync(self, spec, conflict, cancellationToken) : await mesh.DropAsync(member, spec, conflict, cancellationToken)),
            cancellationToken)));
        return [.. answers.Select(answer => (answer.Member, answer.Value?.IsYes == true, answer.Problem))];
    }

    private async Task<DataState> StateAsync(PeerId member, ProgramSpec spec, CancellationToken cancellationToken) =>
        member == self ? await data.SettledStateOf(spec, cancellationToken) : await mesh.StateAsync(member, spec, cancellationToken);

    private async Task<DataVersion> VersionAsync(PeerId member, ProgramSpec spec, string? conflict, CancellationToken cancellationToken)
    {
        var signed = member == self
            ? data.SignedVersion(self, spec, conflict) ?? throw new PcException(ErrorCode.DataNotFound, "no such version of the data is here")
            : await mesh.VersionAsync(member, spec, conflict, cancellationToken);
        return DataVersionCodec.TryRead(signed, verifier, out var version) && version.Key == DataKey.Of(spec) && swarm.MayHold(version.Key, version.Holder, version.Stamp)
            ? version
            : throw new PcException(ErrorCode.DataDamaged, $"{swarm.NameOf(spec.Swarm, member)}: what it sent is no version of this program's data");
    }

    private async Task<IReadOnlyList<ReadOnlyMemory<byte>>> ReadAsync(PeerId member, ProgramSpec spec, IReadOnlyList<DataHash> hashes, CancellationToken cancellationToken) =>
        member == self ? [.. hashes.Select(hash => new ReadOnlyMemory<byte>(data.Chunk(spec, hash, self)))] : await mesh.ChunksAsync(member, spec, hashes, cancellationToken);

    private static async Task<(PeerId Member, T? Value, PcException? Problem)> TryAsync<T>(PeerId member, Func<Task<T>> ask, CancellationToken cancellationToken)
        where T : class
    {
        try
        {
            return (member, await ask(), null);
        }
        catch (PcException failed)
        {
            return (member, null, failed);
        }
        catch (Exception failed) when (failed is IOException or OperationCanceledException && !cancellationToken.IsCancellationRequested)
        {
            return (member, null, new PcException(ErrorCode.PeerUnreachable, failed.Message, inner: failed));
        }
    }

    private PcException NotFound(ProgramSpec spec, string? conflict, DataCopyList list)
    {
        var what = conflict is null ? $"nobody who could be asked has data of {spec.Name}" : $"nobody who could be asked keeps {Quoted.Text(conflict)} of {spec.Name}";
        return new PcException(ErrorCode.DataNotFound, list.Missing.Count == 0 ? what : $"{what}; no answer from {string.Join(", ", list.Missing.Select(missing => swarm.NameOf(spec.Swarm, missing.Member)).Distinct(StringComparer.Ordinal))}");
    }

    private sealed record Answer(bool IsYes);
}
