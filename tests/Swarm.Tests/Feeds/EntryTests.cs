using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Simulation;

namespace PeoplesCloud.Swarm.Tests;

public sealed class EntryTests
{
    [Fact]
    public void Every_kind_is_read_back_as_it_was_written()
    {
        var keys = new SimKeys();
        var village = new Village();
        foreach (var body in AllBodies(keys).Where(body => body is not SwarmCreated))
        {
            var entry = StoredEntry.Create(keys.Signer(3), village[0].Id, 7, EntryHash.Of([1]), [EntryHash.Of([2]), EntryHash.Of([3])], new HybridClock(99), body);
            Assert.True(StoredEntry.TryDecode(entry.Bytes.Span, out var read, out var refusal));
            Assert.Equal(EntryRefusal.None, refusal);
            Assert.Equal(entry.Hash, read.Hash);
            Assert.Equal(body.Kind, read.Body.Kind);
            Assert.Equal(body.Encode(), read.Body.Encode());
            Assert.IsType(body.GetType(), read.Body);
            Assert.Equal((7UL, EntryHash.Of([1]), 99UL), (read.Sequence, read.Previous!.Value, read.Clock.Value));
            Assert.Equal(new[] { EntryHash.Of([2]), EntryHash.Of([3]) }.Order(), read.Parents);
            Assert.True(read.VerifiedBy(keys));
        }
    }

    [Fact]
    public void The_real_keys_sign_and_verify_entries()
    {
        using var key = new Ed25519Key(Ed25519Key.NewSeed());
        using var other = new Ed25519Key(Ed25519Key.NewSeed());
        var verifier = new Ed25519Verifier();
        var replica = SwarmReplica.Create(new Ed25519Signer(key), verifier, "friends", "oak", new byte[32], new byte[16], DateTimeOffset.UnixEpoch, out var genesis);
        Assert.True(genesis.VerifiedBy(verifier));
        Assert.Equal(replica.Id.Genesis, genesis.Hash);
        // The signature of another project's or format's message with the same bytes does not serve.
        Assert.False(verifier.Verify(genesis.Author, genesis.EntryBytes.Span, genesis.Signature.Span));
        Assert.False(verifier.Verify(new Ed25519Signer(other).Self, [.. SignatureDomain.Entry, .. genesis.EntryBytes.Span], genesis.Signature.Span));
        Assert.False(verifier.Verify(default, genesis.EntryBytes.Span, genesis.Signature.Span));
    }

    [Fact]
    public void Every_truncation_is_refused()
    {
        var entry = new Village(Role.Member).Deploy(0);
        for (var length = 0; length < entry.Bytes.Length; length++)
            Assert.False(StoredEntry.TryDecode(entry.Bytes.Span[..length], out _, out _), $"{length} of {entry.Bytes.Length} bytes");
    }

    [Fact]
    public void A_flipped_bit_is_refused_or_breaks_the_signature()
    {
        var village = new Village(Role.Member);
        var bytes = village.Deploy(0).Bytes.ToArray();
        for (var bit = 0; bit < bytes.Length * 8; bit++)
        {
            bytes[bit / 8] ^= (byte)(1 << (bit % 8));
            if (StoredEntry.TryDecode(bytes, out var read, out _)) Assert.False(read.VerifiedBy(village.Keys), $"bit {bit}");
            bytes[bit / 8] ^= (byte)(1 << (bit % 8));
        }
    }

    [Fact]
    public void Random_bytes_never_throw()
    {
        var random = new Random(20_260_707);
        var seed = new Village(Role.Member).Deploy(0).Bytes.ToArray();
        for (var i = 0; i < 20_000; i++)
        {
            var bytes = i % 2 == 0 ? new byte[random.Next(200)] : (byte[])seed.Clone();
            if (i % 2 == 0) random.NextBytes(bytes);
            else for (var j = random.Next(1, 6); j > 0; j--) bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            StoredEntry.Fuzz(bytes);
        }
    }

    [Fact]
    public void An_entry_that_is_too_long_is_refused_before_it_is_read()
    {
        Assert.False(StoredEntry.TryDecode(new byte[SwarmLimits.MaxEntryBytes + 1], out _, out var refusal));
        Assert.Equal(EntryRefusal.TooLarge, refusal);
        var village = new Village();
        Assert.Throws<ArgumentException>(() => village[0].Append(Village.Program() with { Keys = [.. Enumerable.Repeat(new SealedKey(village.Peer(0), new byte[200]), 65)] }, village.Now));
    }

    [Fact]
    public void Entries_of_an_unknown_kind_are_kept_and_forwarded_and_change_nothing()
    {
        var village = new Village(Role.Member, Role.Member);
        var own = village[1].Heads;
        var before = StateDigest.Of(village[0].State);
        // As a newer version would write it.
        var entry = StoredEntry.Create(village.Keys.Signer(1), village[0].Id, 1, null, [village.Beginning[^1].Hash], HybridClock.At(village.Now), new UnknownBody(4711, [1, 2, 3]));
        var result = village[0].Receive([entry.Bytes], village.Now);
        Assert.Equal([entry], result.Accepted, (a, b) => a.Hash == b.Hash);
        Assert.Equal(before, StateDigest.Of(village[0].State));
        village.Give(village[0], village[2]);
        Assert.Equal(village[0].Heads.Fingerprint, village[2].Heads.Fingerprint);
        Assert.NotEqual(own.Fingerprint, village[2].Heads.Fingerprint);
        Assert.IsType<UnknownBody>(village[2].MissingFor(own, int.MaxValue, out _).Single().Body);
    }

    // Since the swarm's key is rotated; with vectors of their own, since a file of vectors never changes.
    internal static IEnumerable<EntryBody> BodiesWithKey(SimKeys keys)
    {
        var (oak, elm) = (keys.Signer(1).Self, keys.Signer(2).Self);
        Member Remaining(Libp2p.PeerId peer) => new(peer, "node", Role.Member, SimSealer.PublicKeyOf(peer), MemberStatus.Active, oak, default);
        var key = SealedSwarmKey.Seal(new SimSealer(oak), new SwarmId(EntryHash.Of([4])), Enumerable.Range(0, 32).Select(i => (byte)i).ToArray(), [Remaining(oak), Remaining(elm)]);
        yield return new MemberRemoved(keys.Signer(8).Self, 12, key);
        yield return new KeyRotated(key);
    }

    // Of joining by a secret; in the vectors of joining.
    internal static IEnumerable<EntryBody> BodiesOfJoining(SimKeys keys)
    {
        yield return new JoinSecretSet(3, Role.Guest, [.. Enumerable.Range(0, 16).Select(i => (byte)i)], ScryptCost.Default, 2, [new SealedKey(keys.Signer(8).Self, new byte[81]), new SealedKey(keys.Signer(9).Self, new byte[81])]);
        yield return new JoinSecretSet(4, Role.Member, new byte[16], ScryptCost.Default, 0, []);
    }

    // Of runs; in the vectors of runs.
    internal static IEnumerable<EntryBody> BodiesOfRuns()
    {
        var time = DateTimeOffset.FromUnixTimeMilliseconds(1_900_000_000_123);
        yield return new RunRecorded(EntryHash.Of([8]), 3, time, null, null, null, RunUse.None);
        yield return new RunRecorded(EntryHash.Of([8]), 3, time.AddSeconds(61), RunEnd.LeaseLost, "could not reach a majority", 137, new RunUse(TimeSpan.FromMilliseconds(1_234), 5_678, 90_123));
        yield return new RunRecorded(EntryHash.Of([8]), ulong.MaxValue, time, RunEnd.Finished, null, 0, RunUse.None);
    }

    internal static IEnumerable<EntryBody> BodiesOfControls()
    {
        yield return new ProgramControlled(EntryHash.Of([9]), ControlAction.Restart, "");
        yield return new ProgramControlled(EntryHash.Of([9]), ControlAction.Exec, "sh and 2 words");
    }

    /// <summary>At least one of each kind.</summary>
    internal static IEnumerable<EntryBody> AllBodies(SimKeys keys) =>
    [
        new SwarmCreated("friends", new byte[16], "oak", new byte[32]), .. Bodies(keys), .. BodiesWithKey(keys), .. BodiesOfJoining(keys), .. BodiesOfRuns(), .. BodiesOfControls(), .. BodiesOfGuardians(keys),
        .. BodiesOfReceipts(), .. BodiesOfSecrets(keys), new GuardianMisbehaved(EntryHash.Of([8]), keys.Signer(8).Self, Misbehaviour.TwoVotes, [[1], [2]]),
    ];

    // Of sets of guardians; in the vectors of guardians.
    internal static IEnumerable<EntryBody> BodiesOfGuardians(SimKeys keys)
    {
        var peers = new[] { keys.Signer(8).Self, keys.Signer(9).Self }.Order().ToList();
        yield return new GuardiansSet(EntryHash.Of([8]), 2, peers, [new SealedKey(peers[0], new byte[81])]);
        yield return new GuardiansSet(EntryHash.Of([8]), ulong.MaxValue, [peers[1]], []);
        yield return new GuardiansApproved(EntryHash.Of([8]), EntryHash.Of([9]));
    }

    // Of receipts; in their vectors.
    internal static IEnumerable<EntryBody> BodiesOfReceipts()
    {
        yield return new ReceiptIssued(EntryHash.Of([8]), 20_811, new RunUse(TimeSpan.FromMilliseconds(1_234), 5_678, 90_123));
        yield return new ReceiptIssued(EntryHash.Of([8]), 0, RunUse.None);
        yield return new ReceiptCountersigned(EntryHash.Of([9]));
    }

    // Of secrets; in their vectors.
    internal static IEnumerable<EntryBody> BodiesOfSecrets(SimKeys keys)
    {
        var key = new SealedKey(keys.Signer(8).Self, new byte[81]);
        yield return new SecretSet("bot", [1, 2, 3], [key]);
        yield return new SecretSet("bot", [], []);
        yield return new SecretSet("", [], [key], EntryHash.Of([9]));
    }

    // In the vectors of entries, which stay as they are.
    internal static IEnumerable<EntryBody> Bodies(SimKeys keys)
    {
        var peer = keys.Signer(8).Self;
        yield return new TicketIssued(EntryHash.Of([5]), Role.Guest, DateTimeOffset.FromUnixTimeMilliseconds(1_900_000_000_123), 3);
        yield return new MemberAdmitted(peer, "büro-2", new byte[32], Role.Admin, EntryHash.Of([6]));
        yield return new MemberAdmitted(peer, "elm", new byte[32], Role.Member, null);
        yield return new MemberLeft();
        yield return new MemberRemoved(peer, 12);
        yield return new MemberReadmitted(peer, 9, EntryHash.Of([7]));
        yield return Village.Program() with { Keys = [new SealedKey(peer, new byte[81]), new SealedKey(keys.Signer(9).Self, new byte[81])] };
        yield return new ProgramPlaced(EntryHash.Of([8]), peer, 2);
        yield return new ProgramStopped(EntryHash.Of([9]));
        yield return new UnknownBody(77, [1, 2, 3]);
    }
}
