using PeoplesCloud.Base;
using PeoplesCloud.Programs.Bundles;
using PeoplesCloud.Programs.Logs;
using PeoplesCloud.Programs.Tests.Support;

namespace PeoplesCloud.Programs.Tests.Bundles;

/// <summary>
/// Entry points for a fuzzer: each takes any bytes, and throws only when a promise was broken. The test gives them mutated archives for a
/// moment; a driver can give them more.
/// </summary>
public static class FuzzTargets
{
    /// <summary>What the tar reader accepts is exactly what we would have written: so there is nothing in it that we do not know.</summary>
    public static void Tar(byte[] input)
    {
        var rewritten = new MemoryStream();
        try
        {
            var reader = new TarReader(new MemoryStream(input), BundleLimits.Default);
            while (reader.NextAsync(CancellationToken.None).AsTask().GetAwaiter().GetResult() is { } entry)
            {
                if (!TarFormat.IsSafePath(entry.Path) || Path.IsPathRooted(entry.Path)) throw new InvalidOperationException($"accepted the path {entry.Path}");
                rewritten.Write(TarFormat.Write(entry));
                var buffer = new byte[4096];
                while (reader.ReadAsync(buffer, CancellationToken.None).AsTask().GetAwaiter().GetResult() is > 0 and var read) rewritten.Write(buffer, 0, read);
                rewritten.Write(new byte[TarFormat.PaddingOf(entry.Bytes)]);
            }
        }
        catch (PcException refused) when (refused.Code is ErrorCode.BundleDamaged or ErrorCode.BundleTooLarge)
        {
            return;
        }
        rewritten.Write(new byte[1024]);
        if (!rewritten.ToArray().AsSpan().SequenceEqual(input)) throw new InvalidOperationException("accepted an archive that we would not have written");
    }

    /// <summary>What opens under the key was sealed under it: sealing it again gives the same bytes.</summary>
    public static void Bundle(byte[] input)
    {
        byte[] key = [.. Enumerable.Repeat((byte)5, 32)];
        var plain = new MemoryStream();
        try
        {
            using var opening = new OpeningStream(new MemoryStream(input), key);
            opening.CopyTo(plain);
        }
        catch (PcException refused) when (refused.Code == ErrorCode.BundleDamaged)
        {
            return;
        }
        if (!BundleTests.Seal(plain.ToArray(), key, input[8..32]).AsSpan().SequenceEqual(input)) throw new InvalidOperationException("opened a bundle that was not sealed so");
    }

    /// <summary>A damaged log file is read without an error.</summary>
    public static void Log(byte[] input) => _ = LogRecord.TryRead(input, out _);
}

public sealed class FuzzSmokeTests
{
    private const int Rounds = 4000;

    [Theory]
    [InlineData(1)]
    [InlineData(20261121)]
    public void Mutated_archives_bundles_and_logs_break_no_promise(int seed)
    {
        using var folder = new TestFolder();
        folder.With("bot.py", "hello").With("lib/a", "").With("lib/b", new byte[600]).With(new string('n', 150), "x");
        var archive = TarTests.TarOf(folder.Path);
        var bundle = BundleTests.Seal(BundleTests.Pattern(70_000), [.. Enumerable.Repeat((byte)5, 32)], new byte[24]);
        FuzzTargets.Tar(archive);
        FuzzTargets.Bundle(bundle);
        var random = new Random(seed);
        for (var round = 0; round < Rounds; round++)
        {
            var mutated = Mutate(archive, random, 512);
            // A wrong checksum hides what comes after it: half of the time it is made right.
            if (random.Next(2) == 0) MakeChecksumsRight(mutated);
            FuzzTargets.Tar(mutated);
            if (round % 20 == 0) FuzzTargets.Bundle(Mutate(bundle, random, 16));
            FuzzTargets.Log(Mutate("638440000000000000 o hello"u8.ToArray(), random, 4));
        }
    }

    private static void MakeChecksumsRight(byte[] archive)
    {
        for (var at = 0; at + 512 <= archive.Length; at += 512)
        {
            var block = archive.AsSpan(at, 512);
            if (!block[257..262].SequenceEqual("ustar"u8)) continue;
            block.Slice(148, 8).Fill((byte)' ');
            var sum = 0;
            foreach (var value in block) sum += value;
            System.Text.Encoding.ASCII.GetBytes(Convert.ToString(sum, 8).PadLeft(6, '0')).CopyTo(block[148..]);
            block[154] = 0;
        }
    }

    // Flips, overwrites with telling bytes, cuts, doubles and moves blocks.
    private static byte[] Mutate(byte[] bytes, Random random, int block)
    {
        var mutated = bytes.ToList();
        for (var times = random.Next(1, 4); times > 0; times--)
        {
            var at = random.Next(mutated.Count);
            var length = Math.Min(random.Next(1, block + 1), mutated.Count - at);
            switch (random.Next(6))
            {
                case 0:
                    mutated[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 1:
                    mutated[at] = "\0 /.057~\n\xff"u8[random.Next(9)];
                    break;
                case 2 when mutated.Count - length > 0:
                    mutated.RemoveRange(at, length);
                    break;
                case 3:
                    mutated.InsertRange(at / block * block, mutated.GetRange(at / block * block, Math.Min(block, mutated.Count - (at / block * block))));
                    break;
                case 4:
                    mutated.InsertRange(at, Enumerable.Repeat((byte)0, length));
                    break;
                default:
                    if (mutated.Count > at + 1) mutated.RemoveRange(at + 1, mutated.Count - at - 1);
                    break;
            }
        }
        return [.. mutated];
    }
}
