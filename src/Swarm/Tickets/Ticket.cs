using System.Buffers;
using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using Google.Protobuf;
using PeoplesCloud.Base;
using PeoplesCloud.Base.Formats;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm.Wire;

namespace PeoplesCloud.Swarm;

/// <summary>Why a text is not a usable ticket.</summary>
public enum TicketError
{
    /// <summary>It is one.</summary>
    None,

    /// <summary>Not a ticket at all.</summary>
    Malformed,

    /// <summary>Its end is missing.</summary>
    Truncated,

    /// <summary>The checksum does not fit.</summary>
    Damaged,

    /// <summary>Of a newer version.</summary>
    Version,
}

/// <summary>
/// An invitation, one line of text: who invites to which swarm, and a secret. Whoever has it can join, so it is shown to
/// people and never logged; <see cref="ToString"/> hides the secret, <see cref="ToText"/> is the ticket itself.
/// <code>text = "pc1" base32( version:u8(1) length:u16 payload:length checksum:4 )     checksum = start of SHA-256 of all before</code>
/// </summary>
public sealed record Ticket
{
    /// <summary>What every ticket begins with.</summary>
    public const string Prefix = "pc1";

    /// <summary>Length of the secret in bytes.</summary>
    public const int SecretBytes = 16;

    private static readonly SearchValues<char> Base32Letters = SearchValues.Create("abcdefghijklmnopqrstuvwxyz234567");
    private const byte Version = 1;
    private const int HeaderBytes = 3;
    private const int ChecksumBytes = 4;
    private const int MaxAddresses = 16;
    private const int MaxAddressCharacters = 200;

    /// <summary>The swarm.</summary>
    public required SwarmId Swarm { get; init; }

    /// <summary>Its name.</summary>
    public required string Name { get; init; }

    /// <summary>The admin who redeems it.</summary>
    public required PeerId Inviter { get; init; }

    /// <summary>Where the inviter is reached: multiaddrs without /p2p, at most 16.</summary>
    public required IReadOnlyList<string> Addresses { get; init; }

    /// <summary>What the new member may do.</summary>
    public required Role Role { get; init; }

    /// <summary>Until when.</summary>
    public required DateTimeOffset Expires { get; init; }

    /// <summary>How often it can be used; 0 is any number.</summary>
    public required int Uses { get; init; }

    /// <summary>16 random bytes.</summary>
    public required byte[] Secret { get; init; }

    /// <summary>What the feeds know of it: a hash of the secret.</summary>
    public EntryHash Id => IdOf(Secret);

    internal static EntryHash IdOf(ReadOnlySpan<byte> secret) => EntryHash.Of([.. SignatureDomain.TicketSecret, .. secret]);

    /// <summary>The ticket as one line.</summary>
    public string ToText()
    {
        var m = new TicketMessage
        {
            Swarm = ByteString.CopyFrom(Swarm.ToBytes()),
            Name = Name,
            Inviter = ByteString.CopyFrom(Inviter.Bytes),
            Role = (uint)Role,
            ExpiresMs = (ulong)Math.Max(0, Expires.ToUnixTimeMilliseconds()),
            Uses = (uint)Uses,
            Secret = ByteString.CopyFrom(Secret),
        };
        m.Addresses.AddRange(Addresses.Where(address => address.Length <= MaxAddressCharacters).Take(MaxAddresses));
        var payload = m.ToByteArray();
        var bytes = new byte[HeaderBytes + payload.Length + ChecksumBytes];
        bytes[0] = Version;
        BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(1), (ushort)payload.Length);
        payload.CopyTo(bytes, HeaderBytes);
        SHA256.HashData(bytes.AsSpan(0, HeaderBytes + payload.Length)).AsSpan(0, ChecksumBytes).CopyTo(bytes.AsSpan(HeaderBytes + payload.Length));
        return Prefix + Multibase.ToBase32(bytes);
    }

    /// <summary>Reads a ticket; surrounding white space is ignored, upper case is as good as lower case. Never throws.</summary>
    public static bool TryParse(string? text, [NotNullWhen(true)] out Ticket? ticket, out TicketError error)
    {
        ticket = null;
        error = TicketError.Malformed;
        var trimmed = (text ?? "").AsSpan().Trim();
        if (trimmed.Length > SwarmLimits.MaxTicketCharacters || !trimmed.StartsWith(Prefix, StringComparison.OrdinalIgnoreCase)) return false;
        var body = trimmed[Prefix.Length..].ToString().ToLowerInvariant();
        if (body.AsSpan().ContainsAnyExcept(Base32Letters)) return false;

        // Version and length come first (in the first 8 characters), so that a ticket that lacks its end is told from a changed one.
        error = TicketError.Truncated;
        if (body.Length < 8 || !Multibase.TryFromBase32(body.AsSpan(0, 8), out var start)) return false;
        error = start[0] > Version ? TicketError.Version : TicketError.Malformed;
        if (start[0] != Version) return false;
        var payloadBytes = BinaryPrimitives.ReadUInt16BigEndian(start.AsSpan(1));
        var total = HeaderBytes + payloadBytes + ChecksumBytes;
        var characters = (total * 8 + 4) / 5;
        error = body.Length < characters ? TicketError.Truncated : TicketError.Damaged;
        if (body.Length != characters || !Multibase.TryFromBase32(body, SwarmLimits.MaxTicketCharacters, out var bytes)) return false;
        if (!SHA256.HashData(bytes.AsSpan(0, total - ChecksumBytes)).AsSpan(0, ChecksumBytes).SequenceEqual(bytes.AsSpan(total - ChecksumBytes))) return false;
        error = TicketError.Malformed;
        ticket = FromPayload(bytes.AsSpan(HeaderBytes, payloadBytes));
        if (ticket is null) return false;
        error = TicketError.None;
        return true;
    }

    /// <summary>Reads a ticket that a person gave.</summary>
    /// <exception cref="PcException">It is none; each reason has its code.</exception>
    public static Ticket Parse(string? text)
    {
        if (TryParse(text, out var ticket, out var error)) return ticket;
        throw error switch
        {
            TicketError.Truncated => new PcException(ErrorCode.TicketTruncated, "the ticket is cut off"),
            TicketError.Damaged => new PcException(ErrorCode.TicketDamaged, "the ticket was changed on its way: its checksum does not fit"),
            TicketError.Version => new PcException(ErrorCode.TicketVersion, "the ticket was made by a newer version of pc"),
            _ => new PcException(ErrorCode.TicketMalformed, "this is not a ticket"),
        };
    }

    /// <summary>The ticket without its secret, for logs.</summary>
    public override string ToString() => $"ticket of {Inviter} to {Name} ({Role}, until {Expires:u})";

    internal static void Fuzz(ReadOnlySpan<byte> input)
    {
        if (TryParse(System.Text.Encoding.Latin1.GetString(input), out var ticket, out _)) _ = ticket.ToText();
        _ = FromPayload(input);
    }

    private static Ticket? FromPayload(ReadOnlySpan<byte> payload)
    {
        try
        {
            var m = TicketMessage.Parser.ParseWhole(payload);
            if (!SwarmId.TryFromBytes(m.Swarm.Span, out var swarm) || !PeerId.TryFromBytes(m.Inviter.Span, out var inviter) || !Names.IsValid(m.Name)) return null;
            if (m.Addresses.Count > MaxAddresses || m.Addresses.Any(address => address.Length > MaxAddressCharacters || address.Any(char.IsControl))) return null;
            if (m.Role is < (uint)Role.Guest or > (uint)Role.Admin || m.ExpiresMs >= 253_402_300_800_000 || m.Uses > int.MaxValue || m.Secret.Length != SecretBytes) return null;
            return new Ticket
            {
                Swarm = swarm,
                Name = m.Name,
                Inviter = inviter,
                Addresses = [.. m.Addresses],
                Role = (Role)m.Role,
                Expires = DateTimeOffset.FromUnixTimeMilliseconds((long)m.ExpiresMs),
                Uses = (int)m.Uses,
                Secret = m.Secret.ToByteArray(),
            };
        }
        catch (Exception thrown) when (Malformed.Is(thrown))
        {
            return null;
        }
    }
}
