using System.Text;
using PeoplesCloud.Runtimes.Docker;

namespace PeoplesCloud.Runtimes.Tests.Docker;

/// <summary>A container's output comes apart as it was put together.</summary>
public sealed class DockerFramesTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(100)]
    public void Frames_are_taken_apart_however_they_are_cut(int step)
    {
        byte[] bytes = [1, 0, 0, 0, 0, 0, 0, 3, .. "out"u8, 2, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 4, .. "errs"u8, 1, 0, 0, 0, 0, 0, 0, 1, .. "!"u8];

        var (output, errors, whole) = Take(bytes, step);

        Assert.Equal("out!", output);
        Assert.Equal("errs", errors);
        Assert.True(whole);
    }

    [Fact]
    public void A_frame_that_is_cut_off_is_handed_on_as_far_as_it_came()
    {
        var (output, _, whole) = Take([1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, .. "part"u8], 100);

        Assert.Equal("part", output);
        Assert.False(whole);
    }

    [Theory]
    [InlineData(new byte[] { 3, 0, 0, 0, 0, 0, 0, 1 })]
    [InlineData(new byte[] { 1, 0, 0, 1, 0, 0, 0, 1 })]
    [InlineData(new byte[] { (byte)'H', (byte)'T', (byte)'T', (byte)'P', (byte)'/', (byte)'1', (byte)'.', (byte)'1' })]
    public void What_is_no_frame_is_refused(byte[] bytes) => Assert.Throws<InvalidDataException>(() => Take(bytes, 100));

    private static (string Output, string Errors, bool Whole) Take(byte[] bytes, int step)
    {
        var frames = new DockerFrames();
        var (output, errors) = (new StringBuilder(), new StringBuilder());
        for (var at = 0; at < bytes.Length; at += step)
        {
            ReadOnlyMemory<byte> part = bytes.AsMemory(at, Math.Min(step, bytes.Length - at));
            while (frames.TryTake(ref part, out var kind, out var piece)) _ = (kind == OutputKind.Out ? output : errors).Append(Encoding.ASCII.GetString(piece.Span));
        }
        return (output.ToString(), errors.ToString(), frames.IsWhole);
    }
}
