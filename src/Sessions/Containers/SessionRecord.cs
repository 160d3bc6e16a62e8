using System.Text.Json;
using System.Text.Json.Serialization;
using PeoplesCloud.Base.Files;

namespace PeoplesCloud.Sessions.Containers;

/// <summary>What a node keeps of a session in Docker, so that its next life goes on with it: docs/layouts/sessions.md. The script may hold secrets: only the owner reads it.</summary>
/// <param name="Version">1.</param>
/// <param name="Script">What its client sent.</param>
/// <param name="IdleSeconds">After how long without a connection it sleeps; null for never.</param>
/// <param name="Ports">Its ports on the host, the first before the others.</param>
/// <param name="Asleep">Whether it was put to sleep.</param>
internal sealed record SessionRecord(int Version, string Script, double? IdleSeconds, IReadOnlyList<int> Ports, bool Asleep)
{
    private const string FileName = "session.json";

    // A script, each of its bytes escaped.
    private const int MaxBytes = (SessionLimits.MaxScriptBytes * 6) + 4096;

    /// <summary>Writes it into a session's folder; it is durable when this returns.</summary>
    public void Write(string folder) => SystemDisk.Instance.Replace(Path.Combine(folder, FileName), JsonSerializer.SerializeToUtf8Bytes(this, SessionRecordJson.Default.SessionRecord));

    /// <summary>Reads it; null when there is none that can be understood.</summary>
    public static SessionRecord? Read(string folder)
    {
        try
        {
            var file = new FileInfo(Path.Combine(folder, FileName));
            if (!file.Exists || file.Length > MaxBytes) return null;
            var record = JsonSerializer.Deserialize(File.ReadAllBytes(file.FullName), SessionRecordJson.Default.SessionRecord);
            return record is { Version: 1, Script: not null, Ports.Count: >= 1 and <= ContainerLimits.Ports + 1 } && record.Ports.All(port => port is > 0 and <= 65535) && record.IdleSeconds is null or > 0 ? record : null;
        }
        catch (Exception e) when (e is JsonException or IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Whether a session's folder has one.</summary>
    public static bool IsIn(string folder) => File.Exists(Path.Combine(folder, FileName));

    /// <summary>Removes it.</summary>
    public static void Delete(string folder) => File.Delete(Path.Combine(folder, FileName));
}

/// <summary>Serialization of the record, generated.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, RespectNullableAnnotations = true)]
[JsonSerializable(typeof(SessionRecord))]
internal sealed partial class SessionRecordJson : JsonSerializerContext;
