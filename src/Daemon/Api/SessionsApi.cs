using System.Text.Json.Serialization;

namespace PeoplesCloud.Daemon.Api;

/// <summary>Answer of GET /v1/sessions: the sessions of this node. Cloud: its id in messages.</summary>
public sealed record SessionsReply(string Cloud, IReadOnlyList<SessionInfo> Sessions);

/// <summary>A session. State: running, asleep, exited, or ended with an earlier daemon. Port: on this host; 0 when it has ended.</summary>
public sealed record SessionInfo(string Id, string State, int? Exit, int Port, int Connections);

/// <summary>POST /v1/sessions. Idle: such as 10m; null never sleeps.</summary>
public sealed record SessionCreateRequest(string Script, string? Idle = null);

/// <summary>Answer of POST /v1/sessions. Hostname and port are null when a node of another program runs it.</summary>
public sealed record SessionCreatedReply(string Cloud, string Id, string? Hostname, int? Port);

/// <summary>Answer of POST /v1/sessions/{session}/remove.</summary>
public sealed record SessionRemovedReply(string Id, string Cloud);

/// <summary>Serialization of these messages, generated so that a command starts fast.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(SessionsReply))]
[JsonSerializable(typeof(SessionCreateRequest))]
[JsonSerializable(typeof(SessionCreatedReply))]
[JsonSerializable(typeof(SessionRemovedReply))]
public sealed partial class SessionsApiJson : JsonSerializerContext;
