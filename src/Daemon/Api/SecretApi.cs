using System.Text.Json.Serialization;

namespace PeoplesCloud.Daemon.Api;

// The part of the local API that is about secret environment variables; docs/protocols/local-api.md. Values go in and never come out.

/// <summary>POST /v1/swarms/{swarm}/secrets/{program}: sets variables of one's own programs of that name; the others stay.</summary>
public sealed record SetSecretsRequest(IReadOnlyDictionary<string, string> Values)
{
    /// <summary>Without the values.</summary>
    public override string ToString() => $"set {Values.Count} secrets";
}

/// <summary>
/// Answer of GET and POST /v1/swarms/{swarm}/secrets/{program} and of DELETE .../secrets/{program}/{name}: the names that are set. Running: the program runs
/// with what was set before until it is started again.
/// </summary>
public sealed record SecretNamesReply(string Swarm, string Program, IReadOnlyList<string> Names, bool Running);

/// <summary>Serialization of this part.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(SetSecretsRequest))]
[JsonSerializable(typeof(SecretNamesReply))]
public sealed partial class SecretApiJson : JsonSerializerContext;
