using Google.Protobuf;
using Google.Protobuf.Reflection;

namespace PeoplesCloud.Swarm;

/// <summary>
/// Reads protobuf messages of strangers. The library (3.25) must not see a length that goes beyond its message: close to 2^31 it overflows the
/// library's own check, which then allocates half a gigabyte for a message of 23 bytes, or fails with an error that no caller expects.
/// So all lengths are looked at first, in nested messages too. The fuzz targets join-offer and join-verdict found it.
/// </summary>
internal static class Malformed
{
    private const int MaxDepth = 16;
    private const int MaxGroups = 16;

    /// <summary>Whether what was thrown says that a message was no message.</summary>
    public static bool Is(Exception thrown) => thrown is InvalidProtocolBufferException or FormatException;

    /// <summary>Reads a message.</summary>
    /// <exception cref="FormatException">A length or a tag is not possible (<see cref="Is"/>).</exception>
    /// <exception cref="InvalidProtocolBufferException">It breaks another rule (<see cref="Is"/>).</exception>
    public static T ParseWhole<T>(this MessageParser<T> parser, ReadOnlySpan<byte> bytes)
        where T : class, IMessage<T> =>
        IsWhole(bytes, Descriptor<T>.Of(parser), MaxDepth) ? parser.ParseFrom(bytes) : throw new FormatException("no protobuf message");

    /// <inheritdoc cref="ParseWhole{T}(MessageParser{T}, ReadOnlySpan{byte})"/>
    public static T ParseWhole<T>(this MessageParser<T> parser, ByteString bytes)
        where T : class, IMessage<T> => parser.ParseWhole(bytes.Span);

    private static bool IsWhole(ReadOnlySpan<byte> bytes, MessageDescriptor descriptor, int depth)
    {
        if (depth == 0) return false;
        for (var groups = 0; !bytes.IsEmpty || groups > 0;)
        {
            if (!TryVarint(ref bytes, out var tag)) return false;
            switch (tag & 7)
            {
                case 0:
                    if (!TryVarint(ref bytes, out _)) return false;
                    break;
                case 1 or 5:
                    var width = (tag & 7) == 1 ? 8 : 4;
                    if (bytes.Length < width) return false;
                    bytes = bytes[width..];
                    break;
                case 2:
                    if (!TryVarint(ref bytes, out var length) || length > (ulong)bytes.Length) return false;
                    var field = groups == 0 && tag >> 3 <= int.MaxValue ? descriptor.FindFieldByNumber((int)(tag >> 3)) : null;
                    if (field is { FieldType: FieldType.Message } && !IsWhole(bytes[..(int)length], field.MessageType, depth - 1)) return false;
                    bytes = bytes[(int)length..];
                    break;
                case 3:
                    if (++groups > MaxGroups) return false;
                    break;
                case 4:
                    if (--groups < 0) return false;
                    break;
                default:
                    return false;
            }
        }
        return true;
    }

    // Numbers of protobuf may be longer than they need to be, and negative ones have ten bytes: not the varint of multiformats.
    private static bool TryVarint(ref ReadOnlySpan<byte> bytes, out ulong value)
    {
        value = 0;
        for (var i = 0; i < Math.Min(10, bytes.Length); i++)
        {
            value |= (ulong)(bytes[i] & 0x7F) << (7 * i);
            if ((bytes[i] & 0x80) != 0) continue;
            bytes = bytes[(i + 1)..];
            return true;
        }
        return false;
    }

    private static class Descriptor<T>
        where T : class, IMessage<T>
    {
        private static MessageDescriptor? _known;

        public static MessageDescriptor Of(MessageParser<T> parser) => _known ??= parser.ParseFrom([]).Descriptor;
    }
}
