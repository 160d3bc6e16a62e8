using System.Buffers.Binary;

namespace PeoplesCloud.Runtimes.Docker;

/// <summary>
/// Takes a container's output apart, which comes as frames of both kinds on one connection:
/// <code>
/// frame = kind:u8 0 0 0 length:u32 payload        kind: 0 and 1 standard output, 2 standard error; big-endian
/// </code>
/// Payloads are handed on as they come and never collected, so a length allocates nothing. Source: Docker Engine API, "Attach to a container".
/// </summary>
internal sealed class DockerFrames
{
    private const int HeaderBytes = 8;

    private readonly byte[] _header = new byte[HeaderBytes];
    private int _collected;
    private long _left;
    private OutputKind _kind;

    /// <summary>Whether the bytes so far are whole frames.</summary>
    public bool IsWhole => _collected == 0 && _left == 0;

    /// <summary>Takes the next piece of a payload from the front of the input.</summary>
    /// <param name="input">What has come; what was taken is cut off its front.</param>
    /// <param name="kind">Which output the piece is of.</param>
    /// <param name="piece">The piece, part of the input; never empty when there is one.</param>
    /// <returns>Whether there is a piece; false when all of the input was taken.</returns>
    /// <exception cref="InvalidDataException">What came is no frame.</exception>
    public bool TryTake(ref ReadOnlyMemory<byte> input, out OutputKind kind, out ReadOnlyMemory<byte> piece)
    {
        while (!input.IsEmpty)
        {
            if (_left > 0)
            {
                var count = (int)Math.Min(_left, input.Length);
                (kind, piece, input) = (_kind, input[..count], input[count..]);
                _left -= count;
                return true;
            }
            TakeHeader(ref input);
        }
        (kind, piece) = (default, default);
        return false;
    }

    private void TakeHeader(ref ReadOnlyMemory<byte> input)
    {
        var count = Math.Min(HeaderBytes - _collected, input.Length);
        input.Span[..count].CopyTo(_header.AsSpan(_collected));
        _collected += count;
        input = input[count..];
        if (_collected < HeaderBytes) return;
        _collected = 0;
        if (_header[0] > 2 || _header[1] != 0 || _header[2] != 0 || _header[3] != 0) throw new InvalidDataException($"{Convert.ToHexString(_header)} begins no frame of output");
        _kind = _header[0] == 2 ? OutputKind.Err : OutputKind.Out;
        _left = BinaryPrimitives.ReadUInt32BigEndian(_header.AsSpan(4));
    }

    /// <summary>However the bytes are cut into reads, the same pieces come out.</summary>
    internal static void Fuzz(ReadOnlySpan<byte> input)
    {
        var bytes = input.ToArray();
        var whole = Collect(bytes, bytes.Length);
        var cut = Collect(bytes, 3);
        if (!string.Equals(whole, cut, StringComparison.Ordinal)) throw new InvalidOperationException($"in one read {whole}, in several {cut}");

        static string Collect(byte[] bytes, int step)
        {
            var frames = new DockerFrames();
            var (output, errors) = (new MemoryStream(), new MemoryStream());
            for (var at = 0; at < bytes.Length; at += step)
            {
                ReadOnlyMemory<byte> part = bytes.AsMemory(at, Math.Min(step, bytes.Length - at));
                try
                {
                    while (frames.TryTake(ref part, out var kind, out var piece)) (kind == OutputKind.Out ? output : errors).Write(piece.Span);
                }
                catch (InvalidDataException)
                {
                    break;
                }
            }
            return $"{Convert.ToHexString(output.ToArray())} {Convert.ToHexString(errors.ToArray())}";
        }
    }
}
