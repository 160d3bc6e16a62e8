using System.Globalization;
using System.Security.Cryptography;
using FsCheck;
using FsCheck.Fluent;
using PeoplesCloud.Base.Formats;
using PeoplesCloud.Libp2p.Yamux;

namespace PeoplesCloud.Libp2p.Tests.Yamux;

public sealed class YamuxFrameTests
{
    private static readonly string[][] Vectors = [.. File.ReadAllLines(Path.Combine(AppContext.BaseDirectory, "vectors", "yamux", "1", "headers.txt"))
        .Where(line => line.Length > 0 && line[0] != '#').Select(line => line.Split(' '))];

    [Fact]
    public void Every_vector_holds_both_ways_and_every_truncation_needs_more()
    {
        foreach (var vector in Vectors)
        {
            var bytes = Convert.FromHexString(vector[2]);
            var status = YamuxFrame.TryRead(bytes, out var frame);
            Assert.Equal((vector[0], vector[1] == "good" ? ParseStatus.Done : ParseStatus.Invalid), (vector[0], status));
            for (var length = 0; length < bytes.Length; length++) Assert.Equal(ParseStatus.NeedMore, YamuxFrame.TryRead(bytes.AsSpan(0, length), out _));
            if (status != ParseStatus.Done) continue;
            var fields = vector[3..].Select(field => uint.Parse(field, CultureInfo.InvariantCulture)).ToArray();
            Assert.Equal(new YamuxFrame((YamuxType)fields[0], (YamuxFlags)fields[1], fields[2], fields[3]), frame);
            var written = new byte[YamuxFrame.HeaderBytes];
            frame.Write(written);
            Assert.Equal(bytes, written);
        }
    }

    [Fact]
    public void Every_header_is_read_back() => Prop.ForAll((byte type, ushort flags, ulong numbers) =>
    {
        var frame = new YamuxFrame((YamuxType)(type % 4), (YamuxFlags)flags, type % 4 < 2 ? Math.Max((uint)(numbers >> 32), 1) : 0, (uint)numbers);
        var bytes = new byte[YamuxFrame.HeaderBytes];
        frame.Write(bytes);
        return YamuxFrame.TryRead(bytes, out var read) == ParseStatus.Done && read == frame;
    }).QuickCheckThrowOnFailure();

    [Fact]
    public void Whatever_a_peer_sends_is_taken_or_refused_and_never_crashes()
    {
        var valid = Vectors.Where(vector => vector[1] == "good").Select(vector => Convert.FromHexString(vector[2])).ToArray();
        Prop.ForAll((NonEmptyArray<byte> choices, byte[] tail) =>
        {
            // Sequences of valid headers, here and there with a flipped bit, then anything.
            var input = choices.Get.SelectMany(choice =>
            {
                byte[] header = [.. valid[choice % valid.Length]];
                if (choice > 200) header[choice % 12] ^= (byte)(1 << (choice % 8));
                return header;
            }).Concat(tail).ToArray();
            YamuxConnection.Fuzz(input);
            return true;
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(500));
        for (var length = 0; length < 300; length++) YamuxConnection.Fuzz(RandomNumberGenerator.GetBytes(length));
    }
}
