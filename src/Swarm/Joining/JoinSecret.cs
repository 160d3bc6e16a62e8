using Google.Protobuf;
using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm.Wire;

namespace PeoplesCloud.Swarm;

/// <summary>
/// An admin sets the secret with which others join, or takes it back (no boxes). The verifier is sealed to each admin one by one: admins can
/// let anybody in anyway, so they learn nothing that they could not do; members and guests could otherwise let strangers in with it.
/// </summary>
/// <param name="Number">1 at first, one more with each new secret; the same when the same one is sealed to more admins.</param>
/// <param name="Role">What the new members may do.</param>
/// <param name="Salt">16 random bytes.</param>
/// <param name="Cost">What deriving costs.</param>
/// <param name="Removals">How many removals the author knew of: a secret is void once there is another one.</param>
/// <param name="Boxes">The scalar w in a <see cref="SealedBox"/> for each admin; none: there is no secret any more.</param>
public sealed record JoinSecretSet(ulong Number, Role Role, byte[] Salt, ScryptCost Cost, int Removals, IReadOnlyList<SealedKey> Boxes) : EntryBody(EntryKind.JoinSecretSet)
{
    private const int BoxBytes = SealedBox.Overhead + Spake2.PasswordBytes;

    internal override byte[] Encode()
    {
        var m = new JoinSecretSetMessage
        {
            Number = Number,
            Role = (uint)Role,
            Salt = ByteString.CopyFrom(Salt),
            LogN = (uint)Cost.LogN,
            R = (uint)Cost.R,
            P = (uint)Cost.P,
            Removals = (uint)Removals,
        };
        foreach (var box in Boxes) m.Boxes.Add(new SealedKeyMessage { Peer = ByteString.CopyFrom(box.Peer.Bytes), Box = ByteString.CopyFrom(box.Box) });
        return m.ToByteArray();
    }

    internal static JoinSecretSet? From(JoinSecretSetMessage m)
    {
        if (!IsRole(m.Role) || m.Salt.Length != SlowPassword.SaltBytes || (m.LogN | m.R | m.P) > byte.MaxValue || m.Removals > int.MaxValue || m.Boxes.Count > SwarmLimits.MaxSealedKeys) return null;
        var cost = new ScryptCost((int)m.LogN, (int)m.R, (int)m.P);
        if (!cost.IsAcceptable) return null;
        var boxes = new List<SealedKey>(m.Boxes.Count);
        foreach (var box in m.Boxes)
        {
            if (!PeerId.TryFromBytes(box.Peer.Span, out var peer) || box.Box.Length != BoxBytes) return null;
            boxes.Add(new SealedKey(peer, box.Box.ToByteArray()));
        }
        return new JoinSecretSet(m.Number, (Role)m.Role, m.Salt.ToByteArray(), cost, (int)m.Removals, boxes);
    }
}

/// <summary>The secret with which others join, as the feeds know it.</summary>
/// <param name="SetBy">The admin.</param>
/// <param name="Set">What it wrote.</param>
/// <param name="Closed">Whether it was taken back, or a removal that its author did not know of ended it: whoever is removed may know it.</param>
public sealed record JoinSecret(PeerId SetBy, JoinSecretSet Set, bool Closed)
{
    /// <summary>What the box of an admin is bound to.</summary>
    public static byte[] ContextOf(SwarmId swarm, ReadOnlySpan<byte> salt) => [.. "peoples-cloud join verifier 1:"u8, .. swarm.ToBytes(), .. salt];

    /// <summary>The verifier, as this admin can open it; null when it is closed or not sealed to this node.</summary>
    public JoinVerifier? Open(SwarmId swarm, PeerId self, IKeySealer sealer)
    {
        if (Closed || Set.Boxes.FirstOrDefault(box => box.Peer == self) is not { } box) return null;
        return sealer.TryOpen(ContextOf(swarm, Set.Salt), box.Box, out var password) && Spake2.IsPassword(password) ? new JoinVerifier(Set.Salt, Set.Cost, password) : null;
    }

    /// <summary>Seals a verifier to the admins of a swarm; one whose key is unusable (another admin stated it) is left out.</summary>
    public static IReadOnlyList<SealedKey> Seal(IKeySealer sealer, SwarmId swarm, JoinVerifier verifier, IEnumerable<Member> admins)
    {
        var boxes = new List<SealedKey>();
        foreach (var admin in admins.Take(SwarmLimits.MaxSealedKeys))
        {
            if (sealer.TrySeal(admin.X25519, ContextOf(swarm, verifier.Salt), verifier.Password, out var box)) boxes.Add(new SealedKey(admin.Peer, box));
        }
        return boxes;
    }
}
