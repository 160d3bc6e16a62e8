using System.Collections.Immutable;
using Google.Protobuf;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm.Wire;

namespace PeoplesCloud.Swarm;

/// <summary>What became of one time of a scheduled program. Numbers are on the wire; one that is not known here is <see cref="Unknown"/>.</summary>
public enum ScheduledResult
{
    /// <summary>A later version's result.</summary>
    Unknown = 0,

    /// <summary>The program ended by itself with exit code 0.</summary>
    Ok = 1,

    /// <summary>It could not be started, crashed, or was ended.</summary>
    Failed = 2,

    /// <summary>It was not started: too late, or the run before was still going.</summary>
    Skipped = 3,

    /// <summary>A host had claimed the time and never said what became of it.</summary>
    Lost = 4,
}

/// <summary>One time of a scheduled program that is over.</summary>
/// <param name="Due">The time by the schedule, in seconds since 1970.</param>
/// <param name="Host">Who ran it, or says what became of it.</param>
/// <param name="Result">What became of it.</param>
/// <param name="Began">When its process began, by the host's clock; null when none did.</param>
/// <param name="Took">How long it ran.</param>
/// <param name="Detail">One line for people, at most 200 characters; null when there is nothing to say.</param>
public sealed record ScheduledRun(long Due, PeerId Host, ScheduledResult Result, DateTimeOffset? Began, TimeSpan Took, string? Detail)
{
    internal const long MaxSeconds = 253_402_300_800; // the year 10000
    private const ulong MaxTookMs = 1UL << 50;

    /// <summary>The time by the schedule.</summary>
    public DateTimeOffset DueAt => DateTimeOffset.FromUnixTimeSeconds(Due);

    internal ScheduledRunMessage ToMessage() => new()
    {
        Due = (ulong)Due,
        Host = ByteString.CopyFrom(Host.Bytes),
        Result = (uint)Result,
        BeganMs = (ulong)Math.Max(0, Began?.ToUnixTimeMilliseconds() ?? 0),
        TookMs = (ulong)Math.Clamp((long)Took.TotalMilliseconds, 0, (long)MaxTookMs),
        Detail = RunRecorded.Line(Detail ?? ""),
    };

    internal static ScheduledRun? From(ScheduledRunMessage m)
    {
        if (m.Due is 0 or >= MaxSeconds || m.BeganMs >= MaxSeconds * 1000UL || m.TookMs > MaxTookMs || !PeerId.TryFromBytes(m.Host.Span, out var host)) return null;
        if (m.Detail.Length > RunRecorded.MaxDetail || m.Detail.Any(char.IsControl)) return null;
        var result = Enum.IsDefined((ScheduledResult)m.Result) ? (ScheduledResult)m.Result : ScheduledResult.Unknown;
        return new ScheduledRun((long)m.Due, host, result, m.BeganMs == 0 ? null : DateTimeOffset.FromUnixTimeMilliseconds((long)m.BeganMs), TimeSpan.FromMilliseconds(m.TookMs), m.Detail.Length == 0 ? null : m.Detail);
    }
}

/// <summary>Who claimed a time.</summary>
/// <param name="Holder">The holder of the lease.</param>
/// <param name="Life">A random number of its start: what it forgot by starting again, another claims.</param>
public readonly record struct Claimant(PeerId Holder, ulong Life);

/// <summary>What one guardian keeps of a scheduled program's times, durably.</summary>
/// <param name="Due">The highest time that it granted or heard to be over, in seconds since 1970; 0 for none.</param>
/// <param name="By">To whom; null for none.</param>
/// <param name="IsOver">Whether that is said to be over.</param>
/// <param name="Runs">The last times that are over, oldest first.</param>
public sealed record ScheduleRecord(long Due, Claimant? By, bool IsOver, ImmutableList<ScheduledRun> Runs)
{
    /// <summary>How many times that are over are kept.</summary>
    public const int KeptRuns = 16;

    /// <summary>An encoded record, in bytes: 16 runs of at most 900 (200 characters of up to 4 bytes).</summary>
    public const int MaxBytes = 16 << 10;

    /// <summary>Of a program whose times were never claimed here.</summary>
    public static ScheduleRecord Empty { get; } = new(0, null, false, []);

    /// <summary>Writes it.</summary>
    public byte[] Encode(SwarmId swarm, EntryHash program)
    {
        var m = new ScheduleRecordMessage { Swarm = ByteString.CopyFrom(swarm.ToBytes()), Program = ByteString.CopyFrom(program.ToBytes()), Due = (ulong)Due, Over = IsOver };
        if (By is { } by) (m.Holder, m.Life) = (ByteString.CopyFrom(by.Holder.Bytes), by.Life);
        m.Runs.AddRange(Runs.Select(run => run.ToMessage()));
        return m.ToByteArray();
    }

    /// <summary>Reads it; null when it is none.</summary>
    public static (SwarmId Swarm, EntryHash Program, ScheduleRecord Record)? TryDecode(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length > MaxBytes) return null;
        try
        {
            var m = ScheduleRecordMessage.Parser.ParseWhole(bytes);
            if (!SwarmId.TryFromBytes(m.Swarm.Span, out var swarm) || !EntryHash.TryFromBytes(m.Program.Span, out var program) || m.Due >= ScheduledRun.MaxSeconds || m.Runs.Count > KeptRuns) return null;
            Claimant? by = null;
            if (!m.Holder.IsEmpty)
            {
                if (!PeerId.TryFromBytes(m.Holder.Span, out var holder)) return null;
                by = new Claimant(holder, m.Life);
            }
            var runs = m.Runs.Select(ScheduledRun.From).OfType<ScheduledRun>().ToImmutableList();
            return runs.Count == m.Runs.Count ? (swarm, program, new ScheduleRecord((long)m.Due, by, m.Over, runs)) : null;
        }
        catch (Exception thrown) when (Malformed.Is(thrown))
        {
            return null;
        }
    }

    /// <summary>With a time that is over; one of a time that is known already takes its place.</summary>
    public ScheduleRecord With(ScheduledRun run, Claimant by)
    {
        // Whoever says that a time is lost did not hear what became of it.
        if (run.Result == ScheduledResult.Lost && Runs.Exists(known => known.Due == run.Due && known.Result is (ScheduledResult.Ok or ScheduledResult.Failed))) return this;
        var runs = Runs.RemoveAll(known => known.Due == run.Due);
        var after = runs.FindIndex(known => known.Due > run.Due);
        runs = after < 0 ? runs.Add(run) : runs.Insert(after, run);
        if (runs.Count > KeptRuns) runs = runs.RemoveAt(0);
        // What was skipped used up no time: a clock that is wrong may have said so.
        return run.Due < Due || (run.Due > Due && run.Result == ScheduledResult.Skipped) ? this with { Runs = runs } : new ScheduleRecord(run.Due, by, IsOver: true, runs);
    }

    internal static void Fuzz(ReadOnlySpan<byte> input)
    {
        if (TryDecode(input) is not { } read) return;
        Base.Invariant.Check(TryDecode(read.Record.Encode(read.Swarm, read.Program)) is not null, "a record that was read can be written and read again");
    }
}
