using System.Buffers;

namespace PeoplesCloud.Programs.Data;

/// <summary>
/// The bytes of <c>live</c>; written by this node for itself.
/// <code>live = "PCL1" folder:u64 deploy:u64 epoch:u64 number:u64 origins:u8 *( deploy:u64 epoch:u64 number:u64 content:32 )</code>
/// </summary>
internal static class LiveFolderCodec
{
    private const int MaxBytes = 4 << 10;

    private static ReadOnlySpan<byte> Magic => "PCL1"u8;

    /// <summary>Writes it.</summary>
    public static byte[] Encode(LiveFolder live)
    {
        var output = new ArrayBufferWriter<byte>();
        output.Write(Magic);
        DataVersionCodec.Write(output, uint.Parse(live.Folder.AsSpan("data-".Length), System.Globalization.CultureInfo.InvariantCulture));
        DataVersionCodec.Write(output, live.Began);
        output.Write([(byte)live.Origins.Count]);
        foreach (var origin in live.Origins)
        {
            DataVersionCodec.Write(output, origin.Stamp);
            DataVersionCodec.Write(output, origin.Content);
        }
        return output.WrittenSpan.ToArray();
    }

    /// <summary>Reads it; null when it is not there or cannot be read.</summary>
    public static LiveFolder? Read(string path)
    {
        var file = new FileInfo(path);
        return file.Exists && file.Length <= MaxBytes ? Decode(File.ReadAllBytes(path)) : null;
    }

    internal static LiveFolder? Decode(ReadOnlySpan<byte> bytes)
    {
        var reader = new DataReader(bytes);
        if (!reader.Take(Magic.Length).SequenceEqual(Magic)) return null;
        var number = reader.Number();
        var began = reader.Stamp();
        var origins = new DataOrigin[reader.Byte()];
        if (number is 0 or > int.MaxValue || origins.Length > DataLimits.MaxOrigins) return null;
        for (var i = 0; i < origins.Length; i++) origins[i] = new DataOrigin(reader.Stamp(), reader.Hash());
        return reader.IsAtEnd ? new LiveFolder($"data-{number}", began, origins) : null;
    }

    internal static void Fuzz(ReadOnlySpan<byte> input)
    {
        if (Decode(input) is { } live && !Encode(live).AsSpan().SequenceEqual(input)) throw new InvalidDataException("a record was read that is written otherwise");
    }
}
