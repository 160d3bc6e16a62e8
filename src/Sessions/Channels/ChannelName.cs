using System.Text;

namespace PeoplesCloud.Sessions.Channels;

/// <summary>The name of a channel, or a pattern: any bytes, as Redis has them. Kept as text with one character for each byte, so that names compare and hash as strings do.</summary>
internal readonly record struct ChannelName
{
    private ChannelName(string raw) => Raw = raw;

    /// <summary>One character for each byte.</summary>
    public string Raw { get; }

    /// <summary>Length in bytes.</summary>
    public int Length => Raw.Length;

    /// <summary>As text; what is no UTF-8 is replaced.</summary>
    public string Text => Encoding.UTF8.GetString(ToArray());

    /// <summary>Whether it has what makes a pattern of it.</summary>
    public bool IsPattern => Raw.AsSpan().IndexOfAny('*', '?', '[') >= 0;

    /// <summary>The name that a text has as UTF-8.</summary>
    public static ChannelName Of(string text) => FromBytes(Encoding.UTF8.GetBytes(text));

    /// <summary>The name of these bytes.</summary>
    public static ChannelName FromBytes(ReadOnlySpan<byte> bytes) => new(Encoding.Latin1.GetString(bytes));

    /// <summary>Writes the bytes to the start of <paramref name="bytes"/>, which has room for them.</summary>
    public void CopyTo(Span<byte> bytes) => Encoding.Latin1.GetBytes(Raw, bytes);

    /// <summary>The bytes.</summary>
    public byte[] ToArray() => Encoding.Latin1.GetBytes(Raw);

    /// <inheritdoc/>
    public override string ToString() => Text;
}
