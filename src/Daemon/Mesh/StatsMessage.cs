using System.Text.Json.Serialization;

namespace PeoplesCloud.Daemon.Mesh;

/// <summary>An item of the answer of GET .../stats: what a program takes on the host that answers; what is not known is absent.</summary>
internal sealed record StatsMessage(
    string Program, string State, string? Detail, int Restarts, double? UpSeconds, double? Cores, double? CpuSeconds, long? MemoryBytes, int? Pids, long? DiskBytes, long LogBytes, long LogBytesAllowed, long? NetworkBytes = null);

/// <summary>The answer of POST .../watch.</summary>
internal sealed record TrialMessage(bool Up, string? Why, bool Finished);

/// <summary>Serialization of these bodies.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(IReadOnlyList<StatsMessage>))]
[JsonSerializable(typeof(TrialMessage))]
internal sealed partial class StatsJson : JsonSerializerContext;
