using System.Text.Json;
using Google.Protobuf;
using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Swarm.Wire;

namespace PeoplesCloud.Swarm.Tests;

// What guardians, hosts and owners of programs say: entries, and the messages of leases.
public sealed partial class VectorTests
{
    [Fact]
    public void Entries_about_guardians_are_these_bytes()
    {
        using var oak = Key(1);
        var program = EntryHash.Of([8]);
        var peer = new Ed25519Signer(oak).Self;
        var (one, other) = (Accept(1, 12, peer), Accept(2, 12, null));
        var lie = new GuardianMisbehaved(program, peer, Misbehaviour.TwoVotes, [one.Encode(VectorSwarm, new Ed25519Signer(oak)), other.Encode(VectorSwarm, new Ed25519Signer(oak))]);
        var said = new GuardianMisbehaved(program, peer, Misbehaviour.EpochForgotten, []);
        var set = EntryTests.BodiesOfGuardians(new Simulation.SimKeys()).First().Encode();
        Check(
            "guardians",
            "entries about guardians: kinds 13, 14 and 20 (docs/protocols/feeds.md, docs/protocols/leases.md)",
            "; its evidence: votes by the same key for one epoch and two holders",
            [.. EntryTests.BodiesOfGuardians(new Simulation.SimKeys()), lie, said],
            [
                ("a set without guardians", 13, new GuardiansSetMessage { Program = ByteString.CopyFrom(program.ToBytes()), Generation = 2 }.ToByteArray()),
                ("guardians that are not rising", 13, [.. set, .. new GuardiansSetMessage { Guardians = { ByteString.CopyFrom(new byte[38]) } }.ToByteArray()]),
                ("an approval that names nothing", 14, new GuardiansApprovedMessage { Program = ByteString.CopyFrom(program.ToBytes()) }.ToByteArray()),
                ("a lie of no kind", 20, new GuardianMisbehavedMessage { Program = ByteString.CopyFrom(program.ToBytes()), Peer = ByteString.CopyFrom(peer.Bytes) }.ToByteArray()),
                ("three pieces of evidence", 20, [.. lie.Encode(), .. new GuardianMisbehavedMessage { Evidence = { ByteString.Empty } }.ToByteArray()]),
            ]);
        Assert.True(lie.Holds(VectorSwarm, new Ed25519Verifier()));
    }

    [Fact]
    public void Receipts_are_these_bytes()
    {
        var program = ByteString.CopyFrom(EntryHash.Of([8]).ToBytes());
        Check(
            "receipt",
            "receipts: kinds 18 and 19 (docs/protocols/favours.md)",
            "",
            [.. EntryTests.BodiesOfReceipts()],
            [
                ("a day after the year 10000", 18, new ReceiptIssuedMessage { Program = program, Day = 3_000_000 }.ToByteArray()),
                ("more than 2^40 ms of processor", 18, new ReceiptIssuedMessage { Program = program, ProcessorMs = (1UL << 40) + 1 }.ToByteArray()),
                ("more than 2^50 bytes", 18, new ReceiptIssuedMessage { Program = program, Bytes = (1UL << 50) + 1 }.ToByteArray()),
                ("agreeing to nothing", 19, []),
            ]);
    }

    [Fact]
    public void Entries_about_secrets_and_controls_are_these_bytes()
    {
        var (keys, program) = (new Simulation.SimKeys(), ByteString.CopyFrom(EntryHash.Of([9]).ToBytes()));
        Check(
            "secrets-controls",
            "secrets and what is done with programs: kinds 16 and 17 (docs/protocols/feeds.md)",
            "; boxes are fillers",
            [.. EntryTests.BodiesOfSecrets(keys), .. EntryTests.BodiesOfControls()],
            [
                ("secrets for nobody's programs", 16, new SecretSetMessage { Box = ByteString.CopyFrom(1) }.ToByteArray()),
                ("a key that is given on, with a name", 16, new SecretSetMessage { Of = program, Name = "bot", Keys = { new SealedKeyMessage { Peer = ByteString.CopyFrom(keys.Signer(8).Self.Bytes) } } }.ToByteArray()),
                ("an action of a later version", 17, new ProgramControlledMessage { Program = program, Action = 99 }.ToByteArray()),
                ("a detail of two lines", 17, new ProgramControlledMessage { Program = program, Action = 2, Detail = "a\nb" }.ToByteArray()),
            ]);
    }

    [Fact]
    public void Lease_messages_are_these_bytes()
    {
        using var oak = Key(1);
        using var elm = Key(2);
        var (signer, other) = (new Ed25519Signer(oak), new Ed25519Signer(elm));
        var program = EntryHash.Of([8]);
        Ballot Of(BallotKind kind) => new(kind, program, 1) { Number = 77, Round = 3 };
        LeaseMessage By(Ed25519Signer sender, ulong number, params Ballot[] ballots) => new(sender.Self, 0x0102030405060708, number, ballots);
        var vote = Of(BallotKind.Accept) with { Epoch = 12, Holder = signer.Self };
        Assert.True(LeaseMessage.TryDecode(By(other, 9, vote).Encode(VectorSwarm, other), VectorSwarm, new Ed25519Verifier(), out var proof));
        var refusal = Of(BallotKind.Refuse) with { Epoch = 12, Holder = signer.Self, Time = TimeSpan.FromMilliseconds(1_900), Flags = BallotFlags.Holds, Refusal = BallotRefusal.Held };
        var messages = new List<(string What, LeaseMessage Message)>
        {
            ("is the lease free?", By(signer, 1, Of(BallotKind.Prepare))),
            ("it is: the highest epoch that is known is 11", By(signer, 2, Of(BallotKind.Promise) with { Epoch = 11 })),
            ("it is asked for, for 3 s", By(signer, 3, Of(BallotKind.Propose) with { Epoch = 12, Holder = signer.Self, Time = TimeSpan.FromSeconds(3) })),
            ("it is renewed without a majority, after the guardians changed", By(signer, 4, Of(BallotKind.Propose) with { Epoch = 12, Holder = signer.Self, Time = TimeSpan.FromSeconds(3), Flags = BallotFlags.Holds | BallotFlags.Continues | BallotFlags.Alone })),
            ("a vote", By(signer, 5, vote)),
            ("refused for 1.9 s by its holder, who shows the other guardian's vote", By(signer, 6, refusal) with { Proofs = [proof] }),
            ("given back, to a guardian", By(signer, 7, Of(BallotKind.Release) with { Epoch = 12, Holder = other.Self })),
            ("two programs at once", By(signer, 8, vote, Of(BallotKind.Refuse) with { Program = EntryHash.Of([9]), Refusal = BallotRefusal.Unknown })),
        };
        string Hex(byte[] bytes) => Convert.ToHexStringLower(bytes);
        var first = messages[0].Message.Encode(VectorSwarm, signer);
        var flipped = (byte[])first.Clone();
        flipped[60] ^= 1;
        var batch = LeaseBatchMessage.Parser.ParseFrom(SignedLeaseMessage.Parser.ParseFrom(first).Message);
        string Changed(Action<LeaseBatchMessage> change)
        {
            var m = batch.Clone();
            change(m);
            var bytes = m.ToByteArray();
            return Hex(new SignedLeaseMessage { Message = ByteString.CopyFrom(bytes), Signature = ByteString.CopyFrom(SignatureDomain.Sign(signer, SignatureDomain.Lease, bytes)) }.ToByteArray());
        }
        var written = new VectorFile(
            "lease message, version 1 (docs/protocols/leases.md)",
            "Ed25519 seeds of 32 bytes 01 (most) and 02 (the vote that is shown); swarm: SHA-256 of the byte 04; program: SHA-256 of the byte 08",
            [.. messages.Select(m => new Vector(m.What, Hex(m.Message.Encode(VectorSwarm, signer)), Author: signer.Self.ToString(), Sequence: m.Message.Number, Kind: string.Join(' ', m.Message.Ballots.Select(ballot => ballot.Kind))))],
            [
                new("nothing", "", Error: "refused"),
                new("cut off", Hex(first[..^1]), Error: "refused"),
                new("a byte changed", Hex(flipped), Error: "refused"),
                new("of another swarm", Changed(m => m.Swarm = ByteString.CopyFrom(EntryHash.Of([5]).ToBytes())), Error: "refused"),
                new("number 0", Changed(m => m.Number = 0), Error: "refused"),
                new("a ballot of kind 7", Changed(m => m.Ballots[0].Kind = 7), Error: "refused"),
                new("a lease of five hours", Changed(m => m.Ballots[0].Milliseconds = 18_000_000), Error: "refused"),
                new("65 ballots", Changed(m => m.Ballots.Add(Enumerable.Repeat(m.Ballots[0], 64))), Error: "refused"),
                new("a proof that is none", Changed(m => m.Proofs.Add(ByteString.CopyFrom(1))), Error: "refused"),
            ]);
        var file = Load("lease", written);
        Assert.Equal(JsonSerializer.Serialize(written, Json), JsonSerializer.Serialize(file, Json));
        foreach (var (vector, expected) in file.Valid.Zip(messages))
        {
            Assert.True(LeaseMessage.TryDecode(Convert.FromHexString(vector.Hex!), VectorSwarm, new Ed25519Verifier(), out var message), vector.What);
            Assert.Equal(expected.Message.Ballots, message.Ballots);
            Assert.Equal(expected.Message.Proofs.Count, message.Proofs.Count);
        }
        foreach (var vector in file.Invalid) Assert.False(LeaseMessage.TryDecode(Convert.FromHexString(vector.Hex!), VectorSwarm, new Ed25519Verifier(), out _), vector.What);
    }

    private static readonly SwarmId VectorSwarm = new(EntryHash.Of([4]));

    private static LeaseMessage Accept(ulong number, ulong epoch, Libp2p.PeerId? holder)
    {
        using var oak = Key(1);
        return new LeaseMessage(new Ed25519Signer(oak).Self, 1, number, [new Ballot(BallotKind.Accept, EntryHash.Of([8]), 1) { Epoch = epoch, Holder = holder }]);
    }

    // Entries of one author, each by itself, and bodies that have no effect.
    private static void Check(string format, string title, string more, IReadOnlyList<EntryBody> bodies, IReadOnlyList<(string What, uint Kind, byte[] Body)> unknown)
    {
        using var oak = Key(1);
        var signer = new Ed25519Signer(oak);
        var entries = bodies.Select(body => StoredEntry.Create(signer, VectorSwarm, 2, EntryHash.Of([5]), [], HybridClock.At(Time), body)).ToList();
        string Unknown(uint kind, byte[] body) => Hand(signer, new EntryMessage
        {
            Swarm = ByteString.CopyFrom(VectorSwarm.ToBytes()), Author = ByteString.CopyFrom(signer.Self.Bytes), Sequence = 2, Previous = ByteString.CopyFrom(EntryHash.Of([5]).ToBytes()), Kind = kind, Body = ByteString.CopyFrom(body),
        });
        var written = new VectorFile(
            title,
            $"Ed25519 seed of 32 bytes 01; swarm: SHA-256 of the byte 04; programs: SHA-256 of the bytes 08 and 09{more}",
            [.. entries.Select(entry => new Vector(entry.Body.Kind.ToString(), Convert.ToHexStringLower(entry.Bytes.Span), null, Convert.ToHexStringLower(entry.Hash.ToBytes()), entry.Author.ToString(), 2, $"{(uint)entry.Body.Kind}"))],
            [.. unknown.Select(one => new Vector($"{one.What}: without effect", Unknown(one.Kind, one.Body), Kind: $"{one.Kind}", Error: "UnknownBody"))]);
        var file = Load(format, written);
        Assert.Equal(JsonSerializer.Serialize(written, Json), JsonSerializer.Serialize(file, Json));
        foreach (var (vector, body) in file.Valid.Zip(bodies))
        {
            Assert.True(StoredEntry.TryDecode(Convert.FromHexString(vector.Hex!), out var entry, out _), vector.What);
            Assert.IsType(body.GetType(), entry.Body);
            Assert.Equal(body.Encode(), entry.Body.Encode());
            Assert.True(entry.VerifiedBy(new Ed25519Verifier()), vector.What);
        }
        foreach (var vector in file.Invalid)
        {
            Assert.True(StoredEntry.TryDecode(Convert.FromHexString(vector.Hex!), out var entry, out _), vector.What);
            Assert.IsType<UnknownBody>(entry.Body);
        }
    }
}
