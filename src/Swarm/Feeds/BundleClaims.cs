using System.Collections;
using PeoplesCloud.Content;
using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Swarm;

/// <summary>
/// Which members' deploys name one bundle. Every packing makes a bundle of its own, so a second author has it from the first one's entry, or
/// says so: then its entry has seen the first. An author that hides what it has seen cannot be told from the one that packed it.
/// </summary>
internal sealed class BundleClaims
{
    private readonly Dictionary<Cid, PeerId> _firstOf = [];
    private readonly HashSet<Cid> _contested = [];
    private readonly List<(Node Entry, Cid Bundle)> _deploys = [];

    /// <summary>Adds the next deploy in order; answers who else claims its bundle, as it is for an entry that has seen all before it.</summary>
    public PeerId? Add(Node entry, Cid bundle)
    {
        _deploys.Add((entry, bundle));
        if (_firstOf.TryAdd(bundle, entry.Entry.Author)) return null;
        if (_firstOf[bundle] != entry.Entry.Author) _contested.Add(bundle);
        if (!_contested.Contains(bundle)) return null;
        return _deploys.Where(other => other.Bundle == bundle && other.Entry.Entry.Author != entry.Entry.Author).Select(other => (PeerId?)other.Entry.Entry.Author).FirstOrDefault();
    }

    /// <summary>Who else claims the bundle of each deploy that is not alone with it, by what its entry and the others' have seen.</summary>
    /// <param name="pastOf">The entries that an entry has seen.</param>
    public IEnumerable<(EntryHash Program, PeerId? Claim)> Judge(Func<Node, BitArray> pastOf)
    {
        foreach (var deploys in _deploys.Where(deploy => _contested.Contains(deploy.Bundle)).Select(deploy => deploy.Entry).GroupBy(entry => ((ProgramDeployed)entry.Entry.Body).Bundle))
        {
            foreach (var entry in deploys)
                yield return (entry.Entry.Hash, deploys.Where(other => other.Entry.Author != entry.Entry.Author && !pastOf(other)[entry.Index]).Select(other => (PeerId?)other.Entry.Author).FirstOrDefault());
        }
    }
}
