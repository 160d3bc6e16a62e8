using System.Security.Cryptography;
using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Content;
using PeoplesCloud.Programs.Bundles;
using PeoplesCloud.Programs.Tests.Support;

namespace PeoplesCloud.Programs.Tests.Bundles;

/// <summary>
/// How the vectors were made. A changed vector means a new version of the format, in a folder of its own: PC_WRITE_VECTORS=1 writes
/// the files of a version that is not released.
/// </summary>
public sealed class VectorMaker
{
    [Fact]
    public void The_vectors_are_what_this_program_writes()
    {
        byte[] key = [.. Enumerable.Range(1, 32).Select(i => (byte)(i * 7))];
        byte[] salt = [.. Enumerable.Range(1, 24).Select(i => (byte)(i * 5))];
        foreach (var length in new[] { 0, 1, 65_535, 65_536, 65_537, 200_000 })
        {
            var bundle = BundleTests.Seal(BundleTests.Pattern(length), key, salt);
            Save($"stream-{length:D6}", "The encrypted form of plain-length bytes, byte i of value i mod 251.", $"""
                key = {Convert.ToHexStringLower(key)}
                salt = {Convert.ToHexStringLower(salt)}
                plain-length = {length}
                header = {Convert.ToHexStringLower(bundle.AsSpan(0, 64))}
                bundle-length = {bundle.Length}
                bundle-sha256 = {Convert.ToHexStringLower(SHA256.HashData(bundle))}
                last-tag = {Convert.ToHexStringLower(bundle.AsSpan(bundle.Length - 16))}
                """);
        }

        using var folder = new TestFolder();
        folder.With("bot.py", "print('hello')\n").With("lib/__init__.py", "").With("lib/run.sh", "#!/bin/sh\n");
        File.SetUnixFileMode(folder["lib/run.sh"], (UnixFileMode)0x1ED);
        var tar = TarTests.TarOf(folder.Path);
        Save("folder", "bot.py with \"print('hello')\\n\", lib/__init__.py empty, lib/run.sh executable with \"#!/bin/sh\\n\".", $"""
            key = {Convert.ToHexStringLower(key)}
            salt = {Convert.ToHexStringLower(salt)}
            tar-sha256 = {Convert.ToHexStringLower(SHA256.HashData(tar))}
            bundle = {Convert.ToHexStringLower(BundleTests.Seal(tar, key, salt))}
            """);

        var good = BundleTests.Seal(BundleTests.Pattern(20), key, salt);
        Bad("empty", key, [], "it ends within its header");
        Bad("header-cut", key, good[..63], "it ends within its header");
        Bad("magic", key, Changed(good, 0), "it is no bundle");
        Bad("version", key, Changed(good, 4), "its version is not known here");
        Bad("cipher", key, Changed(good, 5), "its version is not known here");
        Bad("chunk-size", key, Changed(good, 6), "its version is not known here");
        Bad("salt", key, Changed(good, 8), "the key is another bundle's");
        Bad("commitment", key, Changed(good, 32), "the key is another bundle's");
        Bad("key", [.. key.Reverse()], good, "the key is another bundle's");
        Bad("no-chunk", key, good[..64], "it is cut off");
        Bad("tag-cut", key, good[..79], "it is cut off");
        Bad("content", key, Changed(good, 64), "a chunk is damaged, missing or out of its order");
        Bad("tag", key, Changed(good, good.Length - 1), "a chunk is damaged, missing or out of its order");
        Bad("more", key, [.. good, 0], "a chunk is damaged, missing or out of its order");
    }

    // A box is made with a key of its own and never the same twice: what is there must open.
    [Fact]
    public void The_vector_of_sealed_keys_opens()
    {
        byte[] member = [.. Enumerable.Range(1, 32).Select(i => (byte)(i * 3))];
        using var own = new X25519Key(member);
        var (swarm, owner, cid) = (BundleTests.SwarmOf(4), BundleTests.OwnerOf(1), Cid.V1(Cid.Raw, SHA256.HashData("bundle"u8)));
        var path = Path.Combine(Vector.Folder, "sealed-key.txt");
        if (!File.Exists(path) && Environment.GetEnvironmentVariable("PC_WRITE_VECTORS") is "1")
        {
            using var made = new BundleKey([.. Enumerable.Range(1, 32).Select(i => (byte)(i * 7))]);
            File.WriteAllText(path, $"""
                # A bundle's key, sealed to one member in both versions. Format: docs/layouts/bundle.md, "Keys". owner: the peer id of the Ed25519 seed of 32 bytes 01.
                member-private-key = {Convert.ToHexStringLower(member)}
                swarm = {Convert.ToHexStringLower(swarm.ToBytes())}
                owner = {Convert.ToHexStringLower(owner.Bytes)}
                cid = {Convert.ToHexStringLower(cid.Bytes)}
                key = {Convert.ToHexStringLower(made.Bytes)}
                box-1 = {Convert.ToHexStringLower(made.SealTo(own.PublicKey.Span, 1, swarm, owner, cid))}
                box-2 = {Convert.ToHexStringLower(made.SealTo(own.PublicKey.Span, 2, swarm, owner, cid))}

                """);
        }
        var vector = Vector.Load("sealed-key");
        Assert.Equal((Convert.ToHexStringLower(swarm.ToBytes()), Convert.ToHexStringLower(owner.Bytes), Convert.ToHexStringLower(cid.Bytes)), (vector.Text("swarm"), vector.Text("owner"), vector.Text("cid")));
        Assert.True(BundleKey.TryOpen(own, swarm, owner, cid, vector.Bytes("box-2"), out var key));
        Assert.Equal(vector.Bytes("key"), key.Bytes.ToArray());
        Assert.True(BundleKey.TryOpenWithoutOwner(own, swarm, cid, vector.Bytes("box-1"), out key));
        Assert.Equal(vector.Bytes("key"), key.Bytes.ToArray());
        Assert.False(BundleKey.TryOpen(own, swarm, owner, cid, vector.Bytes("box-1"), out _));
    }

    private static void Bad(string name, byte[] key, byte[] bundle, string reason) => Save($"bad-{name}", "A bundle that is refused.", $"""
        key = {Convert.ToHexStringLower(key)}
        bundle = {Convert.ToHexStringLower(bundle)}
        reason = {reason}
        """);

    private static byte[] Changed(byte[] bytes, int index)
    {
        var changed = bytes.ToArray();
        changed[index] ^= 1;
        return changed;
    }

    private static void Save(string name, string meaning, string text)
    {
        var path = Path.Combine(Vector.Folder, name + ".txt");
        var content = $"# {meaning} Format: docs/layouts/bundle.md.\n{text}\n";
        if (Environment.GetEnvironmentVariable("PC_WRITE_VECTORS") is "1") File.WriteAllText(path, content);
        Assert.Equal(File.ReadAllText(path), content);
    }
}
