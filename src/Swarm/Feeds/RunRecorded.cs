using Google.Protobuf;
using PeoplesCloud.Swarm.Wire;

namespace PeoplesCloud.Swarm;

/// <summary>Why a host does not run a program any more. Numbers are on the wire; a number that is not known here is <see cref="Unknown"/>.</summary>
public enum RunEnd
{
    /// <summary>A later version's reason.</summary>
    Unknown = 0,

    /// <summary>It ended by itself with exit code 0: it is done, and no host starts it again.</summary>
    Finished = 1,

    /// <summary>The owner or an admin stopped it, or its owner is no member any more.</summary>
    Stopped = 2,

    /// <summary>The host gave its lease to another: it stops, it is drained, or the program was placed elsewhere.</summary>
    HandedOver = 3,

    /// <summary>The host could not renew its lease.</summary>
    LeaseLost = 4,

    /// <summary>Two hosts ran it, apart from each other; this one had the lower epoch.</summary>
    Overlapped = 5,

    /// <summary>The host could not start it.</summary>
    StartFailed = 6,

    /// <summary>The host or its daemon died; said when it was back. Time and use are those that it had noted last.</summary>
    HostDied = 7,

    /// <summary>The daemon stopped in order and nobody could take it.</summary>
    HostStopped = 8,

    /// <summary>The host's owner does not let it run any more: a rule changed, or an hour came.</summary>
    HostRefused = 9,
}

/// <summary>What a program took while it ran on one host under one lease.</summary>
/// <param name="Processor">Processor time.</param>
/// <param name="MemoryMebibyteSeconds">Memory in mebibytes, summed over seconds.</param>
/// <param name="Bytes">Bytes that it sent and received over the network; 0 where that is not measured.</param>
public sealed record RunUse(TimeSpan Processor, long MemoryMebibyteSeconds, long Bytes)
{
    /// <summary>Nothing.</summary>
    public static RunUse None { get; } = new(TimeSpan.Zero, 0, 0);
}

/// <summary>
/// The author, a host, began to run a program or does not run it any more. One pair a lease, not a process: a program that crashes and is
/// started again on its host writes nothing.
/// </summary>
/// <param name="Program">The program's id.</param>
/// <param name="Epoch">The epoch of the lease under which it ran.</param>
/// <param name="Time">When, by the author's clock.</param>
/// <param name="End">Why it ended; null when it began.</param>
/// <param name="Detail">One line for people, at most 200 characters; null when there is nothing to say.</param>
/// <param name="ExitCode">The exit code of its last process; null when that has none.</param>
/// <param name="Use">What it took; <see cref="RunUse.None"/> when it began.</param>
public sealed record RunRecorded(EntryHash Program, ulong Epoch, DateTimeOffset Time, RunEnd? End, string? Detail, int? ExitCode, RunUse Use) : EntryBody(EntryKind.RunRecorded)
{
    /// <summary>The longest <see cref="Detail"/>.</summary>
    public const int MaxDetail = 200;

    private const uint Began = 1;
    private const uint Ended = 2;
    private const ulong MaxTimeMs = 253_402_300_800_000; // the year 10000
    private const ulong MaxProcessorMs = 1UL << 50; // a thousand cores for thirty thousand years; far from where sums overflow

    internal override byte[] Encode() => new RunRecordedMessage
    {
        Program = ByteString.CopyFrom(Program.ToBytes()),
        Epoch = Epoch,
        Event = End is null ? Began : Ended,
        TimeMs = (ulong)Math.Max(0, Time.ToUnixTimeMilliseconds()),
        Reason = (uint)(End ?? RunEnd.Unknown),
        Detail = Line(Detail ?? ""),
        HasExit = ExitCode is not null,
        Exit = ExitCode ?? 0,
        ProcessorMs = (ulong)Math.Clamp((long)Use.Processor.TotalMilliseconds, 0, (long)MaxProcessorMs),
        MemoryMibSeconds = (ulong)Math.Max(0, Use.MemoryMebibyteSeconds),
        Bytes = (ulong)Math.Max(0, Use.Bytes),
    }.ToByteArray();

    internal static RunRecorded? From(RunRecordedMessage m)
    {
        if (!EntryHash.TryFromBytes(m.Program.Span, out var program) || m.Event is not (Began or Ended)) return null;
        if (m.TimeMs >= MaxTimeMs || m.ProcessorMs > MaxProcessorMs || (m.MemoryMibSeconds | m.Bytes) > long.MaxValue) return null;
        if (m.Detail.Length > MaxDetail || m.Detail.Any(char.IsControl)) return null;
        RunEnd? end = m.Event == Began ? null : Enum.IsDefined((RunEnd)m.Reason) ? (RunEnd)m.Reason : RunEnd.Unknown;
        var use = new RunUse(TimeSpan.FromMilliseconds(m.ProcessorMs), (long)m.MemoryMibSeconds, (long)m.Bytes);
        return new RunRecorded(program, m.Epoch, DateTimeOffset.FromUnixTimeMilliseconds((long)m.TimeMs), end, m.Detail.Length == 0 ? null : m.Detail, m.HasExit ? m.Exit : null, use);
    }

    // What is too long is cut rather than refused: a host must be able to say what happened.
    internal static string Line(string text)
    {
        var line = string.Concat(text.Select(c => char.IsControl(c) || char.IsSurrogate(c) ? ' ' : c));
        return line.Length <= MaxDetail ? line : line[..MaxDetail];
    }
}
