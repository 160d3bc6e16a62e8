using PeoplesCloud.Base.Files;
using PeoplesCloud.Base;

namespace PeoplesCloud.Content.Tests;

public sealed class PinSetTests : IDisposable
{
    private readonly TestFolder _folder = new();

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    private string PinFile => _folder["pins"];

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Pins_are_there_after_opening_again_and_gone_after_removing()
    {
        var pins = new PinSet(PinFile, SystemDisk.Instance);
        Assert.Empty(pins.List());
        Assert.True(await pins.AddAsync(Number(1), Stop));
        Assert.True(await pins.AddAsync(Number(2), Stop));
        Assert.False(await pins.AddAsync(Number(2), Stop));
        Assert.Equal([Number(1), Number(2)], new PinSet(PinFile, SystemDisk.Instance).List());
        Assert.True(await pins.RemoveAsync(Number(1), Stop));
        Assert.False(await pins.RemoveAsync(Number(1), Stop));
        Assert.False(new PinSet(PinFile, SystemDisk.Instance).Contains(Number(1)));
        Assert.True(new PinSet(PinFile, SystemDisk.Instance).Contains(Number(2)));
    }

    [Fact]
    public async Task Pins_added_at_the_same_time_are_all_kept()
    {
        var pins = new PinSet(PinFile, SystemDisk.Instance);
        await Task.WhenAll(Enumerable.Range(0, 50).Select(i => pins.AddAsync(Number(i), Stop)));
        Assert.Equal(50, new PinSet(PinFile, SystemDisk.Instance).List().Count);
    }

    [Fact]
    public async Task Any_changed_or_missing_byte_is_noticed()
    {
        await new PinSet(PinFile, SystemDisk.Instance).AddAsync(Number(7), Stop);
        var bytes = await File.ReadAllBytesAsync(PinFile, Stop);
        for (var i = 0; i < bytes.Length; i++)
        {
            bytes[i] ^= 1;
            Refuses(bytes);
            bytes[i] ^= 1;
            Refuses(bytes[..i]);
        }
        Refuses([.. bytes, (byte)'\n']);

        void Refuses(byte[] content)
        {
            File.WriteAllBytes(PinFile, content);
            Assert.Equal(ErrorCode.PinsDamaged, Assert.Throws<PcException>(() => new PinSet(PinFile, SystemDisk.Instance)).Code);
        }
    }

    [Fact]
    public async Task A_pin_that_could_not_be_written_is_not_pinned()
    {
        var pins = new PinSet(Path.Combine(Directory.CreateDirectory(_folder["sub"]).FullName, "pins"), SystemDisk.Instance);
        Directory.Delete(_folder["sub"]);
        var error = await Assert.ThrowsAsync<PcException>(() => pins.AddAsync(Number(1), Stop));
        Assert.Equal(ErrorCode.StoreFailed, error.Code);
        Assert.False(pins.Contains(Number(1)));
    }

    private static Cid Number(int i)
    {
        var digest = new byte[32];
        digest[31] = (byte)i;
        return Cid.V0(digest);
    }
}
