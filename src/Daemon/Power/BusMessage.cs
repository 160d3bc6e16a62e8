using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace PeoplesCloud.Daemon.Power;

/// <summary>What a message of the system bus is.</summary>
internal enum BusKind : byte
{
    /// <summary>Asks for something.</summary>
    Call = 1,

    /// <summary>The answer.</summary>
    Return = 2,

    /// <summary>The answer that there is none.</summary>
    Error = 3,

    /// <summary>Tells something.</summary>
    Signal = 4,
}

/// <summary>
/// A message of D-Bus, as much of it as is needed to hear that the machine goes to sleep. Source: D-Bus Specification 0.43, "Message Protocol".
/// </summary>
internal sealed record BusMessage
{
    // message = "l" kind flags:u8 1:u8 body-length:u32 serial:u32 fields-length:u32 *( padding-to-8 code:u8 value ) padding-to-8 body     all little-endian
    // value   = 1:u8 type:u8 0:u8 padding-to-the-type ( length:u32 text 0:u8 / length:u8 text 0:u8 / number:u32 )       types s and o, g, u

    /// <summary>The longest message that is read, in bytes. What is told of sleep takes 200; somebody else on the bus may send more.</summary>
    public const int MaxBytes = 16 << 10;

    private const int HeadBytes = 16;

    /// <summary>What it is.</summary>
    public required BusKind Kind { get; init; }

    /// <summary>The sender's number of it.</summary>
    public uint Serial { get; init; }

    /// <summary>Which call it answers; 0: none.</summary>
    public uint ReplyTo { get; init; }

    /// <summary>Who sent it, as the bus says.</summary>
    public string Sender { get; init; } = "";

    /// <summary>Whose method or signal it is.</summary>
    public string Interface { get; init; } = "";

    /// <summary>The method or signal.</summary>
    public string Member { get; init; } = "";

    /// <summary>What went wrong; of errors.</summary>
    public string ErrorName { get; init; } = "";

    /// <summary>What the body holds.</summary>
    public string Signature { get; init; } = "";

    /// <summary>How many open files came with it.</summary>
    public uint Files { get; init; }

    /// <summary>Its values.</summary>
    public ReadOnlyMemory<byte> Body { get; init; }

    /// <summary>The truth value that is all of the body; null when it is none.</summary>
    public bool? Truth => Signature == "b" && Body.Length == 4 ? BinaryPrimitives.ReadUInt32LittleEndian(Body.Span) != 0 : null;

    /// <summary>The text that is all of the body; null when it is none.</summary>
    public string? Text => Signature == "s" && new Cursor(Body.Span).TryText(out var text) ? text : null;

    /// <summary>A call with texts as arguments.</summary>
    public static byte[] Call(uint serial, string destination, string path, string of, string member, params ReadOnlySpan<string> arguments)
    {
        var body = new Writer();
        foreach (var argument in arguments) body.Text(argument);
        var fields = new Writer();
        fields.Field(1, 'o', path);
        fields.Field(2, 's', of);
        fields.Field(3, 's', member);
        fields.Field(6, 's', destination);
        if (arguments.Length > 0) fields.Field(8, 'g', new string('s', arguments.Length));
        var message = new Writer();
        message.Bytes([(byte)'l', (byte)BusKind.Call, 0, 1]);
        message.Number((uint)body.Length);
        message.Number(serial);
        message.Number((uint)fields.Length);
        message.Bytes(fields.ToArray()); // begins at 16, so what is aligned in it stays so
        message.Align(8);
        message.Bytes(body.ToArray());
        return message.ToArray();
    }

    /// <summary>
    /// Reads the message that bytes begin with; never throws. False with a length of 0: there are not enough of them yet. False with a negative length: they are
    /// no message that is read here.
    /// </summary>
    public static bool TryRead(ReadOnlySpan<byte> bytes, [NotNullWhen(true)] out BusMessage? message, out int length)
    {
        (message, length) = (null, 0);
        if (bytes.Length < HeadBytes) return false;
        length = -1;
        if (bytes[0] != 'l' || bytes[3] != 1 || bytes[1] is < (byte)BusKind.Call or > (byte)BusKind.Signal) return false;
        var (body, fields) = (BinaryPrimitives.ReadUInt32LittleEndian(bytes[4..]), BinaryPrimitives.ReadUInt32LittleEndian(bytes[12..]));
        if (body > MaxBytes || fields > MaxBytes) return false;
        var head = (HeadBytes + (int)fields + 7) / 8 * 8;
        if (head + body > MaxBytes) return false;
        if (bytes.Length < head + (int)body)
        {
            length = 0;
            return false;
        }
        var read = new BusMessage { Kind = (BusKind)bytes[1], Serial = BinaryPrimitives.ReadUInt32LittleEndian(bytes[8..]), Body = bytes.Slice(head, (int)body).ToArray() };
        var cursor = new Cursor(bytes[..(HeadBytes + (int)fields)], HeadBytes);
        while (!cursor.IsAtEnd)
        {
            if (!cursor.TryField(out var code, out var text, out var number)) return false;
            read = code switch
            {
                2 => read with { Interface = text },
                3 => read with { Member = text },
                4 => read with { ErrorName = text },
                5 => read with { ReplyTo = number },
                7 => read with { Sender = text },
                8 => read with { Signature = text },
                9 => read with { Files = number },
                _ => read, // of a later version, or nobody's business here
            };
        }
        (message, length) = (read, head + (int)body);
        return true;
    }

    /// <summary>For ./dev fuzz: no bytes break the reader.</summary>
    public static void Fuzz(ReadOnlySpan<byte> bytes)
    {
        if (!TryRead(bytes, out var message, out var length)) return;
        _ = (message.Truth, message.Text);
        if (length <= 0 || length > bytes.Length) throw new InvalidOperationException("a message is as long as it says");
    }

    private ref struct Cursor(ReadOnlySpan<byte> bytes, int at = 0)
    {
        private readonly ReadOnlySpan<byte> _bytes = bytes;
        private int _at = at;

        public readonly bool IsAtEnd => _at >= _bytes.Length;

        public bool TryField(out byte code, out string text, out uint number)
        {
            (code, text, number) = (0, "", 0);
            _at = (_at + 7) / 8 * 8;
            if (_bytes.Length - _at < 4 || _bytes[_at + 1] != 1 || _bytes[_at + 3] != 0) return false;
            (code, var type) = (_bytes[_at], _bytes[_at + 2]);
            _at += 4; // where each of the types is aligned already
            return type switch
            {
                (byte)'s' or (byte)'o' => TryText(out text),
                (byte)'g' => TryTake(1, out var size) && TryString(size[0], out text),
                (byte)'u' => TryNumber(out number),
                _ => false,
            };
        }

        public bool TryText(out string text)
        {
            text = "";
            return TryNumber(out var size) && size <= MaxBytes && TryString((int)size, out text);
        }

        private bool TryNumber(out uint number)
        {
            var is4 = TryTake(4, out var bytes);
            number = is4 ? BinaryPrimitives.ReadUInt32LittleEndian(bytes) : 0;
            return is4;
        }

        private bool TryString(int size, out string text)
        {
            var whole = TryTake(size + 1, out var bytes) && bytes[size] == 0;
            text = whole ? Encoding.UTF8.GetString(bytes[..size]) : "";
            return whole;
        }

        private bool TryTake(int count, out ReadOnlySpan<byte> bytes)
        {
            bytes = default;
            if (_bytes.Length - _at < count) return false;
            bytes = _bytes.Slice(_at, count);
            _at += count;
            return true;
        }
    }

    private sealed class Writer
    {
        private readonly List<byte> _bytes = [];

        public int Length => _bytes.Count;

        public byte[] ToArray() => [.. _bytes];

        public void Bytes(ReadOnlySpan<byte> bytes) => _bytes.AddRange(bytes);

        public void Align(int to)
        {
            while (_bytes.Count % to != 0) _bytes.Add(0);
        }

        public void Number(uint number)
        {
            Align(4);
            Span<byte> bytes = stackalloc byte[4];
            BinaryPrimitives.WriteUInt32LittleEndian(bytes, number);
            Bytes(bytes);
        }

        public void Text(string text)
        {
            var bytes = Encoding.UTF8.GetBytes(text);
            Number((uint)bytes.Length);
            Bytes(bytes);
            Bytes([0]);
        }

        public void Field(byte code, char type, string text)
        {
            Align(8);
            Bytes([code, 1, (byte)type, 0]);
            if (type != 'g')
            {
                Text(text);
                return;
            }
            Bytes([(byte)text.Length, .. Encoding.ASCII.GetBytes(text), 0]);
        }
    }
}
