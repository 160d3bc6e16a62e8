using System.Collections.Immutable;
using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Swarm;

/// <summary>Whether somebody is in.</summary>
public enum MemberStatus
{
    /// <summary>Admitted.</summary>
    Active,

    /// <summary>Left by itself.</summary>
    Left,

    /// <summary>Removed by an admin.</summary>
    Removed,
}

/// <summary>Somebody who is or was in the swarm.</summary>
/// <param name="Peer">Who.</param>
/// <param name="Name">How it is called.</param>
/// <param name="Role">What it may do while it is active.</param>
/// <param name="X25519">Its public key for sealed boxes, 32 bytes.</param>
/// <param name="Status">Whether it is in.</param>
/// <param name="AdmittedBy">The admin; the creator itself at first.</param>
/// <param name="Since">When it was admitted last, by the admin's clock.</param>
public sealed record Member(PeerId Peer, string Name, Role Role, byte[] X25519, MemberStatus Status, PeerId AdmittedBy, DateTimeOffset Since)
{
    /// <summary>Whether it is in.</summary>
    public bool IsActive => Status == MemberStatus.Active;

    /// <summary>Whether it is in and may deploy and host.</summary>
    public bool MayDeployAndHost => IsActive && Role >= Role.Member;

    /// <summary>Whether it is in and may invite and remove.</summary>
    public bool IsAdmin => IsActive && Role == Role.Admin;
}

/// <summary>A ticket as the feeds know it.</summary>
/// <param name="Id">The hash of its secret.</param>
/// <param name="Issuer">The admin who redeems it.</param>
/// <param name="Role">What it gives.</param>
/// <param name="Expires">Until when.</param>
/// <param name="Uses">How often it may be used; 0 is any number.</param>
/// <param name="Used">How often it was.</param>
/// <param name="Closed">Whether a removal that it has not seen ended it: whoever is removed may know the open tickets.</param>
public sealed record IssuedTicket(EntryHash Id, PeerId Issuer, Role Role, DateTimeOffset Expires, int Uses, int Used, bool Closed);

/// <summary>A program as the feeds know it.</summary>
/// <param name="Id">The hash of its ProgramDeployed entry.</param>
/// <param name="Owner">Who deployed it.</param>
/// <param name="Deployed">What was deployed.</param>
/// <param name="DeployedAt">When, by the owner's clock.</param>
/// <param name="Host">Who was chosen to run it; null before that.</param>
/// <param name="Generation">How often a host was chosen; 0 before that.</param>
/// <param name="Stopped">Whether it was stopped for good.</param>
public sealed record SwarmProgram(EntryHash Id, PeerId Owner, ProgramDeployed Deployed, DateTimeOffset DeployedAt, PeerId? Host, ulong Generation, bool Stopped)
{
    /// <summary>Where it ran, by what its hosts wrote, the newest epoch last; at most 16 of them.</summary>
    public ImmutableList<ProgramRun> Runs { get; init; } = [];

    /// <summary>Whether its last run ended by itself with exit code 0 and nobody asked for a restart since: no host starts it again.</summary>
    public bool Finished => Runs is [.., { End: RunEnd.Finished } last] && last.Epoch != Revived;

    /// <summary>Whether a member may have run it: whoever holds its key.</summary>
    public bool MayHaveRun(PeerId host) => KeyOf(host) is not null;

    /// <summary>The last restart that was asked for; whoever starts the program has done what it asks. Null when none was.</summary>
    public EntryHash? LastRestart { get; init; }

    /// <summary>The last things that were done with it, oldest first; at most <see cref="SwarmLimits.MaxControlsKept"/>.</summary>
    public ImmutableList<ProgramControl> Controls { get; init; } = [];

    private ulong? Revived { get; init; } // the epoch whose finished run a restart has undone

    /// <summary>This program after something was done with it.</summary>
    internal SwarmProgram With(ProgramControl control) => this with
    {
        LastRestart = control.Action == ControlAction.Restart ? control.Entry : LastRestart,
        Revived = control.Action == ControlAction.Restart && Finished ? Runs[^1].Epoch : Revived,
        Controls = (Controls.Count < SwarmLimits.MaxControlsKept ? Controls : Controls.RemoveAt(0)).Add(control),
    };

    /// <summary>Who keeps its bundle and votes on its lease, rising. Of a deploy by an earlier version: the host alone.</summary>
    public IReadOnlyList<PeerId> Guardians { get; init; } = [];

    /// <summary>The number of that set; 0 while there is none. Ballots name it.</summary>
    public ulong GuardianGeneration { get; init; }

    /// <summary>Sets that a majority of <see cref="Guardians"/> has not approved yet.</summary>
    public IReadOnlyList<GuardianProposal> PendingGuardians { get; init; } = [];

    /// <summary>Whether a set was ever approved.</summary>
    public bool GuardiansWereSet { get; init; }

    /// <summary>The bundle's key, sealed to guardians that came after the deploy.</summary>
    public IReadOnlyList<SealedKey> LaterKeys { get; init; } = [];

    /// <summary>
    /// Another member whose deploy names the same bundle and has not seen this one; null when there is none. A bundle is packed once, by one
    /// member: whoever's entry has seen another's copied it, and of entries that have not seen each other it cannot be told.
    /// </summary>
    public PeerId? BundleClaimedBy { get; init; }

    /// <summary>Of a scheduled program: the latest time that guardians of earlier generations granted, in seconds since 1970; 0: none. No later guardian grants it again.</summary>
    public long ScheduleFloor { get; init; }

    /// <summary>What its guardians do when most of them cannot be reached.</summary>
    public WhenAlone WhenAlone => Deployed.Manifest.WhenAlone switch
    {
        "run" => WhenAlone.Run,
        "stop" => WhenAlone.Stop,
        _ => Guardians.Count <= 2 ? WhenAlone.Run : WhenAlone.Stop, // the default
    };

    /// <summary>The bundle's key, sealed to a peer; null if it was never given to it.</summary>
    public SealedKey? KeyOf(PeerId peer) => LaterKeys.LastOrDefault(key => key.Peer == peer) ?? Deployed.Keys.FirstOrDefault(key => key.Peer == peer);

    /// <summary>Whether a guardian approved a later set: it votes in this generation no more (<see cref="LeaseInput.Watch.Sealed"/>).</summary>
    public bool IsSealedBy(PeerId guardian) => PendingGuardians.Any(pending => pending.ApprovedBy.Contains(guardian));
}

/// <summary>What a swarm's entries mean together. An immutable snapshot; the same entries give the same state on every node.</summary>
public sealed record SwarmState
{
    /// <summary>The swarm.</summary>
    public required SwarmId Id { get; init; }

    /// <summary>Its name.</summary>
    public required string Name { get; init; }

    /// <summary>Who created it.</summary>
    public required PeerId Creator { get; init; }

    /// <summary>Everybody who is or was in.</summary>
    public required ImmutableSortedDictionary<PeerId, Member> Members { get; init; }

    /// <summary>Every ticket that was issued.</summary>
    public required ImmutableSortedDictionary<EntryHash, IssuedTicket> Tickets { get; init; }

    /// <summary>Every program that was deployed, stopped ones included.</summary>
    public required ImmutableSortedDictionary<EntryHash, SwarmProgram> Programs { get; init; }

    /// <summary>Secret environment variables, by owner and name of the programs that they are for: see <see cref="SecretsOf"/>.</summary>
    public ImmutableSortedDictionary<string, ProgramSecrets> Secrets { get; init; } = ImmutableSortedDictionary.Create<string, ProgramSecrets>(StringComparer.Ordinal);

    /// <summary>Guardians that somebody says lied, in order.</summary>
    public ImmutableArray<Accusation> Accusations { get; init; } = [];

    /// <summary>Which key the swarm has now.</summary>
    public required SwarmKeyState Key { get; init; }

    /// <summary>What hosts say that programs of others took, by day.</summary>
    public ImmutableSortedDictionary<EntryHash, Receipt> Receipts { get; init; } = ImmutableSortedDictionary<EntryHash, Receipt>.Empty;

    /// <summary>The secret with which others join, when one was ever set.</summary>
    public JoinSecret? JoinSecret { get; init; }

    /// <summary>How many removals count: what was given out before the last one is void.</summary>
    public int Removals { get; init; }

    /// <summary>Authors who wrote two entries with one number and were not readmitted, with the number from which their entries do not count.</summary>
    public required ImmutableSortedDictionary<PeerId, ulong> Forked { get; init; }

    /// <summary>How many entries count, and how many this node holds that do not (others may hold fewer of those).</summary>
    public required (int Counted, int Ignored) Entries { get; init; }

    /// <summary>Those who are in, in order of their ids.</summary>
    public IEnumerable<Member> ActiveMembers => Members.Values.Where(member => member.IsActive);

    /// <summary>The secrets of a member's programs of a name; null when none were set, or all were taken back.</summary>
    public ProgramSecrets? SecretsOf(PeerId owner, string program) => Secrets.TryGetValue(ProgramSecrets.IdOf(owner, program), out var secrets) && secrets.Box.Length > 0 ? secrets : null;

    /// <summary>The active member, or null.</summary>
    public Member? Find(PeerId peer) => Members.TryGetValue(peer, out var member) && member.IsActive ? member : null;

    /// <summary>Who was given the key of a program's bundle and is not in any more: its owner deploys it again, and changes the secrets in it.</summary>
    public IEnumerable<Member> FormerKeyHolders(SwarmProgram program) =>
        program.Deployed.Keys.Select(key => key.Peer).Distinct().Select(Members.GetValueOrDefault).OfType<Member>().Where(member => !member.IsActive);

    /// <summary>Whether the owner or an admin asks: who may stop a program and read its log.</summary>
    public bool MayControl(PeerId peer, SwarmProgram program) => Find(peer) is { } member && (member.IsAdmin || peer == program.Owner);
}
