using System.Buffers.Binary;
using System.Text;

namespace PeoplesCloud.Libp2p.Discovery;

// message  = id:u16 flags:u16 counts:u16[4] question* record*           big-endian; RFC 1035, section 4, at most 9,000 bytes (RFC 6762, section 17)
// question = name type:u16 class:u16                                   the class's top bit asks for a unicast answer
// record   = name type:u16 class:u16 ttl:u32 length:u16 data           PTR data = name, TXT data = *( length:u8 text )
// name     = *( length:u8 label ) ( %x00 / pointer )                   a pointer leads to an earlier byte
/// <summary>A question of DNS.</summary>
/// <param name="Name">The name, its labels joined with dots.</param>
/// <param name="Type">What is asked for.</param>
internal readonly record struct DnsQuestion(string Name, ushort Type);

/// <summary>A resource record of DNS, of the two types that discovery needs.</summary>
/// <param name="Name">Whose record.</param>
/// <param name="Type"><see cref="DnsMessage.Ptr"/> or <see cref="DnsMessage.Txt"/>.</param>
/// <param name="TtlSeconds">For how long it is good; 0 takes it back.</param>
/// <param name="Target">Where a PTR leads; empty for others.</param>
/// <param name="Texts">The strings of a TXT; empty for others.</param>
internal sealed record DnsRecord(string Name, ushort Type, uint TtlSeconds, string Target, IReadOnlyList<string> Texts);

/// <summary>
/// A message of multicast DNS, written and read without trust: lengths are checked before anything is taken, names end, and pointers
/// only lead backwards. Records of other types are skipped over.
/// </summary>
internal sealed record DnsMessage(bool IsResponse, IReadOnlyList<DnsQuestion> Questions, IReadOnlyList<DnsRecord> Records)
{
    public const ushort Ptr = 12, Txt = 16;
    public const int MaxBytes = 9000;

    private const int MaxEntries = 128;
    private const int MaxNameBytes = 255;
    private const int MaxLabelBytes = 63;
    private const int HeaderBytes = 12;
    private const ushort ResponseFlags = 0x8400; // an answer, authoritative
    private const ushort Internet = 1, Any = 255;

    /// <summary>Writes the message; names are not compressed. Records that do not fit are left out.</summary>
    public byte[] Encode()
    {
        var output = new List<byte>(512);
        var records = new List<byte[]>();
        var size = HeaderBytes + Questions.Sum(question => question.Name.Length + 6);
        foreach (var record in Records)
        {
            var bytes = Encode(record);
            if ((size += bytes.Length) > MaxBytes) break;
            records.Add(bytes);
        }
        Span<byte> header = stackalloc byte[HeaderBytes];
        header.Clear();
        BinaryPrimitives.WriteUInt16BigEndian(header[2..], IsResponse ? ResponseFlags : (ushort)0);
        BinaryPrimitives.WriteUInt16BigEndian(header[4..], (ushort)Questions.Count);
        BinaryPrimitives.WriteUInt16BigEndian(header[6..], (ushort)records.Count);
        output.AddRange(header);
        foreach (var question in Questions)
        {
            WriteName(output, question.Name);
            WriteUInt16(output, question.Type);
            WriteUInt16(output, Internet);
        }
        foreach (var record in records) output.AddRange(record);
        return [.. output];
    }

    /// <summary>Reads a message; false when it is malformed. Never throws.</summary>
    public static bool TryRead(ReadOnlySpan<byte> bytes, out DnsMessage message)
    {
        message = new DnsMessage(false, [], []);
        if (bytes.Length is < HeaderBytes or > MaxBytes) return false;
        var isResponse = (bytes[2] & 0x80) != 0;
        int questionCount = BinaryPrimitives.ReadUInt16BigEndian(bytes[4..]);
        var recordCount = BinaryPrimitives.ReadUInt16BigEndian(bytes[6..]) + BinaryPrimitives.ReadUInt16BigEndian(bytes[8..]) + BinaryPrimitives.ReadUInt16BigEndian(bytes[10..]);
        if (questionCount + recordCount > MaxEntries) return false;

        var at = HeaderBytes;
        var questions = new List<DnsQuestion>();
        for (var i = 0; i < questionCount; i++)
        {
            if (!TryReadName(bytes, ref at, out var name) || bytes.Length - at < 4) return false;
            questions.Add(new DnsQuestion(name, BinaryPrimitives.ReadUInt16BigEndian(bytes[at..])));
            at += 4;
        }
        var records = new List<DnsRecord>();
        for (var i = 0; i < recordCount; i++)
        {
            if (!TryReadRecord(bytes, ref at, out var record)) return false;
            if (record is not null) records.Add(record);
        }
        message = new DnsMessage(isResponse, questions, records);
        return true;
    }

    /// <summary>For the fuzzer: a message; what is accepted and can be written is read as the same.</summary>
    internal static void Fuzz(ReadOnlySpan<byte> input)
    {
        if (!TryRead(input, out var message)) return;
        Base.Invariant.Check(message.Questions.Count + message.Records.Count <= MaxEntries, "lists are bounded");
        if (!TryRead(message.Encode(), out var again)) throw new InvalidOperationException("a message can be read again");
        Base.Invariant.Check(again.Questions.SequenceEqual(message.Questions), "the questions survive");
    }

    private static byte[] Encode(DnsRecord record)
    {
        var data = new List<byte>();
        if (record.Type == Ptr) WriteName(data, record.Target);
        foreach (var text in record.Texts)
        {
            var bytes = Encoding.Latin1.GetBytes(text);
            data.Add((byte)Math.Min(bytes.Length, byte.MaxValue));
            data.AddRange(bytes.Take(byte.MaxValue));
        }
        var output = new List<byte>();
        WriteName(output, record.Name);
        WriteUInt16(output, record.Type);
        WriteUInt16(output, Internet);
        WriteUInt16(output, (ushort)(record.TtlSeconds >> 16));
        WriteUInt16(output, (ushort)record.TtlSeconds);
        WriteUInt16(output, (ushort)data.Count);
        output.AddRange(data);
        return [.. output];
    }

    // Null when the record is of a kind that is not looked at.
    private static bool TryReadRecord(ReadOnlySpan<byte> bytes, ref int at, out DnsRecord? record)
    {
        record = null;
        if (!TryReadName(bytes, ref at, out var name) || bytes.Length - at < 10) return false;
        var type = BinaryPrimitives.ReadUInt16BigEndian(bytes[at..]);
        var internet = (BinaryPrimitives.ReadUInt16BigEndian(bytes[(at + 2)..]) & 0x7fff) is Internet or Any;
        var ttl = BinaryPrimitives.ReadUInt32BigEndian(bytes[(at + 4)..]);
        int length = BinaryPrimitives.ReadUInt16BigEndian(bytes[(at + 8)..]);
        at += 10;
        if (bytes.Length - at < length) return false;
        var (start, end) = (at, at + length);
        at = end;
        if (!internet) return true;
        if (type == Ptr)
        {
            if (!TryReadName(bytes[..end], ref start, out var target) || start != end) return false;
            record = new DnsRecord(name, type, ttl, target, []);
        }
        else if (type == Txt)
        {
            var texts = new List<string>();
            while (start < end)
            {
                int size = bytes[start++];
                if (end - start < size) return false;
                texts.Add(Encoding.Latin1.GetString(bytes.Slice(start, size)));
                start += size;
            }
            record = new DnsRecord(name, type, ttl, "", texts);
        }
        return true;
    }

    // A dot or a backslash inside a label becomes an underscore: such a name is none of ours, and must not look like one.
    private static bool TryReadName(ReadOnlySpan<byte> bytes, ref int at, out string name)
    {
        name = "";
        var text = new StringBuilder();
        var position = at;
        var limit = at; // a pointer leads before this byte, so following them ends
        var jumped = false;
        for (var taken = 1; ;)
        {
            if (position >= bytes.Length) return false;
            int length = bytes[position];
            if ((length & 0xc0) == 0xc0)
            {
                if (bytes.Length - position < 2) return false;
                var target = BinaryPrimitives.ReadUInt16BigEndian(bytes[position..]) & 0x3fff;
                if (!jumped) at = position + 2;
                if (target >= limit) return false;
                (jumped, position, limit) = (true, target, target);
                continue;
            }
            if (length > MaxLabelBytes) return false;
            position++;
            if (length == 0)
            {
                if (!jumped) at = position;
                name = text.ToString();
                return true;
            }
            if (bytes.Length - position < length || (taken += length + 1) > MaxNameBytes) return false;
            if (text.Length > 0) text.Append('.');
            foreach (var b in bytes.Slice(position, length)) text.Append(b is (byte)'.' or (byte)'\\' ? '_' : (char)b);
            position += length;
        }
    }

    private static void WriteName(List<byte> output, string name)
    {
        if (name.Length > 0)
        {
            foreach (var label in name.Split('.'))
            {
                output.Add((byte)label.Length);
                output.AddRange(Encoding.Latin1.GetBytes(label));
            }
        }
        output.Add(0);
    }

    private static void WriteUInt16(List<byte> output, ushort value)
    {
        output.Add((byte)(value >> 8));
        output.Add((byte)value);
    }
}
