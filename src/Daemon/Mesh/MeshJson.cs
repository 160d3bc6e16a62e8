using System.Text.Json.Serialization;

namespace PeoplesCloud.Daemon.Mesh;

// The JSON bodies between members; see docs/protocols/mesh-api.md. Fields are only ever added.

/// <summary>
/// POST .../ask: would you run this? Manifest: its bytes as in ProgramDeployed, absent when it asks for nothing besides. Name: what it will be called; an older
/// program of the caller with that name ends before it starts.
/// </summary>
internal sealed record AskMessage(string Language, long MemoryBytes, int CpuMillis, int Pids, long DiskBytes, string Network, byte[]? Manifest = null, string? Name = null);

/// <summary>The answer of ask. Seals: the newest way of sealing a bundle's key that the host opens; absent: 1. Schedules: whether it starts programs by a schedule; absent from earlier versions, which would run them all the time.</summary>
internal sealed record OfferMessage(bool Hosts, IReadOnlyList<string> Languages, double Rank, string? Refusal, int? Seals = null, bool Schedules = false);

/// <summary>A line of GET .../logs: time in ticks of UTC; o, e or p for out, err and pc.</summary>
internal sealed record LogMessage(long Time, string Source, string Text);

/// <summary>The answer of GET .../status.</summary>
internal sealed record ProgramStatusMessage(string State, string? Detail, int Restarts);

/// <summary>An item of the answer of links: a connection with another member. Relay is null when the relay is in another swarm.</summary>
internal sealed record LinkMessage(string Peer, bool Relayed, string? Relay, double? RoundTripMs, string? Why);

/// <summary>Serialization of the mesh's bodies.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(AskMessage))]
[JsonSerializable(typeof(OfferMessage))]
[JsonSerializable(typeof(LogMessage))]
[JsonSerializable(typeof(ProgramStatusMessage))]
[JsonSerializable(typeof(IReadOnlyList<LinkMessage>))]
internal sealed partial class MeshJson : JsonSerializerContext;
