namespace PeoplesCloud.Content.Tests.Store;

public sealed class MemoryBlockStoreTests : BlockStoreConformance
{
    private readonly MemoryBlockStore _store = new();

    protected override IBlockStore Store => _store;

    protected override void Damage(Cid cid) => _store.Damage(cid);
}
