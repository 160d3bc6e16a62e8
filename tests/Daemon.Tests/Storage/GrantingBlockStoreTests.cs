using System.Security.Cryptography;
using PeoplesCloud.Content;
using PeoplesCloud.Daemon.Storage;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Tests.Storage;

public sealed class GrantingBlockStoreTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("pc-grants-").FullName;
    private readonly Database _database;

    public GrantingBlockStoreTests() => _database = Database.Open(Path.Combine(_folder, "pc.db"));

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        _database.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task Every_put_that_was_acknowledged_is_granted_to_the_swarm_and_to_nobody_else()
    {
        Assert.True(SwarmId.TryFromBytes(SHA256.HashData([1]), out var friends));
        var member = PeerId.FromEd25519(SHA256.HashData([2]));
        var stranger = PeerId.FromEd25519(SHA256.HashData([3]));
        var access = new ContentAccess(_database, (swarm, peer) => swarm == friends && peer == member, _ => null);
        var store = new GrantingBlockStore(new MemoryBlockStore(), access, friends);

        // Many at once, since those share their transactions.
        var puts = Enumerable.Range(0, 300).Select(async i =>
        {
            var bytes = BitConverter.GetBytes(i);
            var cid = Cid.V0(SHA256.HashData(bytes));
            await store.PutAsync([(cid, bytes)], Stop);
            Assert.Equal(friends, access.MayRead(member, cid));
            Assert.Null(access.MayRead(stranger, cid));
        });
        await Task.WhenAll(puts);
    }

    [Fact]
    public async Task A_grant_that_cannot_be_written_fails_the_put()
    {
        Assert.True(SwarmId.TryFromBytes(SHA256.HashData([1]), out var friends));
        var store = new GrantingBlockStore(new MemoryBlockStore(), new ContentAccess(_database, (_, _) => true, _ => null), friends);
        _database.Dispose();
        await Assert.ThrowsAnyAsync<Exception>(async () => await store.PutAsync([(Cid.V0(SHA256.HashData([])), Array.Empty<byte>())], Stop));
    }
}
