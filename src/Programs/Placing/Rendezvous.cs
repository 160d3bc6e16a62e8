using System.Security.Cryptography;
using PeoplesCloud.Content;
using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Programs.Placing;

/// <summary>
/// Picks the guardians of a program by rendezvous hashing (Thaler and Ravishankar 1998): each host's score is a hash of the
/// bundle and the host, the highest are taken. When a host comes or goes, other programs keep their guardians.
/// </summary>
public static class Rendezvous
{
    /// <summary>How many guardians a program has at most, its host among them.</summary>
    public const int MaxGuardians = 5;

    /// <summary>The chosen host first, then up to four others by their score.</summary>
    public static IReadOnlyList<PeerId> Guardians(Cid bundle, PeerId chosen, IEnumerable<PeerId> hosts)
    {
        var scored = hosts.Where(host => host != chosen).Distinct().Select(host => (Host: host, Score: Score(bundle, host))).ToList();
        scored.Sort((left, right) => right.Score.AsSpan().SequenceCompareTo(left.Score));
        return [chosen, .. scored.Take(MaxGuardians - 1).Select(entry => entry.Host)];
    }

    private static byte[] Score(Cid bundle, PeerId host) => SHA256.HashData([.. "peoples-cloud guardian 1:"u8, .. bundle.Bytes, .. host.Bytes]);
}
