using System.Buffers;
using PeoplesCloud.Base.Formats;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Mesh;

/// <summary>
/// Entries in the body of a request; see docs/protocols/mesh-api.md.
/// <code>entries = *( length:varint entry:length )     length at most 48 KiB, at most 256 entries</code>
/// </summary>
internal static class EntryList
{
    /// <summary>The most entries of one list.</summary>
    public const int MaxEntries = 256;

    /// <summary>The longest list that is accepted, in bytes.</summary>
    public const int MaxBytes = 1 << 20;

    /// <summary>Writes entries.</summary>
    public static byte[] Encode(IEnumerable<ReadOnlyMemory<byte>> entries)
    {
        var output = new ArrayBufferWriter<byte>();
        foreach (var entry in entries)
        {
            Varint.Write(output, (ulong)entry.Length);
            output.Write(entry.Span);
        }
        return output.WrittenSpan.ToArray();
    }

    /// <summary>Reads entries, without looking into them; null when the list breaks its grammar. Never throws.</summary>
    public static IReadOnlyList<ReadOnlyMemory<byte>>? TryDecode(ReadOnlyMemory<byte> body)
    {
        var entries = new List<ReadOnlyMemory<byte>>();
        while (!body.IsEmpty)
        {
            if (entries.Count == MaxEntries || Varint.TryRead(body.Span, out var length, out var read) != ParseStatus.Done) return null;
            body = body[read..];
            if (length is 0 or > SwarmLimits.MaxEntryBytes || (int)length > body.Length) return null;
            entries.Add(body[..(int)length]);
            body = body[(int)length..];
        }
        return entries;
    }
}
