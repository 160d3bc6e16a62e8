using System.Text.Json.Serialization;

namespace PeoplesCloud.Daemon.Api;

// What the local API says of the copies of a program's data. Routes are in docs/protocols/local-api.md.

/// <summary>Answer of GET /v1/swarms/{swarm}/programs/{program}/data. RunsOn: the program's host now; null when it has none. Stopped: the data waits for the next deploy of the name.</summary>
public sealed record DataReply(string Program, string Owner, string? RunsOn, bool Stopped, IReadOnlyList<DataCopyInfo> Copies, IReadOnlyList<DataProblem> Missing);

/// <summary>
/// One copy. On: who has it. Conflict: its name when it is one. Holder, Epoch, Number: who made it and when, the higher epoch and then the higher number is
/// newer. Newest: nobody who answered has a newer one. Behind: how many files are otherwise in the newest, or in a conflict otherwise than there.
/// </summary>
public sealed record DataCopyInfo(string On, string? Conflict, string Holder, ulong Epoch, ulong Number, DateTimeOffset Taken, int Files, long Bytes, bool Newest, int Behind);

/// <summary>A member that may have a copy and did not say so, or did not do as asked.</summary>
public sealed record DataProblem(string On, string Problem);

/// <summary>POST /v1/swarms/{swarm}/programs/{program}/data/get. Output: a folder that is not there, absolute. On: whose copy; null for the newest. Conflict: null for none.</summary>
public sealed record DataGetRequest(string Output, string? On = null, string? Conflict = null);

/// <summary>Its result.</summary>
public sealed record DataGetReply(DataCopyInfo Copy, string Output);

/// <summary>POST /v1/swarms/{swarm}/programs/{program}/data/drop. Conflict: its name; null for all data of a program that has ended. On: whose; null for all.</summary>
public sealed record DataDropRequest(string? Conflict = null, string? On = null);

/// <summary>Answer: who removed it, and who did not.</summary>
public sealed record DataDropReply(string Program, string? Conflict, IReadOnlyList<string> Dropped, IReadOnlyList<DataProblem> Missing);

/// <summary>Serialization of these messages, generated so that a command starts fast.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(DataReply))]
[JsonSerializable(typeof(DataGetRequest))]
[JsonSerializable(typeof(Event<DataGetReply>))]
[JsonSerializable(typeof(DataDropRequest))]
[JsonSerializable(typeof(DataDropReply))]
public sealed partial class DataApiJson : JsonSerializerContext;
