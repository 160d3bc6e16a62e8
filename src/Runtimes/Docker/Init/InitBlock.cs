using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace PeoplesCloud.Runtimes.Docker.Init;

/// <summary>
/// One list of system calls for the init inside of a container, with all that they point to; what is inside is loaded at one address, so that pointers are
/// known here. All numbers are u64 in the processor's order, which is little-endian.
/// <code>
/// block = length first data call* end            length: of what follows it; first: address of the first call
/// call  = number argument*6 least failure zero   least: the smallest answer (signed) that is no failure
///                                                failure: address of exit code, length, text: it says the text and exits then
///                                                zero: address of the call that is next when the answer is 0; 0 for the one that follows
/// end   = -1                                     the next block is read
/// </code>
/// </summary>
internal sealed class InitBlock
{
    /// <summary>Where a block is loaded.</summary>
    public const ulong Address = 0x1000_0000;

    /// <summary>A call whose failure does not matter.</summary>
    public const long Any = long.MinValue;

    private const int HeaderBytes = 16;
    private const int CallWords = 10;

    private readonly ArrayBufferWriter<byte> _data = new();
    private readonly List<(long Number, ulong[] Arguments, long Least, ulong Failure, Label? Zero)> _calls = [];

    /// <summary>A call to go on at.</summary>
    public sealed class Label
    {
        /// <summary>Its place in the list.</summary>
        public int Place { get; set; }
    }

    /// <summary>How long it has become.</summary>
    public int Length => HeaderBytes + _data.WrittenCount + (((_calls.Count * CallWords) + 1) * sizeof(ulong));

    /// <summary>Adds bytes and returns their address.</summary>
    public ulong Put(ReadOnlySpan<byte> bytes)
    {
        Pad();
        var address = Address + HeaderBytes + (ulong)_data.WrittenCount;
        _data.Write(bytes);
        return address;
    }

    /// <summary>Adds a text that ends with a zero.</summary>
    public ulong Text(string text) => Put(Encoding.UTF8.GetBytes(text + '\0'));

    /// <summary>Adds numbers.</summary>
    public ulong Words(params ReadOnlySpan<ulong> words)
    {
        var bytes = new byte[words.Length * sizeof(ulong)];
        for (var i = 0; i < words.Length; i++) BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(i * sizeof(ulong)), words[i]);
        return Put(bytes);
    }

    /// <summary>Adds texts and the list of their addresses, which ends with a zero.</summary>
    public ulong Texts(IEnumerable<string> texts) => Words([.. texts.Select(Text), 0]);

    /// <summary>Adds what is said when a call fails.</summary>
    public ulong Failure(int exitCode, string text)
    {
        var said = Encoding.UTF8.GetBytes(text);
        var bytes = new byte[HeaderBytes + said.Length];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, (ulong)exitCode);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(sizeof(ulong)), (ulong)said.Length);
        said.CopyTo(bytes, HeaderBytes);
        return Put(bytes);
    }

    /// <summary>The next call is where a label leads.</summary>
    public void Mark(Label label) => label.Place = _calls.Count;

    /// <summary>Adds a call whose failure does not matter.</summary>
    public void Try(long number, params ReadOnlySpan<ulong> arguments) => _calls.Add((number, arguments.ToArray(), Any, 0, null));

    /// <summary>Adds a call that must answer at least so much.</summary>
    public void Must(long number, long least, ulong failure, params ReadOnlySpan<ulong> arguments) => _calls.Add((number, arguments.ToArray(), least, failure, null));

    /// <summary>Adds a call after which it goes on elsewhere when the answer is 0. Where a failure is none, its failure is 0.</summary>
    public void Branch(long number, Label zero, ulong failure, params ReadOnlySpan<ulong> arguments) => _calls.Add((number, arguments.ToArray(), failure == 0 ? Any : 0, failure, zero));

    /// <summary>The block as it is sent.</summary>
    /// <exception cref="InvalidDataException">It is longer than a block may be.</exception>
    public byte[] ToBytes()
    {
        Pad();
        if (Length > DockerLimits.InitBlockBytes) throw new InvalidDataException($"command and environment are larger than {DockerLimits.InitBlockBytes} bytes together");
        var block = new byte[Length];
        var first = HeaderBytes + _data.WrittenCount;
        Word(0, (ulong)(block.Length - sizeof(ulong)));
        Word(sizeof(ulong), AddressOf(0));
        _data.WrittenSpan.CopyTo(block.AsSpan(HeaderBytes));
        for (var i = 0; i < _calls.Count; i++)
        {
            var call = _calls[i];
            var at = first + (i * CallWords * sizeof(ulong));
            Word(at, (ulong)call.Number);
            for (var argument = 0; argument < call.Arguments.Length; argument++) Word(at + ((1 + argument) * sizeof(ulong)), call.Arguments[argument]);
            Word(at + (7 * sizeof(ulong)), (ulong)call.Least);
            Word(at + (8 * sizeof(ulong)), call.Failure);
            Word(at + (9 * sizeof(ulong)), call.Zero is { } zero ? AddressOf(zero.Place) : 0);
        }
        Word(block.Length - sizeof(ulong), ulong.MaxValue);
        return block;

        ulong AddressOf(int call) => Address + (ulong)(first + (call * CallWords * sizeof(ulong)));
        void Word(int at, ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(block.AsSpan(at), value);
    }

    private void Pad() => _data.Write(new byte[(sizeof(ulong) - (_data.WrittenCount % sizeof(ulong))) % sizeof(ulong)]);
}
