using System.Buffers;
using PeoplesCloud.Base.Formats;
using PeoplesCloud.Daemon.Tunnels;
using PeoplesCloud.Runtimes.Ports;

namespace PeoplesCloud.Daemon.Tests.Tunnels;

public sealed class DatagramFrameTests
{
    [Theory]
    [InlineData("", "0000")]
    [InlineData("68690a", "000368690a")]
    public void A_frame_is_a_length_and_the_datagram(string datagram, string frame)
    {
        var written = new ArrayBufferWriter<byte>();
        DatagramFrame.Write(written, Convert.FromHexString(datagram));

        Assert.Equal(frame, Convert.ToHexStringLower(written.WrittenSpan));
    }

    [Fact]
    public void Frames_are_read_one_by_one_wherever_they_are_cut()
    {
        var written = new ArrayBufferWriter<byte>();
        byte[][] datagrams = [[1, 2, 3], [], new byte[PortLimits.MaxDatagramBytes], [4]];
        foreach (var datagram in datagrams) DatagramFrame.Write(written, datagram);
        var bytes = written.WrittenMemory;

        foreach (var cut in new[] { 0, 1, 4, 5, 6, 7, 8, 9, 30_000, bytes.Length - 2 })
        {
            var sequence = Cut(bytes, cut);
            foreach (var datagram in datagrams)
            {
                Assert.Equal(ParseStatus.Done, DatagramFrame.TryRead(ref sequence, out var read));
                Assert.Equal(datagram, read.ToArray());
            }
            Assert.Equal(ParseStatus.NeedMore, DatagramFrame.TryRead(ref sequence, out _));
            Assert.Equal(0, sequence.Length);
        }
    }

    [Fact]
    public void A_frame_that_is_not_whole_is_left_and_one_that_is_too_long_is_refused()
    {
        var whole = new byte[] { 0, 3, 1, 2, 3 };
        for (var length = 0; length < whole.Length; length++)
        {
            var part = new ReadOnlySequence<byte>(whole, 0, length);
            Assert.Equal(ParseStatus.NeedMore, DatagramFrame.TryRead(ref part, out _));
            Assert.Equal(length, part.Length);
        }
        var tooLong = new ReadOnlySequence<byte>(new byte[] { 0xff, 0xe4 }); // 65,508
        Assert.Equal(ParseStatus.Invalid, DatagramFrame.TryRead(ref tooLong, out _));
        Assert.Throws<ArgumentOutOfRangeException>(() => DatagramFrame.Write(new ArrayBufferWriter<byte>(), new byte[PortLimits.MaxDatagramBytes + 1]));
    }

    private static ReadOnlySequence<byte> Cut(ReadOnlyMemory<byte> bytes, int at)
    {
        var first = new Part(bytes[..at], 0);
        var last = first.Then(bytes[at..]);
        return new ReadOnlySequence<byte>(first, 0, last, last.Memory.Length);
    }

    private sealed class Part : ReadOnlySequenceSegment<byte>
    {
        public Part(ReadOnlyMemory<byte> memory, long index) => (Memory, RunningIndex) = (memory, index);

        public Part Then(ReadOnlyMemory<byte> memory)
        {
            var next = new Part(memory, RunningIndex + Memory.Length);
            Next = next;
            return next;
        }
    }
}
