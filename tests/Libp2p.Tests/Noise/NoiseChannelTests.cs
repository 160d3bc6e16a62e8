using System.Security.Cryptography;
using FsCheck;
using FsCheck.Fluent;
using PeoplesCloud.Libp2p.Noise;
using PeoplesCloud.Libp2p.Tests.Yamux;

namespace PeoplesCloud.Libp2p.Tests.Noise;

public sealed class NoiseChannelTests
{
    private const int MaxHeldBuffers = 4;

    private static readonly byte[] Key = Convert.FromHexString(Vectors()[0][1]);

    [Fact]
    public async Task The_golden_frames_are_written_and_read()
    {
        var (ours, theirs) = MemoryDuplex.Create();
        await using var channel = Channel(ours);
        foreach (var line in Vectors()[1..])
        {
            var (text, frame) = (line[1] == "-" ? [] : Convert.FromHexString(line[1]), Convert.FromHexString(line[2]));
            text.CopyTo(channel.GetWriteBuffer());
            channel.Seal(text.Length);
            await channel.FlushAsync(CancellationToken.None);
            var written = new byte[frame.Length];
            await theirs.ReadExactlyAsync(written);
            Assert.Equal(frame, written);
            await theirs.WriteAsync(frame);
            if (text.Length == 0) continue; // an empty frame means nothing
            Assert.Equal(text, (await channel.PeekAsync(CancellationToken.None)).ToArray());
            channel.Consume(text.Length);
        }
    }

    [Fact]
    public async Task Every_flipped_bit_and_every_truncation_of_a_frame_is_refused()
    {
        var frame = Convert.FromHexString(Vectors()[1][2] + Vectors()[2][2]);
        for (var bit = 0; bit < frame.Length * 8; bit++)
        {
            byte[] changed = [.. frame];
            changed[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.NotNull(await ReadErrorAsync(changed));
        }
        for (var length = 1; length < frame.Length; length++) Assert.Equal(length == 18, await ReadErrorAsync(frame[..length]) is null); // 18: after a whole frame
        Assert.Null(await ReadErrorAsync(frame));
    }

    [Fact]
    public async Task A_frame_shorter_than_its_tag_is_refused()
    {
        for (byte length = 0; length < NoiseCipher.TagBytes; length++)
            Assert.Equal(Libp2pError.ProtocolViolation, (await ReadErrorAsync([0, length, .. new byte[length]]))!.Error);
    }

    [Fact]
    public void Whatever_is_written_in_whatever_pieces_is_read_in_whatever_pieces() => Prop.ForAll((NonEmptyArray<PositiveInt> writes, PositiveInt readBytes) =>
    {
        var (ours, theirs) = MemoryDuplex.Create(1 << 24);
        ISecureChannel writer = Channel(ours), reader = Channel(theirs);
        var sent = new MemoryStream();
        foreach (var write in writes.Get)
        {
            // Up to 200,000 bytes: several frames, and several buffers.
            var bytes = RandomNumberGenerator.GetBytes(write.Get * 7919 % 200_000);
            sent.Write(bytes);
            writer.WriteAsync(bytes, CancellationToken.None).AsTask().WaitAsync(YamuxPair.Patience).GetAwaiter().GetResult();
        }
        var received = new byte[sent.Length];
        for (var at = 0; at < received.Length;)
        {
            var room = received.AsMemory(at, Math.Min(received.Length - at, readBytes.Get * 1237 % 100_000 + 1));
            at += reader.ReadAsync(room, CancellationToken.None).AsTask().WaitAsync(YamuxPair.Patience).GetAwaiter().GetResult();
        }
        return received.AsSpan().SequenceEqual(sent.ToArray());
    }).Check(Config.QuickThrowOnFailure.WithMaxTest(40));

    [Fact]
    public async Task What_a_reader_keeps_stays_as_it_was_and_is_bounded()
    {
        var (ours, theirs) = MemoryDuplex.Create(1 << 24);
        ISecureChannel writer = Channel(ours), reader = Channel(theirs);
        var kept = new List<(SharedBuffer Holder, ReadOnlyMemory<byte> Bytes, byte[] Expected)>();
        for (var frame = 0; frame < 12; frame++)
        {
            var sent = RandomNumberGenerator.GetBytes(NoiseChannel.MaxPlaintextBytes);
            await writer.WriteAsync(sent, CancellationToken.None);
            var bytes = await reader.PeekAsync(CancellationToken.None);
            Assert.Equal(sent, bytes.ToArray());
            // Four may be kept; the rest has to be copied, until one is given back.
            var holder = reader.Hold();
            Assert.Equal(frame < MaxHeldBuffers || frame == 8, holder is not null);
            if (holder is not null) kept.Add((holder, bytes, sent));
            reader.Consume(bytes.Length);
            if (frame != 7) continue;
            kept[0].Holder.Release();
            kept.RemoveAt(0);
        }
        foreach (var (holder, bytes, expected) in kept)
        {
            Assert.Equal(expected, bytes.ToArray());
            holder.Release();
        }
    }

    [Fact]
    public async Task Bytes_encrypted_from_where_they_lie_are_frames_as_all_others()
    {
        var (ours, theirs) = MemoryDuplex.Create(1 << 24);
        ISecureChannel writer = Channel(ours), reader = Channel(theirs);
        var sent = new MemoryStream();
        for (var round = 1; round < 40; round++)
        {
            // As many as fit before each flush, heads and payloads of all sizes.
            bool hasRoom;
            do
            {
                var head = RandomNumberGenerator.GetBytes(round * 31 % 60 + 1);
                head.CopyTo(writer.GetWriteBuffer());
                var payload = RandomNumberGenerator.GetBytes(Math.Min(writer.DirectBytes(head.Length), 1 + round * 104_729 % NoiseChannel.MaxPlaintextBytes));
                sent.Write([.. head, .. payload]);
                hasRoom = writer.Seal(head.Length, payload) && writer.DirectBytes(60) > 0;
            }
            while (hasRoom);
            await writer.FlushAsync(CancellationToken.None);
        }
        var received = new byte[sent.Length];
        for (var at = 0; at < received.Length;) at += await reader.ReadAsync(received.AsMemory(at), CancellationToken.None);
        Assert.Equal(sent.ToArray(), received);
    }

    private static async Task<Libp2pException?> ReadErrorAsync(byte[] input)
    {
        var (ours, theirs) = MemoryDuplex.Create();
        await using var channel = Channel(ours);
        await theirs.WriteAsync(input);
        await theirs.DisposeAsync();
        try
        {
            while (true)
            {
                var bytes = await channel.PeekAsync(CancellationToken.None);
                if (bytes.IsEmpty) return null;
                channel.Consume(bytes.Length);
            }
        }
        catch (Libp2pException refused)
        {
            return refused;
        }
    }

    private static NoiseChannel Channel(Stream transport) => new(transport, new NoiseCipher(Key), new NoiseCipher(Key), default, null, MaxHeldBuffers);

    private static string[][] Vectors() => [.. File.ReadAllLines(Path.Combine(AppContext.BaseDirectory, "vectors", "noise", "1", "frames.txt"))
        .Where(line => line.Length > 0 && line[0] != '#').Select(line => line.Split(' '))];
}
