using PeoplesCloud.Base.Formats;

namespace PeoplesCloud.Libp2p.Wire;

/// <summary>
/// Reads protobuf fields of a stranger's message without allocating and without throwing: varints (wire type 0) and
/// length-delimited values (2); fixed 64 and 32 bits (1 and 5) are skipped over as unknown fields, groups are refused.
/// Source: protobuf.dev, "Encoding".
/// </summary>
internal ref struct ProtoReader(ReadOnlySpan<byte> message)
{
    private ReadOnlySpan<byte> _rest = message;

    /// <summary>Whether all bytes were read.</summary>
    public readonly bool AtEnd => _rest.IsEmpty;

    /// <summary>Whether the message broke the encoding; then no further field is read.</summary>
    public bool IsBroken { get; private set; }

    /// <summary>Reads the next field; false at the end or when the encoding is broken.</summary>
    public bool TryReadField(out ProtoField field)
    {
        field = default;
        while (!_rest.IsEmpty)
        {
            if (!TryReadVarint(out var tag) || tag >> 3 is 0 or > 0x1fff_ffff) return Break();
            var number = (int)(tag >> 3);
            switch (tag & 7)
            {
                case 0:
                    if (!TryReadVarint(out var value)) return Break();
                    field = new ProtoField(number, IsVarint: true, value, default);
                    return true;
                case 2:
                    if (!TryReadVarint(out var length) || length > (ulong)_rest.Length) return Break();
                    field = new ProtoField(number, IsVarint: false, 0, _rest[..(int)length]);
                    _rest = _rest[(int)length..];
                    return true;
                case 1 or 5:
                    var size = (tag & 7) == 1 ? 8 : 4;
                    if (_rest.Length < size) return Break();
                    _rest = _rest[size..];
                    continue;
                default:
                    return Break();
            }
        }
        return false;
    }

    private bool TryReadVarint(out ulong value)
    {
        if (Varint.TryRead(_rest, out value, out var read) != ParseStatus.Done) return false;
        _rest = _rest[read..];
        return true;
    }

    private bool Break()
    {
        IsBroken = true;
        _rest = default;
        return false;
    }
}

/// <summary>One field: a varint in <see cref="Value"/>, or bytes.</summary>
internal readonly ref struct ProtoField(int Number, bool IsVarint, ulong Value, ReadOnlySpan<byte> Bytes)
{
    /// <summary>The field's number.</summary>
    public int Number { get; } = Number;

    /// <summary>Whether it is a varint.</summary>
    public bool IsVarint { get; } = IsVarint;

    /// <summary>The varint.</summary>
    public ulong Value { get; } = Value;

    /// <summary>The length-delimited value.</summary>
    public ReadOnlySpan<byte> Bytes { get; } = Bytes;
}
