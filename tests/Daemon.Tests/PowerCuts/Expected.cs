using PeoplesCloud.Content;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Tests.PowerCuts;

/// <summary>What somebody was told, and must find again after any later cut. The last one about the same thing counts.</summary>
internal abstract record Expected(string About)
{
    /// <summary>A change was asked for and nobody was told of its end yet: before or after are both right.</summary>
    public sealed record Either(string About) : Expected(About);

    /// <summary>The node has this identity.</summary>
    public sealed record Identity(byte[] Seed) : Expected("identity");

    /// <summary>A home is the whole one of this identity and swarm, or is not there.</summary>
    public sealed record WholeOrNone(byte[] Seed, SwarmId Swarm, Cid Pin) : Expected("home that comes at once");

    /// <summary>The home is there.</summary>
    public sealed record Home() : Expected("home");

    /// <summary>The export is there and whole, or is not there.</summary>
    public sealed record Exported(bool Is) : Expected("export");

    /// <summary>The node is in a swarm and holds these entries of it: what left the machine must not be written a second time with other bytes.</summary>
    public sealed record InSwarm(SwarmId Id, string Name, IReadOnlyList<EntryHash> Entries) : Expected(Id.ToString());

    /// <summary>The node is in this swarm no more.</summary>
    public sealed record Left(SwarmId Id) : Expected(Id.ToString());

    /// <summary>All blocks below a CID are held.</summary>
    public sealed record Held(Cid Root) : Expected($"blocks of {Root}");

    /// <summary>All blocks below a CID may be read by members of a swarm (null: of all).</summary>
    public sealed record Granted(Cid Root, SwarmId? Readers) : Expected($"grants of {Root}");

    /// <summary>A CID is pinned, or is not.</summary>
    public sealed record Pinned(Cid Root, bool Is) : Expected($"pin of {Root}");

    /// <summary>A program has finished here and is not started again, or is.</summary>
    public sealed record Finished(string LocalName, bool Is) : Expected($"mark of {LocalName}");

    /// <summary>The next host that begins on this home finds these files of a program, and nothing else.</summary>
    public sealed record ProgramFiles(string Files) : Expected("data of a program");

    /// <summary>A conflict of a program's data is kept whole.</summary>
    public sealed record KeptConflict(string Name, string Files) : Expected($"conflict {Name}");
}
