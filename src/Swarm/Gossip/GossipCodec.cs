using System.Diagnostics.CodeAnalysis;
using Google.Protobuf;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm.Wire;

namespace PeoplesCloud.Swarm;

/// <summary>Reads and writes gossip messages within their bounds. Grammar: gossip.proto.</summary>
internal static class GossipCodec
{
    // More items than these fit no honest message: an entry takes 150 bytes at least.
    private const int MaxEntries = 1_024;
    private const int MaxRecords = 1_024;
    private const int MaxWants = 64;

    public static byte[] Encode(GossipMessage message) => message.ToByteArray();

    public static bool TryDecode(ReadOnlySpan<byte> bytes, [NotNullWhen(true)] out GossipMessage? message)
    {
        message = null;
        if (bytes.Length > SwarmLimits.MaxGossipBytes) return false;
        try
        {
            var read = GossipMessage.Parser.ParseWhole(bytes);
            if (read.Swarm.Length != SwarmId.Size || read.PingTarget.Length > PeerId.MaxBytes) return false;
            if (read.Entries.Count > MaxEntries || read.Records.Count > MaxRecords || read.Wants.Count > MaxWants) return false;
            message = read;
            return true;
        }
        catch (Exception thrown) when (Malformed.Is(thrown))
        {
            return false;
        }
    }

    internal static void Fuzz(ReadOnlySpan<byte> input)
    {
        if (!TryDecode(input, out var message)) return;
        _ = FeedHeads.TryDecode(message.Heads.Span, message.Forks.Span, out _);
        _ = PresenceTable.TryDecode(message.Presence.Span);
        _ = FeedHeads.TryDecode(message.HeadsPart.Span, default, out _);
        _ = PresenceTable.TryDecode(message.PresencePart.Span);
    }
}
