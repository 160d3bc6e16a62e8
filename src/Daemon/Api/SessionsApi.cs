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

/// <summary>
/// Answer of GET /v1/sessions/node. Carrier: the Redis or the swarm that carries messages; Connected: whether it does now, Problem: why not. Sessions: how many
/// run or sleep here. Refusal: why this node takes none now; null when it does.
/// </summary>
public sealed record SessionNodeReply(string Cloud, string Carrier, bool Connected, string? Problem, string Group, int Sessions, string? Refusal);

/// <summary>
/// What happened at nodes of pc sessions, as it shows it. What: up, redis, redis away, started, not started, exited, asleep, awake, removed, warning, ending or ended.
/// </summary>
public sealed record PyCloudEvent(string What, string? Node = null, string? Session = null, int? Port = null, int? Exit = null, string? Why = null)
{
    /// <summary>When.</summary>
    public DateTimeOffset At { get; init; }
}

/// <summary>What pc sessions status says. Running false: nothing else is known. Problem: why the Redis is not reached.</summary>
public sealed record PyCloudStatus(
    bool Running, int? Pid = null, DateTimeOffset? Since = null, string? Redis = null, bool? Connected = null, string? Problem = null, string? Group = null, string? Region = null, string? Settings = null, int? Sessions = null, IReadOnlyList<PyCloudNodeStatus>? Nodes = null);

/// <summary>A node in that status. Answers: whether it answers on its local API; Sessions and Refusal as in SessionNodeReply.</summary>
public sealed record PyCloudNodeStatus(string Home, bool Answers, string? Cloud = null, int? Sessions = null, string? Refusal = null);

/// <summary>Serialization of these messages, generated so that a command starts fast.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(SessionsReply))]
[JsonSerializable(typeof(SessionCreateRequest))]
[JsonSerializable(typeof(SessionCreatedReply))]
[JsonSerializable(typeof(SessionRemovedReply))]
[JsonSerializable(typeof(SessionNodeReply))]
[JsonSerializable(typeof(PyCloudEvent))]
[JsonSerializable(typeof(PyCloudStatus))]
public sealed partial class SessionsApiJson : JsonSerializerContext;
