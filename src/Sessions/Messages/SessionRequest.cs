using System.Text;
using System.Text.Json;
using PeoplesCloud.Base;

namespace PeoplesCloud.Sessions.Messages;

/// <summary>A request that was understood.</summary>
/// <param name="Key">What is asked for, and its id.</param>
/// <param name="Script">What a new session runs; empty for other verbs.</param>
/// <param name="Session">The session that is meant; empty for create.</param>
/// <param name="Idle">After how long without a connection a new session sleeps; null for never.</param>
public sealed record SessionRequest(RequestKey Key, string Script, string Session, TimeSpan? Idle);

/// <summary>What became of a payload.</summary>
/// <param name="Request">The request; null when it is none.</param>
/// <param name="Id">The id that an error can be answered to; null when it could not be read.</param>
/// <param name="Problem">Why it is no request; null when it is one.</param>
public sealed record ReadRequest(SessionRequest? Request, string? Id, PcException? Problem);

/// <summary>
/// Reads payloads of requests. They come from anybody who may publish: nothing here throws, nothing is allocated by what a payload says of
/// itself, and the id is found whenever it can be read, also before the place where a payload breaks.
/// </summary>
public static class SessionRequestReader
{
    // What a text of some kind may have; a longer one is noticed by its length and never made a string.
    private const int MaxIdleBytes = 32;

    /// <summary>Reads a payload.</summary>
    /// <param name="verb">The verb of the channel that it came by.</param>
    /// <param name="payload">What was published.</param>
    public static ReadRequest Read(SessionVerb verb, ReadOnlySpan<byte> payload)
    {
        if (payload.Length > SessionLimits.MaxPayloadBytes) return Bad(null, $"a request of {payload.Length} bytes is longer than {SessionLimits.MaxPayloadBytes}");
        var fields = new Fields();
        string? broken;
        try
        {
            broken = ReadFields(payload, fields);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // InvalidOperationException: text that is no Unicode.
            broken = "it is no JSON";
        }
        if (fields.Id is null) return Bad(null, broken ?? "it has no id");
        if (broken is not null) return Bad(fields.Id, broken);
        if (!SessionNames.IsId(fields.Id) || fields.IdIsNumber) return Bad(fields.Id, $"its id is not 1 to {SessionLimits.MaxIdLength} lower-case hex digits in quotes");
        var key = new RequestKey(verb, fields.Id);
        return verb == SessionVerb.Create ? Create(key, fields) : OfSession(key, fields);
    }

    private static ReadRequest Create(RequestKey key, Fields fields)
    {
        if (fields.ScriptIsTooLong) return new(null, key.Id, new PcException(ErrorCode.SessionScriptRefused, $"the script is longer than {SessionLimits.MaxScriptBytes} bytes"));
        if (string.IsNullOrWhiteSpace(fields.Script)) return Bad(key.Id, "it has no script, or one without text");
        if (fields.Script.Contains('\0', StringComparison.Ordinal)) return Bad(key.Id, "its script has a zero byte");
        TimeSpan? idle = null;
        if (fields.Idle is { } text)
        {
            if (!IdleTime.TryRead(text, out var time)) return Bad(key.Id, $"idle is a time from 1s to 30d, such as \"10m\"");
            idle = time;
        }
        return new(new SessionRequest(key, fields.Script, "", idle), key.Id, null);
    }

    private static ReadRequest OfSession(RequestKey key, Fields fields)
    {
        if (fields.Session is null || !SessionNames.IsId(fields.Session)) return Bad(key.Id, $"its session is not 1 to {SessionLimits.MaxIdLength} lower-case hex digits in quotes");
        return new(new SessionRequest(key, "", fields.Session, null), key.Id, null);
    }

    private static ReadRequest Bad(string? id, string why) => new(null, id, new PcException(ErrorCode.SessionRequestInvalid, $"this is no request: {why}"));

    // object = "{" key ":" value ... "}"; keys that are not known are passed over, of a key that comes twice the last counts.
    private static string? ReadFields(ReadOnlySpan<byte> payload, Fields fields)
    {
        var reader = new Utf8JsonReader(payload, new JsonReaderOptions { MaxDepth = SessionLimits.MaxJsonDepth });
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject) return "it is no JSON object";
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var name = Known(ref reader);
            if (!reader.Read()) return "it is no JSON";
            switch (name)
            {
                case "id":
                    fields.Id = ReadId(ref reader, out var isNumber);
                    fields.IdIsNumber = isNumber;
                    break;
                case "script":
                    fields.Script = ReadText(ref reader, SessionLimits.MaxScriptBytes, out var tooLong);
                    fields.ScriptIsTooLong = tooLong;
                    break;
                case "session":
                    fields.Session = ReadText(ref reader, SessionLimits.MaxWrongIdBytes, out _);
                    break;
                case "idle":
                    fields.Idle = reader.TokenType == JsonTokenType.Null ? null : ReadText(ref reader, MaxIdleBytes, out _) ?? "";
                    break;
                default:
                    reader.Skip();
                    break;
            }
        }
        return reader.Read() ? "something comes after it" : null;
    }

    private static string Known(ref Utf8JsonReader reader)
    {
        foreach (var name in (ReadOnlySpan<string>)["id", "script", "session", "idle"])
            if (reader.ValueTextEquals(name)) return name;
        return "";
    }

    // A number is no id, but one that can be answered to.
    private static string? ReadId(ref Utf8JsonReader reader, out bool isNumber)
    {
        isNumber = reader.TokenType == JsonTokenType.Number;
        if (isNumber) return reader.ValueSpan.Length <= SessionLimits.MaxWrongIdBytes ? Encoding.ASCII.GetString(reader.ValueSpan) : null;
        var text = ReadText(ref reader, SessionLimits.MaxWrongIdBytes, out _);
        return string.IsNullOrEmpty(text) || text.Any(char.IsControl) ? null : text;
    }

    /// <summary>A text; null when it is none or too long. An escape has up to six bytes for one, so the length is known before it is read.</summary>
    private static string? ReadText(ref Utf8JsonReader reader, int maxBytes, out bool tooLong)
    {
        tooLong = false;
        if (reader.TokenType != JsonTokenType.String)
        {
            reader.Skip();
            return null;
        }
        tooLong = reader.ValueSpan.Length > (reader.ValueIsEscaped ? maxBytes * 6L : maxBytes);
        if (tooLong) return null;
        var text = reader.GetString()!;
        tooLong = Encoding.UTF8.GetByteCount(text) > maxBytes;
        return tooLong ? null : text;
    }

    // Fuzz target: whatever is accepted has the form that the rest relies on.
    internal static void Fuzz(ReadOnlySpan<byte> input)
    {
        foreach (var verb in Enum.GetValues<SessionVerb>())
        {
            var read = Read(verb, input);
            Invariant.Check(read.Request is null != (read.Problem is null), "a payload is a request or has a problem");
            if (read.Id is { } id) Invariant.Check(Encoding.UTF8.GetByteCount(id) <= SessionLimits.MaxWrongIdBytes && !id.Any(char.IsControl), "an id can be part of a channel's name");
            if (read.Request is not { } request) continue;
            Invariant.Check(SessionNames.IsId(request.Key.Id) && request.Key.Id == read.Id, "a request has an id");
            Invariant.Check(verb == SessionVerb.Create ? Encoding.UTF8.GetByteCount(request.Script) is > 0 and <= SessionLimits.MaxScriptBytes : SessionNames.IsId(request.Session), "a request says what it is about");
        }
    }

    private sealed class Fields
    {
        public string? Id { get; set; }

        public bool IdIsNumber { get; set; }

        public string? Script { get; set; }

        public bool ScriptIsTooLong { get; set; }

        public string? Session { get; set; }

        public string? Idle { get; set; }
    }
}
