using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using PeoplesCloud.Base;

namespace PeoplesCloud.Sessions.Messages;

/// <summary>What became of a session, as status says it.</summary>
public enum SessionState
{
    /// <summary>It runs.</summary>
    Running,

    /// <summary>Its process ended.</summary>
    Exited,

    /// <summary>It ended with the daemon that ran it.</summary>
    Ended,

    /// <summary>It sleeps until somebody connects to its port.</summary>
    Asleep,
}

/// <summary>
/// Writes answers with the keys that existing clients read, and says what an answer was about. The payload is JSON in one line.
/// </summary>
public static class SessionAnswer
{
    // Answers are no part of a web page; what people read in them stays readable.
    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>A session was started: <c>cloud, id, hostname, port</c>, and <c>ports</c> when it has further ones on the host, by those inside.</summary>
    public static ReadOnlyMemory<byte> Created(string cloud, string session, string hostname, int port, IReadOnlyDictionary<string, IReadOnlyList<int>>? ports = null) => Write(cloud, session, json =>
    {
        json.WriteString("hostname", hostname);
        json.WriteNumber("port", port);
        if (ports is null) return;
        json.WriteStartObject("ports");
        foreach (var (inside, outside) in ports.OrderBy(pair => pair.Key, StringComparer.Ordinal))
        {
            json.WriteStartArray(inside);
            foreach (var number in outside) json.WriteNumberValue(number);
            json.WriteEndArray();
        }
        json.WriteEndObject();
    });

    /// <summary>Whether a session runs: <c>cloud, id, status</c>, and <c>state, exit</c> where more is known than that.</summary>
    /// <param name="cloud">The node that answers.</param>
    /// <param name="session">The session.</param>
    /// <param name="state">What became of it; null when nobody runs it.</param>
    /// <param name="exitCode">With which code it ended; null where nobody knows.</param>
    public static ReadOnlyMemory<byte> Status(string cloud, string session, SessionState? state, int? exitCode) => Write(cloud, session, json =>
    {
        json.WriteBoolean("status", state is SessionState.Running or SessionState.Asleep);
        if (state is null or SessionState.Running) return;
        json.WriteString("state", state switch { SessionState.Exited => "exited", SessionState.Asleep => "asleep", _ => "ended" });
        if (exitCode is { } code) json.WriteNumber("exit", code);
    });

    /// <summary>Whether a session was there to be ended: <c>cloud, id, session, status</c>; older clients read <c>session</c>.</summary>
    public static ReadOnlyMemory<byte> Removed(string cloud, string session, bool wasHere) => Write(cloud, session, json =>
    {
        json.WriteString("session", session);
        json.WriteBoolean("status", wasHere);
    });

    /// <summary>Why there is no other answer: <c>cloud, id, error: {code, message, try}</c>. The id is the request's.</summary>
    public static ReadOnlyMemory<byte> Error(string cloud, string request, PcException error) => Write(cloud, request, json =>
    {
        json.WriteStartObject("error");
        json.WriteString("code", $"PC{(int)error.Code:0000}");
        json.WriteString("message", error.Message);
        json.WriteString("try", error.Hint);
        json.WriteEndObject();
    });

    /// <summary>The node and the session of an answer to create; null when it is none, as an error. Other programs answer with single quotes.</summary>
    public static (string Cloud, string Session)? CreatedBy(ReadOnlySpan<byte> payload)
    {
        if (payload.Length > SessionLimits.MaxRankBytes || LooseJson.Read(payload) is not { } document) return null;
        using (document)
        {
            if (document.RootElement.ValueKind != JsonValueKind.Object || document.RootElement.TryGetProperty("error", out _)) return null;
            return TextOf(document.RootElement, "cloud") is { } cloud && TextOf(document.RootElement, "id") is { } session ? (cloud, session) : null;
        }
    }

    /// <summary>An answer as JSON, to be disposed; null when it is none with the keys cloud and id. Other programs answer with single quotes.</summary>
    public static JsonDocument? Parse(ReadOnlySpan<byte> payload)
    {
        if (payload.Length > SessionLimits.MaxRankBytes || LooseJson.Read(payload) is not { } document) return null;
        var root = document.RootElement;
        if (root.ValueKind == JsonValueKind.Object && root.TryGetProperty("cloud", out _) && (root.TryGetProperty("id", out _) || root.TryGetProperty("session", out _))) return document;
        document.Dispose();
        return null;
    }

    internal static string? TextOf(JsonElement parent, string name)
    {
        if (!parent.TryGetProperty(name, out var value) || value.ValueKind != JsonValueKind.String) return null;
        try
        {
            var text = value.GetString()!;
            return SessionNames.IsId(text) ? text : null;
        }
        catch (InvalidOperationException)
        {
            return null; // no Unicode
        }
    }

    private static ReadOnlyMemory<byte> Write(string cloud, string id, Action<Utf8JsonWriter> rest)
    {
        var buffer = new ArrayBufferWriter<byte>(256);
        using (var json = new Utf8JsonWriter(buffer, Options))
        {
            json.WriteStartObject();
            json.WriteString("cloud", cloud);
            json.WriteString("id", id);
            rest(json);
            json.WriteEndObject();
        }
        return buffer.WrittenMemory;
    }
}
