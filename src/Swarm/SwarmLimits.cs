namespace PeoplesCloud.Swarm;

/// <summary>Every bound of this floor, with its unit and the reason for the number. All are checked before anything is allocated for the content.</summary>
public static class SwarmLimits
{
    /// <summary>A stored entry, in bytes. A removal that seals the new key to 511 members takes 45 KiB, and 64 parents 2 more; a deploy sealed to 64 guardians about 8.</summary>
    public const int MaxEntryBytes = 48 << 10;

    /// <summary>Causal parents of an entry. More concurrent authors than this leave heads for the next entry to name.</summary>
    public const int MaxParents = 64;

    /// <summary>A signature, in bytes (Ed25519 has 64).</summary>
    public const int MaxSignatureBytes = 64;

    /// <summary>Entries of one author whose clocks fall on one day (UTC). A person writes dozens; a loop gone wild stops here.</summary>
    public const int MaxEntriesPerDay = 1_000;

    /// <summary>How far ahead of our clock an entry's clock may be. A clock a day off still works, together with any time zone mistake.</summary>
    public static readonly TimeSpan MaxClockAhead = TimeSpan.FromHours(36);

    /// <summary>How far ahead of our own clock we follow the clocks of others.</summary>
    public static readonly TimeSpan MaxClockFollowed = TimeSpan.FromMinutes(10);

    /// <summary>Entries that wait in memory for entries that they name; the oldest is dropped and fetched again later.</summary>
    public const int MaxPendingEntries = 2_048;

    /// <summary>Bytes of all waiting entries together.</summary>
    public const int MaxPendingBytes = 8 << 20;

    /// <summary>Members of one swarm that a ticket admits, active ones.</summary>
    public const int MaxMembers = 512;

    /// <summary>Keys sealed in one deploy: the owner and the guardians.</summary>
    public const int MaxSealedKeys = 64;

    /// <summary>The encrypted secrets of one program, in bytes. Beside them an entry still holds 64 keys and 64 parents.</summary>
    public const int MaxSecretBoxBytes = 24 << 10;

    /// <summary>What an entry says of something done with a program, in UTF-8 bytes: a command's name and a number.</summary>
    public const int MaxControlDetailBytes = 120;

    /// <summary>How many of the last things done with a program the state holds; the feeds have all of them.</summary>
    public const int MaxControlsKept = 32;

    /// <summary>Guardians of one program. Five may lose two; more would only make more votes.</summary>
    public const int MaxGuardians = 5;

    /// <summary>Sets of guardians of one program that wait for approvals. Its owner and its guardians write them, seldom two at once.</summary>
    public const int MaxPendingGuardians = 8;

    /// <summary>Authors that a swarm ever had, and branches of forks: what a digest can name.</summary>
    public const int MaxAuthors = 4_096;

    /// <summary>A gossip message, in bytes: digests of at most 205 KiB and a payload.</summary>
    public const int MaxGossipBytes = 288 << 10;

    /// <summary>Entries and records in one gossip message, in bytes; what is left follows in the next.</summary>
    public const int MaxGossipPayloadBytes = 64 << 10;

    /// <summary>A signed presence record, in bytes.</summary>
    public const int MaxPresenceBytes = 8 << 10;

    /// <summary>A request to join, in bytes.</summary>
    public const int MaxJoinRequestBytes = 1 << 10;

    /// <summary>The answer to a join: all entries of the swarm, in bytes.</summary>
    public const int MaxJoinReplyBytes = 64 << 20;

    /// <summary>The longest message of joining by a secret before the admission, in bytes. A proof takes some 250; a refusal in words has at most 300 characters.</summary>
    public const int MaxJoinMessageBytes = 2 << 10;

    /// <summary>What a node that was let in by a secret gets, in bytes: the answer to a join and the swarm's id.</summary>
    public const int MaxJoinAdmissionBytes = MaxJoinReplyBytes + 64;

    /// <summary>A secret of a swarm, in UTF-8 bytes, at least. Fewer are tried in days at the pace that the limits of guesses allow.</summary>
    public const int MinJoinSecretBytes = 8;

    /// <summary>The same at most: a file of key material is not meant, a long sentence is.</summary>
    public const int MaxJoinSecretBytes = 1 << 10;

    /// <summary>A ticket's text, in characters. A QR code of 4,296 characters is the largest there is.</summary>
    public const int MaxTicketCharacters = 4_096;

    /// <summary>A name of a swarm, node or program, in UTF-8 bytes (a DNS label's length).</summary>
    public const int MaxNameBytes = 63;

    /// <summary>A program's manifest inside of its entry, in bytes. A long command and thirty variables take one; longer values are files of the program.</summary>
    public const int MaxManifestBytes = 8 << 10;

    /// <summary>Words of a program's command.</summary>
    public const int MaxCommandWords = 256;

    /// <summary>Ports of a program.</summary>
    public const int MaxPorts = 32;

    /// <summary>Environment variables and secrets of a program together.</summary>
    public const int MaxVariables = 128;

    /// <summary>The name of an environment variable, in bytes.</summary>
    public const int MaxVariableNameBytes = 128;

    /// <summary>A reference to a container image, in bytes: a name of 255, a tag of 128 or a digest, as registries have it.</summary>
    public const int MaxImageBytes = 512;

    /// <summary>A schedule in cron's syntax, in bytes.</summary>
    public const int MaxScheduleBytes = 256;
}
