using Microsoft.Data.Sqlite;
using PeoplesCloud.Base;
using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Daemon.Storage;

/// <summary>
/// Where members said that they are reached, so that a node which starts finds the others again. Only what changed is written.
/// Thread-safe.
/// </summary>
internal sealed class AddressTable(Database database, TimeProvider time)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<PeerId, IReadOnlyList<string>> _known = [];

    /// <summary>All that is known, by peer.</summary>
    public IReadOnlyDictionary<PeerId, IReadOnlyList<string>> Load()
    {
        var rows = database.Read(connection =>
        {
            using var command = connection.CreateCommand();
            command.CommandText = "SELECT peer, address FROM addresses ORDER BY seen DESC, address";
            using var reader = command.ExecuteReader();
            var read = new List<(byte[] Peer, string Address)>();
            while (reader.Read()) read.Add((reader.GetFieldValue<byte[]>(0), reader.GetString(1)));
            return read;
        });
        lock (_gate)
        {
            foreach (var group in rows.GroupBy(row => PeerId.TryFromBytes(row.Peer, out var peer) ? peer : default).Where(group => !group.Key.IsDefault))
                _known[group.Key] = [.. group.Select(row => row.Address)];
            return new Dictionary<PeerId, IReadOnlyList<string>>(_known);
        }
    }

    /// <summary>Keeps a peer's addresses in place of those before; durable when it returns.</summary>
    /// <exception cref="PcException">The disk refuses.</exception>
    public void Save(PeerId peer, IReadOnlyList<string> addresses)
    {
        lock (_gate)
        {
            if (addresses.Count == 0 || (_known.TryGetValue(peer, out var before) && before.Order(StringComparer.Ordinal).SequenceEqual(addresses.Order(StringComparer.Ordinal), StringComparer.Ordinal))) return;
            database.Write((connection, transaction) =>
            {
                using var command = connection.CreateCommand();
                command.Transaction = transaction;
                command.CommandText = "DELETE FROM addresses WHERE peer = $peer";
                command.Parameters.AddWithValue("$peer", peer.Bytes.ToArray());
                command.ExecuteNonQuery();
                command.CommandText = "INSERT OR IGNORE INTO addresses (peer, address, seen) VALUES ($peer, $address, $seen)";
                command.Parameters.AddWithValue("$seen", time.GetUtcNow().ToUnixTimeSeconds());
                var address = command.Parameters.Add("$address", SqliteType.Text);
                foreach (var text in addresses)
                {
                    address.Value = text;
                    command.ExecuteNonQuery();
                }
            });
            _known[peer] = addresses;
        }
    }
}
