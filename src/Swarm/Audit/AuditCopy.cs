using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;

namespace PeoplesCloud.Swarm;

/// <summary>
/// A copy of all feeds of a swarm in one file, as <c>pc audit --save</c> writes it (docs/layouts/audit-copy.md). It holds what members signed and nothing
/// secret in plain text; who has it can verify it alone.
/// </summary>
/// <param name="Swarm">The swarm.</param>
/// <param name="Entries">Entries as they were signed, in any order; not verified.</param>
public sealed record AuditCopy(SwarmId Swarm, IReadOnlyList<ReadOnlyMemory<byte>> Entries)
{
    /// <summary>The longest copy, in bytes: what a swarm gives to whoever joins.</summary>
    public const int MaxBytes = SwarmLimits.MaxJoinReplyBytes;

    private static ReadOnlySpan<byte> Magic => "pcaudit1"u8;

    /// <summary>Writes the copy.</summary>
    public byte[] Encode()
    {
        var bytes = new byte[Magic.Length + SwarmId.Size + Entries.Sum(entry => 4 + entry.Length)];
        Magic.CopyTo(bytes);
        Swarm.ToBytes().CopyTo(bytes, Magic.Length);
        var at = Magic.Length + SwarmId.Size;
        foreach (var entry in Entries)
        {
            BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(at), (uint)entry.Length);
            entry.CopyTo(bytes.AsMemory(at + 4));
            at += 4 + entry.Length;
        }
        return bytes;
    }

    /// <summary>Reads a copy; false for what is none, or is cut off.</summary>
    public static bool TryDecode(ReadOnlyMemory<byte> bytes, [NotNullWhen(true)] out AuditCopy? copy)
    {
        copy = null;
        if (bytes.Length > MaxBytes || !bytes.Span.StartsWith(Magic) || bytes.Length < Magic.Length + SwarmId.Size) return false;
        if (!SwarmId.TryFromBytes(bytes.Span.Slice(Magic.Length, SwarmId.Size), out var swarm)) return false;
        var entries = new List<ReadOnlyMemory<byte>>();
        for (var rest = bytes[(Magic.Length + SwarmId.Size)..]; rest.Length > 0;)
        {
            if (rest.Length < 4) return false;
            var length = BinaryPrimitives.ReadUInt32BigEndian(rest.Span);
            if (length is 0 or > SwarmLimits.MaxEntryBytes || length > rest.Length - 4) return false;
            entries.Add(rest.Slice(4, (int)length));
            rest = rest[(4 + (int)length)..];
        }
        copy = new AuditCopy(swarm, entries);
        return true;
    }

    internal static void Fuzz(ReadOnlySpan<byte> input)
    {
        if (!TryDecode(input.ToArray(), out var copy)) return;
        Base.Invariant.Check(copy.Encode().AsSpan().SequenceEqual(input), "a copy that was read is written as it was");
        _ = SwarmAudit.Of(copy, null);
    }
}
