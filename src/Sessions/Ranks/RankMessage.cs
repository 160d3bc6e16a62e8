using System.Buffers;
using System.Text.Json;
using PeoplesCloud.Base;
using PeoplesCloud.Sessions.Messages;

namespace PeoplesCloud.Sessions.Ranks;

/// <summary>What a node says of itself twice a second: <c>{"id": CLOUD, "score": NUMBER, "time": UNIX_SECONDS, "sessions": [..]}</c>.</summary>
/// <param name="Cloud">The node.</param>
/// <param name="Score">How busy it is; the lowest takes what comes.</param>
/// <param name="Time">When it said so, in seconds since 1970 by its clock.</param>
/// <param name="Sessions">The sessions that it runs.</param>
public sealed record RankMessage(string Cloud, double Score, double Time, IReadOnlyList<string> Sessions)
{
    /// <summary>The score of a node.</summary>
    /// <param name="sessions">How many sessions it runs.</param>
    /// <param name="cpuPercent">The use of its processors, 0 to 100.</param>
    /// <param name="memoryPercent">The use of its memory, 0 to 100.</param>
    public static double ScoreOf(int sessions, double cpuPercent, double memoryPercent) => sessions + ((cpuPercent + memoryPercent) / 2);

    /// <summary>As it is published.</summary>
    public ReadOnlyMemory<byte> Write()
    {
        var buffer = new ArrayBufferWriter<byte>(128 + (Sessions.Count * 20));
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("id", Cloud);
            json.WriteNumber("score", Score);
            json.WriteNumber("time", Time);
            json.WriteStartArray("sessions");
            foreach (var session in Sessions) json.WriteStringValue(session);
            json.WriteEndArray();
            json.WriteEndObject();
        }
        return buffer.WrittenMemory;
    }

    /// <summary>Reads a rank; null when it is none, or one without a usable score (JSON of some writers has NaN) or time. Never throws.</summary>
    public static RankMessage? Read(ReadOnlySpan<byte> payload)
    {
        if (payload.Length > SessionLimits.MaxRankBytes) return null;
        try
        {
            var reader = new Utf8JsonReader(payload, new JsonReaderOptions { MaxDepth = SessionLimits.MaxJsonDepth });
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject) return null;
            string? cloud = null;
            double? score = null, time = null;
            List<string>? sessions = null;
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                if (reader.ValueTextEquals("id"u8)) cloud = ReadId(ref reader);
                else if (reader.ValueTextEquals("score"u8)) score = ReadNumber(ref reader);
                else if (reader.ValueTextEquals("time"u8)) time = ReadNumber(ref reader);
                else if (reader.ValueTextEquals("sessions"u8)) sessions = ReadSessions(ref reader);
                else reader.Skip();
            }
            return cloud is not null && score is { } s && time is { } t && sessions is not null && !reader.Read() ? new RankMessage(cloud, s, t, sessions) : null;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return null;
        }
    }

    private static string? ReadId(ref Utf8JsonReader reader)
    {
        if (!reader.Read()) return null;
        if (reader.TokenType == JsonTokenType.String && reader.ValueSpan.Length <= SessionLimits.MaxIdLength && reader.GetString() is { } id && SessionNames.IsId(id)) return id;
        reader.Skip();
        return null;
    }

    private static double? ReadNumber(ref Utf8JsonReader reader)
    {
        if (reader.Read() && reader.TokenType == JsonTokenType.Number && reader.TryGetDouble(out var number) && double.IsFinite(number)) return number;
        reader.Skip();
        return null;
    }

    private static List<string>? ReadSessions(ref Utf8JsonReader reader)
    {
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartArray)
        {
            reader.Skip();
            return null;
        }
        var sessions = new List<string>();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (reader.TokenType != JsonTokenType.String) reader.Skip();
            else if (sessions.Count < SessionLimits.MaxRankSessions && reader.ValueSpan.Length <= SessionLimits.MaxIdLength && reader.GetString() is { } id && SessionNames.IsId(id)) sessions.Add(id);
        }
        return sessions;
    }

    // Fuzz target: what is accepted is written as something that means the same.
    internal static void Fuzz(ReadOnlySpan<byte> input)
    {
        if (Read(input) is not { } rank) return;
        Invariant.Check(double.IsFinite(rank.Score) && double.IsFinite(rank.Time) && SessionNames.IsId(rank.Cloud) && rank.Sessions.All(SessionNames.IsId), "a rank has a finite score and ids");
        var written = rank.Write();
        if (written.Length > SessionLimits.MaxRankBytes) return;
        Invariant.Check(Read(written.Span) is { } again && again.Cloud == rank.Cloud && again.Score.Equals(rank.Score) && again.Time.Equals(rank.Time) && again.Sessions.SequenceEqual(rank.Sessions, StringComparer.Ordinal), "a rank survives being written");
    }
}
