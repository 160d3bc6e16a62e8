using System.Text.Json.Serialization;

namespace PeoplesCloud.Daemon.Api;

// What the local API says of running programs: restart, stats, exec, update, history. Routes are in docs/protocols/local-api.md.

/// <summary>Answer of POST /v1/swarms/{swarm}/programs/{program}/restart. Done: it runs again; false when its host was not reached and restarts it when it hears of it.</summary>
public sealed record RestartReply(string Program, string Hash, string? Host, bool Done, string? Problem = null);

/// <summary>Serialization of these messages, generated so that a command starts fast.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(RestartReply))]
public sealed partial class RunningApiJson : JsonSerializerContext;
