using System.Collections;
using System.Collections.Immutable;
using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Swarm;

/// <summary>Why an entry would change nothing.</summary>
internal enum Objection
{
    None,
    NotAMember,
    NotAdmin,
    GuestMayNot,
    NotOwnerOrAdmin,
    UnknownKind,
    UnknownMember,
    Oneself,
    UnknownProgram,
    ProgramStopped,
    HostMayNot,
    OldGeneration,
    Repeated,
}

/// <summary>The state while it is folded: judges one entry after the other by who may do what, and applies it.</summary>
internal sealed class StateBuilder(SwarmId id)
{
    private readonly ImmutableSortedDictionary<PeerId, Member>.Builder _members = ImmutableSortedDictionary.CreateBuilder<PeerId, Member>();
    private readonly ImmutableSortedDictionary<EntryHash, IssuedTicket>.Builder _tickets = ImmutableSortedDictionary.CreateBuilder<EntryHash, IssuedTicket>();
    private readonly ImmutableSortedDictionary<EntryHash, SwarmProgram>.Builder _programs = ImmutableSortedDictionary.CreateBuilder<EntryHash, SwarmProgram>();
    private readonly ImmutableSortedDictionary<string, ProgramSecrets>.Builder _secrets = ImmutableSortedDictionary.CreateBuilder<string, ProgramSecrets>(StringComparer.Ordinal);
    private readonly List<Accusation> _accusations = [];
    private readonly ImmutableSortedDictionary<EntryHash, Receipt>.Builder _receipts = ImmutableSortedDictionary.CreateBuilder<EntryHash, Receipt>();
    private readonly HashSet<(EntryHash Program, PeerId Host, int Day)> _receiptDays = [];
    private readonly BundleClaims _bundles = new();
    private readonly List<Node> _ticketEntries = [];
    private readonly List<Node> _memberChanges = []; // whoever came or went, in order; the genesis entry is not among them
    private string _name = "";
    private PeerId _creator;
    private Node? _keyEntry; // null: the creator's key
    private bool _keyIsStale;
    private JoinSecretSet? _joinSecret;
    private PeerId _joinSecretSetBy;
    private int _removals;

    public int Counted { get; private set; }

    public Member? Find(PeerId peer) => _members.TryGetValue(peer, out var member) ? member : null;

    /// <summary>Judges an entry at its place in the order and applies it when it counts.</summary>
    public Objection Apply(Node node)
    {
        var entry = node.Entry;
        var objection = entry.IsGenesis ? Objection.None : Judge(entry.Author, entry.Body);
        if (objection == Objection.None) Change(node);
        return objection;
    }

    /// <summary>Applies a removal that was decided against concurrent ones: its author may be removed by now.</summary>
    public Objection ApplyDecidedRemoval(Node node, MemberRemoved removed)
    {
        var entry = node.Entry;
        if (Find(entry.Author) is not { Role: Role.Admin, Status: MemberStatus.Active or MemberStatus.Removed }) return Objection.NotAdmin;
        if (removed.Peer == entry.Author) return Objection.Oneself;
        if (Find(removed.Peer) is null) return Objection.UnknownMember;
        Change(node);
        return Objection.None;
    }

    /// <summary>
    /// What depends on who had seen what, once everything is applied: tickets that have not seen a removal are closed, and the key is stale
    /// when somebody went, or came by an admin who did not know it, without the entry that carries it having seen that.
    /// An entry that has seen all others changes neither but as <see cref="Apply"/> does, so this is for whole folds only.
    /// </summary>
    /// <param name="futureOf">The entries that have seen an entry.</param>
    /// <param name="pastOf">The entries that an entry has seen.</param>
    public void Finish(Func<Node, BitArray> futureOf, Func<Node, BitArray> pastOf)
    {
        foreach (var (program, claim) in _bundles.Judge(pastOf)) _programs[program] = _programs[program] with { BundleClaimedBy = claim };
        foreach (var removal in _memberChanges.Where(change => change.Entry.Body is MemberRemoved))
        {
            var knowing = futureOf(removal);
            foreach (var ticket in _ticketEntries.Where(ticket => !knowing[ticket.Index])) Close(((TicketIssued)ticket.Entry.Body).Ticket);
        }
        var unseen = _keyEntry is { } key ? _memberChanges.Where(change => change != key && !pastOf(key)[change.Index]) : _memberChanges;
        _keyIsStale = unseen.Any(change => change.Entry.Body is not MemberAdmitted admitted
            || (_keyEntry is { } carrier && Find(admitted.Peer) is { IsActive: true } && !futureOf(carrier)[change.Index]));
    }

    /// <summary>Who may do what. Written down in docs/protocols/feeds.md, "Rights".</summary>
    public Objection Judge(PeerId author, EntryBody body)
    {
        if (Find(author) is not { IsActive: true } member) return Objection.NotAMember;
        switch (body)
        {
            case TicketIssued issued:
                if (!member.IsAdmin) return Objection.NotAdmin;
                return _tickets.ContainsKey(issued.Ticket) ? Objection.Repeated : Objection.None;
            case MemberAdmitted:
                return member.IsAdmin ? Objection.None : Objection.NotAdmin;
            case MemberLeft:
                return Objection.None;
            case MemberRemoved removed:
                if (!member.IsAdmin) return Objection.NotAdmin;
                if (removed.Peer == author) return Objection.Oneself;
                return Find(removed.Peer) is { Status: not MemberStatus.Removed } ? Objection.None : Objection.UnknownMember;
            case MemberReadmitted readmitted:
                if (!member.IsAdmin) return Objection.NotAdmin;
                if (readmitted.Peer == author) return Objection.Oneself;
                return Find(readmitted.Peer) is null ? Objection.UnknownMember : Objection.None;
            case ProgramDeployed:
                return member.MayDeployAndHost ? Objection.None : Objection.GuestMayNot;
            case ProgramPlaced placed:
                if (JudgeControl(member, placed.Program) is not Objection.None and var no) return no;
                if (Find(placed.Host) is not { MayDeployAndHost: true }) return Objection.HostMayNot;
                return placed.Generation < _programs[placed.Program].Generation ? Objection.OldGeneration : Objection.None;
            case ProgramStopped stopped:
                return JudgeControl(member, stopped.Program);
            case RunRecorded run:
                if (!member.MayDeployAndHost) return Objection.GuestMayNot;
                if (!_programs.TryGetValue(run.Program, out var ran)) return Objection.UnknownProgram;
                return ran.MayHaveRun(author) ? Objection.None : Objection.HostMayNot;
            case ProgramControlled { Action: ControlAction.DataTold } told when _programs.TryGetValue(told.Program, out var known) && known.MayHaveRun(author):
                return known.Stopped ? Objection.ProgramStopped : Objection.None;
            case ProgramControlled controlled:
                return JudgeControl(member, controlled.Program);
            case ReceiptIssued receipt:
                if (!member.MayDeployAndHost) return Objection.GuestMayNot;
                if (!_programs.TryGetValue(receipt.Program, out var hosted)) return Objection.UnknownProgram;
                if (hosted.Owner == author || !hosted.MayHaveRun(author)) return Objection.HostMayNot;
                return _receiptDays.Contains((receipt.Program, author, receipt.Day)) ? Objection.Repeated : Objection.None;
            case ReceiptCountersigned countersigned:
                if (!_receipts.TryGetValue(countersigned.Receipt, out var agreed)) return Objection.UnknownProgram;
                if (agreed.Owner != author) return Objection.NotOwnerOrAdmin;
                return agreed.IsCountersigned ? Objection.Repeated : Objection.None;
            case GuardiansSet set:
                return _programs.TryGetValue(set.Program, out var guarded) ? GuardianSets.Judge(guarded, member, set, Find) : Objection.UnknownProgram;
            case GuardiansApproved approved:
                return _programs.TryGetValue(approved.Program, out guarded) ? GuardianSets.Judge(guarded, author, approved) : Objection.UnknownProgram;
            case GuardianMisbehaved said:
                if (!_programs.ContainsKey(said.Program)) return Objection.UnknownProgram;
                return _accusations.Exists(accusation => (accusation.By, accusation.Said.Program, accusation.Said.Peer) == (author, said.Program, said.Peer)) ? Objection.Repeated : Objection.None;
            case SecretSet { Of: { } of }:
                if (SecretsBy(of) is not { } shared) return Objection.UnknownProgram;
                return author == shared.Owner || shared.SealedKeyOf(author) is not null ? Objection.None : Objection.NotOwnerOrAdmin;
            case SecretSet:
                return member.MayDeployAndHost ? Objection.None : Objection.GuestMayNot;
            case KeyRotated:
                return member.IsAdmin ? Objection.None : Objection.NotAdmin;
            case JoinSecretSet secret:
                if (!member.IsAdmin) return Objection.NotAdmin;
                return secret.Number < _joinSecret?.Number ? Objection.OldGeneration : Objection.None;
            default:
                return Objection.UnknownKind;
        }
    }

    public SwarmState ToState(ImmutableSortedDictionary<PeerId, ulong> forked, int held) => new()
    {
        Id = id,
        Name = _name,
        Creator = _creator,
        Members = _members.ToImmutable(),
        Tickets = _tickets.ToImmutable(),
        Programs = _programs.ToImmutable(),
        Secrets = _secrets.ToImmutable(),
        Receipts = _receipts.ToImmutable(),
        Accusations = [.. _accusations],
        Key = new SwarmKeyState(_keyEntry?.KeyGeneration ?? 1, _keyEntry?.Entry.Hash, _keyEntry?.Entry.Body.CarriedKey, _keyIsStale),
        JoinSecret = _joinSecret is { } secret ? new JoinSecret(_joinSecretSetBy, secret, Closed: secret.Boxes.Count == 0 || secret.Removals != _removals) : null,
        Removals = _removals,
        Forked = forked,
        Entries = (Counted, held - Counted),
    };

    private ProgramSecrets? SecretsBy(EntryHash entry) => _secrets.Values.FirstOrDefault(secrets => secrets.Entry == entry);

    private Objection JudgeControl(Member member, EntryHash program)
    {
        if (!_programs.TryGetValue(program, out var known)) return Objection.UnknownProgram;
        if (!member.IsAdmin && member.Peer != known.Owner) return Objection.NotOwnerOrAdmin;
        return known.Stopped ? Objection.ProgramStopped : Objection.None;
    }

    private void Change(Node node)
    {
        var entry = node.Entry;
        Counted++;
        if (entry.Body is MemberAdmitted or MemberLeft or MemberRemoved) _memberChanges.Add(node);
        if (entry.Body is MemberLeft or MemberRemoved) _keyIsStale = true;
        if (entry.Body.CarriedKey is not null) TakeKey(node);
        switch (entry.Body)
        {
            case SwarmCreated created:
                (_name, _creator) = (created.Name, entry.Author);
                _members[entry.Author] = new Member(entry.Author, created.NodeName, Role.Admin, created.X25519, MemberStatus.Active, entry.Author, entry.Clock.Time);
                break;
            case TicketIssued issued:
                _tickets[issued.Ticket] = new IssuedTicket(issued.Ticket, entry.Author, issued.Role, issued.Expires, issued.Uses, 0, Closed: false);
                _ticketEntries.Add(node);
                break;
            case MemberAdmitted admitted:
                _members[admitted.Peer] = new Member(admitted.Peer, admitted.Name, admitted.Role, admitted.X25519, MemberStatus.Active, entry.Author, entry.Clock.Time);
                if (admitted.Ticket is { } shown && _tickets.TryGetValue(shown, out var ticket)) _tickets[shown] = ticket with { Used = ticket.Used + 1 };
                break;
            case MemberLeft:
                _members[entry.Author] = _members[entry.Author] with { Status = MemberStatus.Left };
                StopProgramsOf(entry.Author);
                break;
            case MemberRemoved removed:
                _removals++;
                _members[removed.Peer] = _members[removed.Peer] with { Status = MemberStatus.Removed };
                StopProgramsOf(removed.Peer);
                break;
            case ProgramDeployed deployed:
                _programs[entry.Hash] = GuardianSets.Begin(new SwarmProgram(entry.Hash, entry.Author, deployed, entry.Clock.Time, null, 0, Stopped: false) { BundleClaimedBy = _bundles.Add(node, deployed.Bundle) });
                break;
            case ProgramPlaced placed:
                _programs[placed.Program] = GuardianSets.Place(_programs[placed.Program] with { Host = placed.Host, Generation = placed.Generation });
                break;
            case GuardiansSet set:
                _programs[set.Program] = GuardianSets.Propose(_programs[set.Program], entry.Hash, set);
                break;
            case GuardiansApproved approved:
                _programs[approved.Program] = GuardianSets.Approve(_programs[approved.Program], entry.Author, approved, entry.Clock.Time, Find);
                break;
            case SecretSet { Of: { } of } more:
                var sealedBefore = SecretsBy(of)!;
                _secrets[ProgramSecrets.IdOf(sealedBefore.Owner, sealedBefore.Name)] = sealedBefore.With(more.Keys);
                break;
            case SecretSet set:
                _secrets[ProgramSecrets.IdOf(entry.Author, set.Name)] = new ProgramSecrets(entry.Hash, entry.Author, set.Name, set.Box, set.Keys);
                break;
            case GuardianMisbehaved said:
                _accusations.Add(new Accusation(entry.Hash, entry.Author, said));
                break;
            case ProgramStopped stopped:
                _programs[stopped.Program] = _programs[stopped.Program] with { Stopped = true };
                break;
            case RunRecorded run:
                var ran = _programs[run.Program];
                _programs[run.Program] = ran with { Runs = ProgramRuns.With(ran.Runs, entry.Author, run) };
                break;
            case ReceiptIssued receipt:
                _receipts[entry.Hash] = new Receipt(entry.Hash, receipt.Program, entry.Author, _programs[receipt.Program].Owner, receipt.Day, receipt.Use, IsCountersigned: false);
                _receiptDays.Add((receipt.Program, entry.Author, receipt.Day));
                break;
            case ReceiptCountersigned countersigned:
                _receipts[countersigned.Receipt] = _receipts[countersigned.Receipt] with { IsCountersigned = true };
                break;
            case ProgramControlled controlled:
                _programs[controlled.Program] = _programs[controlled.Program].With(new ProgramControl(entry.Hash, entry.Author, entry.Clock.Time, controlled.Action, controlled.Detail));
                break;
            case JoinSecretSet secret:
                (_joinSecret, _joinSecretSetBy) = (secret, entry.Author);
                break;
        }
    }

    // The highest generation counts; of equal ones, which did not know of each other, the lowest hash.
    private void TakeKey(Node node)
    {
        if (_keyEntry is { } before && (node.KeyGeneration, before.Entry.Hash).CompareTo((before.KeyGeneration, node.Entry.Hash)) < 0) return;
        _keyEntry = node;
        _keyIsStale = false;
    }

    private void Close(EntryHash ticket)
    {
        if (_tickets.TryGetValue(ticket, out var open)) _tickets[ticket] = open with { Closed = true };
    }

    // What a member owned stops with its membership; what it hosted has no host until another is chosen.
    private void StopProgramsOf(PeerId peer)
    {
        foreach (var program in _programs.Values.Where(program => program.Owner == peer || program.Host == peer).ToList())
        {
            _programs[program.Id] = program.Owner == peer ? program with { Stopped = true } : program with { Host = null };
        }
        foreach (var program in _programs.Values.Where(program => program.PendingGuardians.Count > 0 && program.Guardians.Contains(peer)).ToList())
            _programs[program.Id] = GuardianSets.Settle(program, Find);
    }
}
