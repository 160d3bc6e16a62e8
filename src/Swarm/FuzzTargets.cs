namespace PeoplesCloud.Swarm;

/// <summary>Entry points of the fuzz driver: a stranger's bytes never throw, and what is accepted is written back as it was.</summary>
internal static class FuzzTargets
{
    public static void Entry(ReadOnlySpan<byte> input)
    {
        if (!StoredEntry.TryDecode(input, out var entry, out _)) return;
        Base.Invariant.Check(entry.Bytes.Span.SequenceEqual(input), "an entry keeps the bytes that it was read from");
        _ = EntryBody.Decode((uint)entry.Body.Kind, Google.Protobuf.ByteString.CopyFrom(entry.Body.Encode()));
    }

    public static void Gossip(ReadOnlySpan<byte> input) => GossipEngine.Fuzz(input);

    public static void TicketText(ReadOnlySpan<byte> input) => Ticket.Fuzz(input);

    public static void Join(ReadOnlySpan<byte> input)
    {
        _ = JoinRequest.TryDecode(input, out _);
        _ = JoinReply.TryDecode(input, out _);
    }
}
