using System.Text.Json.Serialization;

namespace PeoplesCloud.Daemon.Api;

// The part of the local API that is about what this host's owner allows; docs/protocols/local-api.md.

/// <summary>
/// GET /v1/host. Paused: whether its owner paused it; PausedUntil null: until it is resumed. Rules in the order in which people read them; Programs are
/// those that run here or wait for the policy.
/// </summary>
public sealed record HostReply(string Name, bool Hosts, bool Paused, DateTimeOffset? PausedUntil, IReadOnlyList<HostRuleInfo> Rules, IReadOnlyList<HostedInfo> Programs, BuiltImagesInfo? Images = null);

/// <summary>
/// The container images that were built here; null when there are none. Bytes: what they take beside the images that they are based on. Kept: those of them that no program here
/// needs, which may take KeptAllowed bytes together and stay for KeptSeconds.
/// </summary>
public sealed record BuiltImagesInfo(int Count, long Bytes, int Kept, long KeptBytes, long KeptAllowed, long KeptSeconds);

/// <summary>
/// A rule. From: default, config or set. Range: what its value may be. Used: what programs have of it now, for rules that are sums; open or closed for hours,
/// the widest for the network, the longest for runs; null for others, which are of each program alone.
/// </summary>
public sealed record HostRuleInfo(string Rule, string Value, string From, string Range, string? Used = null);

/// <summary>
/// A program on this host. Each Used is measured (null: unknown, or it does not run), each Allowed is what the runtime holds it to. Cpus: cores, over half a second.
/// Disk: the fuller one of its writable places. RanSeconds: how long this deploy ran here, of RanAllowedSeconds (null: for ever). NetworkBytes: what it sent and received.
/// </summary>
public sealed record HostedInfo(
    string Swarm, string Program, string Owner, string State, string? Detail,
    long? MemoryUsed, long MemoryAllowed, double? CpusUsed, double CpusAllowed, int? PidsUsed, int PidsAllowed, long? DiskUsed, long DiskAllowed, string Network, long RanSeconds, long? RanAllowedSeconds = null, long? NetworkBytes = null);

/// <summary>POST /v1/host: rules and their values; the value "default" takes back what was set. All or none.</summary>
public sealed record HostSetRequest(IReadOnlyDictionary<string, string> Rules);

/// <summary>POST /v1/host/pause. For: 2h, 90m, ...; null until it is resumed.</summary>
public sealed record PauseRequest(string? For);

/// <summary>Answer of what changes the policy. Ended: programs that it does not let run any more; they wait. Resumed: whether a pause ended.</summary>
public sealed record PolicyReply(HostReply Host, IReadOnlyList<EndedProgram> Ended, bool Resumed = false);

/// <summary>A program that a change of the policy ended.</summary>
public sealed record EndedProgram(string Swarm, string Program, string Owner, string Why);

/// <summary>Serialization of this part.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(HostReply))]
[JsonSerializable(typeof(HostSetRequest))]
[JsonSerializable(typeof(PauseRequest))]
[JsonSerializable(typeof(PolicyReply))]
public sealed partial class HostApiJson : JsonSerializerContext;
