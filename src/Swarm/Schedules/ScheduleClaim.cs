using System.Diagnostics.CodeAnalysis;
using Google.Protobuf;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm.Wire;

namespace PeoplesCloud.Swarm;

/// <summary>A holder asks a guardian for a time, tells it how the last one ended, or both.</summary>
/// <param name="Program">The program.</param>
/// <param name="Generation">The generation of guardians that the sender knows.</param>
/// <param name="Due">The time that is claimed, in seconds since 1970; null: none.</param>
/// <param name="Life">A random number of the sender's start.</param>
/// <param name="Again">Whether it may have a time that another claimed and that is not said to be over: at least once rather than at most once.</param>
/// <param name="Last">The last time that is over; null when none is since it holds the lease.</param>
public sealed record ScheduleClaim(EntryHash Program, ulong Generation, long? Due, ulong Life, bool Again, ScheduledRun? Last)
{
    /// <summary>An encoded claim, in bytes.</summary>
    public const int MaxBytes = 2 << 10;

    /// <summary>Writes it.</summary>
    public byte[] Encode() => new ScheduleClaimMessage
    {
        Program = ByteString.CopyFrom(Program.ToBytes()),
        Generation = Generation,
        Due = (ulong)(Due ?? 0),
        Life = Life,
        Again = Again,
        Last = Last?.ToMessage(),
    }.ToByteArray();

    /// <summary>Reads it; never throws.</summary>
    public static bool TryDecode(ReadOnlySpan<byte> bytes, [NotNullWhen(true)] out ScheduleClaim? claim)
    {
        claim = null;
        if (bytes.Length > MaxBytes) return false;
        try
        {
            var m = ScheduleClaimMessage.Parser.ParseWhole(bytes);
            if (!EntryHash.TryFromBytes(m.Program.Span, out var program) || m.Due >= ScheduledRun.MaxSeconds) return false;
            var last = m.Last is null ? null : ScheduledRun.From(m.Last);
            if (m.Last is not null && last is null) return false;
            claim = new ScheduleClaim(program, m.Generation, m.Due == 0 ? null : (long)m.Due, m.Life, m.Again, last);
            return true;
        }
        catch (Exception thrown) when (Malformed.Is(thrown))
        {
            return false;
        }
    }

    internal static void Fuzz(ReadOnlySpan<byte> input)
    {
        if (TryDecode(input, out var claim)) Base.Invariant.Check(TryDecode(claim.Encode(), out var again) && again.Due == claim.Due, "a claim that was read can be written and read again");
        if (ScheduleAnswer.TryDecode(input, out var answer)) Base.Invariant.Check(ScheduleAnswer.TryDecode(answer.Encode(), out var same) && same == answer, "an answer that was read can be written and read again");
    }
}

/// <summary>Why a guardian does not grant a time. Numbers are on the wire; one that is not known here is a refusal like <see cref="Unknown"/>.</summary>
public enum ScheduleRefusal
{
    /// <summary>It grants it, or nothing was claimed.</summary>
    None = 0,

    /// <summary>It does not know the program, or is no guardian of it.</summary>
    Unknown = 1,

    /// <summary>It knows another generation of guardians, or approved a later one.</summary>
    Generation = 2,

    /// <summary>It backs somebody else's lease.</summary>
    NotHolder = 3,

    /// <summary>By its clock the time has not come.</summary>
    Early = 4,

    /// <summary>It granted the time to another, or it is over.</summary>
    Taken = 5,

    /// <summary>It knows a later time.</summary>
    Past = 6,

    /// <summary>Its disk refuses.</summary>
    Disk = 7,
}

/// <summary>A guardian's answer to a <see cref="ScheduleClaim"/>.</summary>
/// <param name="Refusal">Why not.</param>
/// <param name="Due">The latest time that it knew before, in seconds since 1970; 0: none.</param>
/// <param name="IsOver">Whether that is said to be over.</param>
public sealed record ScheduleAnswer(ScheduleRefusal Refusal, long Due, bool IsOver)
{
    /// <summary>An encoded answer, in bytes.</summary>
    public const int MaxBytes = 64;

    /// <summary>Whether the time is the asker's.</summary>
    public bool IsGranted => Refusal == ScheduleRefusal.None;

    /// <summary>Whether it will never be.</summary>
    public bool IsFinal => Refusal is ScheduleRefusal.Taken or ScheduleRefusal.Past;

    /// <summary>Writes it.</summary>
    public byte[] Encode() => new ScheduleAnswerMessage { Refusal = (uint)Refusal, Due = (ulong)Due, Over = IsOver }.ToByteArray();

    /// <summary>Reads it; never throws.</summary>
    public static bool TryDecode(ReadOnlySpan<byte> bytes, [NotNullWhen(true)] out ScheduleAnswer? answer)
    {
        answer = null;
        if (bytes.Length > MaxBytes) return false;
        try
        {
            var m = ScheduleAnswerMessage.Parser.ParseWhole(bytes);
            if (m.Due >= ScheduledRun.MaxSeconds) return false;
            answer = new ScheduleAnswer(Enum.IsDefined((ScheduleRefusal)m.Refusal) ? (ScheduleRefusal)m.Refusal : ScheduleRefusal.Unknown, (long)m.Due, m.Over);
            return true;
        }
        catch (Exception thrown) when (Malformed.Is(thrown))
        {
            return false;
        }
    }
}

/// <summary>What a guardian knows when it judges a claim.</summary>
/// <param name="Self">The guardian.</param>
/// <param name="Generation">The generation of guardians now.</param>
/// <param name="Guardians">All of them.</param>
/// <param name="IsSealed">Whether it approved a later generation.</param>
/// <param name="Holder">Whom it backs as the holder of the lease; null: nobody that it knows.</param>
/// <param name="Floor">The latest time that guardians of earlier generations knew when they approved this one.</param>
/// <param name="Now">Its clock.</param>
public sealed record ScheduleSight(PeerId Self, ulong Generation, IReadOnlyList<PeerId> Guardians, bool IsSealed, PeerId? Holder, long Floor, DateTimeOffset Now);

/// <summary>A guardian's side: whether it grants a time. Each grants a time once, so that two majorities cannot both be had. Pure.</summary>
public static class ScheduleVoter
{
    /// <summary>How much earlier than by the guardian's clock a time may be claimed: what clocks of honest hosts differ by. 1 minute.</summary>
    public static readonly TimeSpan MaxEarly = TimeSpan.FromMinutes(1);

    /// <summary>Judges a message; when the record changes, it must be durable before the answer is given.</summary>
    /// <param name="record">What it kept.</param>
    /// <param name="claim">The message.</param>
    /// <param name="from">Who sent it, as the connection proved.</param>
    /// <param name="sight">What it knows.</param>
    public static (ScheduleAnswer Answer, ScheduleRecord Record) Judge(ScheduleRecord record, ScheduleClaim claim, PeerId from, ScheduleSight sight) => Judge(record, claim, from, sight, ScheduleChecks.None);

    internal static (ScheduleAnswer Answer, ScheduleRecord Record) Judge(ScheduleRecord record, ScheduleClaim claim, PeerId from, ScheduleSight sight, ScheduleChecks without)
    {
        if (!without.HasFlag(ScheduleChecks.Floor) && sight.Floor > record.Due) record = record with { Due = sight.Floor, By = null, IsOver = true };
        var before = record;
        if (RefusalOf(claim, from, sight, without) is var refusal and not ScheduleRefusal.None) return (Answer(refusal, before), before);
        var by = new Claimant(from, claim.Life);
        if (claim.Last is { } last && last.Host == from && !IsEarly(last.Due, sight)) record = record.With(last, by);
        if (claim.Due is not { } due) return (Answer(ScheduleRefusal.None, before), record);
        if (IsEarly(due, sight)) return (Answer(ScheduleRefusal.Early, before), record);
        if (due < record.Due) return (Answer(ScheduleRefusal.Past, before), record);
        if (due == record.Due && record.By != by && !(claim.Again && !record.IsOver) && !without.HasFlag(ScheduleChecks.Once)) return (Answer(ScheduleRefusal.Taken, record), record);
        if (due == record.Due && record.IsOver && record.By == by) return (Answer(ScheduleRefusal.Taken, record), record);
        return (Answer(ScheduleRefusal.None, before), record with { Due = due, By = by, IsOver = false });
    }

    private static ScheduleRefusal RefusalOf(ScheduleClaim claim, PeerId from, ScheduleSight sight, ScheduleChecks without)
    {
        if (!sight.Guardians.Contains(sight.Self) || !sight.Guardians.Contains(from)) return ScheduleRefusal.Unknown;
        if (claim.Generation != sight.Generation || (sight.IsSealed && !without.HasFlag(ScheduleChecks.Seal))) return ScheduleRefusal.Generation;
        return sight.Holder is { } holder && holder != from ? ScheduleRefusal.NotHolder : ScheduleRefusal.None;
    }

    private static bool IsEarly(long due, ScheduleSight sight) => due > (sight.Now + MaxEarly).ToUnixTimeSeconds();

    private static ScheduleAnswer Answer(ScheduleRefusal refusal, ScheduleRecord record) => new(refusal, record.Due, record.IsOver);
}

/// <summary>Rules that tests leave out, to see that the simulator notices.</summary>
[Flags]
internal enum ScheduleChecks
{
    None = 0,

    /// <summary>A guardian grants a time once.</summary>
    Once = 1,

    /// <summary>A time needs a majority.</summary>
    Majority = 2,

    /// <summary>What is granted is durable.</summary>
    Durable = 4,

    /// <summary>Who approved a later generation grants nothing in this one.</summary>
    Seal = 8,

    /// <summary>A generation begins with the times of the one before.</summary>
    Floor = 16,
}
