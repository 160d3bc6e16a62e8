using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using PeoplesCloud.Base;
using PeoplesCloud.Base.Formats;
using PeoplesCloud.Daemon.Configuration;
using PeoplesCloud.Daemon.Mesh;

namespace PeoplesCloud.Fuzz.Targets;

/// <summary>A configuration file: settings or problems, nothing else.</summary>
internal static class ConfigFile
{
    internal static void Fuzz(ReadOnlySpan<byte> input)
    {
        if (input.Length > TomlSubset.MaxFileBytes) return;
        var text = Encoding.UTF8.GetString(input);
        var problems = new List<string>();
        var settings = TomlSubset.Parse(text, problems);
        Invariant.Check(settings.Count + problems.Count <= text.Length, "a character gives one setting or one problem at most");
        Invariant.Check(settings.Select(setting => setting.Key).Distinct(StringComparer.Ordinal).Count() == settings.Count, "no key is set twice");
        _ = ByteSize.TryParse(text, out _);
        // As the value of each key, the way an environment variable gives it. The file named is one that is empty.
        if (text.Length > 256 || text.Contains('\0', StringComparison.Ordinal)) return;
        foreach (var variable in ConfigReader.Keys.Values)
        {
            try
            {
                _ = ConfigReader.Read("/dev/null", new Dictionary<string, string?>(), new Dictionary<string, string?>(StringComparer.Ordinal) { [variable] = text, ["HOME"] = "/" });
            }
            catch (PcException refused) when (refused.Code == ErrorCode.ConfigInvalid)
            {
                // the expected answer to nearly all of them
            }
        }
    }
}

/// <summary>Lists of entries in a request of a member.</summary>
internal static class EntryLists
{
    internal static void Fuzz(ReadOnlySpan<byte> input)
    {
        if (EntryList.TryDecode(input.ToArray()) is not { } entries) return;
        Invariant.Check(entries.Count <= EntryList.MaxEntries, "a list has a bound");
        Invariant.Check(EntryList.Encode(entries).AsSpan().SequenceEqual(input), "a list is written as it was read");
    }
}

/// <summary>JSON that members send.</summary>
internal static class MeshBodies
{
    internal static void Fuzz(ReadOnlySpan<byte> input)
    {
        Read(input, MeshJson.Default.AskMessage);
        Read(input, MeshJson.Default.OfferMessage);
        Read(input, MeshJson.Default.LogMessage);
        Read(input, MeshJson.Default.ProgramStatusMessage);
    }

    private static void Read<T>(ReadOnlySpan<byte> input, JsonTypeInfo<T> type)
    {
        try
        {
            if (JsonSerializer.Deserialize(input, type) is { } read) _ = JsonSerializer.SerializeToUtf8Bytes(read, type);
        }
        catch (JsonException)
        {
            // the expected answer to nearly all of them
        }
    }
}
