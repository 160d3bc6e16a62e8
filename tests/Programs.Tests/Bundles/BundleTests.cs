using System.Security.Cryptography;
using FsCheck;
using FsCheck.Fluent;
using PeoplesCloud.Base;
using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Content;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Programs.Bundles;
using PeoplesCloud.Programs.Tests.Support;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Programs.Tests.Bundles;

public sealed class BundleTests : IDisposable
{
    private const int Chunk = BundleFormat.ChunkBytes;
    private const int SealedChunk = Chunk + BundleFormat.TagBytes;

    private static readonly byte[] Key = [.. Enumerable.Range(0, 32).Select(i => (byte)i)];
    private static readonly byte[] Salt = [.. Enumerable.Range(100, 24).Select(i => (byte)i)];

    private readonly TestFolder _folder = new();

    public static IEnumerable<TheoryDataRow<string>> StreamVectors => Vector.Names("stream-");

    public static IEnumerable<TheoryDataRow<string>> BadVectors => Vector.Names("bad-");

    [Theory]
    [MemberData(nameof(StreamVectors))]
    public void The_vectors_hold_both_ways(string name)
    {
        var vector = Vector.Load(name);
        var plain = Pattern(int.Parse(vector.Text("plain-length")));
        var bundle = Seal(plain, vector.Bytes("key"), vector.Bytes("salt"));
        Assert.Equal(vector.Text("bundle-length"), $"{bundle.Length}");
        Assert.Equal(vector.Text("header"), Convert.ToHexStringLower(bundle.AsSpan(0, 64)));
        Assert.Equal(vector.Text("bundle-sha256"), Convert.ToHexStringLower(SHA256.HashData(bundle)));
        Assert.Equal(vector.Text("last-tag"), Convert.ToHexStringLower(bundle.AsSpan(bundle.Length - 16)));
        Assert.Equal(plain, Open(bundle, vector.Bytes("key")));
    }

    [Fact]
    public void The_vector_of_a_folder_holds()
    {
        var vector = Vector.Load("folder");
        _folder.With("bot.py", "print('hello')\n").With("lib/__init__.py", "").With("lib/run.sh", "#!/bin/sh\n");
        File.SetUnixFileMode(_folder["lib/run.sh"], (UnixFileMode)0x1ED);
        using var key = new BundleKey(vector.Bytes("key"));
        using var bundle = BundlePacker.Seal(new FolderScanner(BundleLimits.Default).Scan(_folder.Path), key, vector.Bytes("salt"));
        Assert.Equal(vector.Text("tar-sha256"), Convert.ToHexStringLower(SHA256.HashData(TarTests.TarOf(_folder.Path))));
        Assert.Equal(vector.Text("bundle"), Convert.ToHexStringLower(ReadAll(bundle)));
    }

    [Theory]
    [MemberData(nameof(BadVectors))]
    public void A_bad_vector_is_refused_with_its_reason(string name)
    {
        var vector = Vector.Load(name);
        var error = Refused.With(ErrorCode.BundleDamaged, "cannot be opened", () => Open(vector.Bytes("bundle"), vector.Bytes("key")));
        Assert.EndsWith(vector.Text("reason"), error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_was_sealed_opens_the_same_however_it_is_read() => Prop.ForAll(
        Gen.OneOf(Gen.Choose(0, 3000), Gen.Choose(Chunk - 2, Chunk + 2), Gen.Choose((3 * Chunk) - 2, (3 * Chunk) + 2)).ToArbitrary(),
        Gen.Choose(1, 100_000).ToArbitrary(),
        (length, step) =>
        {
            var plain = Pattern(length);
            var bundle = Seal(plain, Key, Salt);
            Assert.Equal(BundleFormat.HeaderBytes + length + (16 * Math.Max(1, (length + Chunk - 1) / Chunk)), bundle.Length);
            using var opening = new OpeningStream(new Stuttering(bundle, step), Key);
            Assert.Equal(plain, ReadAll(opening));
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(60));

    [Fact]
    public void Every_truncation_at_a_chunk_is_refused()
    {
        var bundle = Seal(Pattern(4 * Chunk), Key, Salt);
        int[] lengths = [0, 1, 63, 64, 65, 79, 80, 64 + SealedChunk - 1, 64 + SealedChunk, 64 + SealedChunk + 1, 64 + (3 * SealedChunk), bundle.Length - 16, bundle.Length - 1];
        foreach (var length in lengths) Damaged(bundle[..length]);
        Assert.Equal(4 * Chunk, Open(bundle, Key).Length);
    }

    [Fact]
    public void Small_bundles_are_refused_at_every_truncation()
    {
        var bundle = Seal(Pattern(100), Key, Salt);
        for (var length = 0; length < bundle.Length; length++) Damaged(bundle[..length]);
    }

    [Fact]
    public void Chunks_cannot_be_swapped_repeated_or_dropped()
    {
        var bundle = Seal(Pattern((3 * Chunk) + 5), Key, Salt);
        var header = bundle[..64];
        byte[] ChunkAt(int index) => bundle[(64 + (index * SealedChunk))..Math.Min(bundle.Length, 64 + ((index + 1) * SealedChunk))];
        Damaged([.. header, .. ChunkAt(1), .. ChunkAt(0), .. ChunkAt(2), .. ChunkAt(3)]);
        Damaged([.. header, .. ChunkAt(0), .. ChunkAt(0), .. ChunkAt(2), .. ChunkAt(3)]);
        Damaged([.. header, .. ChunkAt(0), .. ChunkAt(2), .. ChunkAt(3)]);
        Damaged([.. header, .. ChunkAt(0), .. ChunkAt(1), .. ChunkAt(2)]);
        Damaged([.. header, .. ChunkAt(3)]);
        Damaged([.. bundle, .. ChunkAt(3)]);
        Damaged([.. bundle, 0]);
    }

    [Fact]
    public void Each_flipped_bit_is_noticed()
    {
        var bundle = Seal(Pattern(40), Key, Salt);
        for (var bit = 0; bit < bundle.Length * 8; bit++)
        {
            bundle[bit / 8] ^= (byte)(1 << (bit % 8));
            Damaged(bundle);
            bundle[bit / 8] ^= (byte)(1 << (bit % 8));
        }
    }

    // A chunk of another bundle under the same key and salt but another header cannot be: the header decides the keys.
    [Fact]
    public void Chunks_of_another_bundle_do_not_fit()
    {
        var one = Seal(Pattern(40), Key, Salt);
        var other = Seal(Pattern(40), Key, [.. Salt.Reverse()]);
        Damaged([.. one[..64], .. other[64..]]);
        Damaged([.. other[..64], .. one[64..]]);
    }

    [Fact]
    public void Nothing_is_given_before_it_was_verified()
    {
        var bundle = Seal(Pattern(2 * Chunk), Key, Salt);
        bundle[64 + SealedChunk] ^= 1;
        using var opening = new OpeningStream(new MemoryStream(bundle), Key);
        var given = new byte[Chunk];
        opening.ReadExactly(given);
        Assert.Equal(Pattern(2 * Chunk)[..Chunk], given);
        Assert.Throws<PcException>(() => opening.ReadByte());
    }

    [Fact]
    public async Task Packing_uses_constant_memory()
    {
        using (var file = File.Create(_folder["big"])) file.SetLength(200 << 20);
        long bytes = 0;
        long most = 0;
        var packer = new BundlePacker(
            async (stream, ct) =>
            {
                var buffer = new byte[1 << 20];
                var before = GC.GetAllocatedBytesForCurrentThread();
                while (await stream.ReadAsync(buffer, ct) is > 0 and var read) bytes += read;
                most = GC.GetAllocatedBytesForCurrentThread() - before;
                return Cid.V0(new byte[32]);
            },
            BundleLimits.Default);
        using var key = (await packer.PackAsync(_folder.Path, TestContext.Current.CancellationToken)).Key;
        Assert.True(bytes > 200 << 20);
        Assert.True(most < 4 << 20, $"{most} bytes allocated");
    }

    [Fact]
    public async Task An_empty_folder_is_no_program() =>
        await Refused.WithAsync(ErrorCode.LanguageNotDetected, "is empty", () => new BundlePacker((_, _) => Task.FromResult(default(Cid)), BundleLimits.Default).PackAsync(_folder.Path, TestContext.Current.CancellationToken));

    [Fact]
    public void The_key_opens_for_its_member_owner_swarm_and_bundle_only()
    {
        using var guardian = new X25519Key(X25519Key.NewPrivateKey());
        using var stranger = new X25519Key(X25519Key.NewPrivateKey());
        using var key = BundleKey.New();
        var (swarm, other) = (SwarmOf(1), SwarmOf(2));
        var (bundle, another) = (Cid.V0(new byte[32]), Cid.V1(Cid.Raw, new byte[32]));
        var (oak, mallory) = (OwnerOf(1), OwnerOf(2));
        var box = key.SealTo(guardian.PublicKey.Span, BundleKey.SealVersion, swarm, oak, bundle);
        Assert.True(BundleKey.TryOpen(guardian, swarm, oak, bundle, box, out var opened));
        Assert.Equal(key.Bytes, opened.Bytes);
        Assert.False(BundleKey.TryOpen(stranger, swarm, oak, bundle, box, out _));
        Assert.False(BundleKey.TryOpen(guardian, other, oak, bundle, box, out _));
        Assert.False(BundleKey.TryOpen(guardian, swarm, mallory, bundle, box, out _));
        Assert.False(BundleKey.TryOpen(guardian, swarm, oak, another, box, out _));
        Assert.False(BundleKey.TryOpenWithoutOwner(guardian, swarm, bundle, box, out _));
        box[^1] ^= 1;
        Assert.False(BundleKey.TryOpen(guardian, swarm, oak, bundle, box, out _));
        Assert.False(BundleKey.TryOpen(guardian, swarm, oak, bundle, [], out _));

        var old = key.SealTo(guardian.PublicKey.Span, 1, swarm, oak, bundle);
        Assert.True(BundleKey.TryOpenWithoutOwner(guardian, swarm, bundle, old, out _));
        Assert.False(BundleKey.TryOpen(guardian, swarm, oak, bundle, old, out _));
    }

    public void Dispose() => _folder.Dispose();

    internal static byte[] Pattern(int length) => [.. Enumerable.Range(0, length).Select(i => (byte)(i % 251))];

    internal static byte[] Seal(byte[] plain, byte[] key, byte[] salt)
    {
        using var sealing = new SealingStream(new MemoryStream(plain), key, salt);
        return ReadAll(sealing);
    }

    internal static SwarmId SwarmOf(byte seed)
    {
        Assert.True(SwarmId.TryFromBytes([.. Enumerable.Repeat(seed, 32)], out var swarm));
        return swarm;
    }

    internal static PeerId OwnerOf(byte seed)
    {
        using var key = new Ed25519Key([.. Enumerable.Repeat(seed, 32)]);
        return PeerId.FromEd25519(key.PublicKey.Span);
    }

    private static byte[] Open(byte[] bundle, byte[] key)
    {
        using var opening = new OpeningStream(new MemoryStream(bundle), key);
        return ReadAll(opening);
    }

    private static void Damaged(byte[] bundle) => Refused.With(ErrorCode.BundleDamaged, "cannot be opened", () => Open(bundle, Key));

    private static byte[] ReadAll(Stream stream)
    {
        using var all = new MemoryStream();
        stream.CopyTo(all);
        return all.ToArray();
    }

    /// <summary>Gives at most some bytes at a time.</summary>
    private sealed class Stuttering(byte[] bytes, int step) : MemoryStream(bytes)
    {
        public override int Read(Span<byte> buffer) => base.Read(buffer[..Math.Min(buffer.Length, step)]);

        public override int Read(byte[] buffer, int offset, int count) => base.Read(buffer, offset, Math.Min(count, step));
    }
}
