using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Api;

namespace PeoplesCloud.Daemon.Execs;

/// <summary>The first frame from pc to its daemon: program and arguments, not a shell line.</summary>
public sealed record ExecRequest(IReadOnlyList<string> Command);

/// <summary>The first frame between members: which program, by which entry of the caller's feed, what.</summary>
public sealed record ExecOpen(string Swarm, string Program, string Entry, IReadOnlyList<string> Command);

/// <summary>Serialization of what frames hold.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(ExecRequest))]
[JsonSerializable(typeof(ExecOpen))]
[JsonSerializable(typeof(ErrorReply))]
public sealed partial class ExecJson : JsonSerializerContext
{
    /// <summary>Reads what a frame holds.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.BadRequest"/>.</exception>
    internal static T Read<T>(byte[] payload, JsonTypeInfo<T> type)
    {
        try
        {
            return JsonSerializer.Deserialize(payload, type) ?? throw new JsonException("null");
        }
        catch (JsonException e)
        {
            throw new PcException(ErrorCode.BadRequest, "what is to be run could not be read", inner: e);
        }
    }
}
