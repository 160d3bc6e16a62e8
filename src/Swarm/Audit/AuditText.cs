using System.Globalization;
using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Swarm;

/// <summary>Says in words what an entry did. Text of others is as they wrote it: make it safe for a terminal before it is shown.</summary>
public sealed class AuditText
{
    private readonly SwarmState? _state;
    private readonly Dictionary<EntryHash, StoredEntry> _entries;

    /// <summary>Speaks about the entries of one copy.</summary>
    public AuditText(SwarmAudit audit)
    {
        _state = audit.State;
        _entries = audit.Lines.ToDictionary(line => line.Entry.Hash, line => line.Entry);
    }

    /// <summary>How a member is called; its peer id when it never was one.</summary>
    public string NameOf(PeerId peer) => _state?.Members.GetValueOrDefault(peer)?.Name ?? peer.ToString();

    /// <summary>What an entry is about: a program's id, or null.</summary>
    public EntryHash? ProgramOf(StoredEntry entry) => entry.Body switch
    {
        ProgramDeployed => entry.Hash,
        ProgramPlaced placed => placed.Program,
        ProgramStopped stopped => stopped.Program,
        GuardiansSet set => set.Program,
        GuardiansApproved approved => approved.Program,
        GuardianMisbehaved said => said.Program,
        RunRecorded run => run.Program,
        ProgramControlled controlled => controlled.Program,
        ReceiptIssued receipt => receipt.Program,
        ReceiptCountersigned countersigned => Find<ReceiptIssued>(countersigned.Receipt)?.Body.Program,
        _ => null,
    };

    /// <summary>The name of the programs that an entry is about when it is about no single one: secrets belong to a name; null for all others.</summary>
    public string? NameOfPrograms(StoredEntry entry) => entry.Body switch
    {
        SecretSet { Of: { } of } => Find<SecretSet>(of)?.Body.Name,
        SecretSet set => set.Name,
        _ => null,
    };

    /// <summary>Whom an entry concerns besides its author; null for nobody.</summary>
    public PeerId? MemberOf(EntryBody body) => body switch
    {
        MemberAdmitted admitted => admitted.Peer,
        MemberRemoved removed => removed.Peer,
        MemberReadmitted readmitted => readmitted.Peer,
        ProgramPlaced placed => placed.Host,
        GuardianMisbehaved said => said.Peer,
        ReceiptIssued receipt => _state?.Programs.GetValueOrDefault(receipt.Program)?.Owner,
        ReceiptCountersigned countersigned => Find<ReceiptIssued>(countersigned.Receipt)?.Author,
        SecretSet { Of: { } of } => Find<SecretSet>(of)?.Author,
        _ => null,
    };

    /// <summary>A program's name, and the start of its hash, since names are used again.</summary>
    public string ProgramName(EntryHash program) =>
        _state?.Programs.GetValueOrDefault(program) is { } known ? $"{known.Deployed.Name} ({program.ToString()[..8]})" : $"a program that is not in this copy ({program.ToString()[..8]})";

    /// <summary>A sentence without its subject, who is the author.</summary>
    public string Of(StoredEntry entry) => entry.Body switch
    {
        SwarmCreated created => $"created the swarm {created.Name}",
        TicketIssued issued => $"issued a ticket for a {issued.Role.ToString().ToLowerInvariant()} ({(issued.Uses == 0 ? "any number of uses" : $"{issued.Uses} uses")}, until {issued.Expires:yyyy-MM-dd HH:mm} UTC)",
        MemberAdmitted admitted => $"admitted {admitted.Name} as {admitted.Role.ToString().ToLowerInvariant()}",
        MemberLeft => "left",
        MemberRemoved removed => $"removed {NameOf(removed.Peer)} after its entry {removed.LastAccepted}",
        MemberReadmitted readmitted => $"readmitted {NameOf(readmitted.Peer)} after its entry {readmitted.HeadSequence}",
        ProgramDeployed deployed => $"deployed {ProgramName(entry.Hash)}, {deployed.Language}, {deployed.BundleBytes} bytes, content {deployed.Bundle}{Guards(deployed.Guardians)}",
        ProgramPlaced placed => $"chose {NameOf(placed.Host)} to run {ProgramName(placed.Program)}",
        ProgramStopped stopped => $"stopped {ProgramName(stopped.Program)}",
        GuardiansSet set => $"proposed set {set.Generation} of guardians of {ProgramName(set.Program)}: {string.Join(", ", set.Guardians.Select(NameOf))}",
        GuardiansApproved approved => $"approved a set of guardians of {ProgramName(approved.Program)}",
        GuardianMisbehaved said => $"says that {NameOf(said.Peer)} lied as a guardian of {ProgramName(said.Program)} ({said.What}{(said.Evidence.Count == 0 ? ", without evidence" : ", with its signed messages")})",
        RunRecorded { End: null } run => $"began to run {ProgramName(run.Program)}, epoch {run.Epoch}",
        RunRecorded run => $"ended {ProgramName(run.Program)}, epoch {run.Epoch}: {EndOf(run)}; it took {UseOf(run.Use)}",
        ProgramControlled controlled => controlled.Action switch
        {
            ControlAction.Restart => $"restarted {ProgramName(controlled.Program)}",
            ControlAction.Exec => $"ran a command beside {ProgramName(controlled.Program)}: {controlled.Detail}",
            _ => $"told about the data of {ProgramName(controlled.Program)}: {controlled.Detail}",
        },
        ReceiptIssued receipt => $"says that {ProgramName(receipt.Program)}{OwnerOf(receipt.Program)} took {UseOf(receipt.Use)} on {DateOf(receipt.Day)}",
        ReceiptCountersigned countersigned => Find<ReceiptIssued>(countersigned.Receipt) is { } agreed
            ? $"agreed that {ProgramName(agreed.Body.Program)} took {UseOf(agreed.Body.Use)} on {NameOf(agreed.Author)} on {DateOf(agreed.Body.Day)}"
            : "agreed to a receipt that is not in this copy",
        SecretSet { Of: { } of } more => $"gave {Names(more.Keys)} the secrets of {(Find<SecretSet>(of) is { } secrets ? $"{NameOf(secrets.Author)}'s programs called {secrets.Body.Name}" : "programs that are not in this copy")}",
        SecretSet { Box.Length: 0 } none => $"took back the secrets of its programs called {none.Name}",
        SecretSet set => $"set the secrets of its programs called {set.Name}, for {Names(set.Keys)}",
        JoinSecretSet secret => secret.Boxes.Count == 0 ? "took back the secret to join with" : "set a secret to join with",
        KeyRotated => "made a new key of the swarm",
        var other => $"wrote an entry of kind {(uint)other.Kind}, which this version does not read",
    };

    /// <summary>What a run took.</summary>
    public static string UseOf(RunUse use) =>
        string.Create(CultureInfo.InvariantCulture, $"{use.Processor.TotalSeconds:0.0} CPU-seconds, {use.MemoryMebibyteSeconds} MiB-seconds, {use.Bytes} bytes");

    private (PeerId Author, T Body)? Find<T>(EntryHash hash) where T : EntryBody =>
        _entries.GetValueOrDefault(hash) is { Body: T body } entry ? (entry.Author, body) : null;

    private string OwnerOf(EntryHash program) => _state?.Programs.GetValueOrDefault(program) is { } known ? $" of {NameOf(known.Owner)}" : "";

    private string Names(IReadOnlyList<SealedKey> keys) => string.Join(", ", keys.Select(key => NameOf(key.Peer)));

    // A host may state a day that no calendar has.
    private static string DateOf(int day) => DateTimeOffset.UnixEpoch.AddDays(Math.Min(day, 2_932_896)).ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);

    private static string EndOf(RunRecorded run)
    {
        var words = string.Concat(run.End.ToString()!.Select((c, i) => i > 0 && char.IsUpper(c) ? $" {char.ToLowerInvariant(c)}" : $"{char.ToLowerInvariant(c)}"));
        return words + (run.ExitCode is { } exit ? $", exit code {exit}" : "") + (run.Detail is { } detail ? $" ({detail})" : "");
    }

    private string Guards(IReadOnlyList<PeerId> guardians) => guardians.Count == 0 ? "" : $", guarded by {string.Join(", ", guardians.Select(NameOf))}";
}
