using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using PeoplesCloud.Base;

namespace PeoplesCloud.Sessions.Messages;

/// <summary>What nodes of ours say to each other about one request.</summary>
public enum NodeMessageKind
{
    /// <summary>Do this.</summary>
    Ask,

    /// <summary>It is being done.</summary>
    Working,

    /// <summary>It is done: here is the answer. A session that was started waits for <see cref="Keep"/>.</summary>
    Done,

    /// <summary>This node does not, another may.</summary>
    Refused,

    /// <summary>It cannot be done anywhere: here is the error.</summary>
    Failed,

    /// <summary>The answer was published: the session stays.</summary>
    Keep,

    /// <summary>The answer is not wanted: what was started for it ends.</summary>
    Drop,

    /// <summary>May this node be the one that publishes the answer?</summary>
    Plead,

    /// <summary>It may.</summary>
    Granted,

    /// <summary>It may not: another node asked first, or here is the answer that was given.</summary>
    Held,
}

/// <summary>One of those messages; docs/protocols/sessions.md, "Between nodes".</summary>
/// <param name="Kind">What is said.</param>
/// <param name="From">Who says it.</param>
/// <param name="Request">The request that it is about. Its script is empty but in <see cref="NodeMessageKind.Ask"/>.</param>
/// <param name="Answer">The answer to publish; empty but in <see cref="NodeMessageKind.Done"/>, <see cref="NodeMessageKind.Refused"/> and <see cref="NodeMessageKind.Failed"/>; may be there in <see cref="NodeMessageKind.Held"/>.</param>
public sealed record NodeMessage(NodeMessageKind Kind, string From, SessionRequest Request, ReadOnlyMemory<byte> Answer)
{
    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>As it is published.</summary>
    public ReadOnlyMemory<byte> Write()
    {
        var buffer = new ArrayBufferWriter<byte>(256 + Request.Script.Length);
        using (var json = new Utf8JsonWriter(buffer, Options))
        {
            json.WriteStartObject();
            json.WriteString("kind", NameOf(Kind));
            json.WriteString("from", From);
            json.WriteString("verb", NameOf(Request.Key.Verb));
            json.WriteString("id", Request.Key.Id);
            if (Request.Session.Length > 0) json.WriteString("session", Request.Session);
            if (Request.Script.Length > 0) json.WriteString("script", Request.Script);
            if (Request.Idle is { } idle) json.WriteNumber("idle", (long)idle.TotalSeconds);
            if (!Answer.IsEmpty) json.WriteString("answer", Encoding.UTF8.GetString(Answer.Span));
            json.WriteEndObject();
        }
        return buffer.WrittenMemory;
    }

    /// <summary>Reads a message; null when it is none. Never throws.</summary>
    public static NodeMessage? Read(ReadOnlySpan<byte> payload)
    {
        if (payload.Length > SessionLimits.MaxPayloadBytes) return null;
        try
        {
            var reader = new Utf8JsonReader(payload, new JsonReaderOptions { MaxDepth = SessionLimits.MaxJsonDepth });
            var texts = new Dictionary<string, string>(StringComparer.Ordinal);
            long? idle = null;
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject) return null;
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                var name = reader.ValueSpan.Length <= 16 ? reader.GetString()! : "";
                if (!reader.Read()) return null;
                if (name == "idle" && reader.TokenType == JsonTokenType.Number && reader.TryGetInt64(out var seconds)) idle = seconds;
                else if (reader.TokenType == JsonTokenType.String && name is "kind" or "from" or "verb" or "id" or "session" or "script" or "answer") texts[name] = reader.GetString()!;
                else reader.Skip();
            }
            return reader.Read() ? null : Of(texts, idle);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return null;
        }
    }

    private static NodeMessage? Of(Dictionary<string, string> texts, long? idle)
    {
        string TextOf(string name) => texts.GetValueOrDefault(name, "");
        if (!TryKind(TextOf("kind"), out var kind) || !TryVerb(TextOf("verb"), out var verb)) return null;
        var (from, id, session, script) = (TextOf("from"), TextOf("id"), TextOf("session"), TextOf("script"));
        if (!SessionNames.IsOurs(from) || !SessionNames.IsId(id) || (session.Length > 0 && !SessionNames.IsId(session))) return null;
        if (Encoding.UTF8.GetByteCount(script) > SessionLimits.MaxScriptBytes || idle is < 1 or > 30 * 86400) return null;
        if (kind == NodeMessageKind.Ask && (verb == SessionVerb.Create ? script.Length == 0 : session.Length == 0)) return null;
        var answer = Encoding.UTF8.GetBytes(TextOf("answer"));
        if (kind != NodeMessageKind.Held && (answer.Length == 0) == (kind is NodeMessageKind.Done or NodeMessageKind.Refused or NodeMessageKind.Failed)) return null;
        return new(kind, from, new SessionRequest(new(verb, id), script, session, idle is { } seconds ? TimeSpan.FromSeconds(seconds) : null), answer);
    }

    private static string NameOf(NodeMessageKind kind) => kind switch
    {
        NodeMessageKind.Ask => "ask",
        NodeMessageKind.Working => "working",
        NodeMessageKind.Done => "done",
        NodeMessageKind.Refused => "refused",
        NodeMessageKind.Failed => "failed",
        NodeMessageKind.Keep => "keep",
        NodeMessageKind.Drop => "drop",
        NodeMessageKind.Plead => "plead",
        NodeMessageKind.Granted => "granted",
        _ => "held",
    };

    private static string NameOf(SessionVerb verb) => SessionNames.ChannelOf(verb)[SessionNames.Prefix.Length..];

    private static bool TryKind(string name, out NodeMessageKind kind)
    {
        foreach (var each in Enum.GetValues<NodeMessageKind>())
        {
            kind = each;
            if (NameOf(each) == name) return true;
        }
        kind = default;
        return false;
    }

    private static bool TryVerb(string name, out SessionVerb verb)
    {
        foreach (var each in Enum.GetValues<SessionVerb>())
        {
            verb = each;
            if (NameOf(each) == name) return true;
        }
        verb = default;
        return false;
    }

    // Fuzz target: what is accepted is written as something that means the same.
    internal static void Fuzz(ReadOnlySpan<byte> input)
    {
        if (Read(input) is not { } message) return;
        var again = Read(message.Write().Span);
        Invariant.Check(again is not null && again.Kind == message.Kind && again.From == message.From && again.Request == message.Request && again.Answer.Span.SequenceEqual(message.Answer.Span), "a message survives being written");
    }
}
