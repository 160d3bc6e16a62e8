using PeoplesCloud.Programs.Bundles;
using PeoplesCloud.Programs.Logs;
using PeoplesCloud.Programs.Tests.Support;

namespace PeoplesCloud.Programs.Tests.Bundles;

/// <summary>A moment of the fuzz targets, with mutations that know what a tar is; ./dev fuzz has more time.</summary>
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
        TarReader.Fuzz(archive);
        OpeningStream.Fuzz(bundle);
        var random = new Random(seed);
        for (var round = 0; round < Rounds; round++)
        {
            TarReader.Fuzz(Mutate(archive, random, 512));
            if (round % 20 == 0) OpeningStream.Fuzz(Mutate(bundle, random, 16));
            LogRecord.Fuzz(Mutate("638440000000000000 o hello"u8.ToArray(), random, 4));
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
