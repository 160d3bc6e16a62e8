using PeoplesCloud.Simulation;

namespace PeoplesCloud.Swarm.Tests;

// The state is a function of the set of entries: random histories with removals, forks and readmissions, written by replicas that
// met by chance, give one state in every order of arrival.
public sealed class FoldPropertyTests
{
    [Fact]
    public void Every_order_of_arrival_gives_the_same_state()
    {
        for (var seed = 1; seed <= 40 * Seeds.Count; seed++)
        {
            var random = new Random(seed);
            var village = History(random, out var all, out var twin);
            village.Meet([.. village.Replicas, twin]);
            village.Meet([.. village.Replicas, twin]);
            var shared = village[0].MissingFor(FeedHeads.None, int.MaxValue, out _).ToList();
            foreach (var replica in village.Replicas)
                Assert.True(StateDigest.Of(village[0].State) == StateDigest.Of(replica.State), $"seed {seed}: replicas that met disagree");
            for (var order = 0; order < 4; order++)
            {
                var arriving = (order % 2 == 0 ? all : shared).Select(entry => entry.Bytes).ToArray();
                random.Shuffle(arriving);
                var fresh = SwarmReplica.Load(village.Keys.Signer(0), village.Keys, village[0].Id, village.Beginning);
                foreach (var part in arriving.Chunk(1 + random.Next(6))) fresh.Receive(part, village.Now);
                if (order % 2 == 1) village.Give(village[0], fresh); // the proof of a fork may build on what is offered only when asked for
                Assert.True(StateDigest.Of(village[0].State) == StateDigest.Of(fresh.State), $"seed {seed}, order {order}: another order gives another state: {Village.Shown(village[0])} / {Village.Shown(fresh)}, {fresh.PendingCount} wait of {all.Count}, {fresh.Count} {village[0].Count}");
            }
        }
    }

    [Fact]
    public void Loading_what_was_stored_gives_the_same_state()
    {
        for (var seed = 100; seed < 110; seed++)
        {
            var village = History(new Random(seed), out _, out _);
            village.MeetAll();
            var stored = village[1].MissingFor(FeedHeads.None, int.MaxValue, out _);
            var loaded = SwarmReplica.Load(village.Keys.Signer(1), village.Keys, village[0].Id, stored);
            Assert.Equal(StateDigest.Of(village[1].State), StateDigest.Of(loaded.State));
        }
    }

    private static Village History(Random random, out List<StoredEntry> all, out SwarmReplica twin)
    {
        var village = new Village(Role.Admin, Role.Admin, Role.Member, Role.Member, Role.Guest);
        var entries = new Dictionary<EntryHash, StoredEntry>();
        twin = village.Load(3); // a second home of member 3 makes forks
        var replicas = village.Replicas.Append(twin).ToArray();
        for (var step = 0; step < 40; step++)
        {
            var replica = replicas[random.Next(replicas.Length)];
            if (random.Next(3) == 0) village.Give(replicas[random.Next(replicas.Length)], replica);
            else if (Something(random, village, replica) is { } entry) entries[entry.Hash] = entry;
        }
        all = [.. entries.Values];
        return village;
    }

    private static StoredEntry? Something(Random random, Village village, SwarmReplica replica)
    {
        var state = replica.State;
        var somebody = village.Peer(random.Next(6));
        var program = state.Programs.Keys.ElementAtOrDefault(random.Next(5));
        EntryBody? body = random.Next(18) switch
        {
            0 => new MemberRemoved(somebody, 0, random.Next(4) == 0 ? null : SealedSwarmKey.Seal(village.Sealer(0), village[0].Id, village.NewKey(), state.ActiveMembers)),
            1 => new MemberAdmitted(somebody, $"again-{random.Next(9)}", new byte[32], (Role)random.Next(1, 4), null),
            2 when state.Forked.Count > 0 => null,
            3 => new TicketIssued(EntryHash.Of(BitConverter.GetBytes(random.Next())), Role.Member, village.Now, 2),
            4 or 5 when !program.IsDefault => new ProgramPlaced(program, somebody, (ulong)random.Next(4)),
            6 when !program.IsDefault => random.Next(2) == 0 ? new ProgramStopped(program) : new ProgramControlled(program, (ControlAction)random.Next(1, 4), "x"),
            7 when random.Next(4) == 0 => new MemberLeft(),
            8 => new KeyRotated(SealedSwarmKey.Seal(village.Sealer(0), village[0].Id, village.NewKey(), state.ActiveMembers)),
            9 => new JoinSecretSet((ulong)random.Next(1, 5), Role.Member, new byte[16], Base.Crypto.ScryptCost.Default, random.Next(3) == 0 ? random.Next(3) : state.Removals, [new SealedKey(somebody, new byte[81])]),
            10 or 11 when !program.IsDefault => new RunRecorded(program, (ulong)random.Next(4), village.Now, random.Next(3) == 0 ? (RunEnd)random.Next(5) : null, null, null, RunUse.None),
            16 when !program.IsDefault => new ReceiptIssued(program, random.Next(3), RunUse.None),
            17 when state.Receipts.Count > 0 => new ReceiptCountersigned(state.Receipts.Keys.ElementAt(random.Next(state.Receipts.Count))),
            _ => Village.Program($"p-{random.Next(100)}") with { Keys = [.. Enumerable.Range(0, random.Next(6)).Select(index => new SealedKey(village.Peer(index), new byte[81]))] },
        };
        if (state.Forked.ContainsKey(replica.Self)) return null;
        if (body is null)
            return state.Find(replica.Self) is { IsAdmin: true } && !state.Forked.Keys.First().Equals(replica.Self) ? replica.Readmit(state.Forked.Keys.First(), village.Now) : null;
        return replica.WouldRefuse(body) is null ? replica.Append(body, village.Now) : null;
    }
}
