using System.Text.Json.Serialization;

namespace PeoplesCloud.Daemon.Api;

/// <summary>POST /v1/swarms/{swarm}/programs/{program}/open. Port null takes the program's first; Local null takes the same number when it is free, 0 any.</summary>
public sealed record OpenRequest(int? Port = null, int? Local = null);

/// <summary>
/// The first line of the answer of open, kind "opened": where to connect on this machine, for as long as the answer is read. Host: the
/// member that runs the program now. Url: where a browser finds it; null when it is no web program. Protocol:
/// tcp, http or udp, as the program names the port. Lines of kind "step" follow: it moved, or a connection could not be made.
/// </summary>
public sealed record OpenReply(string Program, int Port, string Address, int Local, string? Host, string? Url, string Protocol = "tcp");

/// <summary>Serialization of the messages about ports.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(OpenRequest))]
[JsonSerializable(typeof(Event<OpenReply>))]
public sealed partial class TunnelApiJson : JsonSerializerContext;
