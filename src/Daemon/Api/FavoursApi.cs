using System.Text.Json.Serialization;

namespace PeoplesCloud.Daemon.Api;

/// <summary>Answer of GET /v1/swarms/{swarm}/favours.</summary>
public sealed record FavoursReply(string Swarm, IReadOnlyList<FavourInfo> Favours, IReadOnlyList<BalanceInfo> Balances);

/// <summary>What one member did for another. Receipts: days of programs; Countersigned: those that the owner agreed to.</summary>
public sealed record FavourInfo(string Host, string HostPeerId, string Owner, string OwnerPeerId, int Receipts, int Countersigned, double ProcessorSeconds, long MemoryMebibyteSeconds, long Bytes);

/// <summary>What one member gave and took, of what was countersigned.</summary>
public sealed record BalanceInfo(string Name, string PeerId, double GivenProcessorSeconds, double TakenProcessorSeconds, long GivenMemoryMebibyteSeconds, long TakenMemoryMebibyteSeconds);

/// <summary>Serialization of these messages, generated so that a command starts fast.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(FavoursReply))]
public sealed partial class FavoursApiJson : JsonSerializerContext;
