using Google.Protobuf;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm.Wire;

namespace PeoplesCloud.Swarm;

/// <summary>
/// Somebody who may (the owner, an admin or a guardian) proposes another set of guardians for a program. It counts once a majority of the set
/// before has approved it (<see cref="GuardiansApproved"/>): presence is seen differently by each, and two views would give two majorities.
/// </summary>
/// <param name="Program">The program's id.</param>
/// <param name="Generation">One more than that of the set now.</param>
/// <param name="Guardians">All of them, rising, each once: 1 to <see cref="SwarmLimits.MaxGuardians"/> members that may host.</param>
/// <param name="Keys">The bundle's key, sealed to each guardian that does not have it yet.</param>
public sealed record GuardiansSet(EntryHash Program, ulong Generation, IReadOnlyList<PeerId> Guardians, IReadOnlyList<SealedKey> Keys) : EntryBody(EntryKind.GuardiansSet)
{
    internal override byte[] Encode()
    {
        var m = new GuardiansSetMessage { Program = ByteString.CopyFrom(Program.ToBytes()), Generation = Generation };
        foreach (var guardian in Guardians) m.Guardians.Add(ByteString.CopyFrom(guardian.Bytes));
        foreach (var key in Keys) m.Keys.Add(new SealedKeyMessage { Peer = ByteString.CopyFrom(key.Peer.Bytes), Box = ByteString.CopyFrom(key.Box) });
        return m.ToByteArray();
    }

    internal static GuardiansSet? From(GuardiansSetMessage m)
    {
        if (!EntryHash.TryFromBytes(m.Program.Span, out var program) || m.Keys.Count > SwarmLimits.MaxGuardians) return null;
        if (m.Guardians.Count == 0 || ReadGuardians(m.Guardians) is not { } guardians) return null;
        var keys = new List<SealedKey>(m.Keys.Count);
        foreach (var key in m.Keys)
        {
            if (!PeerId.TryFromBytes(key.Peer.Span, out var peer) || key.Box.Length > 256) return null;
            keys.Add(new SealedKey(peer, key.Box.ToByteArray()));
        }
        return new GuardiansSet(program, m.Generation, guardians, keys);
    }

    /// <summary>Rising, each once, at most <see cref="SwarmLimits.MaxGuardians"/>; null for anything else.</summary>
    internal static IReadOnlyList<PeerId>? ReadGuardians(IReadOnlyList<ByteString> bytes)
    {
        if (bytes.Count > SwarmLimits.MaxGuardians) return null;
        var guardians = new List<PeerId>(bytes.Count);
        foreach (var guardian in bytes)
        {
            if (!PeerId.TryFromBytes(guardian.Span, out var peer) || (guardians.Count > 0 && peer.CompareTo(guardians[^1]) <= 0)) return null;
            guardians.Add(peer);
        }
        return guardians;
    }
}

/// <summary>
/// A guardian approves a set that was proposed. Before this is written it stops voting in the generation before
/// (<see cref="LeaseInput.Watch.Sealed"/>); it approves one set of a generation only.
/// </summary>
/// <param name="Program">The program's id.</param>
/// <param name="Proposal">The <see cref="GuardiansSet"/> entry.</param>
public sealed record GuardiansApproved(EntryHash Program, EntryHash Proposal) : EntryBody(EntryKind.GuardiansApproved)
{
    /// <summary>Of a scheduled program: the latest time that the author granted in the generation before, in seconds since 1970, after which it grants none there; 0: none.</summary>
    public long Due { get; init; }

    internal override byte[] Encode() => new GuardiansApprovedMessage { Program = ByteString.CopyFrom(Program.ToBytes()), Proposal = ByteString.CopyFrom(Proposal.ToBytes()), Due = (ulong)Due }.ToByteArray();

    internal static GuardiansApproved? From(GuardiansApprovedMessage m) =>
        EntryHash.TryFromBytes(m.Program.Span, out var program) && EntryHash.TryFromBytes(m.Proposal.Span, out var proposal) && m.Due < ScheduledRun.MaxSeconds ? new GuardiansApproved(program, proposal) { Due = (long)m.Due } : null;
}

/// <summary>
/// A member says that a guardian lied about leases. The fold keeps it as said; whoever wants to know verifies the evidence with
/// <see cref="Holds"/> (<c>pc audit --verify</c> does).
/// </summary>
/// <param name="Program">The program's id.</param>
/// <param name="Peer">The guardian.</param>
/// <param name="What">What it did.</param>
/// <param name="Evidence">Two <see cref="LeaseMessage"/> as it signed them, or none.</param>
public sealed record GuardianMisbehaved(EntryHash Program, PeerId Peer, Misbehaviour What, IReadOnlyList<byte[]> Evidence) : EntryBody(EntryKind.GuardianMisbehaved)
{
    /// <summary>Bytes of evidence in one entry; what is longer is left away, and the entry proves nothing.</summary>
    public const int MaxEvidenceBytes = 32 << 10;

    /// <summary>Whether the evidence proves it to everybody.</summary>
    public bool Holds(SwarmId swarm, ISignatureVerifier verifier) =>
        Evidence.Count == 2
        && LeaseMessage.TryDecode(Evidence[0], swarm, verifier, out var one) && LeaseMessage.TryDecode(Evidence[1], swarm, verifier, out var other)
        && one.Sender == Peer && LeaseEvidence.Judge(one, other, Program) is not null;

    internal override byte[] Encode()
    {
        var m = new GuardianMisbehavedMessage { Program = ByteString.CopyFrom(Program.ToBytes()), Peer = ByteString.CopyFrom(Peer.Bytes), What = (uint)What };
        if (Evidence.Sum(bytes => bytes.Length) <= MaxEvidenceBytes) m.Evidence.AddRange(Evidence.Select(bytes => ByteString.CopyFrom(bytes)));
        return m.ToByteArray();
    }

    internal static GuardianMisbehaved? From(GuardianMisbehavedMessage m) =>
        EntryHash.TryFromBytes(m.Program.Span, out var program) && PeerId.TryFromBytes(m.Peer.Span, out var peer) && m.Evidence.Count <= 2 && m.What is > 0 and <= byte.MaxValue
            ? new GuardianMisbehaved(program, peer, (Misbehaviour)m.What, [.. m.Evidence.Select(bytes => bytes.ToByteArray())])
            : null;
}

/// <summary>A set of guardians that waits for approvals.</summary>
/// <param name="Entry">The <see cref="GuardiansSet"/> entry.</param>
/// <param name="Set">What it says.</param>
/// <param name="ApprovedBy">Guardians of the set now that approved it.</param>
public sealed record GuardianProposal(EntryHash Entry, GuardiansSet Set, IReadOnlyList<PeerId> ApprovedBy)
{
    /// <summary>The latest of their <see cref="GuardiansApproved.Due"/>.</summary>
    public long Due { get; init; }
}

/// <summary>A member's word that a guardian lied.</summary>
/// <param name="Entry">The entry that says so.</param>
/// <param name="By">Who says it.</param>
/// <param name="Said">What it says.</param>
public sealed record Accusation(EntryHash Entry, PeerId By, GuardianMisbehaved Said);

/// <summary>How entries about guardians change what is known of a program: pure functions, used by the fold.</summary>
internal static class GuardianSets
{
    /// <summary>The guardians that a deploy names: the first generation.</summary>
    public static SwarmProgram Begin(SwarmProgram program) =>
        program.Deployed.Guardians.Count == 0 ? program : program with { Guardians = program.Deployed.Guardians, GuardianGeneration = 1 };

    /// <summary>A program of an earlier version has no set of its own: its host is the only guardian, with the generation of the placement.</summary>
    public static SwarmProgram Place(SwarmProgram program) =>
        program.Deployed.Guardians.Count > 0 || program.GuardiansWereSet ? program
        : program with { Guardians = program.Host is { } host ? [host] : [], GuardianGeneration = program.Generation, PendingGuardians = [] };

    public static Objection Judge(SwarmProgram program, Member author, GuardiansSet set, Func<PeerId, Member?> find)
    {
        if (program.Stopped) return Objection.ProgramStopped;
        if (!author.IsAdmin && author.Peer != program.Owner && !program.Guardians.Contains(author.Peer)) return Objection.NotOwnerOrAdmin;
        if (set.Generation != program.GuardianGeneration + 1) return Objection.OldGeneration;
        if (program.PendingGuardians.Count >= SwarmLimits.MaxPendingGuardians) return Objection.Repeated;
        return set.Guardians.All(guardian => find(guardian) is { MayDeployAndHost: true }) ? Objection.None : Objection.HostMayNot;
    }

    public static Objection Judge(SwarmProgram program, PeerId author, GuardiansApproved approved)
    {
        if (program.Stopped) return Objection.ProgramStopped;
        if (!program.Guardians.Contains(author)) return Objection.NotOwnerOrAdmin;
        if (!program.PendingGuardians.Any(pending => pending.Entry == approved.Proposal)) return Objection.OldGeneration;
        return program.PendingGuardians.Any(pending => pending.ApprovedBy.Contains(author)) ? Objection.Repeated : Objection.None;
    }

    public static SwarmProgram Propose(SwarmProgram program, EntryHash entry, GuardiansSet set) =>
        program with { PendingGuardians = [.. program.PendingGuardians, new GuardianProposal(entry, set, [])] };

    // Nobody granted what had not come: a guardian that lies uses up no times of the future.
    public static SwarmProgram Approve(SwarmProgram program, PeerId author, GuardiansApproved approved, DateTimeOffset at, Func<PeerId, Member?> find) =>
        Settle(program with { PendingGuardians = [.. program.PendingGuardians.Select(pending => pending.Entry == approved.Proposal ? pending with { ApprovedBy = [.. pending.ApprovedBy, author], Due = Math.Max(pending.Due, Math.Min(approved.Due, (at + ScheduleVoter.MaxEarly).ToUnixTimeSeconds())) } : pending)] }, find);

    /// <summary>
    /// The first set that enough approved becomes the set. Enough is a majority; when so many guardians are no members any more that a majority can never
    /// come together, all that are left.
    /// </summary>
    public static SwarmProgram Settle(SwarmProgram program, Func<PeerId, Member?> find)
    {
        var active = program.Guardians.Count(IsActive);
        var enough = Math.Max(1, Math.Min(program.Guardians.Count / 2 + 1, active));
        foreach (var pending in program.PendingGuardians)
        {
            if (pending.ApprovedBy.Count(IsActive) < enough) continue;
            return program with
            {
                Guardians = pending.Set.Guardians,
                GuardianGeneration = pending.Set.Generation,
                GuardiansWereSet = true,
                ScheduleFloor = Math.Max(program.ScheduleFloor, pending.Due),
                PendingGuardians = [],
                LaterKeys = [.. program.LaterKeys.Where(key => !pending.Set.Keys.Any(newer => newer.Peer == key.Peer)).Concat(pending.Set.Keys)],
            };
        }
        return program;

        bool IsActive(PeerId peer) => find(peer) is { IsActive: true };
    }
}
