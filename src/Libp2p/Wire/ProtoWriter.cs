using System.Buffers;
using System.Text;
using PeoplesCloud.Base.Formats;

namespace PeoplesCloud.Libp2p.Wire;

/// <summary>Writes protobuf fields in the order of its calls, so that an encoding can be canonical. Counterpart of <see cref="ProtoReader"/>.</summary>
internal sealed class ProtoWriter
{
    private readonly ArrayBufferWriter<byte> _output = new(256);

    /// <summary>A varint field.</summary>
    public void WriteVarint(int number, ulong value)
    {
        Varint.Write(_output, (ulong)number << 3);
        Varint.Write(_output, value);
    }

    /// <summary>A length-delimited field.</summary>
    public void WriteBytes(int number, ReadOnlySpan<byte> value)
    {
        Varint.Write(_output, ((ulong)number << 3) | 2);
        Varint.Write(_output, (ulong)value.Length);
        _output.Write(value);
    }

    /// <summary>A text field in UTF-8.</summary>
    public void WriteString(int number, string value) => WriteBytes(number, Encoding.UTF8.GetBytes(value));

    /// <summary>What was written.</summary>
    public byte[] ToArray() => _output.WrittenSpan.ToArray();
}
