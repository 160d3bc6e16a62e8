using PeoplesCloud.Daemon.Storage;
using PeoplesCloud.Simulation;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Tests.Storage;

public sealed class SqliteFeedStoreTests
{
    public static TheoryData<string> CaseNames => [.. FeedStoreContract.Cases.Keys];

    [Theory]
    [MemberData(nameof(CaseNames))]
    public void It_keeps_the_contract_of_feed_stores(string name)
    {
        var folder = TestNode.NewHome();
        FeedStoreContract.Cases[name](() => new OpenStore(Path.Combine(folder, "pc.db")));
        Directory.Delete(folder, recursive: true);
    }

    private sealed class OpenStore(string path) : IFeedStore, IDisposable
    {
        private readonly Database _database = Database.Open(path);

        private SqliteFeedStore Store => new(_database);

        public IReadOnlyList<SwarmId> Swarms() => Store.Swarms();

        public void Append(SwarmId swarm, IReadOnlyList<StoredEntry> entries) => Store.Append(swarm, entries);

        public IReadOnlyList<StoredEntry> Load(SwarmId swarm) => Store.Load(swarm);

        public void Remove(SwarmId swarm) => Store.Remove(swarm);

        public void Dispose() => _database.Dispose();
    }
}
