using System.Text;
using PeoplesCloud.Daemon.Swarms;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Mesh;

/// <summary>Gives a member entries at once, rather than with the next round of gossip.</summary>
internal static class EntrySending
{
    private const int MaxAnswerBytes = 64;

    /// <summary>Gives it these entries, and all that there are when it lacks what these build on.</summary>
    public static async Task SendEntriesAsync(this MeshClient client, LocalSwarm swarm, PeerId member, IEnumerable<StoredEntry> entries, CancellationToken cancellationToken, TimeSpan? timeout = null)
    {
        var answer = await client.PostAsync(member, PathOf(swarm.Id), EntryList.Encode(entries.Select(entry => entry.Bytes)), MaxAnswerBytes, cancellationToken, timeout);
        if (Encoding.ASCII.GetString(answer) != "0") await client.SendAllEntriesAsync(swarm, member, cancellationToken, timeout);
    }

    /// <summary>Gives it all entries that there are.</summary>
    public static async Task SendAllEntriesAsync(this MeshClient client, LocalSwarm swarm, PeerId member, CancellationToken cancellationToken, TimeSpan? timeout = null)
    {
        var all = swarm.Read(replica => replica.MissingFor(FeedHeads.None, EntryList.MaxBytes * 3 / 4, out _));
        foreach (var part in all.Chunk(EntryList.MaxEntries)) await client.PostAsync(member, PathOf(swarm.Id), EntryList.Encode(part.Select(entry => entry.Bytes)), MaxAnswerBytes, cancellationToken, timeout);
    }

    private static string PathOf(SwarmId swarm) => $"/mesh/v1/swarms/{swarm}/entries";
}
