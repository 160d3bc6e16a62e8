using System.Text.Json.Serialization;

namespace PeoplesCloud.Daemon.Api;

// What the local API says of running programs: restart, stats, exec, update, history. Routes are in docs/protocols/local-api.md.

/// <summary>Answer of POST /v1/swarms/{swarm}/programs/{program}/restart. Done: it runs again; false when its host was not reached and restarts it when it hears of it.</summary>
public sealed record RestartReply(string Program, string Hash, string? Host, bool Done, string? Problem = null);

/// <summary>Answer of GET /v1/swarms/{swarm}/stats?program=.</summary>
public sealed record StatsReply(IReadOnlyList<ProgramUse> Programs);

/// <summary>
/// What a program takes and what it may take. Null is what its host cannot tell or did not answer, which Problem then says. Cores: processors used
/// over the last 0.3 s; disk: the fuller of its folder and its /tmp.
/// </summary>
public sealed record ProgramUse(
    string Program, string Id, string Hash, string Owner, string? Host, string State, string? Detail, int Restarts,
    double? UpSeconds, double? Cores, double CoresAllowed, double? CpuSeconds, long? MemoryBytes, long MemoryBytesAllowed, int? Pids, int PidsAllowed,
    long? DiskBytes, long DiskBytesAllowed, long? LogBytes, long? LogBytesAllowed, string? Problem);

/// <summary>Serialization of these messages, generated so that a command starts fast.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(RestartReply))]
[JsonSerializable(typeof(StatsReply))]
public sealed partial class RunningApiJson : JsonSerializerContext;
