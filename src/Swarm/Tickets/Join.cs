using System.Diagnostics.CodeAnalysis;
using Google.Protobuf;
using PeoplesCloud.Swarm.Wire;

namespace PeoplesCloud.Swarm;

/// <summary>What a node that wants to join sends to the inviter, over a connection that proves who it is.</summary>
/// <param name="Swarm">The swarm of the ticket.</param>
/// <param name="Secret">The ticket's secret.</param>
/// <param name="Name">How the node wants to be called; it may become name-2.</param>
/// <param name="X25519">Its public key for sealed boxes, 32 bytes.</param>
/// <param name="Clock">Its wall clock, so that a wrong one is noticed now.</param>
public sealed record JoinRequest(SwarmId Swarm, byte[] Secret, string Name, byte[] X25519, DateTimeOffset Clock)
{
    /// <summary>Writes it.</summary>
    public byte[] Encode() => new JoinRequestMessage
    {
        Swarm = ByteString.CopyFrom(Swarm.ToBytes()),
        Secret = ByteString.CopyFrom(Secret),
        Name = Name,
        X25519 = ByteString.CopyFrom(X25519),
        ClockMs = (ulong)Math.Max(0, Clock.ToUnixTimeMilliseconds()),
    }.ToByteArray();

    /// <summary>Reads a stranger's bytes; never throws.</summary>
    public static bool TryDecode(ReadOnlySpan<byte> bytes, [NotNullWhen(true)] out JoinRequest? request)
    {
        request = null;
        if (bytes.Length > SwarmLimits.MaxJoinRequestBytes) return false;
        try
        {
            var m = JoinRequestMessage.Parser.ParseWhole(bytes);
            if (!SwarmId.TryFromBytes(m.Swarm.Span, out var swarm) || m.Secret.Length != Ticket.SecretBytes || !Names.IsValid(m.Name) || m.X25519.Length != 32) return false;
            if (m.ClockMs >= 253_402_300_800_000) return false;
            request = new JoinRequest(swarm, m.Secret.ToByteArray(), m.Name, m.X25519.ToByteArray(), DateTimeOffset.FromUnixTimeMilliseconds((long)m.ClockMs));
            return true;
        }
        catch (Exception thrown) when (Malformed.Is(thrown))
        {
            return false;
        }
    }

    internal static void Fuzz(ReadOnlySpan<byte> input) => _ = TryDecode(input, out _);

    /// <summary>Without the secret.</summary>
    public override string ToString() => $"request of {Name} to join {Swarm}";
}

/// <summary>The inviter's answer: all entries of the swarm and its key. Secret: only over an encrypted connection.</summary>
/// <param name="Entries">Stored entries in causal order.</param>
/// <param name="SwarmKey">The swarm's key, 32 bytes; the daemon keeps it beside the feeds.</param>
/// <param name="KeyEntry">The entry that carries this key, which was sealed before the node was a member; null: the creator's key.</param>
public sealed record JoinReply(IReadOnlyList<ReadOnlyMemory<byte>> Entries, byte[] SwarmKey, EntryHash? KeyEntry)
{
    /// <summary>Writes it.</summary>
    public byte[] Encode()
    {
        var m = new JoinReplyMessage { SwarmKey = ByteString.CopyFrom(SwarmKey) };
        if (KeyEntry is { } keyEntry) m.KeyEntry = ByteString.CopyFrom(keyEntry.ToBytes());
        foreach (var entry in Entries) m.Entries.Add(ByteString.CopyFrom(entry.Span));
        return m.ToByteArray();
    }

    /// <summary>Reads it; never throws. The entries are judged by <see cref="SwarmReplica.Join"/>.</summary>
    public static bool TryDecode(ReadOnlySpan<byte> bytes, [NotNullWhen(true)] out JoinReply? reply)
    {
        reply = null;
        if (bytes.Length > SwarmLimits.MaxJoinReplyBytes) return false;
        try
        {
            var m = JoinReplyMessage.Parser.ParseWhole(bytes);
            if (m.SwarmKey.Length != SwarmKeyState.KeyBytes) return false;
            EntryHash? keyEntry = null;
            if (!m.KeyEntry.IsEmpty)
            {
                if (!EntryHash.TryFromBytes(m.KeyEntry.Span, out var read)) return false;
                keyEntry = read;
            }
            reply = new JoinReply([.. m.Entries.Select(entry => entry.Memory)], m.SwarmKey.ToByteArray(), keyEntry);
            return true;
        }
        catch (Exception thrown) when (Malformed.Is(thrown))
        {
            return false;
        }
    }

    internal static void Fuzz(ReadOnlySpan<byte> input) => _ = TryDecode(input, out _);

    /// <summary>Without the key.</summary>
    public override string ToString() => $"reply with {Entries.Count} entries";
}
