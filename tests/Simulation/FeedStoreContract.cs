using PeoplesCloud.Content;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Simulation;

/// <summary>
/// What every <see cref="IFeedStore"/> must pass. Free of a test framework: call each of <see cref="Cases"/> from a theory with a
/// function that opens the store (for a durable one: on the same files each time it is called within a case; it is disposed when
/// it is <see cref="IDisposable"/>).
/// </summary>
public static class FeedStoreContract
{
    /// <summary>The cases by name. A case throws when the store breaks the contract; each needs a fresh place of its own.</summary>
    public static IReadOnlyDictionary<string, Action<Func<IFeedStore>>> Cases { get; } = new SortedDictionary<string, Action<Func<IFeedStore>>>(StringComparer.Ordinal)
    {
        ["An_unknown_swarm_is_empty"] = open => Use(open, store =>
        {
            Check(store.Swarms().Count == 0, "a new store has no swarm");
            Check(store.Load(Entries(1)[0].Swarm).Count == 0, "an unknown swarm has no entries");
        }),
        ["Entries_come_back_in_order_byte_for_byte"] = open => Use(open, store =>
        {
            var entries = Entries(20);
            store.Append(entries[0].Swarm, entries[..1]);
            store.Append(entries[0].Swarm, entries[1..]);
            CheckSame(entries, store.Load(entries[0].Swarm));
        }),
        ["A_repeated_append_changes_nothing"] = open => Use(open, store =>
        {
            var entries = Entries(5);
            store.Append(entries[0].Swarm, entries);
            store.Append(entries[0].Swarm, entries[2..4]);
            store.Append(entries[0].Swarm, []);
            CheckSame(entries, store.Load(entries[0].Swarm));
        }),
        ["Swarms_are_kept_apart"] = open => Use(open, store =>
        {
            var (one, two) = (Entries(3, number: 1), Entries(4, number: 2));
            store.Append(one[0].Swarm, one);
            store.Append(two[0].Swarm, two);
            CheckSame(one, store.Load(one[0].Swarm));
            CheckSame(two, store.Load(two[0].Swarm));
            Check(store.Swarms().SequenceEqual(new[] { one[0].Swarm, two[0].Swarm }.Order()), "both swarms are listed, in order");
            store.Remove(one[0].Swarm);
            Check(store.Load(one[0].Swarm).Count == 0, "a removed swarm is gone");
            Check(store.Swarms().SequenceEqual([two[0].Swarm]), "the other one stays");
        }),
        ["An_entry_of_another_swarm_is_refused_and_nothing_is_kept"] = open => Use(open, store =>
        {
            var (one, two) = (Entries(3, number: 1), Entries(1, number: 2));
            var threw = false;
            try
            {
                store.Append(one[0].Swarm, [one[0], two[0]]);
            }
            catch (ArgumentException)
            {
                threw = true;
            }
            Check(threw, "an entry of another swarm is our bug");
            Check(store.Load(one[0].Swarm).Count == 0, "all or nothing");
        }),
        ["What_was_appended_is_there_after_opening_again"] = open =>
        {
            var entries = Entries(7);
            // A store that lives in memory only is opened once.
            IFeedStore? kept = null;
            Use(open, store =>
            {
                store.Append(entries[0].Swarm, entries);
                kept = store;
            });
            if (kept is InMemoryFeedStore) CheckSame(entries, kept.Load(entries[0].Swarm));
            else Use(open, store => CheckSame(entries, store.Load(entries[0].Swarm)));
        },
        ["Many_threads_append_at_once"] = open => Use(open, store =>
        {
            var swarms = Enumerable.Range(1, 4).Select(number => Entries(25, number)).ToList();
            Parallel.ForEach(swarms, entries =>
            {
                foreach (var entry in entries) store.Append(entry.Swarm, [entry]);
            });
            foreach (var entries in swarms) CheckSame(entries, store.Load(entries[0].Swarm));
        }),
    };

    /// <summary>A swarm of one node with some entries of different lengths, the same for the same arguments.</summary>
    public static StoredEntry[] Entries(int count, int number = 1)
    {
        var keys = new SimKeys();
        var now = new DateTimeOffset(2031, 5, 7, 3, 4, 5, TimeSpan.Zero);
        var replica = SwarmReplica.Create(keys.Signer(number), keys, $"swarm-{number}", "oak", new byte[32], new byte[16], now, out var genesis);
        var entries = new List<StoredEntry> { genesis };
        for (var i = 1; i < count; i++) entries.Add(replica.Append(Deploy($"program-{i}" + new string('x', i)), now));
        return [.. entries];
    }

    internal static ProgramDeployed Deploy(string name) =>
        new(name, Cid.V1(Cid.Raw, new byte[32]), 1000, "py3", new ProgramLimits(1 << 28, 1000, 128, 1 << 28, "internet"), []);

    private static void Use(Func<IFeedStore> open, Action<IFeedStore> use)
    {
        var store = open();
        try
        {
            use(store);
        }
        finally
        {
            (store as IDisposable)?.Dispose();
        }
    }

    private static void CheckSame(StoredEntry[] expected, IReadOnlyList<StoredEntry> actual)
    {
        Check(expected.Length == actual.Count, $"{expected.Length} entries were expected, {actual.Count} came back");
        for (var i = 0; i < expected.Length; i++)
            Check(expected[i].Hash == actual[i].Hash && expected[i].Bytes.Span.SequenceEqual(actual[i].Bytes.Span), $"entry {i} came back as it was");
    }

    private static void Check(bool condition, string what)
    {
        if (!condition) throw new InvalidOperationException($"the store breaks its contract: {what}");
    }
}
