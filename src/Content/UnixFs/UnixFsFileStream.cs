using PeoplesCloud.Base;

namespace PeoplesCloud.Content;

/// <summary>
/// A file below a CID, read-only and seekable. Holds the nodes between root and leaf and a few leaves that are asked for ahead.
/// Every child must weigh what its parent says, and children of no bytes are never looked at, so a hostile tree can neither give
/// more bytes than its root declares nor make a read walk for ever.
/// </summary>
internal sealed class UnixFsFileStream(BlockFetcher fetcher, Cid root, UnixFsNode rootNode) : Stream
{
    private const int MaxDepth = 32; // a balanced tree of 2^63 bytes has 9 levels; others' layouts are deeper

    private readonly List<Level> _path = [new Level(root, rootNode, 0)];
    private readonly CancellationTokenSource _closed = new();
    private long _position;

    public override bool CanRead => true;

    public override bool CanSeek => true;

    public override bool CanWrite => false;

    public override long Length => _path[0].Node.FileBytes;

    public override long Position
    {
        get => _position;
        set
        {
            ArgumentOutOfRangeException.ThrowIfNegative(value);
            _position = value;
        }
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (_position >= Length || buffer.IsEmpty) return 0;
        var leaf = await DescendAsync(cancellationToken);
        var available = leaf.Node.Data[(int)(_position - leaf.Start)..];
        var count = Math.Min(buffer.Length, available.Length);
        available[..count].CopyTo(buffer);
        _position += count;
        return count;
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override int Read(byte[] buffer, int offset, int count) => ReadAsync(buffer, offset, count, CancellationToken.None).GetAwaiter().GetResult();

    public override long Seek(long offset, SeekOrigin origin) => Position = offset + origin switch
    {
        SeekOrigin.Current => _position,
        SeekOrigin.End => Length,
        _ => 0,
    };

    public override void Flush()
    {
    }

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing) _closed.Cancel(); // what was asked for ahead is not needed any more
        base.Dispose(disposing);
    }

    // Goes up until the position lies below a node, then down to the node whose own data holds it.
    private async ValueTask<Level> DescendAsync(CancellationToken cancellationToken)
    {
        while (_path.Count > 1 && !_path[^1].Covers(_position)) _path.RemoveAt(_path.Count - 1);
        while (_position - _path[^1].Start >= _path[^1].Node.Data.Length)
        {
            if (_path.Count > MaxDepth) throw new PcException(ErrorCode.ContentTooLarge, $"file {_path[0].Cid} is more than {MaxDepth} nodes deep");
            var parent = _path[^1];
            var (index, start) = parent.ChildAt(_position);
            var cid = parent.Node.Links[index].Cid;
            var block = await parent.TakeAsync(index, fetcher, _closed.Token, cancellationToken);
            var node = UnixFsNode.Parse(cid, block);
            if (node.Kind != UnixFsKind.File) throw UnixFsNode.Invalid(cid, "a part of a file is no file");
            if (node.FileBytes != parent.Node.BlockSizes[index]) throw UnixFsNode.Invalid(cid, "its size is not what its parent says");
            _path.Add(new Level(cid, node, start));
        }
        return _path[^1];
    }

    private sealed class Level(Cid cid, UnixFsNode node, long start)
    {
        private readonly Dictionary<int, Task<ReadOnlyMemory<byte>>> _asked = [];
        private (int Index, long Start) _last = (0, start + node.Data.Length);

        public Cid Cid { get; } = cid;

        public UnixFsNode Node { get; } = node;

        public long Start { get; } = start;

        public bool Covers(long position) => position >= Start && position - Start < Node.FileBytes;

        // The child whose bytes hold the position, and where it starts; children of no bytes are passed over.
        // Looks from the last answer on, since most reads go forward: a node may have tens of thousands of children.
        public (int Index, long Start) ChildAt(long position)
        {
            var (index, at) = position >= _last.Start ? _last : (0, Start + Node.Data.Length);
            for (; position >= at + Node.BlockSizes[index]; index++) at += Node.BlockSizes[index];
            return _last = (index, at);
        }

        // The block of a child; those behind it are asked for at the same time.
        public async Task<ReadOnlyMemory<byte>> TakeAsync(int index, BlockFetcher fetcher, CancellationToken closed, CancellationToken cancellationToken)
        {
            foreach (var old in _asked.Keys.Where(k => k < index || k >= index + fetcher.Parallelism).ToArray()) _asked.Remove(old);
            for (var i = index; i < Math.Min(Node.Links.Count, index + fetcher.Parallelism); i++)
                if (Node.BlockSizes[i] > 0 && !_asked.ContainsKey(i)) _asked[i] = fetcher.GetRequiredAsync(Node.Links[i].Cid, closed).AsTask();
            _asked.Remove(index, out var asked);
            return await asked!.WaitAsync(cancellationToken);
        }
    }
}
