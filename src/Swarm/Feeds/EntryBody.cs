using System.Diagnostics.CodeAnalysis;
using Google.Protobuf;
using PeoplesCloud.Content;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm.Wire;

namespace PeoplesCloud.Swarm;

/// <summary>What a member may do. Numbers are on the wire.</summary>
public enum Role
{
    /// <summary>Sees the swarm; neither deploys nor hosts.</summary>
    Guest = 1,

    /// <summary>Deploys and hosts.</summary>
    Member = 2,

    /// <summary>Also invites, removes, and stops or reads programs of others. The creator is one.</summary>
    Admin = 3,
}

/// <summary>The kinds of entries this version knows. Numbers are on the wire and never reused.</summary>
public enum EntryKind
{
    /// <summary><see cref="SwarmCreated"/>.</summary>
    SwarmCreated = 1,

    /// <summary><see cref="TicketIssued"/>.</summary>
    TicketIssued = 2,

    /// <summary><see cref="MemberAdmitted"/>.</summary>
    MemberAdmitted = 3,

    /// <summary><see cref="MemberLeft"/>.</summary>
    MemberLeft = 4,

    /// <summary><see cref="MemberRemoved"/>.</summary>
    MemberRemoved = 5,

    /// <summary><see cref="MemberReadmitted"/>.</summary>
    MemberReadmitted = 6,

    /// <summary><see cref="ProgramDeployed"/>.</summary>
    ProgramDeployed = 7,

    /// <summary><see cref="ProgramPlaced"/>.</summary>
    ProgramPlaced = 8,

    /// <summary><see cref="ProgramStopped"/>.</summary>
    ProgramStopped = 9,

    /// <summary><see cref="Swarm.JoinSecretSet"/>.</summary>
    JoinSecretSet = 10,

    /// <summary><see cref="KeyRotated"/>.</summary>
    KeyRotated = 12,

    /// <summary><see cref="Swarm.SecretSet"/>.</summary>
    SecretSet = 16,

    /// <summary><see cref="Swarm.RunRecorded"/>.</summary>
    RunRecorded = 15,

    /// <summary><see cref="Swarm.ProgramControlled"/>.</summary>
    ProgramControlled = 17,

    /// <summary><see cref="Swarm.GuardiansSet"/>.</summary>
    GuardiansSet = 13,

    /// <summary><see cref="Swarm.GuardiansApproved"/>.</summary>
    GuardiansApproved = 14,

    /// <summary><see cref="Swarm.ReceiptIssued"/>.</summary>
    ReceiptIssued = 18,

    /// <summary><see cref="Swarm.ReceiptCountersigned"/>.</summary>
    ReceiptCountersigned = 19,

    /// <summary><see cref="Swarm.GuardianMisbehaved"/>.</summary>
    GuardianMisbehaved = 20,
}

/// <summary>The content of an entry. Rights are judged when entries are folded, not here.</summary>
/// <param name="Kind">Its number on the wire.</param>
public abstract record EntryBody(EntryKind Kind)
{
    /// <summary>The new swarm key that this entry carries, if it carries one.</summary>
    internal SealedSwarmKey? CarriedKey => this switch
    {
        MemberRemoved removed => removed.NewKey,
        KeyRotated rotated => rotated.NewKey,
        _ => null,
    };

    internal abstract byte[] Encode();

    /// <summary>Reads a body; a kind or a content that this version does not understand becomes <see cref="UnknownBody"/>, which is kept, forwarded and changes nothing.</summary>
    internal static EntryBody Decode(uint kind, ByteString body)
    {
        try
        {
            EntryBody? read = (EntryKind)kind switch
            {
                EntryKind.SwarmCreated => SwarmCreated.From(SwarmCreatedMessage.Parser.ParseWhole(body)),
                EntryKind.TicketIssued => TicketIssued.From(TicketIssuedMessage.Parser.ParseWhole(body)),
                EntryKind.MemberAdmitted => MemberAdmitted.From(MemberAdmittedMessage.Parser.ParseWhole(body)),
                EntryKind.MemberLeft => new MemberLeft(),
                EntryKind.MemberRemoved => MemberRemoved.From(MemberRemovedMessage.Parser.ParseWhole(body)),
                EntryKind.MemberReadmitted => MemberReadmitted.From(MemberReadmittedMessage.Parser.ParseWhole(body)),
                EntryKind.ProgramDeployed => ProgramDeployed.From(ProgramDeployedMessage.Parser.ParseWhole(body)),
                EntryKind.ProgramPlaced => ProgramPlaced.From(ProgramPlacedMessage.Parser.ParseWhole(body)),
                EntryKind.ProgramStopped => ProgramStopped.From(ProgramStoppedMessage.Parser.ParseWhole(body)),
                EntryKind.KeyRotated => KeyRotated.From(KeyRotatedMessage.Parser.ParseWhole(body)),
                EntryKind.ProgramControlled => ProgramControlled.From(ProgramControlledMessage.Parser.ParseWhole(body)),
                EntryKind.SecretSet => SecretSet.From(SecretSetMessage.Parser.ParseWhole(body)),
                EntryKind.JoinSecretSet => JoinSecretSet.From(JoinSecretSetMessage.Parser.ParseWhole(body)),
                EntryKind.RunRecorded => RunRecorded.From(RunRecordedMessage.Parser.ParseWhole(body)),
                EntryKind.GuardiansSet => GuardiansSet.From(GuardiansSetMessage.Parser.ParseWhole(body)),
                EntryKind.GuardiansApproved => GuardiansApproved.From(GuardiansApprovedMessage.Parser.ParseWhole(body)),
                EntryKind.ReceiptIssued => ReceiptIssued.From(ReceiptIssuedMessage.Parser.ParseWhole(body)),
                EntryKind.ReceiptCountersigned => ReceiptCountersigned.From(ReceiptCountersignedMessage.Parser.ParseWhole(body)),
                EntryKind.GuardianMisbehaved => GuardianMisbehaved.From(GuardianMisbehavedMessage.Parser.ParseWhole(body)),
                _ => null,
            };
            return read ?? new UnknownBody(kind, body.ToByteArray());
        }
        catch (Exception thrown) when (Malformed.Is(thrown))
        {
            return new UnknownBody(kind, body.ToByteArray());
        }
    }

    private protected static bool IsRole(uint role) => role is >= (uint)Role.Guest and <= (uint)Role.Admin;
}

/// <summary>A body that this version does not understand.</summary>
/// <param name="Number">The kind's number.</param>
/// <param name="Bytes">The body as it came.</param>
public sealed record UnknownBody(uint Number, byte[] Bytes) : EntryBody((EntryKind)Number)
{
    internal override byte[] Encode() => Bytes;
}

/// <summary>The first entry of the creator; its hash is the swarm's id.</summary>
/// <param name="Name">The swarm's name.</param>
/// <param name="Nonce">16 random bytes, so that no two swarms are one.</param>
/// <param name="NodeName">The creator's name.</param>
/// <param name="X25519">The creator's public key for sealed boxes, 32 bytes.</param>
public sealed record SwarmCreated(string Name, byte[] Nonce, string NodeName, byte[] X25519) : EntryBody(EntryKind.SwarmCreated)
{
    internal override byte[] Encode() => new SwarmCreatedMessage
    {
        Name = Name,
        Nonce = ByteString.CopyFrom(Nonce),
        NodeName = NodeName,
        X25519 = ByteString.CopyFrom(X25519),
    }.ToByteArray();

    internal static SwarmCreated? From(SwarmCreatedMessage m) =>
        Names.IsValid(m.Name) && Names.IsValid(m.NodeName) && m.Nonce.Length == 16 && m.X25519.Length == 32
            ? new SwarmCreated(m.Name, m.Nonce.ToByteArray(), m.NodeName, m.X25519.ToByteArray())
            : null;
}

/// <summary>An admin will admit whoever shows the secret. Only the author redeems it, so its uses are counted in one feed.</summary>
/// <param name="Ticket">The hash of the secret.</param>
/// <param name="Role">What the new member may do.</param>
/// <param name="Expires">Until when, by the author's clock.</param>
/// <param name="Uses">How often; 0 is any number.</param>
public sealed record TicketIssued(EntryHash Ticket, Role Role, DateTimeOffset Expires, int Uses) : EntryBody(EntryKind.TicketIssued)
{
    internal override byte[] Encode() => new TicketIssuedMessage
    {
        Ticket = ByteString.CopyFrom(Ticket.ToBytes()),
        Role = (uint)Role,
        ExpiresMs = (ulong)Math.Max(0, Expires.ToUnixTimeMilliseconds()),
        Uses = (uint)Uses,
    }.ToByteArray();

    internal static TicketIssued? From(TicketIssuedMessage m) =>
        EntryHash.TryFromBytes(m.Ticket.Span, out var ticket) && IsRole(m.Role) && m.ExpiresMs < 253_402_300_800_000 && m.Uses <= int.MaxValue
            ? new TicketIssued(ticket, (Role)m.Role, DateTimeOffset.FromUnixTimeMilliseconds((long)m.ExpiresMs), (int)m.Uses)
            : null;
}

/// <summary>An admin admits a peer, changes its role or name, or admits it again after it left or was removed.</summary>
/// <param name="Peer">Who.</param>
/// <param name="Name">How it is called.</param>
/// <param name="X25519">Its public key for sealed boxes, 32 bytes.</param>
/// <param name="Role">What it may do.</param>
/// <param name="Ticket">The ticket that it showed; null without one.</param>
public sealed record MemberAdmitted(PeerId Peer, string Name, byte[] X25519, Role Role, EntryHash? Ticket) : EntryBody(EntryKind.MemberAdmitted)
{
    internal override byte[] Encode() => new MemberAdmittedMessage
    {
        Peer = ByteString.CopyFrom(Peer.Bytes),
        Name = Name,
        X25519 = ByteString.CopyFrom(X25519),
        Role = (uint)Role,
        Ticket = Ticket is { } ticket ? ByteString.CopyFrom(ticket.ToBytes()) : ByteString.Empty,
    }.ToByteArray();

    internal static MemberAdmitted? From(MemberAdmittedMessage m)
    {
        EntryHash? ticket = null;
        if (!m.Ticket.IsEmpty)
        {
            if (!EntryHash.TryFromBytes(m.Ticket.Span, out var read)) return null;
            ticket = read;
        }
        return PeerId.TryFromBytes(m.Peer.Span, out var peer) && Names.IsValid(m.Name) && m.X25519.Length == 32 && IsRole(m.Role)
            ? new MemberAdmitted(peer, m.Name, m.X25519.ToByteArray(), (Role)m.Role, ticket)
            : null;
    }
}

/// <summary>The author leaves; what it writes afterwards does not count until it is admitted again.</summary>
public sealed record MemberLeft() : EntryBody(EntryKind.MemberLeft)
{
    internal override byte[] Encode() => [];
}

/// <summary>
/// An admin removes a member. Entries of the member that this entry has not seen do not count, however they are dated; no ticket
/// that has not seen it is good any more; and the swarm has a new key, which this entry carries for all who stay.
/// </summary>
/// <param name="Peer">Who.</param>
/// <param name="LastAccepted">The highest sequence number of the member that this entry has seen; an entry that states another number does not count.</param>
/// <param name="NewKey">The swarm's new key; null in entries of earlier versions, which leaves the old one stale.</param>
public sealed record MemberRemoved(PeerId Peer, ulong LastAccepted, SealedSwarmKey? NewKey = null) : EntryBody(EntryKind.MemberRemoved)
{
    private const uint VersionWithKey = 1;

    internal override byte[] Encode()
    {
        var m = new MemberRemovedMessage { Peer = ByteString.CopyFrom(Peer.Bytes), LastAccepted = LastAccepted };
        if (NewKey is not null) (m.Version, m.Keys) = (VersionWithKey, ByteString.CopyFrom(NewKey.Packed));
        return m.ToByteArray();
    }

    // A removal of a later version still removes: only how it carries the key may be unknown here.
    internal static MemberRemoved? From(MemberRemovedMessage m)
    {
        if (!PeerId.TryFromBytes(m.Peer.Span, out var peer)) return null;
        if (m.Version != VersionWithKey) return new MemberRemoved(peer, m.LastAccepted);
        return SealedSwarmKey.Decode(m.Keys.Span) is { } key ? new MemberRemoved(peer, m.LastAccepted, key) : null;
    }
}

/// <summary>An admin makes a new key of the swarm, since the old one is stale (see <see cref="SwarmKeyState"/>).</summary>
/// <param name="NewKey">The key, sealed to each active member.</param>
public sealed record KeyRotated(SealedSwarmKey NewKey) : EntryBody(EntryKind.KeyRotated)
{
    internal override byte[] Encode() => new KeyRotatedMessage { Keys = ByteString.CopyFrom(NewKey.Packed) }.ToByteArray();

    internal static KeyRotated? From(KeyRotatedMessage m) => SealedSwarmKey.Decode(m.Keys.Span) is { } key ? new KeyRotated(key) : null;
}

/// <summary>An admin lets a forked member's feed go on after one of its branches.</summary>
/// <param name="Peer">Who.</param>
/// <param name="HeadSequence">The number of the entry after which it goes on.</param>
/// <param name="Head">That entry. Its branch counts; the others never do.</param>
public sealed record MemberReadmitted(PeerId Peer, ulong HeadSequence, EntryHash Head) : EntryBody(EntryKind.MemberReadmitted)
{
    internal override byte[] Encode() => new MemberReadmittedMessage
    {
        Peer = ByteString.CopyFrom(Peer.Bytes),
        HeadSequence = HeadSequence,
        Head = ByteString.CopyFrom(Head.ToBytes()),
    }.ToByteArray();

    internal static MemberReadmitted? From(MemberReadmittedMessage m) =>
        PeerId.TryFromBytes(m.Peer.Span, out var peer) && EntryHash.TryFromBytes(m.Head.Span, out var head) ? new MemberReadmitted(peer, m.HeadSequence, head) : null;
}

/// <summary>What a program may use, as its owner asks for it. Names and units as in the runtimes' limits.</summary>
/// <param name="MemoryBytes">Memory, in bytes.</param>
/// <param name="CpuMillis">Processors, in thousandths of a core.</param>
/// <param name="Pids">Processes and threads.</param>
/// <param name="DiskBytes">Disk, in bytes.</param>
/// <param name="Network">none, internet or lan.</param>
public sealed record ProgramLimits(long MemoryBytes, int CpuMillis, int Pids, long DiskBytes, string Network);

/// <summary>A bundle's key in a <see cref="Base.Crypto.SealedBox"/> that only <paramref name="Peer"/> opens.</summary>
public sealed record SealedKey(PeerId Peer, byte[] Box);

/// <summary>The author deploys a program and owns it. The entry's hash is the program's id.</summary>
/// <param name="Name">How it is called; a later deploy with the same name and owner is another program.</param>
/// <param name="Bundle">The encrypted bundle.</param>
/// <param name="BundleBytes">Its size, in bytes.</param>
/// <param name="Language">py3, ...</param>
/// <param name="Limits">What it may use.</param>
/// <param name="Keys">The bundle's key, sealed one by one to the owner and the guardians.</param>
public sealed record ProgramDeployed(string Name, Cid Bundle, long BundleBytes, string Language, ProgramLimits Limits, IReadOnlyList<SealedKey> Keys)
    : EntryBody(EntryKind.ProgramDeployed)
{
    /// <summary>What it asks for besides; empty in entries of earlier versions.</summary>
    public ProgramManifest Manifest { get; init; } = ProgramManifest.Empty;

    /// <summary>The version before: the program of the same name and owner that this one takes over from; null when it is the first, or older than this field.</summary>
    public EntryHash? Replaces { get; init; }

    /// <summary>The first set of guardians, rising, at most <see cref="SwarmLimits.MaxGuardians"/>; empty in entries of earlier versions, where the host is the only one.</summary>
    public IReadOnlyList<PeerId> Guardians { get; init; } = [];

    internal override byte[] Encode()
    {
        var m = new ProgramDeployedMessage
        {
            Replaces = Replaces is { } before ? ByteString.CopyFrom(before.ToBytes()) : ByteString.Empty,
            Name = Name,
            Bundle = ByteString.CopyFrom(Bundle.Bytes),
            BundleBytes = (ulong)BundleBytes,
            Language = Language,
            MemoryBytes = (ulong)Limits.MemoryBytes,
            CpuMillis = (uint)Limits.CpuMillis,
            Pids = (uint)Limits.Pids,
            DiskBytes = (ulong)Limits.DiskBytes,
            Network = Limits.Network,
            Manifest = Manifest.IsEmpty ? null : Manifest.ToMessage(),
        };
        foreach (var key in Keys) m.Keys.Add(new SealedKeyMessage { Peer = ByteString.CopyFrom(key.Peer.Bytes), Box = ByteString.CopyFrom(key.Box) });
        foreach (var guardian in Guardians) m.Guardians.Add(ByteString.CopyFrom(guardian.Bytes));
        return m.ToByteArray();
    }

    internal static ProgramDeployed? From(ProgramDeployedMessage m)
    {
        if (!Names.IsValid(m.Name) || !Names.IsValid(m.Language) || m.Network is not ("none" or "internet" or "lan")) return null;
        if (!Cid.TryFromBytes(m.Bundle.Span, out var bundle) || m.Keys.Count > SwarmLimits.MaxSealedKeys) return null;
        if ((m.BundleBytes | m.MemoryBytes | m.DiskBytes) > long.MaxValue || (m.CpuMillis | m.Pids) > int.MaxValue) return null;
        var keys = new List<SealedKey>(m.Keys.Count);
        foreach (var key in m.Keys)
        {
            if (!PeerId.TryFromBytes(key.Peer.Span, out var peer) || key.Box.Length > 256) return null;
            keys.Add(new SealedKey(peer, key.Box.ToByteArray()));
        }
        if (GuardiansSet.ReadGuardians(m.Guardians) is not { } guardians) return null;
        var limits = new ProgramLimits((long)m.MemoryBytes, (int)m.CpuMillis, (int)m.Pids, (long)m.DiskBytes, m.Network);
        if (ProgramManifest.From(m.Manifest) is not { } manifest) return null;
        return new ProgramDeployed(m.Name, bundle, (long)m.BundleBytes, m.Language, limits, keys)
        {
            Manifest = manifest,
            Guardians = guardians,
            // One that names none that can be read is a first version: the program runs all the same.
            Replaces = EntryHash.TryFromBytes(m.Replaces.Span, out var before) ? before : null,
        };
    }
}

/// <summary>The owner or an admin chose the host of a program. The highest generation counts; equal ones in causal order.</summary>
/// <param name="Program">The program's id.</param>
/// <param name="Host">A member that is no guest.</param>
/// <param name="Generation">1 at first, one more with each move.</param>
public sealed record ProgramPlaced(EntryHash Program, PeerId Host, ulong Generation) : EntryBody(EntryKind.ProgramPlaced)
{
    internal override byte[] Encode() => new ProgramPlacedMessage
    {
        Program = ByteString.CopyFrom(Program.ToBytes()),
        Host = ByteString.CopyFrom(Host.Bytes),
        Generation = Generation,
    }.ToByteArray();

    internal static ProgramPlaced? From(ProgramPlacedMessage m) =>
        EntryHash.TryFromBytes(m.Program.Span, out var program) && PeerId.TryFromBytes(m.Host.Span, out var host) ? new ProgramPlaced(program, host, m.Generation) : null;
}

/// <summary>The owner or an admin stopped a program for good.</summary>
/// <param name="Program">The program's id.</param>
public sealed record ProgramStopped(EntryHash Program) : EntryBody(EntryKind.ProgramStopped)
{
    internal override byte[] Encode() => new ProgramStoppedMessage { Program = ByteString.CopyFrom(Program.ToBytes()) }.ToByteArray();

    internal static ProgramStopped? From(ProgramStoppedMessage m) => EntryHash.TryFromBytes(m.Program.Span, out var program) ? new ProgramStopped(program) : null;
}
