namespace PeoplesCloud.Swarm.Tests;

public sealed class SwarmAuditTests
{
    private readonly Village _village = new(Role.Member, Role.Member);
    private readonly EntryHash _program;

    public SwarmAuditTests()
    {
        _program = _village[1].Append(Village.Program() with { Guardians = [_village.Peer(2)], Keys = [new SealedKey(_village.Peer(2), [1])] }, _village.Now).Hash;
        _village.MeetAll();
        _village[2].Append(new RunRecorded(_program, 11, _village.Now, null, null, null, RunUse.None), _village.Now);
        _village[2].Append(new RunRecorded(_program, 11, _village.Now, RunEnd.HandedOver, "drained", 143, new RunUse(TimeSpan.FromSeconds(1.5), 64, 9)), _village.Now);
        _village.MeetAll();
        _village[1].Append(new ProgramStopped(_program), _village.Now);
        _village.MeetAll();
    }

    [Fact]
    public void A_whole_copy_has_no_problems_and_says_what_happened()
    {
        Assert.True(AuditCopy.TryDecode(Copy().Encode(), out var copy));
        copy = copy with { Entries = [.. copy.Entries.Reverse()] }; // any order
        var audit = SwarmAudit.Of(copy, _village.Keys);
        Assert.Empty(audit.Problems);
        Assert.All(audit.Lines, line => Assert.Equal(AuditStanding.Counts, line.Standing));
        var text = new AuditText(audit);
        var said = audit.Lines.Select(line => $"{text.NameOf(line.Entry.Author)} {text.Of(line.Entry)}").ToList();
        var name = $"bot ({_program.ToString()[..8]})";
        Assert.Equal("node-0 created the swarm friends", said[0]);
        Assert.Contains(said, line => line.StartsWith($"node-1 deployed {name}, py3, 1000 bytes, content ", StringComparison.Ordinal) && line.EndsWith("guarded by node-2", StringComparison.Ordinal));
        Assert.Contains($"node-2 began to run {name}, epoch 11", said);
        Assert.Contains($"node-2 ended {name}, epoch 11: handed over, exit code 143 (drained); it took 1.5 CPU-seconds, 64 MiB-seconds, 9 bytes", said);
        Assert.Equal($"node-1 stopped {name}", said[^1]);
    }

    [Fact]
    public void Every_kind_of_entry_has_words_and_is_found_by_its_program_and_its_members()
    {
        var key = new SealedKey(_village.Peer(2), [1]);
        var receipt = _village[2].Append(new ReceiptIssued(_program, 20_811, new RunUse(TimeSpan.FromSeconds(90), 640, 4_096)), _village.Now);
        var secrets = _village[1].Append(new SecretSet("bot", [1], [key, key with { Peer = _village.Peer(1) }]), _village.Now);
        _village.MeetAll();
        var agreed = _village[1].Append(new ReceiptCountersigned(receipt.Hash), _village.Now);
        var given = _village[2].Append(new SecretSet("", [], [key with { Peer = _village.Peer(0) }], secrets.Hash), _village.Now);
        _village.MeetAll();
        var none = _village[1].Append(new SecretSet("bot", [], []), _village.Now);
        _village.MeetAll();
        var audit = SwarmAudit.Of(Copy(), _village.Keys);
        var text = new AuditText(audit);
        var name = $"bot ({_program.ToString()[..8]})";
        Assert.Equal(
            [
                $"says that {name} of node-1 took 90.0 CPU-seconds, 640 MiB-seconds, 4096 bytes on 2026-12-24",
                "set the secrets of its programs called bot, for node-2, node-1",
                $"agreed that {name} took 90.0 CPU-seconds, 640 MiB-seconds, 4096 bytes on node-2 on 2026-12-24",
                "gave node-0 the secrets of node-1's programs called bot",
                "took back the secrets of its programs called bot",
            ],
            new[] { receipt, secrets, agreed, given, none }.Select(text.Of));
        Assert.Equal([_program, null, _program, null, null], new[] { receipt, secrets, agreed, given, none }.Select(text.ProgramOf));
        Assert.Equal([null, "bot", null, "bot", "bot"], new[] { receipt, secrets, agreed, given, none }.Select(text.NameOfPrograms));
        Assert.Equal([_village.Peer(1), null, _village.Peer(2), _village.Peer(1), null], new[] { receipt, secrets, agreed, given, none }.Select(entry => text.MemberOf(entry.Body)));
        foreach (var kind in Enum.GetValues<EntryKind>())
        {
            // A kind that is added later is named in these lines, in the list of feeds.md and in the words of the audit.
            var bodies = EntryTests.AllBodies(new Simulation.SimKeys()).Where(body => body.Kind == kind).ToList();
            Assert.NotEmpty(bodies);
            Assert.All(bodies, body => Assert.DoesNotContain("which this version does not read", text.Of(StoredEntry.Create(_village.Keys.Signer(1), body is SwarmCreated ? null : _village[0].Id, body is SwarmCreated ? 1UL : 2, body is SwarmCreated ? null : EntryHash.Of([5]), [], new HybridClock(99), body)), StringComparison.Ordinal));
        }
        Assert.Contains("9999-12-31", text.Of(StoredEntry.Create(_village.Keys.Signer(1), _village[0].Id, 2, EntryHash.Of([5]), [], new HybridClock(99), new ReceiptIssued(_program, 2_999_999, RunUse.None))), StringComparison.Ordinal);
    }

    [Fact]
    public void A_changed_bit_anywhere_in_an_entry_is_found_and_the_entry_is_named()
    {
        var whole = Copy();
        foreach (var place in Enumerable.Range(0, whole.Entries.Count))
        {
            var original = whole.Entries[place].ToArray();
            Assert.True(StoredEntry.TryDecode(original, out var entry, out _));
            for (var at = 0; at < original.Length; at += 3)
            {
                var changed = original.ToArray();
                changed[at] ^= 4;
                var audit = SwarmAudit.Of(whole with { Entries = [.. whole.Entries.Select((bytes, i) => i == place ? changed : bytes)] }, _village.Keys);
                var first = audit.Problems[0];
                Assert.True(first.IsCause);
                Assert.Equal(place + 1, first.Place);
                // A changed author or number is named as it reads now, and by its place.
                if (first.Author == entry.Author && first.Sequence == entry.Sequence) Assert.NotEmpty(first.What);
            }
        }
    }

    [Fact]
    public void A_missing_entry_is_missed_by_those_that_build_on_it()
    {
        var whole = Copy();
        var deploy = whole.Entries.Single(bytes => StoredEntry.TryDecode(bytes.Span, out var entry, out _) && entry.Body is ProgramDeployed);
        var audit = SwarmAudit.Of(whole with { Entries = [.. whole.Entries.Where(bytes => !bytes.Span.SequenceEqual(deploy.Span))] }, _village.Keys);
        Assert.NotEmpty(audit.Problems);
        Assert.All(audit.Problems, problem => Assert.False(problem.IsCause));
        Assert.Contains(audit.Lines, line => line.Standing == AuditStanding.Unknown);
    }

    [Fact]
    public void A_fork_an_entry_of_another_swarm_and_evidence_that_does_not_hold_are_named()
    {
        var twin = _village.Load(2);
        twin.Append(new MemberLeft(), _village.Now);
        var forged = _village[0].Append(new GuardianMisbehaved(_program, _village.Peer(2), Misbehaviour.TwoVotes, [[1], [2]]), _village.Now);
        var whole = Copy();
        var fork = twin.MissingFor(FeedHeads.None, int.MaxValue, out _).Select(entry => entry.Bytes).Last(bytes => StoredEntry.TryDecode(bytes.Span, out var entry, out _) && entry.Body is MemberLeft);
        SwarmReplica.Create(_village.Keys.Signer(1), _village.Keys, "others", "node-1", new byte[32], new byte[16], _village.Now, out var genesis);
        var other = genesis.Bytes;
        var audit = SwarmAudit.Of(whole with { Entries = [.. whole.Entries, fork, other] }, _village.Keys);
        Assert.Contains(audit.Problems, problem => problem.Author == _village.Peer(2) && problem.Sequence == 1 && problem.What.Contains("twice", StringComparison.Ordinal));
        Assert.Contains(audit.Problems, problem => problem.Author == _village.Peer(0) && problem.Sequence == forged.Sequence && problem.What.Contains("evidence", StringComparison.Ordinal));
        Assert.Contains(audit.Problems, problem => problem.Place == whole.Entries.Count + 2 && problem.IsCause);
    }

    [Fact]
    public void What_is_no_copy_is_refused()
    {
        var bytes = Copy().Encode();
        foreach (var length in new[] { 0, 7, 20, 39, 41, bytes.Length - 1 }) Assert.False(AuditCopy.TryDecode(bytes.AsMemory(0, length), out _));
        bytes[0] ^= 1;
        Assert.False(AuditCopy.TryDecode(bytes, out _));
    }

    private AuditCopy Copy() => new(_village[0].Id, [.. _village[0].MissingFor(FeedHeads.None, int.MaxValue, out _).Select(entry => entry.Bytes)]);
}
