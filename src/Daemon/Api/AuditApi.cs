using System.Text.Json.Serialization;

namespace PeoplesCloud.Daemon.Api;

/// <summary>What pc audit --json writes.</summary>
public sealed record AuditReply(string Swarm, string? Name, IReadOnlyList<AuditEntry> Entries, IReadOnlyList<AuditUse> Use, bool Verified, IReadOnlyList<AuditFinding> Problems);

/// <summary>One entry. Standing: counts, noRight, revoked, forked, unknown.</summary>
public sealed record AuditEntry(string Hash, DateTimeOffset Time, string Author, string AuthorId, ulong Number, string Kind, string? Program, string Text, string Standing);

/// <summary>
/// What a program took on one host, over all its runs that are shown and have ended. Since: when a run began that no entry ends; what it takes is in the
/// host's receipts, day by day, until it ends.
/// </summary>
public sealed record AuditUse(string Program, string Hash, string Host, int Runs, double Seconds, double CpuSeconds, long MemoryMebibyteSeconds, long Bytes, DateTimeOffset? Since = null);

/// <summary>Something that is wrong with the copy.</summary>
public sealed record AuditFinding(string Entry, string What, bool IsCause);

/// <summary>Serialization of what pc audit says.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(AuditReply))]
public sealed partial class AuditJson : JsonSerializerContext;
