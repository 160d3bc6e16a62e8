using System.Globalization;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Runtimes;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Programs.Data;

/// <summary>How old the data was with which a run began.</summary>
/// <param name="FilesBehind">How many files the host before had otherwise, as far as it had told anybody.</param>
/// <param name="Age">How long before the start that was known: since the host before was last heard; zero when it handed its data over.</param>
/// <param name="From">Whose copy it was; null for this host's own, or when there was none.</param>
/// <param name="Asked">How many other members may have a copy.</param>
/// <param name="Answered">How many of them answered.</param>
public sealed record DataAge(int FilesBehind, TimeSpan Age, PeerId? From, int Asked, int Answered)
{
    /// <summary>For example "0 files behind, 1.2 s".</summary>
    public override string ToString()
    {
        var text = string.Create(CultureInfo.InvariantCulture, $"{FilesBehind} {(FilesBehind == 1 ? "file" : "files")} behind, {Age.TotalSeconds:0.0} s");
        return Answered < Asked ? string.Create(CultureInfo.InvariantCulture, $"{text}, {Answered} of {Asked} copies were reached") : text;
    }
}

/// <summary>
/// The data of programs, as their host uses it. The seam to whatever replicates it: nothing else of hosting knows how.
/// </summary>
public interface IProgramData
{
    /// <summary>
    /// Makes the folder ready with the newest copy that any reachable guardian has, and from then on copies what the program changes to
    /// the guardians. One run of a program at a time.
    /// </summary>
    /// <param name="spec">The program.</param>
    /// <param name="epoch">The epoch of the lease under which it runs.</param>
    /// <param name="say">Writes a line to the program's log.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="Base.PcException">The folder cannot be made (6170 to 6179).</exception>
    ValueTask<IProgramDataRun> BeginAsync(ProgramSpec spec, ulong epoch, Action<string> say, CancellationToken cancellationToken);
}

/// <summary>A program's data while this node is its host. Disposing hands the last changes to the guardians, as far as they are reached soon.</summary>
public interface IProgramDataRun : IAsyncDisposable
{
    /// <summary>The folder that the program sees as data/.</summary>
    string Folder { get; }

    /// <summary>How old it was.</summary>
    DataAge Age { get; }

    /// <summary>The program runs now: it may be paused for a copy, and ended when its data takes more than it may.</summary>
    void Started(IRun run);

    /// <summary>It has ended; it may be started again.</summary>
    ValueTask EndedAsync();
}

/// <summary>Changes of a former holder that are not in the newest data; they are kept by the node that says so.</summary>
/// <param name="Name">data.conflict-HOST-EPOCH.</param>
/// <param name="Holder">Who had made them.</param>
/// <param name="Epoch">When it was the holder.</param>
/// <param name="Files">How many files are unlike those of the newest data.</param>
public sealed record DataConflict(string Name, PeerId Holder, ulong Epoch, int Files);

/// <summary>What the replication of data needs to know of swarms and leases. The daemon implements it over feeds and presence.</summary>
public interface IDataSwarm
{
    /// <summary>Whether a member may have been the holder in a deploy and an epoch, as far as this node knows.</summary>
    bool MayHold(DataKey key, PeerId member, DataStamp stamp);

    /// <summary>The other members that keep copies of a program's data now.</summary>
    IReadOnlyList<PeerId> GuardiansOf(ProgramSpec spec);

    /// <summary>The other members that may have a copy and are awake: guardians and hosts of this program and of earlier ones of its owner and name.</summary>
    IReadOnlyList<PeerId> KeepersOf(ProgramSpec spec);

    /// <summary>How long ago a member was last heard of; null for never.</summary>
    TimeSpan? SilenceOf(SwarmId swarm, PeerId member);

    /// <summary>What a member is called.</summary>
    string NameOf(SwarmId swarm, PeerId member);

    /// <summary>Tells the owner that changes of a former holder are not in the newest data, and are kept here.</summary>
    void TellOfConflict(ProgramSpec spec, DataConflict conflict);
}

/// <summary>What the replication of data asks other nodes.</summary>
public interface IDataMesh
{
    /// <summary>What a member has of a program's data.</summary>
    ValueTask<DataState> StateAsync(PeerId member, ProgramSpec spec, CancellationToken cancellationToken);

    /// <summary>Tells a guardian what there is; it answers, when it has saved it, what it has.</summary>
    ValueTask<DataStamp> NoticeAsync(PeerId member, ProgramSpec spec, DataNotice notice, CancellationToken cancellationToken);

    /// <summary>A member's newest version, or the conflict of that name, as its holder signed it; at most <see cref="DataLimits.MaxVersionBytes"/>.</summary>
    ValueTask<byte[]> VersionAsync(PeerId member, ProgramSpec spec, string? conflict, CancellationToken cancellationToken);

    /// <summary>Pieces, at most <see cref="DataLimits.BatchChunks"/>, in the order asked for; one that the member does not have is empty. They are verified by who asks.</summary>
    ValueTask<IReadOnlyList<ReadOnlyMemory<byte>>> ChunksAsync(PeerId member, ProgramSpec spec, IReadOnlyList<DataHash> hashes, CancellationToken cancellationToken);

    /// <summary>Asks a member to remove a conflict, or all that it has of a stopped program's data; answers whether there was any.</summary>
    ValueTask<bool> DropAsync(PeerId member, ProgramSpec spec, string? conflict, CancellationToken cancellationToken);
}
