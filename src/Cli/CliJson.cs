using System.Text.Json.Serialization;
using PeoplesCloud.Daemon.Exports;

namespace PeoplesCloud.Cli;

/// <summary>What pc version --json writes.</summary>
internal sealed record VersionReply(string Version, string Dotnet);

/// <summary>What pc up --json writes.</summary>
internal sealed record UpReply(string PeerId, IReadOnlyList<string> Addresses, int Pid, bool WasRunning);

/// <summary>What pc down --json writes.</summary>
internal sealed record DownReply(bool WasRunning);

/// <summary>What a command without an answer of its own writes.</summary>
internal sealed record DoneReply(string Done);

/// <summary>What pc doctor --json writes.</summary>
internal sealed record DoctorReply(bool Ready, IReadOnlyList<Finding> Findings);

/// <summary>One thing that the doctor looked at. Fix: the command that mends it.</summary>
internal sealed record Finding(string Group, string Name, bool Ok, bool Needed, string Detail, string? Fix);

/// <summary>What pc exec --json writes of each piece of output: stream is out or err.</summary>
internal sealed record ExecOutput(string Stream, byte[] Data);

/// <summary>What pc exec --json writes at the end.</summary>
internal sealed record ExecEnded(int Exit);

/// <summary>Serialization of what this program says besides the daemon's answers.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(VersionReply))]
[JsonSerializable(typeof(UpReply))]
[JsonSerializable(typeof(DownReply))]
[JsonSerializable(typeof(DoneReply))]
[JsonSerializable(typeof(ExecOutput))]
[JsonSerializable(typeof(ExecEnded))]
[JsonSerializable(typeof(DoctorReply))]
[JsonSerializable(typeof(ExportReport))]
[JsonSerializable(typeof(ImportReport))]
internal sealed partial class CliJson : JsonSerializerContext;
