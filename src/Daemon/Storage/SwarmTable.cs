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
        using var select = connection.Prepare("SELECT id, name, key, key_entry FROM swarms ORDER BY name");
        var rows = new List<SwarmRow>();
        while (select.Read())
        {
            if (!SwarmId.TryFromBytes(select.Bytes(0), out var id)) throw new PcException(ErrorCode.DatabaseDamaged, "pc.db is damaged: a swarm's id cannot be read");
            EntryHash? keyEntry = !select.IsNull(3) && EntryHash.TryFromBytes(select.Bytes(3), out var read) ? read : null;
            rows.Add(new SwarmRow(id, select.Text(1), select.Bytes(2), keyEntry));
        }
        return rows;
    });

    /// <summary>Adds a swarm with its entries, or takes new entries for one that was left; durable when it returns.</summary>
    public void Insert(SwarmRow row, IReadOnlyList<StoredEntry> entries) => database.Write(connection =>
    {
        using var insert = connection.Prepare("INSERT OR REPLACE INTO swarms (id, name, key, key_entry) VALUES ($id, $name, $key, $key_entry)");
        insert.Bind("$id", row.Id.ToBytes()).Bind("$name", row.Name).Bind("$key", row.Key).Bind("$key_entry", row.KeyEntry?.ToBytes()).Run();
        SqliteFeedStore.Insert(connection, row.Id, entries);
    });

    /// <summary>Forgets a swarm with all its entries and grants.</summary>
    public void Delete(SwarmId id) => database.Write(connection =>
    {
        foreach (var sql in (ReadOnlySpan<string>)["DELETE FROM entries WHERE swarm = $id", "DELETE FROM readable WHERE swarm = $id", "DELETE FROM swarms WHERE id = $id"])
        {
            using var delete = connection.Prepare(sql);
            delete.Bind("$id", id.ToBytes()).Run();
        }
    });
}
