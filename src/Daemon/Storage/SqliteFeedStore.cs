using PeoplesCloud.Base;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Storage;

/// <summary>Keeps feeds in pc.db. Passes the conformance suite of feed stores.</summary>
internal sealed class SqliteFeedStore(Database database) : IFeedStore
{
    /// <inheritdoc/>
    public IReadOnlyList<SwarmId> Swarms() => database.Read(connection =>
    {
        using var select = connection.Prepare("SELECT DISTINCT swarm FROM entries ORDER BY swarm");
        var swarms = new List<SwarmId>();
        while (select.Read())
        {
            if (!SwarmId.TryFromBytes(select.Bytes(0), out var id)) throw Damaged("a swarm's id");
            swarms.Add(id);
        }
        return swarms;
    });

    /// <inheritdoc/>
    public void Append(SwarmId swarm, IReadOnlyList<StoredEntry> entries)
    {
        if (entries.Any(entry => entry.Swarm != swarm)) throw new ArgumentException("an entry of another swarm", nameof(entries));
        if (entries.Count > 0) database.Write(connection => Insert(connection, swarm, entries));
    }

    /// <summary>Appends within a transaction of the caller.</summary>
    internal static void Insert(SqliteConnection connection, SwarmId swarm, IReadOnlyList<StoredEntry> entries)
    {
        using var insert = connection.Prepare("INSERT OR IGNORE INTO entries (swarm, hash, bytes) VALUES ($swarm, $hash, $bytes)");
        insert.Bind("$swarm", swarm.ToBytes());
        foreach (var entry in entries) insert.Bind("$hash", entry.Hash.ToBytes()).Bind("$bytes", entry.Bytes.ToArray()).Run();
    }

    /// <inheritdoc/>
    public IReadOnlyList<StoredEntry> Load(SwarmId swarm) => database.Read(connection =>
    {
        using var select = connection.Prepare("SELECT bytes FROM entries WHERE swarm = $swarm ORDER BY number");
        select.Bind("$swarm", swarm.ToBytes());
        var entries = new List<StoredEntry>();
        while (select.Read())
        {
            if (!StoredEntry.TryDecode(select.Bytes(0), out var entry, out var refusal)) throw Damaged($"an entry ({refusal})");
            entries.Add(entry);
        }
        return entries;
    });

    /// <inheritdoc/>
    public void Remove(SwarmId swarm) => database.Write(connection =>
    {
        using var delete = connection.Prepare("DELETE FROM entries WHERE swarm = $swarm");
        delete.Bind("$swarm", swarm.ToBytes()).Run();
    });

    private static PcException Damaged(string what) => new(ErrorCode.DatabaseDamaged, $"pc.db is damaged: {what} cannot be read");
}
