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
            using var select = connection.Prepare("SELECT peer, address FROM addresses ORDER BY seen DESC, address");
            var read = new List<(byte[] Peer, string Address)>();
            while (select.Read()) read.Add((select.Bytes(0), select.Text(1)));
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
            database.Write(connection =>
            {
                var bytes = peer.Bytes.ToArray();
                using var delete = connection.Prepare("DELETE FROM addresses WHERE peer = $peer");
                delete.Bind("$peer", bytes).Run();
                using var insert = connection.Prepare("INSERT OR IGNORE INTO addresses (peer, address, seen) VALUES ($peer, $address, $seen)");
                insert.Bind("$peer", bytes).Bind("$seen", time.GetUtcNow().ToUnixTimeSeconds());
                foreach (var address in addresses) insert.Bind("$address", address).Run();
            });
            _known[peer] = addresses;
        }
    }
}
