using System.Text.Json.Serialization;

namespace PeoplesCloud.Daemon.Api;

// What the local API says of running programs: restart, stats, exec, update, history. Routes are in docs/protocols/local-api.md.

/// <summary>Answer of POST /v1/swarms/{swarm}/programs/{program}/restart. Done: it runs again; false when its host was not reached and restarts it when it hears of it.</summary>
public sealed record RestartReply(string Program, string Hash, string? Host, bool Done, string? Problem = null);

/// <summary>Answer of GET /v1/swarms/{swarm}/stats?program=.</summary>
public sealed record StatsReply(IReadOnlyList<ProgramUse> Programs);

/// <summary>
/// What a program takes and what it may take. Null is what its host cannot tell or did not answer, which Problem then says. Cores: processors used
/// over the last 0.3 s; disk: the fuller of its folder and its /tmp. Network: none, internet or lan; NetworkBytes: sent and received since it came to its host.
/// </summary>
public sealed record ProgramUse(
    string Program, string Id, string Hash, string Owner, string? Host, string State, string? Detail, int Restarts,
    double? UpSeconds, double? Cores, double CoresAllowed, double? CpuSeconds, long? MemoryBytes, long MemoryBytesAllowed, int? Pids, int PidsAllowed,
    long? DiskBytes, long DiskBytesAllowed, long? LogBytes, long? LogBytesAllowed, string? Problem, string Network, long? NetworkBytes);

/// <summary>The result of POST /v1/swarms/{swarm}/programs/{program}/update and .../rollback. Version: the number of the new one.</summary>
public sealed record UpdateReply(DeployReply Deployed, int Version);

/// <summary>POST /v1/swarms/{swarm}/programs/{program}/rollback. Version null: the last one that differs from the present one.</summary>
public sealed record RollbackRequest(int? Version = null);

/// <summary>Answer of GET /v1/swarms/{swarm}/programs/{program}/history: versions and what was done with them, oldest first.</summary>
public sealed record HistoryReply(string Program, string Owner, IReadOnlyList<HistoryVersion> Versions, IReadOnlyList<HistoryControl> Controls)
{
    /// <summary>Of a scheduled program: its last times that are over, oldest first; null for others.</summary>
    public IReadOnlyList<HistoryTime>? Times { get; init; }
}

/// <summary>One version. State: live, finished, stopped. SameAs: the first version with the same bundle. Kept: its bundle is kept to run again.</summary>
public sealed record HistoryVersion(int Version, string Id, string Hash, DateTimeOffset Deployed, string Language, long BundleBytes, string? Host, string State, int? SameAs, bool Kept);

/// <summary>Something that was done with a version. Action: restart, exec, data.</summary>
public sealed record HistoryControl(DateTimeOffset Time, string By, string Action, string Detail);

/// <summary>Serialization of these messages, generated so that a command starts fast.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(RestartReply))]
[JsonSerializable(typeof(StatsReply))]
[JsonSerializable(typeof(Event<UpdateReply>))]
[JsonSerializable(typeof(UpdateReply))]
[JsonSerializable(typeof(RollbackRequest))]
[JsonSerializable(typeof(HistoryReply))]
public sealed partial class RunningApiJson : JsonSerializerContext;
