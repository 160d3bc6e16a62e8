using System.Text;
using System.Text.Json;

namespace PeoplesCloud.Content.Tests.UnixFs;

/// <summary>tests/vectors/unixfs/unixfs.json, made by programs that we did not write.</summary>
internal static class UnixFsVectors
{
    private static readonly JsonElement Root = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "vectors/unixfs/unixfs.json"))).RootElement;

    public static IEnumerable<(int Size, string V0, string V1)> Files() => Root.GetProperty("files").EnumerateArray()
        .Select(f => (f.GetProperty("size").GetInt32(), f.GetProperty("v0").GetString()!, f.GetProperty("v1").GetString()!));

    public static IEnumerable<Tree> Trees() => Root.GetProperty("trees").EnumerateArray().Select(t => new Tree(
        t.GetProperty("name").GetString()!,
        t.GetProperty("entries").EnumerateObject().ToDictionary(e => e.Name, e => Content(e.Value)),
        Cids(t, "v0"),
        Cids(t, "v1")));

    /// <summary>The generator that the vectors describe: xorshift32 from a fixed seed, its low byte each step.</summary>
    public static byte[] Generate(int size)
    {
        var bytes = new byte[size];
        var x = 0x9E3779B9u;
        for (var i = 0; i < size; i++)
        {
            x ^= x << 13;
            x ^= x >> 17;
            x ^= x << 5;
            bytes[i] = (byte)x;
        }
        return bytes;
    }

    private static Dictionary<string, string> Cids(JsonElement tree, string profile) => tree.GetProperty(profile).EnumerateObject().ToDictionary(e => e.Name, e => e.Value.GetString()!);

    private static byte[] Content(JsonElement entry) =>
        entry.TryGetProperty("text", out var text) ? Encoding.UTF8.GetBytes(text.GetString()!) : Generate(entry.GetProperty("generated").GetInt32());

    internal sealed record Tree(string Name, Dictionary<string, byte[]> Entries, Dictionary<string, string> V0, Dictionary<string, string> V1);
}
