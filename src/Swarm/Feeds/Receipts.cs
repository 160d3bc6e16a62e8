using Google.Protobuf;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm.Wire;

namespace PeoplesCloud.Swarm;

/// <summary>The author, a host, says what a program of another member took on one day: a favour. One a program, host and day.</summary>
/// <param name="Program">The program's id.</param>
/// <param name="Day">The day by the author's clock, in days since 1970-01-01 (UTC).</param>
/// <param name="Use">What it took.</param>
public sealed record ReceiptIssued(EntryHash Program, int Day, RunUse Use) : EntryBody(EntryKind.ReceiptIssued)
{
    private const ulong MaxProcessorMs = 1UL << 40; // ten thousand cores for a day; far from where sums overflow
    private const ulong MaxAmount = 1UL << 50;

    internal override byte[] Encode() => new ReceiptIssuedMessage
    {
        Program = ByteString.CopyFrom(Program.ToBytes()),
        Day = (uint)Day,
        ProcessorMs = (ulong)Math.Clamp((long)Use.Processor.TotalMilliseconds, 0, (long)MaxProcessorMs),
        MemoryMibSeconds = (ulong)Math.Clamp(Use.MemoryMebibyteSeconds, 0, (long)MaxAmount),
        Bytes = (ulong)Math.Clamp(Use.Bytes, 0, (long)MaxAmount),
    }.ToByteArray();

    internal static ReceiptIssued? From(ReceiptIssuedMessage m) =>
        EntryHash.TryFromBytes(m.Program.Span, out var program) && m.Day < 3_000_000 && m.ProcessorMs <= MaxProcessorMs && m.MemoryMibSeconds <= MaxAmount && m.Bytes <= MaxAmount
            ? new ReceiptIssued(program, (int)m.Day, new RunUse(TimeSpan.FromMilliseconds(m.ProcessorMs), (long)m.MemoryMibSeconds, (long)m.Bytes))
            : null;
}

/// <summary>The owner of a program agrees to a receipt for it.</summary>
/// <param name="Receipt">The <see cref="ReceiptIssued"/> entry.</param>
public sealed record ReceiptCountersigned(EntryHash Receipt) : EntryBody(EntryKind.ReceiptCountersigned)
{
    internal override byte[] Encode() => new ReceiptCountersignedMessage { Receipt = ByteString.CopyFrom(Receipt.ToBytes()) }.ToByteArray();

    internal static ReceiptCountersigned? From(ReceiptCountersignedMessage m) => EntryHash.TryFromBytes(m.Receipt.Span, out var receipt) ? new ReceiptCountersigned(receipt) : null;
}

/// <summary>What one member did for another on one day, as the feeds know it.</summary>
/// <param name="Entry">The hash of its <see cref="ReceiptIssued"/> entry.</param>
/// <param name="Program">The program's id.</param>
/// <param name="Host">Who ran it.</param>
/// <param name="Owner">Whose it is.</param>
/// <param name="Day">Days since 1970-01-01.</param>
/// <param name="Use">What it took.</param>
/// <param name="IsCountersigned">Whether the owner agreed.</param>
public sealed record Receipt(EntryHash Entry, EntryHash Program, PeerId Host, PeerId Owner, int Day, RunUse Use, bool IsCountersigned)
{
    private const double Tolerance = 1.05; // of clocks and of what is measured at the edge of a day

    /// <summary>Whether a program with these limits can have taken that on a day, and had been deployed by then. An owner signs nothing else.</summary>
    public bool IsPlausible(SwarmProgram program)
    {
        var seconds = TimeSpan.FromDays(1).TotalSeconds * Tolerance;
        var limits = program.Deployed.Limits;
        return program.Id == Program && program.MayHaveRun(Host) && Day >= DayOf(program.DeployedAt) - 1
            && Use.Processor.TotalSeconds <= seconds * limits.CpuMillis / 1000.0
            && Use.MemoryMebibyteSeconds <= seconds * (limits.MemoryBytes / 1048576.0)
            // How much a network carries is in no limit; without one, and without ports, there is nothing to carry.
            && (Use.Bytes == 0 || limits.Network != "none" || program.Deployed.Manifest.Ports.Count > 0);
    }

    /// <summary>The day of a time.</summary>
    public static int DayOf(DateTimeOffset time) => (int)Math.Max(0, time.ToUnixTimeSeconds() / 86_400);
}

/// <summary>All that one member did for another.</summary>
/// <param name="Host">Who gave.</param>
/// <param name="Owner">Who took.</param>
/// <param name="Receipts">Days of programs.</param>
/// <param name="Countersigned">How many of them the owner agreed to.</param>
/// <param name="Use">What they took together, those that nobody countersigned included.</param>
/// <param name="Agreed">What those that are countersigned took.</param>
public sealed record Favour(PeerId Host, PeerId Owner, int Receipts, int Countersigned, RunUse Use, RunUse Agreed)
{
    /// <summary>Who gave whom how much, by host and owner.</summary>
    public static IReadOnlyList<Favour> Of(SwarmState state) =>
    [
        .. state.Receipts.Values.GroupBy(receipt => (receipt.Host, receipt.Owner)).OrderBy(pair => pair.Key.Host).ThenBy(pair => pair.Key.Owner)
            .Select(pair => new Favour(
                pair.Key.Host, pair.Key.Owner, pair.Count(), pair.Count(receipt => receipt.IsCountersigned), Sum(pair), Sum(pair.Where(receipt => receipt.IsCountersigned)))),
    ];

    /// <summary>How many whole processor hours more each member gave than it took, of what was countersigned; who is not named gave as much as it took.</summary>
    public static IReadOnlyDictionary<PeerId, long> Balances(SwarmState state)
    {
        var seconds = new Dictionary<PeerId, double>();
        foreach (var receipt in state.Receipts.Values.Where(receipt => receipt.IsCountersigned))
        {
            seconds[receipt.Host] = seconds.GetValueOrDefault(receipt.Host) + receipt.Use.Processor.TotalSeconds;
            seconds[receipt.Owner] = seconds.GetValueOrDefault(receipt.Owner) - receipt.Use.Processor.TotalSeconds;
        }
        return seconds.ToDictionary(one => one.Key, one => (long)(one.Value / 3600));
    }

    private static RunUse Sum(IEnumerable<Receipt> receipts) =>
        receipts.Aggregate(RunUse.None, (sum, receipt) => new RunUse(sum.Processor + receipt.Use.Processor, sum.MemoryMebibyteSeconds + receipt.Use.MemoryMebibyteSeconds, sum.Bytes + receipt.Use.Bytes));
}
