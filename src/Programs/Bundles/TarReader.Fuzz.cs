using System.Text;
using PeoplesCloud.Base;

namespace PeoplesCloud.Programs.Bundles;

internal sealed partial class TarReader
{
    // Fuzz target: what is accepted is exactly what we would have written, so there is nothing in it that we do not know. A wrong
    // checksum hides what comes after it, so the input is tried with right ones too.
    internal static void Fuzz(ReadOnlySpan<byte> input)
    {
        var archive = input.ToArray();
        ReadAndWriteAgain(archive);
        MakeChecksumsRight(archive);
        ReadAndWriteAgain(archive);
    }

    private static void ReadAndWriteAgain(byte[] archive)
    {
        var written = new MemoryStream();
        try
        {
            // Nothing here waits: the archive is in memory.
            var reader = new TarReader(new MemoryStream(archive), BundleLimits.Default);
            while (reader.NextAsync(CancellationToken.None).AsTask().GetAwaiter().GetResult() is { } entry)
            {
                Invariant.Check(TarFormat.IsSafePath(entry.Path) && !Path.IsPathRooted(entry.Path), "an accepted path stays in its folder");
                written.Write(TarFormat.Write(entry));
                var buffer = new byte[4096];
                while (reader.ReadAsync(buffer, CancellationToken.None).AsTask().GetAwaiter().GetResult() is > 0 and var read) written.Write(buffer, 0, read);
                written.Write(new byte[TarFormat.PaddingOf(entry.Bytes)]);
            }
        }
        catch (PcException refused) when (refused.Code is ErrorCode.BundleDamaged or ErrorCode.BundleTooLarge)
        {
            return;
        }
        written.Write(new byte[2 * TarFormat.BlockBytes]);
        Invariant.Check(written.GetBuffer().AsSpan(0, (int)written.Length).SequenceEqual(archive), "an accepted archive is as we would have written it");
    }

    private static void MakeChecksumsRight(Span<byte> archive)
    {
        for (; archive.Length >= TarFormat.BlockBytes; archive = archive[TarFormat.BlockBytes..])
        {
            var block = archive[..TarFormat.BlockBytes];
            if (!block[257..262].SequenceEqual("ustar"u8)) continue;
            block.Slice(148, 8).Fill((byte)' ');
            var sum = 0;
            foreach (var value in block) sum += value;
            Encoding.ASCII.GetBytes(Convert.ToString(sum, 8).PadLeft(6, '0')).CopyTo(block[148..]);
            block[154] = 0;
        }
    }
}
