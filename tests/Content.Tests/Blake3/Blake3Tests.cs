using System.Text;
using System.Text.Json;

namespace PeoplesCloud.Content.Tests;

public sealed class Blake3Tests
{
    private static readonly JsonElement Vectors = JsonDocument.Parse(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "vectors/blake3/1/vectors.json"))).RootElement;

    /// <summary>Every width that this machine has; narrower ones always are.</summary>
    public static TheoryData<int> Widths => [.. Enum.GetValues<Blake3Width>().Where(width => width <= Blake3State.BestWidth).Select(width => (int)width)];

    [Theory]
    [MemberData(nameof(Widths))]
    public void Every_official_vector_comes_out_at_every_width(int width)
    {
        var key = Encoding.ASCII.GetBytes(Vectors.GetProperty("key").GetString()!);
        var context = Vectors.GetProperty("context_string").GetString()!;
        foreach (var vector in Vectors.GetProperty("cases").EnumerateArray())
        {
            var input = Pattern(vector.GetProperty("input_len").GetInt32());
            AssertOutput(vector, "hash", output => Content.Blake3.Hash(input, output, (Blake3Width)width));
            AssertOutput(vector, "keyed_hash", output => Content.Blake3.HashKeyed(key, input, output, (Blake3Width)width));
            AssertOutput(vector, "derive_key", output => Content.Blake3.DeriveKey(context, input, output, (Blake3Width)width));
        }
    }

    // Lengths around every edge of the tree and of the lanes, up to some megabytes; one chunk at a time is the slow and obvious way.
    [Theory]
    [MemberData(nameof(Widths))]
    public void All_widths_and_all_pieces_give_the_same_as_one_chunk_at_a_time(int width)
    {
        var random = new Random(width);
        int[] lengths = [1, 64, 1024, 1025, 4096, 4097, 8191, 8193, 16384, 16385, 17408, 32768, 33000, 65536, 66561, 262144, 1_048_577, 3_000_001];
        foreach (var length in lengths.Concat(Enumerable.Range(0, 60).Select(_ => random.Next(200_000))))
        {
            var input = Pattern(length);
            var (expected, whole, pieces) = (new byte[100], new byte[100], new byte[100]);
            Content.Blake3.Hash(input, expected, Blake3Width.One);
            Content.Blake3.Hash(input, whole, (Blake3Width)width);
            Assert.Equal(expected, whole);
            var hash = new Content.Blake3((Blake3Width)width);
            for (var at = 0; at < length;)
            {
                var take = Math.Min(length - at, random.Next(4) switch { 0 => 1, 1 => random.Next(1024), 2 => 1024 * random.Next(40), _ => random.Next(length) + 1 });
                hash.Append(input.AsSpan(at, take));
                at += take;
                if (random.Next(8) == 0) hash.Finish(pieces); // looking in between changes nothing
            }
            hash.Finish(pieces);
            Assert.Equal(expected, pieces);
        }
    }

    [Fact]
    public void A_keyed_hash_in_pieces_is_that_of_the_whole()
    {
        var key = Pattern(32);
        var hash = Content.Blake3.Keyed(key);
        hash.Append(Pattern(5000).AsSpan(0, 77));
        hash.Append(Pattern(5000).AsSpan(77));
        var (pieces, whole, other) = (new byte[32], new byte[32], new byte[32]);
        hash.Finish(pieces);
        Content.Blake3.HashKeyed(key, Pattern(5000), whole);
        Content.Blake3.Hash(Pattern(5000), other);
        Assert.Equal(whole, pieces);
        Assert.NotEqual(whole, other);
        Assert.Throws<ArgumentException>(() => Content.Blake3.Keyed(new byte[31]));
    }

    [Fact]
    public void Nothing_is_allocated()
    {
        var input = Pattern(200_000);
        var output = new byte[32];
        var hash = new Content.Blake3();
        var least = long.MaxValue;
        for (var run = 0; run < 20; run++) // the first ones compile
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            Hash();
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }
        Assert.Equal(0, least);

        void Hash()
        {
            Content.Blake3.Hash(input, output);
            Content.Blake3.DeriveKey("a test of People's Cloud", input, output);
            hash.Append(input);
            hash.Finish(output);
        }
    }

    [Fact]
    public void A_multihash_names_its_function_and_matches_only_its_bytes()
    {
        var hash = new byte[Multihash.Bytes];
        foreach (var code in new[] { Multihash.Sha256, Multihash.Blake3 })
        {
            Multihash.Compute(code, "hello"u8, hash);
            Assert.Equal((code, 32), (hash[0], hash[1]));
            Assert.True(Multihash.Matches(hash, "hello"u8));
            Assert.False(Multihash.Matches(hash, "hellp"u8));
            Assert.False(Multihash.Matches(hash.AsSpan(1), "hello"u8));
            hash[0] ^= 0x12 ^ 0x1e;
            Assert.False(Multihash.Matches(hash, "hello"u8));
        }
        // Known from other implementations: BLAKE3 of nothing.
        Multihash.Compute(Multihash.Blake3, [], hash);
        Assert.Equal("1e20af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262", Convert.ToHexStringLower(hash));
        Assert.Throws<ArgumentOutOfRangeException>(() => Multihash.Compute(0x11, [], hash));
    }

    private static void AssertOutput(JsonElement vector, string name, Action<byte[]> compute)
    {
        var expected = vector.GetProperty(name).GetString()!;
        foreach (var length in new[] { expected.Length / 2, 32, 5, 64, 65 })
        {
            var output = new byte[length];
            compute(output);
            Assert.Equal(expected[..(2 * length)], Convert.ToHexStringLower(output));
        }
    }

    private static byte[] Pattern(int length) => [.. Enumerable.Range(0, length).Select(i => (byte)(i % 251))];
}
