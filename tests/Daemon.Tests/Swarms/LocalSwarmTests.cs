using System.Security.Cryptography;
using PeoplesCloud.Base;
using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Daemon.Storage;
using PeoplesCloud.Daemon.Swarms;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Tests.Swarms;

public sealed class LocalSwarmTests
{
    [Fact]
    public void A_disk_that_is_full_refuses_the_entry_and_its_number_is_used_once()
    {
        using var key = new Ed25519Key(Ed25519Key.NewSeed());
        using var sealing = new X25519Key(X25519Key.NewPrivateKey());
        var factory = new ReplicaFactory(new Ed25519Signer(key), new Ed25519Verifier(), new X25519Sealer(sealing), new GossipOptions(), () => 1);
        var replica = SwarmReplica.Create(factory.Signer, factory.Verifier, "friends", "oak", new byte[32], new byte[16], DateTimeOffset.UtcNow, out var genesis);
        var store = new FillingStore();
        store.Append(replica.Id, [genesis]);
        var swarm = new LocalSwarm(new SwarmRow(replica.Id, "friends", new byte[32], null), replica, new PresenceInfo(), store, factory, TimeProvider.System);
        var sent = 0;
        swarm.Effect += (_, _) => sent++;

        store.IsFull = true;
        Assert.Equal(ErrorCode.DiskFull, Assert.Throws<PcException>(() => Issue(swarm)).Code);
        Assert.Empty(swarm.State.Tickets);
        Assert.Equal(0, sent);

        store.IsFull = false;
        Issue(swarm);
        var ticket = Assert.Single(swarm.State.Tickets).Value;
        var held = store.Load(replica.Id);
        Assert.Equal([1UL, 2UL], held.Select(entry => entry.Sequence));
        Assert.Equal(ticket.Id, Assert.IsType<TicketIssued>(held[1].Body).Ticket);
        Assert.Empty(SwarmReplica.Load(factory.Signer, factory.Verifier, replica.Id, held).State.Forked);
    }

    private static Ticket Issue(LocalSwarm swarm) => swarm.Change(replica =>
    {
        var (ticket, entry) = replica.IssueTicket(Role.Member, TimeSpan.FromDays(1), 0, [], RandomNumberGenerator.GetBytes(16), DateTimeOffset.UtcNow);
        return (ticket, (IReadOnlyList<StoredEntry>)[entry]);
    });

    private sealed class FillingStore : IFeedStore
    {
        private readonly InMemoryFeedStore _store = new();

        public bool IsFull { get; set; }

        public IReadOnlyList<SwarmId> Swarms() => _store.Swarms();

        public void Append(SwarmId swarm, IReadOnlyList<StoredEntry> entries)
        {
            if (IsFull) throw new PcException(ErrorCode.DiskFull, "full");
            _store.Append(swarm, entries);
        }

        public IReadOnlyList<StoredEntry> Load(SwarmId swarm) => _store.Load(swarm);

        public void Remove(SwarmId swarm) => _store.Remove(swarm);
    }
}
