using System.Globalization;

namespace PeoplesCloud.Content;

/// <summary>How much of what a path names is exported (trustless gateway specification, <c>dag-scope</c>).</summary>
public enum DagScope
{
    /// <summary>Its block.</summary>
    Block,

    /// <summary>A whole file, or what it takes to list a folder.</summary>
    Entity,

    /// <summary>Everything below.</summary>
    All,
}

/// <summary>What is exported.</summary>
/// <param name="Scope">How much.</param>
/// <param name="Bytes">Of a file (and with <see cref="DagScope.Entity"/>), only the blocks that hold these bytes; null for all.</param>
/// <param name="Duplicates">Whether a block that occurs more than once is written each time.</param>
public sealed record DagSelection(DagScope Scope, EntityBytes? Bytes = null, bool Duplicates = false);

/// <summary>A range of a file's bytes, both ends included; negative ones count from the end, a missing <paramref name="To"/> is the end.</summary>
public sealed record EntityBytes(long From, long? To)
{
    /// <summary>Reads <c>from:to</c>, where <c>to</c> may be <c>*</c>.</summary>
    public static EntityBytes? TryParse(string text)
    {
        if (text.Split(':') is not [var from, var to] || !TryNumber(from, out var first)) return null;
        if (string.Equals(to, "*", StringComparison.Ordinal)) return new EntityBytes(first, null);
        return TryNumber(to, out var last) ? new EntityBytes(first, last) : null;
    }

    /// <summary>First and last position in a file of that length; null when there is none.</summary>
    internal (long First, long Last)? In(long fileBytes)
    {
        var first = From < 0 ? Math.Max(0, fileBytes + From) : From;
        var last = Math.Min(fileBytes - 1, To switch { null => fileBytes - 1, < 0 => fileBytes + To.Value, _ => To.Value });
        return first <= last ? (first, last) : null;
    }

    // Fuzz target: whatever the range and the file, what is meant lies in the file.
    internal static void Fuzz(ReadOnlySpan<byte> input)
    {
        if (input.Length < 8 || TryParse(System.Text.Encoding.Latin1.GetString(input[8..])) is not { } bytes) return;
        var length = System.Buffers.Binary.BinaryPrimitives.ReadInt64LittleEndian(input) & long.MaxValue;
        if (bytes.In(length) is { } found) PeoplesCloud.Base.Invariant.Check(found.First >= 0 && found.First <= found.Last && found.Last < length, "a range lies in its file");
    }

    private static bool TryNumber(string text, out long number) => long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out number) && number > long.MinValue;
}
