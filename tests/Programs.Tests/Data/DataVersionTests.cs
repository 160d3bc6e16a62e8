using System.Text;
using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Programs.Data;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Programs.Tests.Data;

public sealed class DataVersionTests : IDisposable
{
    private readonly Ed25519Key _key = new(Enumerable.Range(1, 32).Select(i => (byte)i).ToArray());

    private Ed25519Signer Signer => new(_key);

    [Fact]
    public void A_version_has_the_bytes_that_the_document_says()
    {
        var version = Version(new DataStamp(0x0102030405060708, 3, 4), ("a", "x"));
        var signed = DataVersionCodec.Sign(version, Signer);
        var hex = Convert.ToHexStringLower(signed);
        // "PCD1", the swarm, the owner and the name; then the stamp; one entry: a file "a" with one byte and one piece; the signature.
        Assert.StartsWith("50434431" + Convert.ToHexStringLower(version.Key.Swarm.ToBytes()) + "26" + Convert.ToHexStringLower(Signer.Self.Bytes) + "03626f74", hex, StringComparison.Ordinal);
        Assert.Contains("010203040506070800000000000000030000000000000004", hex, StringComparison.Ordinal);
        Assert.Contains("00" + "00000001" + "02" + "0001" + "61" + "0000000000000001" + Convert.ToHexStringLower(DataMessages.Encode([DataHash.Of("x"u8)])), hex, StringComparison.Ordinal);
        Assert.True(DataVersionCodec.TryRead(signed, new Ed25519Verifier(), out var read));
        Assert.Equal(version.Content, read.Content);
        Assert.Equal((version.Key, version.Stamp, version.Holder, version.Taken), (read.Key, read.Stamp, read.Holder, read.Taken));
    }

    [Fact]
    public void Every_shortened_and_every_flipped_version_is_refused()
    {
        var signed = DataVersionCodec.Sign(Version(new DataStamp(1, 2, 3), ("a", "x"), ("b", "yy")) with { Origins = [new DataOrigin(new DataStamp(1, 1, 9), DataHash.Of("z"u8))] }, Signer);
        var verifier = new Ed25519Verifier();
        for (var length = 0; length < signed.Length; length++) Assert.False(DataVersionCodec.TryRead(signed.AsSpan(0, length), verifier, out _));
        for (var at = 0; at < signed.Length; at++)
        {
            signed[at] ^= 0x40;
            Assert.False(DataVersionCodec.TryRead(signed, verifier, out _), $"byte {at}");
            signed[at] ^= 0x40;
        }
        Assert.True(DataVersionCodec.TryRead(signed, verifier, out _));
    }

    [Fact]
    public void The_same_files_have_one_content_whoever_has_them_when()
    {
        var one = Version(new DataStamp(1, 2, 3), ("a", "x"));
        var other = Version(new DataStamp(5, 6, 7), ("a", "x")) with { Taken = DateTimeOffset.UnixEpoch.AddDays(1) };
        Assert.Equal(one.Content, other.Content);
        Assert.NotEqual(one.Content, Version(new DataStamp(1, 2, 3), ("a", "y")).Content);
        Assert.NotEqual(one.Content, Version(new DataStamp(1, 2, 3), ("b", "x")).Content);
    }

    // Goal: nothing of an older version is thrown away unless the newer one was built on it. Method: holders, chosen at random, take over
    // from any copy there is, change or do not change it; then every pair of copies is judged, and compared with the true history.
    [Fact]
    public void A_version_took_over_another_exactly_when_it_was_built_on_all_that_it_says()
    {
        for (var seed = 0; seed < 300; seed++)
        {
            var random = new Random(seed);
            var all = new List<(DataVersion Version, HashSet<int> History)>();
            for (ulong epoch = 1; epoch <= 8; epoch++)
            {
                var from = all.Count == 0 ? default : all[random.Next(all.Count)];
                IReadOnlyList<DataOrigin> origins = from.Version is null ? [] : [from.Version.Origin, .. from.Version.Origins];
                var history = new HashSet<int>(from.History ?? []);
                var files = from.Version is null ? "" : all.IndexOf(from).ToString(System.Globalization.CultureInfo.InvariantCulture);
                for (ulong number = 1; number <= (ulong)random.Next(1, 4); number++)
                {
                    // Each change makes content that nobody else has.
                    history = [.. history, all.Count];
                    all.Add((Version(new DataStamp(1, epoch, number), ("file", $"{epoch}.{number}.{files}")) with { Origins = [.. origins.Take(DataLimits.MaxOrigins)] }, history));
                }
            }
            foreach (var (older, _) in all)
            {
                foreach (var (newer, history) in all.Where(other => other.Version.Stamp > older.Stamp))
                    Assert.True(newer.TookOver(older) == history.Contains(all.FindIndex(one => one.Version == older)), $"seed {seed}: {newer.Stamp} of {older.Stamp}");
            }
        }
    }

    [Fact]
    public void A_version_that_changed_nothing_is_taken_over_with_what_it_began_with()
    {
        var first = Version(new DataStamp(1, 1, 5), ("file", "x"));
        var unchanged = Version(new DataStamp(1, 2, 1), ("file", "x")) with { Origins = [first.Origin] };
        var newer = Version(new DataStamp(1, 3, 1), ("file", "y")) with { Origins = [first.Origin] };
        Assert.True(newer.TookOver(unchanged));
        Assert.True(newer.TookOver(Version(new DataStamp(1, 2, 9)))); // nothing is lost with nothing
        Assert.False(newer.TookOver(Version(new DataStamp(1, 2, 1), ("file", "z")) with { Origins = [first.Origin] }));
    }

    [Fact]
    public void Differences_are_counted_in_files()
    {
        var one = Version(new DataStamp(1, 1, 1), ("a", "1"), ("b", "2"), ("c", "3"));
        Assert.Equal(0, one.FilesUnlike(one));
        Assert.Equal(3, one.FilesUnlike(null));
        Assert.Equal(3, one.FilesUnlike(Version(new DataStamp(1, 1, 2), ("a", "1"), ("b", "3"), ("d", "4"))));
    }

    [Fact]
    public void Messages_are_read_as_they_were_written_and_nothing_shorter_or_longer_is()
    {
        var origin = new DataOrigin(new DataStamp(1, 2, 3), DataHash.Of("x"u8));
        var notice = new DataNotice(origin, 4, 5, true);
        Assert.Equal(notice, DataMessages.ReadNotice(DataMessages.Encode(notice)));
        var state = new DataState(origin, notice, TimeSpan.FromSeconds(1.5), ["data.conflict-elm-3"]);
        var bytes = DataMessages.Encode(state);
        var read = DataMessages.ReadState(bytes)!;
        Assert.Equal((state.Newest, state.Told, state.Silence), (read.Newest, read.Told, read.Silence));
        Assert.Equal(state.Conflicts, read.Conflicts);
        for (var length = 0; length < bytes.Length; length++) Assert.Null(DataMessages.ReadState(bytes.AsSpan(0, length)));
        Assert.Null(DataMessages.ReadState([.. bytes, 0]));
        Assert.Null(DataMessages.ReadState(DataMessages.Encode(state with { Conflicts = ["data.conflict-../x"] })));
        Assert.Equal(new DataStamp(1, 2, 3), DataMessages.ReadStamp(DataMessages.Encode(new DataStamp(1, 2, 3))));
        Assert.Null(DataMessages.ReadWanted([]));
        Assert.Null(DataMessages.ReadWanted(new byte[33 * 32]));
        Assert.Equal(32, DataMessages.ReadWanted(new byte[32 * 32])!.Count);
        Assert.Null(DataMessages.ReadChunks(new byte[] { 0xff, 0xff, 0xff, 0xff }, 1));
        Assert.Equal([3, 0], DataMessages.ReadChunks(DataMessages.EncodeChunks([[1, 2, 3], null]), 2)!.Select(chunk => chunk.Length));
    }

    public void Dispose() => _key.Dispose();

    private DataVersion Version(DataStamp stamp, params ReadOnlySpan<(string Path, string Text)> files)
    {
        var entries = new List<DataEntry>();
        foreach (var (path, text) in files)
        {
            var bytes = Encoding.UTF8.GetBytes(text);
            entries.Add(new DataEntry(path, DataKind.File, bytes.Length, bytes.Length == 0 ? [] : [DataHash.Of(bytes)]));
        }
        return new DataVersion
        {
            Key = new DataKey(new SwarmId(EntryHash.Of("swarm"u8)), Signer.Self, "bot"),
            Stamp = stamp,
            Holder = Signer.Self,
            Taken = DateTimeOffset.UnixEpoch,
            Origins = [],
            Entries = entries,
        };
    }
}
