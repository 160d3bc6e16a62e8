using Microsoft.Data.Sqlite;
using PeoplesCloud.Base;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Storage;

/// <summary>
/// One swarm of this node: its id, what it is called here, and the key (secret) that it was given when this node created or joined
/// it, with the entry that carries that key (null: the creator's). Later keys are opened from their entries.
/// </summary>
internal sealed record SwarmRow(SwarmId Id, string Name, byte[] Key, EntryHash? KeyEntry)
{
    /// <summary>Without the key.</summary>
    public override string ToString() => $"{Name} ({Id})";
}

/// <summary>The swarms that this node is in. A swarm's row and its first entries are written together.</summary>
internal sealed class SwarmTable(Database database)
{
    /// <summary>All rows, by name.</summary>
    public IReadOnlyList<SwarmRow> All() => database.Read(connection =>
    {
        using var command = connection.CreateCommand();
        command.CommandText = "SELECT id, name, key, key_entry FROM swarms ORDER BY name";
        using var reader = command.ExecuteReader();
        var rows = new List<SwarmRow>();
        while (reader.Read())
        {
            if (!SwarmId.TryFromBytes(reader.GetFieldValue<byte[]>(0), out var id)) throw new PcException(ErrorCode.DatabaseDamaged, "pc.db is damaged: a swarm's id cannot be read");
            EntryHash? keyEntry = !reader.IsDBNull(3) && EntryHash.TryFromBytes(reader.GetFieldValue<byte[]>(3), out var read) ? read : null;
            rows.Add(new SwarmRow(id, reader.GetString(1), reader.GetFieldValue<byte[]>(2), keyEntry));
        }
        return rows;
    });

    /// <summary>Adds a swarm with its entries, or takes new entries for one that was left; durable when it returns.</summary>
    public void Insert(SwarmRow row, IReadOnlyList<StoredEntry> entries) => database.Write((connection, transaction) =>
    {
        using var command = connection.CreateCommand();
        command.Transaction = transaction;
        command.CommandText = "INSERT OR REPLACE INTO swarms (id, name, key, key_entry) VALUES ($id, $name, $key, $key_entry)";
        command.Parameters.AddWithValue("$id", row.Id.ToBytes());
        command.Parameters.AddWithValue("$name", row.Name);
        command.Parameters.AddWithValue("$key", row.Key);
        command.Parameters.AddWithValue("$key_entry", (object?)row.KeyEntry?.ToBytes() ?? DBNull.Value);
        command.ExecuteNonQuery();
        SqliteFeedStore.Insert(connection, transaction, row.Id, entries);
    });

    /// <summary>Forgets a swarm with all its entries and grants.</summary>
    public void Delete(SwarmId id) => database.Write((connection, transaction) =>
    {
        using var command = connection.CreateCommand();
        command.Transaction = transaction;
        command.CommandText = "DELETE FROM entries WHERE swarm = $id; DELETE FROM readable WHERE swarm = $id; DELETE FROM swarms WHERE id = $id";
        command.Parameters.AddWithValue("$id", id.ToBytes());
        command.ExecuteNonQuery();
    });
}
