namespace PeoplesCloud.Content;

/// <summary>
/// Builds a balanced tree over leaves that come one by one, as IPFS lays files out: all leaves equally deep, each node filled
/// before the next is begun. Holds at most 174 parts a level, so a file of any size takes constant memory.
/// </summary>
/// <param name="store">Takes the block of a node and answers its CID.</param>
internal sealed class BalancedLayout(Func<byte[], Cid> store)
{
    private readonly List<List<FilePart>> _levels = [];

    /// <summary>Adds the next leaf.</summary>
    public void Add(FilePart leaf) => Add(0, leaf);

    /// <summary>Closes the tree and answers its root; at least one leaf was added.</summary>
    public FilePart Finish()
    {
        for (var level = 0; ; level++)
        {
            var isTop = level == _levels.Count - 1;
            if (isTop && _levels[level].Count == 1) return _levels[level][0];
            Close(level);
        }
    }

    private void Add(int level, FilePart part)
    {
        if (level == _levels.Count) _levels.Add([]);
        if (_levels[level].Count == UnixFsFormat.MaxChildren) Close(level);
        _levels[level].Add(part);
    }

    private void Close(int level)
    {
        var children = _levels[level];
        var block = UnixFsFormat.FileNode(children);
        var node = new FilePart(store(block), children.Sum(c => c.FileBytes), block.Length + children.Sum(c => c.DagBytes));
        children.Clear();
        Add(level + 1, node);
    }
}
