using System.Buffers;

namespace PeoplesCloud.Sessions.Resp;

/// <summary>Bytes that wait to be sent, in pieces that are given back when they were. Not thread-safe.</summary>
internal sealed class ByteQueue : IBufferWriter<byte>
{
    private const int PieceBytes = 4096;

    private readonly List<(byte[] Buffer, int Length)> _pieces = [];

    /// <summary>How many bytes wait.</summary>
    public long Length { get; private set; }

    /// <summary>The pieces, in order.</summary>
    public IEnumerable<ReadOnlyMemory<byte>> Pieces => _pieces.Select(piece => new ReadOnlyMemory<byte>(piece.Buffer, 0, piece.Length));

    /// <inheritdoc/>
    public void Advance(int count)
    {
        var (buffer, length) = _pieces[^1];
        _pieces[^1] = (buffer, length + count);
        Length += count;
    }

    /// <inheritdoc/>
    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        var wanted = Math.Max(sizeHint, 1);
        if (_pieces.Count == 0 || _pieces[^1].Buffer.Length - _pieces[^1].Length < wanted) _pieces.Add((ArrayPool<byte>.Shared.Rent(Math.Max(wanted, PieceBytes)), 0));
        var (last, length) = _pieces[^1];
        return last.AsMemory(length);
    }

    /// <inheritdoc/>
    public Span<byte> GetSpan(int sizeHint = 0) => GetMemory(sizeHint).Span;

    /// <summary>Removes all.</summary>
    public void Clear()
    {
        foreach (var (buffer, _) in _pieces) ArrayPool<byte>.Shared.Return(buffer);
        _pieces.Clear();
        Length = 0;
    }
}
