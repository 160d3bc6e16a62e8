using Google.Protobuf;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm.Wire;

namespace PeoplesCloud.Swarm;

/// <summary>
/// The author gives its programs of a name their secret environment variables, all at once and in place of the ones before; or, with <paramref name="Of"/>,
/// somebody who can open such an entry seals its key to more members. Who is not named by a key learns the program's name and a length.
/// </summary>
/// <param name="Name">The name of the author's program; empty with <paramref name="Of"/>.</param>
/// <param name="Box">The variables, encrypted (docs/protocols/programs.md, "Secrets"); empty takes them all back, or with <paramref name="Of"/>.</param>
/// <param name="Keys">The box's key, sealed one by one.</param>
/// <param name="Of">The entry whose key is sealed to more members; null for an entry of its own.</param>
public sealed record SecretSet(string Name, byte[] Box, IReadOnlyList<SealedKey> Keys, EntryHash? Of = null) : EntryBody(EntryKind.SecretSet)
{
    internal override byte[] Encode()
    {
        var m = new SecretSetMessage { Name = Name, Box = ByteString.CopyFrom(Box), Of = Of is { } of ? ByteString.CopyFrom(of.ToBytes()) : ByteString.Empty };
        foreach (var key in Keys) m.Keys.Add(new SealedKeyMessage { Peer = ByteString.CopyFrom(key.Peer.Bytes), Box = ByteString.CopyFrom(key.Box) });
        return m.ToByteArray();
    }

    internal static SecretSet? From(SecretSetMessage m)
    {
        if (m.Box.Length > SwarmLimits.MaxSecretBoxBytes || m.Keys.Count > SwarmLimits.MaxSealedKeys) return null;
        EntryHash? of = null;
        if (!m.Of.IsEmpty)
        {
            if (!EntryHash.TryFromBytes(m.Of.Span, out var entry) || !m.Box.IsEmpty || m.Name.Length > 0 || m.Keys.Count == 0) return null;
            of = entry;
        }
        else if (!Names.IsValid(m.Name))
        {
            return null;
        }
        var keys = new List<SealedKey>(m.Keys.Count);
        foreach (var key in m.Keys)
        {
            if (!PeerId.TryFromBytes(key.Peer.Span, out var peer) || key.Box.Length > 256) return null;
            keys.Add(new SealedKey(peer, key.Box.ToByteArray()));
        }
        return new SecretSet(m.Name, m.Box.ToByteArray(), keys, of);
    }
}

/// <summary>The secrets of one member's programs of one name, as the feeds know them.</summary>
/// <param name="Entry">The entry that set them.</param>
/// <param name="Owner">Its author.</param>
/// <param name="Name">The programs' name.</param>
/// <param name="Box">The variables, encrypted.</param>
/// <param name="Keys">The box's key, sealed to everybody who was given it.</param>
public sealed record ProgramSecrets(EntryHash Entry, PeerId Owner, string Name, byte[] Box, IReadOnlyList<SealedKey> Keys)
{
    /// <summary>The key, sealed to a member; null when it was not given to it.</summary>
    public byte[]? SealedKeyOf(PeerId member) => Keys.LastOrDefault(key => key.Peer == member)?.Box;

    /// <summary>How the state names them: sorted, so that every node has them in one order.</summary>
    internal static string IdOf(PeerId owner, string name) => $"{owner}/{name}";

    // A later key of the same member takes the place of the one before; so many members at most as one deploy has.
    internal ProgramSecrets With(IReadOnlyList<SealedKey> more) =>
        this with { Keys = [.. Keys.Where(key => more.All(other => other.Peer != key.Peer)).Concat(more).TakeLast(SwarmLimits.MaxSealedKeys)] };
}
