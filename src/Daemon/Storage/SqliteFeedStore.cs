using Microsoft.Data.Sqlite;
using PeoplesCloud.Base;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Storage;

/// <summary>Keeps feeds in pc.db. Passes the conformance suite of feed stores.</summary>
internal sealed class SqliteFeedStore(Database database) : IFeedStore
{
    /// <inheritdoc/>
    public IReadOnlyList<SwarmId> Swarms() => database.Read(connection =>
    {
        using var command = connection.CreateCommand();
        command.CommandText = "SELECT DISTINCT swarm FROM entries ORDER BY swarm";
        using var reader = command.ExecuteReader();
        var swarms = new List<SwarmId>();
        while (reader.Read())
        {
            if (!SwarmId.TryFromBytes(reader.GetFieldValue<byte[]>(0), out var id)) throw Damaged("a swarm's id");
            swarms.Add(id);
        }
        return swarms;
    });

    /// <inheritdoc/>
    public void Append(SwarmId swarm, IReadOnlyList<StoredEntry> entries)
    {
        if (entries.Any(entry => entry.Swarm != swarm)) throw new ArgumentException("an entry of another swarm", nameof(entries));
        if (entries.Count > 0) database.Write((connection, transaction) => Insert(connection, transaction, swarm, entries));
    }

    /// <summary>Appends within a transaction of the caller.</summary>
    internal static void Insert(SqliteConnection connection, SqliteTransaction transaction, SwarmId swarm, IReadOnlyList<StoredEntry> entries)
    {
        using var command = connection.CreateCommand();
        command.Transaction = transaction;
        command.CommandText = "INSERT OR IGNORE INTO entries (swarm, hash, bytes) VALUES ($swarm, $hash, $bytes)";
        command.Parameters.AddWithValue("$swarm", swarm.ToBytes());
        var hash = command.Parameters.Add("$hash", SqliteType.Blob);
        var bytes = command.Parameters.Add("$bytes", SqliteType.Blob);
        foreach (var entry in entries)
        {
            hash.Value = entry.Hash.ToBytes();
            bytes.Value = entry.Bytes.ToArray();
            command.ExecuteNonQuery();
        }
    }

    /// <inheritdoc/>
    public IReadOnlyList<StoredEntry> Load(SwarmId swarm) => database.Read(connection =>
    {
        using var command = connection.CreateCommand();
        command.CommandText = "SELECT bytes FROM entries WHERE swarm = $swarm ORDER BY number";
        command.Parameters.AddWithValue("$swarm", swarm.ToBytes());
        using var reader = command.ExecuteReader();
        var entries = new List<StoredEntry>();
        while (reader.Read())
        {
            if (!StoredEntry.TryDecode(reader.GetFieldValue<byte[]>(0), out var entry, out var refusal)) throw Damaged($"an entry ({refusal})");
            entries.Add(entry);
        }
        return entries;
    });

    /// <inheritdoc/>
    public void Remove(SwarmId swarm) => database.Write((connection, transaction) =>
    {
        using var command = connection.CreateCommand();
        command.Transaction = transaction;
        command.CommandText = "DELETE FROM entries WHERE swarm = $swarm";
        command.Parameters.AddWithValue("$swarm", swarm.ToBytes());
        command.ExecuteNonQuery();
    });

    private static PcException Damaged(string what) => new(ErrorCode.DatabaseDamaged, $"pc.db is damaged: {what} cannot be read");
}
