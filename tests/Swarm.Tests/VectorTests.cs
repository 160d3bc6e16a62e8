using System.Text.Json;
using System.Text.Json.Serialization;
using Google.Protobuf;
using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm.Wire;

namespace PeoplesCloud.Swarm.Tests;

// Golden vectors in tests/vectors, signed by real keys of fixed seeds, for this and for other implementations. A format that
// changes gets a new version and new files; these stay. PC_WRITE_VECTORS=1 writes files that do not exist yet.
public sealed partial class VectorTests
{
    private static readonly JsonSerializerOptions Json = new() { WriteIndented = true, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, PropertyNamingPolicy = JsonNamingPolicy.CamelCase, Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private static readonly DateTimeOffset Time = new(2026, 12, 24, 18, 30, 0, TimeSpan.Zero);

    private sealed record Vector(string What, string? Hex = null, string? Text = null, string? Hash = null, string? Author = null, ulong? Sequence = null, string? Kind = null, string? Error = null);

    private sealed record VectorFile(string Format, string Keys, List<Vector> Valid, List<Vector> Invalid);

    private static Ed25519Key Key(byte number) => new(Enumerable.Repeat(number, 32).ToArray());

    [Fact]
    public void Entries_are_these_bytes()
    {
        using var oak = Key(1);
        using var elm = Key(2);
        var (signer, other) = (new Ed25519Signer(oak), new Ed25519Signer(elm));
        var genesis = StoredEntry.Create(signer, null, 1, null, [], HybridClock.At(Time), new SwarmCreated("friends", Enumerable.Repeat((byte)3, 16).ToArray(), "oak", Enumerable.Repeat((byte)4, 32).ToArray()));
        var entries = new List<(string What, StoredEntry Entry)> { ("the genesis entry: its hash is the swarm id", genesis) };
        var previous = genesis;
        foreach (var body in EntryTests.Bodies(new Simulation.SimKeys()))
        {
            previous = StoredEntry.Create(signer, genesis.Swarm, previous.Sequence + 1, previous.Hash, [], new HybridClock(previous.Clock.Value + 1), body);
            entries.Add(($"{body.Kind} after it", previous));
        }
        entries.Add(("the first entry of another author, who has seen all of these", StoredEntry.Create(other, genesis.Swarm, 1, null, [previous.Hash], HybridClock.At(Time.AddMinutes(1)), new MemberLeft())));

        var last = entries[^1].Entry.Bytes.ToArray();
        var flipped = (byte[])last.Clone();
        flipped[40] ^= 1;
        var written = new VectorFile(
            "entry, version 1 (docs/protocols/feeds.md)",
            "Ed25519 seeds of 32 bytes 01 (most) and 02 (the last one)",
            [.. entries.Select(e => new Vector(e.What, Convert.ToHexStringLower(e.Entry.Bytes.Span), null, Convert.ToHexStringLower(e.Entry.Hash.ToBytes()), e.Entry.Author.ToString(), e.Entry.Sequence, e.Entry.Body.Kind.ToString()))],
            [
                new("nothing", "", Error: "Malformed"),
                new("cut off", Convert.ToHexStringLower(last.AsSpan(0, last.Length - 1)), Error: "Malformed"),
                new("a byte changed", Convert.ToHexStringLower(flipped), Error: "BadSignature"),
                new("no signature", Convert.ToHexStringLower(new SignedEntryMessage { Entry = ByteString.CopyFrom(genesis.EntryBytes.Span) }.ToByteArray()), Error: "Malformed"),
                new("sequence 0", Hand(signer, new EntryMessage { Author = ByteString.CopyFrom(signer.Self.Bytes), Kind = 1 }), Error: "Malformed"),
                new("neither genesis nor anything before it", Hand(signer, new EntryMessage { Swarm = ByteString.CopyFrom(genesis.Swarm.ToBytes()), Author = ByteString.CopyFrom(signer.Self.Bytes), Sequence = 1, Kind = 4 }), Error: "Malformed"),
                new("a parent named twice", Hand(signer, new EntryMessage { Swarm = ByteString.CopyFrom(genesis.Swarm.ToBytes()), Author = ByteString.CopyFrom(signer.Self.Bytes), Sequence = 1, Kind = 4, Parents = { ByteString.CopyFrom(genesis.Hash.ToBytes()), ByteString.CopyFrom(genesis.Hash.ToBytes()) } }), Error: "Malformed"),
            ]);

        var file = Load("entry", written);
        Assert.Equal(JsonSerializer.Serialize(written.Valid, Json), JsonSerializer.Serialize(file.Valid, Json));
        var verifier = new Ed25519Verifier();
        foreach (var vector in file.Valid)
        {
            Assert.True(StoredEntry.TryDecode(Convert.FromHexString(vector.Hex!), out var entry, out _), vector.What);
            Assert.Equal((vector.Hash, vector.Author, vector.Sequence, vector.Kind), (Convert.ToHexStringLower(entry.Hash.ToBytes()), entry.Author.ToString(), entry.Sequence, entry.Body.Kind.ToString()));
            Assert.True(entry.VerifiedBy(verifier), vector.What);
        }
        foreach (var vector in file.Invalid)
        {
            var error = !StoredEntry.TryDecode(Convert.FromHexString(vector.Hex!), out var entry, out var refusal) ? refusal : entry.VerifiedBy(verifier) ? EntryRefusal.None : EntryRefusal.BadSignature;
            Assert.Equal(vector.Error, error.ToString());
        }
    }

    [Fact]
    public void Entries_that_carry_a_key_are_these_bytes()
    {
        using var oak = Key(1);
        var signer = new Ed25519Signer(oak);
        var swarm = new SwarmId(EntryHash.Of([4]));
        var keys = new Simulation.SimKeys();
        var entries = EntryTests.BodiesWithKey(keys).Select(body => StoredEntry.Create(signer, swarm, 2, EntryHash.Of([5]), [], HybridClock.At(Time), body)).ToList();
        var removed = ByteString.CopyFrom(new MemberRemoved(keys.Signer(8).Self, 12).Encode());
        string Removal(byte[] added) => Hand(signer, new EntryMessage
        {
            Swarm = ByteString.CopyFrom(swarm.ToBytes()), Author = ByteString.CopyFrom(signer.Self.Bytes), Sequence = 2, Previous = ByteString.CopyFrom(EntryHash.Of([5]).ToBytes()), Kind = 5,
            Body = ByteString.CopyFrom([.. removed.Span, .. added]),
        });
        var written = new VectorFile(
            "entries that carry a new swarm key, version 1 (docs/protocols/feeds.md)",
            "Ed25519 seed of 32 bytes 01; swarm: SHA-256 of the byte 04; the boxes are not sealed by real keys",
            [.. entries.Select(entry => new Vector($"{entry.Body.Kind}, a key for two", Convert.ToHexStringLower(entry.Bytes.Span), null, Convert.ToHexStringLower(entry.Hash.ToBytes()), entry.Author.ToString(), 2, entry.Body.Kind.ToString()))],
            [
                new("version 1 with keys that are cut off: without effect", Removal([0x18, 1, 0x22, 2, 0, 0]), Error: "UnknownBody"),
                new("version 2: removes, its key is not read", Removal([0x18, 2, 0x22, 2, 0, 0]), Error: "MemberRemoved"),
            ]);
        var file = Load("removal", written);
        Assert.Equal(JsonSerializer.Serialize(written, Json), JsonSerializer.Serialize(file, Json));
        foreach (var vector in file.Invalid)
        {
            Assert.True(StoredEntry.TryDecode(Convert.FromHexString(vector.Hex!), out var entry, out _));
            Assert.Equal(vector.Error, entry.Body.GetType().Name);
            Assert.Null(entry.Body.CarriedKey);
        }
        foreach (var vector in file.Valid)
        {
            Assert.True(StoredEntry.TryDecode(Convert.FromHexString(vector.Hex!), out var entry, out _));
            Assert.Equal(2, entry.Body.CarriedKey!.Count);
        }
    }

    [Fact]
    public void Entries_about_runs_are_these_bytes()
    {
        using var oak = Key(1);
        var signer = new Ed25519Signer(oak);
        var swarm = new SwarmId(EntryHash.Of([4]));
        var entries = EntryTests.BodiesOfRuns().Select(body => StoredEntry.Create(signer, swarm, 2, EntryHash.Of([5]), [], HybridClock.At(Time), body)).ToList();
        var began = EntryTests.BodiesOfRuns().First().Encode();
        string Run(byte[] added) => Hand(signer, new EntryMessage
        {
            Swarm = ByteString.CopyFrom(swarm.ToBytes()), Author = ByteString.CopyFrom(signer.Self.Bytes), Sequence = 2, Previous = ByteString.CopyFrom(EntryHash.Of([5]).ToBytes()), Kind = 15,
            Body = ByteString.CopyFrom([.. began, .. added]),
        });
        var written = new VectorFile(
            "entries about runs (docs/protocols/feeds.md)",
            "Ed25519 seed of 32 bytes 01; swarm: SHA-256 of the byte 04; program: SHA-256 of the byte 08",
            [.. entries.Select(entry => new Vector(((RunRecorded)entry.Body).End is { } end ? $"ended: {end}" : "began", Convert.ToHexStringLower(entry.Bytes.Span), null, Convert.ToHexStringLower(entry.Hash.ToBytes()), entry.Author.ToString(), 2, entry.Body.Kind.ToString())),
                new Vector("ended for a reason of a later version: Unknown", Run([0x18, 2, 0x28, 99]), null, null, null, 2, nameof(EntryKind.RunRecorded))],
            [
                new("an event of a later version: without effect", Run([0x18, 3]), Error: "UnknownBody"),
                new("a line break in the detail: without effect", Run([0x32, 1, 0x0a]), Error: "UnknownBody"),
                new("a time after the year 9999: without effect", Run([0x20, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]), Error: "UnknownBody"),
            ]);
        var file = Load("run", written);
        Assert.Equal(JsonSerializer.Serialize(written, Json), JsonSerializer.Serialize(file, Json));
        foreach (var vector in file.Invalid)
        {
            Assert.True(StoredEntry.TryDecode(Convert.FromHexString(vector.Hex!), out var entry, out _));
            Assert.IsType<UnknownBody>(entry.Body);
        }
        foreach (var vector in file.Valid)
        {
            Assert.True(StoredEntry.TryDecode(Convert.FromHexString(vector.Hex!), out var entry, out _));
            var run = Assert.IsType<RunRecorded>(entry.Body);
            if (vector.What.Contains("later version", StringComparison.Ordinal)) Assert.Equal(RunEnd.Unknown, run.End);
        }
    }

    [Fact]
    public void Tickets_are_these_texts()
    {
        using var oak = Key(1);
        var ticket = new Ticket
        {
            Swarm = new SwarmId(EntryHash.Of([1])),
            Name = "friends",
            Inviter = new Ed25519Signer(oak).Self,
            Addresses = ["/ip4/192.0.2.7/tcp/4242", "/dns4/oak.example/tcp/4242"],
            Role = Role.Member,
            Expires = Time,
            Uses = 1,
            Secret = Enumerable.Range(0, 16).Select(i => (byte)i).ToArray(),
        };
        var bare = ticket with { Addresses = [], Role = Role.Guest, Uses = 0, Name = "büro" };
        var text = ticket.ToText();
        var written = new VectorFile(
            "ticket, version 1 (docs/protocols/tickets.md)",
            "inviter: Ed25519 seed of 32 bytes 01; secret 00 01 ... 0f; swarm: SHA-256 of the byte 01; expires 2026-12-24T18:30:00Z",
            [new("two addresses, for a member, once", Text: text), new("no address, for a guest, any number of uses", Text: bare.ToText())],
            [
                new("nothing", Text: "", Error: "Malformed"),
                new("something else", Text: "https://example.org", Error: "Malformed"),
                new("a letter that base32 does not have", Text: text[..30] + "1" + text[31..], Error: "Malformed"),
                new("the end is missing", Text: text[..^10], Error: "Truncated"),
                new("only its beginning", Text: "pc1", Error: "Truncated"),
                new("a letter was changed", Text: text[..50] + (text[50] == 'q' ? 'r' : 'q') + text[51..], Error: "Damaged"),
                new("something was added", Text: text + "aaaaaaaa", Error: "Damaged"),
                new("of version 2", Text: "pc1ai" + text[5..], Error: "Version"),
            ]);
        var file = Load("ticket", written);
        Assert.Equal(JsonSerializer.Serialize(written.Valid, Json), JsonSerializer.Serialize(file.Valid, Json));
        foreach (var vector in file.Valid) Assert.Equal(vector.Text, Ticket.Parse(vector.Text).ToText());
        foreach (var vector in file.Invalid)
        {
            Assert.False(Ticket.TryParse(vector.Text, out _, out var error));
            Assert.Equal(vector.Error, error.ToString());
        }
    }

    [Fact]
    public void Gossip_messages_are_these_bytes()
    {
        using var oak = Key(1);
        var signer = new Ed25519Signer(oak);
        var swarm = new SwarmId(EntryHash.Of([1]));
        var swarmBytes = ByteString.CopyFrom(swarm.ToBytes());
        var record = PresenceRecord.Create(signer, swarm, new PresenceVersion(1_800_000_000_000, 2), new PresenceInfo { Addresses = ["/ip4/192.0.2.7/tcp/4242"], Hosts = true, Languages = ["py3"], Rank = 12.5, Version = "0.1.0" });
        var table = new PresenceTable();
        table.Put(record, default);
        var heads = new FeedHeads([new HeadTip(AuthorFeed.KeyOf(signer.Self), 7, EntryHash.Of([2]).Short)], [new HeadFork(AuthorFeed.KeyOf(signer.Self), 5)]);
        byte[] Bytes(GossipMessage m) => GossipCodec.Encode(m);
        var ping = new GossipMessage { Swarm = swarmBytes, ClockMs = 1_800_000_000_001, Ping = 0x0102030405060708, FeedsPrint = heads.Fingerprint, PresencePrint = table.Print() };
        var digests = new GossipMessage { Swarm = swarmBytes, Ack = 0x0102030405060708, Heads = ByteString.CopyFrom(heads.EncodeTips()), Forks = ByteString.CopyFrom(heads.EncodeForks()), Presence = ByteString.CopyFrom(table.Digest()) };
        var written = new VectorFile(
            "gossip message, version 1 (docs/protocols/gossip.md)",
            "Ed25519 seed of 32 bytes 01; swarm: SHA-256 of the byte 01",
            [
                new("a ping with fingerprints", Convert.ToHexStringLower(Bytes(ping))),
                new("an ack with both digests: head 7, fork at 5, one presence claim", Convert.ToHexStringLower(Bytes(digests))),
                new("a signed presence record", Convert.ToHexStringLower(Bytes(new GossipMessage { Swarm = swarmBytes, Records = { ByteString.CopyFrom(record.Bytes.Span) } }))),
                new("a request for an entry", Convert.ToHexStringLower(Bytes(new GossipMessage { Swarm = swarmBytes, Wants = { ByteString.CopyFrom(EntryHash.Of([3]).ToBytes()) } }))),
            ],
            [
                new("nothing: no swarm", "", Error: "Malformed"),
                new("cut off", Convert.ToHexStringLower(Bytes(ping).AsSpan(0, 30)), Error: "Malformed"),
                new("65 wants", Convert.ToHexStringLower(Bytes(new GossipMessage { Swarm = swarmBytes, Wants = { Enumerable.Repeat(ByteString.CopyFrom(1), 65) } })), Error: "Malformed"),
            ]);
        var file = Load("gossip", written);
        Assert.Equal(JsonSerializer.Serialize(written.Valid, Json), JsonSerializer.Serialize(file.Valid, Json));
        foreach (var vector in file.Valid)
        {
            Assert.True(GossipCodec.TryDecode(Convert.FromHexString(vector.Hex!), out var message), vector.What);
            foreach (var bytes in message.Records) Assert.True(PresenceRecord.TryDecode(bytes.Span, new Ed25519Verifier(), out _));
        }
        foreach (var vector in file.Invalid) Assert.False(GossipCodec.TryDecode(Convert.FromHexString(vector.Hex!), out _), vector.What);
    }

    [Fact]
    public void Messages_of_joining_are_these_bytes()
    {
        using var oak = Key(1);
        var signer = new Ed25519Signer(oak);
        var swarm = new SwarmId(EntryHash.Of([4]));
        byte[] Fill(byte value, int count) => [.. Enumerable.Repeat(value, count)];
        string Hex(byte[] bytes) => Convert.ToHexStringLower(bytes);
        var hello = new JoinHello(JoinKind.Secret, "friends").Encode();
        var offer = new JoinOffer(Fill(1, 16), ScryptCost.Default, Fill(2, 65)).Encode();
        var proof = new JoinProof(Fill(3, 65), Fill(4, 32), new JoinApplicant("fir", Fill(5, 32), Time)).Encode();
        var entry = StoredEntry.Create(signer, swarm, 2, EntryHash.Of([5]), [], HybridClock.At(Time), EntryTests.BodiesOfJoining(new Simulation.SimKeys()).First());
        var refused = new JoinVerdict(Fill(6, 32), new JoinRefusal(JoinRefusalReason.NotAdmitted, default, 4009, "full")).Encode();
        var written = new VectorFile(
            "joining by a secret, version 1 (docs/protocols/join.md)",
            "Ed25519 seed of 32 bytes 01; swarm: SHA-256 of the byte 04; shares, confirmations and boxes are fillers, see spake2 for real ones",
            [
                new("hello: by the secret of friends", Hex(hello)),
                new("hello: by a code that begins with blue", Hex(new JoinHello(JoinKind.Code, "blue").Encode())),
                new("offer", Hex(offer)),
                new("a refusal in place of an offer: too many guesses, 90 s", Hex(InvitingSide.Refuse(new JoinRefusal(JoinRefusalReason.TooManyGuesses, TimeSpan.FromSeconds(90))))),
                new("proof of fir", Hex(proof)),
                new("verdict: let in", Hex(new JoinVerdict(Fill(6, 32), null).Encode())),
                new("verdict: the proof was right, the swarm is full", Hex(refused)),
                new("what a confirmation is bound to, for a channel binding of 32 bytes 07, this hello and this offer", Hex(JoinBinding.Of(Fill(7, 32), hello, offer))),
                new("the scalar of open sesame with a salt of 16 bytes 01", Hex(JoinVerifier.Of("open sesame", Fill(1, 16), ScryptCost.Default).Password)),
                new("an entry that sets a secret", Hex(entry.Bytes.ToArray()), null, Hex(entry.Hash.ToBytes()), signer.Self.ToString(), 2, "JoinSecretSet"),
            ],
            [
                new("offer: a cost of 2^40", Hex(new JoinOffer(Fill(1, 16), new ScryptCost(40, 8, 1), Fill(2, 65)).Encode()), Error: "offer"),
                new("offer: a share of 64 bytes", Hex(new JoinOffer(Fill(1, 16), ScryptCost.Default, Fill(2, 64)).Encode()), Error: "offer"),
                new("proof: cut off", Hex(proof[..^40]), Error: "proof"),
                new("verdict: nothing", "", Error: "verdict"),
                new("hello: kind 3", Hex(new JoinHello((JoinKind)3, "friends").Encode()), Error: "hello"),
            ]);
        var file = Load("join", written);
        Assert.Equal(JsonSerializer.Serialize(written, Json), JsonSerializer.Serialize(file, Json));
        foreach (var vector in file.Invalid)
        {
            var bytes = Convert.FromHexString(vector.Hex!);
            Assert.False(vector.Error switch { "offer" => JoinOffer.TryDecode(bytes, out _, out _), "proof" => JoinProof.TryDecode(bytes, out _), "verdict" => JoinVerdict.TryDecode(bytes, out _), _ => JoinHello.TryDecode(bytes, out _) }, vector.What);
        }
        Assert.True(JoinVerdict.TryDecode(refused, out var verdict) && verdict.Refusal!.Text == "full");
    }

    [Fact]
    public void Gossip_messages_with_parts_are_these_bytes()
    {
        using var oak = Key(1);
        var peer = AuthorFeed.KeyOf(new Ed25519Signer(oak).Self);
        var swarmBytes = ByteString.CopyFrom(EntryHash.Of([1]).ToBytes());
        var (head, none) = (new HeadTip(peer, 7, EntryHash.Of([2]).Short), new HeadTip(peer, 0, 0));
        var heads = new FeedHeads([head], []);
        var claim = new PresenceClaim(peer, new PresenceVersion(1_800_000_000_000, 2), Liveness.Suspect);
        var both = new GossipMessage
        {
            Swarm = swarmBytes, Ack = 0x0102030405060708, HeadsPart = ByteString.CopyFrom(FeedHeads.EncodeTips([head])), FeedsSum = heads.Sum,
            PresencePart = ByteString.CopyFrom(PresenceTable.Encode([claim])), PresenceSum = claim.Item,
        };
        var asking = new GossipMessage { Swarm = swarmBytes, HeadsPart = ByteString.CopyFrom(FeedHeads.EncodeTips([none])), PresencePart = ByteString.CopyFrom(PresenceTable.Encode([new PresenceClaim(peer, default, Liveness.Awake)])) };
        var written = new VectorFile(
            "gossip message with parts, version 1 (docs/protocols/gossip.md)",
            "Ed25519 seed of 32 bytes 01; swarm: SHA-256 of the byte 01",
            [
                new("a ping of a node that understands parts", Convert.ToHexStringLower(GossipCodec.Encode(new GossipMessage { Swarm = swarmBytes, Ping = 0x0102030405060708, Parts = true }))),
                new("an ack with parts: head 7 and one claim, and sums over these alone", Convert.ToHexStringLower(GossipCodec.Encode(both))),
                new("a question: nothing is held of either, and no sums", Convert.ToHexStringLower(GossipCodec.Encode(asking))),
            ],
            []);
        var file = Load("gossip-parts", written);
        Assert.Equal(JsonSerializer.Serialize(written, Json), JsonSerializer.Serialize(file, Json));
        Assert.All(file.Valid, vector => Assert.True(GossipCodec.TryDecode(Convert.FromHexString(vector.Hex!), out _), vector.What));
    }

    private static string Hand(Ed25519Signer signer, EntryMessage message)
    {
        var bytes = message.ToByteArray();
        return Convert.ToHexStringLower(new SignedEntryMessage { Entry = ByteString.CopyFrom(bytes), Signature = ByteString.CopyFrom(SignatureDomain.Sign(signer, SignatureDomain.Entry, bytes)) }.ToByteArray());
    }

    private static VectorFile Load(string format, VectorFile written)
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "PeoplesCloud.slnx"))) folder = folder.Parent!;
        var path = Path.Combine(folder.FullName, "tests", "vectors", format, "1", $"{format}.json");
        if (!File.Exists(path) && Environment.GetEnvironmentVariable("PC_WRITE_VECTORS") == "1")
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllText(path, JsonSerializer.Serialize(written, Json) + "\n");
        }
        return JsonSerializer.Deserialize<VectorFile>(File.ReadAllText(path), Json)!;
    }
}
