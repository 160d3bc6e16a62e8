using System.Security.Cryptography;

namespace PeoplesCloud.Content.Tests.Store;

/// <summary>What every block store promises. A store's tests inherit this class.</summary>
public abstract class BlockStoreConformance
{
    protected static CancellationToken Stop => TestContext.Current.CancellationToken;

    protected abstract IBlockStore Store { get; }

    /// <summary>Spoils the bytes of a block that is held, as a bad disk does.</summary>
    protected abstract void Damage(Cid cid);

    protected static (Cid Cid, ReadOnlyMemory<byte> Bytes) Block(string text)
    {
        var bytes = System.Text.Encoding.UTF8.GetBytes(text);
        return (Cid.V1(Cid.Raw, SHA256.HashData(bytes)), bytes);
    }

    [Fact]
    public async Task What_was_put_is_held_and_given_back()
    {
        var block = Block("hello");
        Assert.False(Store.Contains(block.Cid));
        Assert.Null(await Store.GetAsync(block.Cid, Stop));
        await Store.PutAsync([block], Stop);
        Assert.True(Store.Contains(block.Cid));
        Assert.Equal(block.Bytes.ToArray(), (await Store.GetAsync(block.Cid, Stop))!.Value.ToArray());
    }

    [Fact]
    public async Task CIDs_of_one_digest_share_one_block()
    {
        var block = Block("shared");
        var v0 = Cid.V0(block.Cid.Digest);
        await Store.PutAsync([(v0, block.Bytes)], Stop);
        Assert.True(Store.Contains(block.Cid));
        Assert.NotNull(await Store.GetAsync(Cid.V1(Cid.DagPb, block.Cid.Digest), Stop));
        await Store.PutAsync([block], Stop);
        Assert.Equal([block.Cid], Store.List());
    }

    [Fact]
    public async Task Putting_twice_at_once_and_in_a_row_is_fine()
    {
        var block = Block("twice");
        await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => Task.Run(() => Store.PutAsync([block, block], Stop).AsTask(), Stop)));
        await Store.PutAsync([block], Stop);
        Assert.NotNull(await Store.GetAsync(block.Cid, Stop));
        Assert.Single(Store.List());
    }

    [Fact]
    public async Task An_empty_block_and_an_empty_put_are_fine()
    {
        await Store.PutAsync([], Stop);
        var empty = Block("");
        await Store.PutAsync([empty], Stop);
        Assert.Equal(0, (await Store.GetAsync(empty.Cid, Stop))!.Value.Length);
    }

    [Fact]
    public async Task The_largest_block_is_taken_and_a_larger_one_is_a_bug_of_the_caller()
    {
        var largest = RandomNumberGenerator.GetBytes(IBlockStore.MaxBlockBytes);
        await Store.PutAsync([(Cid.V0(SHA256.HashData(largest)), largest)], Stop);
        Assert.Equal(largest.Length, (await Store.GetAsync(Cid.V0(SHA256.HashData(largest)), Stop))!.Value.Length);
        await Assert.ThrowsAnyAsync<ArgumentException>(async () => await Store.PutAsync([(Block("x").Cid, new byte[IBlockStore.MaxBlockBytes + 1])], Stop));
    }

    [Fact]
    public async Task A_damaged_block_is_answered_as_absent_and_can_be_put_again()
    {
        var block = Block("a block that goes bad");
        await Store.PutAsync([block], Stop);
        Damage(block.Cid);
        Assert.Null(await Store.GetAsync(block.Cid, Stop));
        Assert.False(Store.Contains(block.Cid));
        await Store.PutAsync([block], Stop);
        Assert.Equal(block.Bytes.ToArray(), (await Store.GetAsync(block.Cid, Stop))!.Value.ToArray());
    }

    [Fact]
    public async Task Bytes_that_a_CID_does_not_name_are_never_given_out()
    {
        var block = Block("right");
        await Store.PutAsync([(block.Cid, "wrong"u8.ToArray())], Stop);
        Assert.Null(await Store.GetAsync(block.Cid, Stop));
    }

    [Fact]
    public async Task All_that_was_put_is_listed()
    {
        var blocks = Enumerable.Range(0, 300).Select(i => Block($"number {i}")).ToArray();
        await Store.PutAsync(blocks, Stop);
        Assert.Equal(blocks.Select(b => b.Cid).Order(), Store.List().Order());
    }

    [Fact]
    public async Task A_cancelled_put_or_get_says_so()
    {
        var cancelled = new CancellationToken(canceled: true);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await Store.PutAsync([Block("never")], cancelled));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await Store.GetAsync(Block("never").Cid, cancelled));
    }

    [Fact]
    public async Task The_bytes_may_be_changed_once_a_put_has_returned_its_task()
    {
        var blocks = Enumerable.Range(0, 100).Select(i => Block($"kept {i}")).ToArray();
        var bytes = blocks.Select(b => b.Bytes.ToArray()).ToArray();
        var puts = blocks.Select((b, i) =>
        {
            var put = Store.PutAsync([(b.Cid, bytes[i])], Stop).AsTask();
            Array.Clear(bytes[i]);
            return put;
        }).ToArray();
        await Task.WhenAll(puts);
        foreach (var block in blocks) Assert.NotNull(await Store.GetAsync(block.Cid, Stop));
    }
}
