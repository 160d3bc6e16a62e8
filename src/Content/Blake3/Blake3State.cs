using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace PeoplesCloud.Content;

/// <summary>How many chunks are hashed at once. Tests choose one; all give the same.</summary>
internal enum Blake3Width
{
    One = 1,
    Four = 4,
    Eight = 8,
    Sixteen = 16,
}

/// <summary>
/// The tree hash (section 2.1): chunks of 1,024 bytes are leaves, each parent joins two subtrees, the left one being the largest power of
/// two of chunks that leaves something for the right. A stack keeps the subtrees that are complete; the last chunk and the parents at
/// the right edge are finished only at the end, because the root is flagged. Words are little-endian, as all machines that .NET runs on
/// here are.
/// </summary>
[StructLayout(LayoutKind.Auto)]
internal struct Blake3State
{
    private const int MaxDepth = 54; // 2^54 chunks are 2^64 bytes
    private const int MaxLanes = 16;

    private Chains _stack;
    private Words8 _key;
    private Words8 _chain; // of the open chunk
    private Bytes64 _block; // its last block, which may be the root's
    private int _blockBytes;
    private int _blocksDone;
    private ulong _chunks; // complete ones
    private int _depth;
    private Blake3Flags _flags;
    private Blake3Width _width;

    public static Blake3Width BestWidth =>
        Blake3Lanes512.IsSupported ? Blake3Width.Sixteen : Blake3Lanes256.IsSupported ? Blake3Width.Eight : Blake3Lanes128.IsSupported ? Blake3Width.Four : Blake3Width.One;

    public void Begin(ReadOnlySpan<uint> key, Blake3Flags flags, Blake3Width width)
    {
        key.CopyTo(_key);
        _flags = flags;
        _width = width;
        _chunks = 0;
        _depth = 0;
        BeginChunk();
    }

    public void Append(ReadOnlySpan<byte> data)
    {
        // 1. The chunk that is open.
        if (OpenBytes > 0)
        {
            var take = Math.Min(data.Length, Blake3Rounds.ChunkBytes - OpenBytes);
            AppendToChunk(data[..take]);
            data = data[take..];
            if (data.IsEmpty) return;
            Span<byte> chain = stackalloc byte[Blake3Rounds.ChainBytes];
            FinishChunk(chain);
            Push(chain, 1);
            BeginChunk();
        }

        // 2. Whole subtrees, as large as their place in the tree allows. What may be the last chunk stays open.
        Span<byte> pair = stackalloc byte[2 * Blake3Rounds.ChainBytes];
        while (data.Length > Blake3Rounds.ChunkBytes)
        {
            var bytes = 1 << BitOperations.Log2((uint)data.Length);
            while (((ulong)(bytes - 1) & (_chunks * Blake3Rounds.ChunkBytes)) != 0) bytes /= 2;
            var chunks = (ulong)(bytes / Blake3Rounds.ChunkBytes);
            if (chunks == 1)
            {
                HashMany(data[..bytes], Blake3Rounds.ChunkBytes, _chunks, pair);
                Push(pair[..Blake3Rounds.ChainBytes], 1);
            }
            else
            {
                // Not joined yet: their parent may be the root.
                HashSubtree(data[..bytes], _chunks, pair, isTop: true);
                Push(pair[..Blake3Rounds.ChainBytes], chunks / 2);
                Push(pair[Blake3Rounds.ChainBytes..], chunks / 2);
            }
            data = data[bytes..];
        }

        // 3. The rest.
        if (data.IsEmpty) return;
        Merge();
        AppendToChunk(data);
    }

    /// <summary>Gives as many bytes as are asked for; the first 32 are the hash. More can be appended after.</summary>
    public readonly void Finish(Span<byte> output)
    {
        var copy = this;
        copy.FinishRoot(output);
    }

    private readonly int OpenBytes => (_blocksDone * Blake3Rounds.BlockBytes) + _blockBytes;

    private readonly int Lanes => (int)_width;

    private void BeginChunk()
    {
        _chain = _key;
        _blockBytes = 0;
        _blocksDone = 0;
    }

    private void AppendToChunk(ReadOnlySpan<byte> data)
    {
        Span<uint> output = stackalloc uint[16];
        while (!data.IsEmpty)
        {
            if (_blockBytes == Blake3Rounds.BlockBytes)
            {
                Blake3Rounds.Compress(_chain, _block, _chunks, _flags | (_blocksDone == 0 ? Blake3Flags.ChunkStart : Blake3Flags.None), output);
                output[..8].CopyTo(_chain);
                _blocksDone++;
                _blockBytes = 0;
            }
            var take = Math.Min(data.Length, Blake3Rounds.BlockBytes - _blockBytes);
            data[..take].CopyTo(((Span<byte>)_block)[_blockBytes..]);
            _blockBytes += take;
            data = data[take..];
        }
    }

    private readonly Blake3Flags LastFlags => _flags | Blake3Flags.ChunkEnd | (_blocksDone == 0 ? Blake3Flags.ChunkStart : Blake3Flags.None);

    private readonly void FinishChunk(Span<byte> chain)
    {
        Span<uint> output = stackalloc uint[16];
        Blake3Rounds.Compress(_chain, ((ReadOnlySpan<byte>)_block)[.._blockBytes], _chunks, LastFlags, output);
        MemoryMarshal.AsBytes(output[..8]).CopyTo(chain);
    }

    // The subtrees on the stack are as the binary digits of the number of chunks: two of one size become one as soon as more follows.
    private void Merge()
    {
        Span<uint> output = stackalloc uint[16];
        while (_depth > BitOperations.PopCount(_chunks))
        {
            var pair = ((Span<byte>)_stack).Slice((_depth - 2) * Blake3Rounds.ChainBytes, 2 * Blake3Rounds.ChainBytes);
            Blake3Rounds.Compress(_key, pair, 0, _flags | Blake3Flags.Parent, output);
            MemoryMarshal.AsBytes(output[..8]).CopyTo(pair);
            _depth--;
        }
    }

    private void Push(ReadOnlySpan<byte> chain, ulong chunks)
    {
        Merge();
        chain.CopyTo(((Span<byte>)_stack)[(_depth * Blake3Rounds.ChainBytes)..]);
        _depth++;
        _chunks += chunks;
    }

    private void FinishRoot(Span<byte> output)
    {
        // From the right edge up to the root: an open chunk, or the two subtrees on top when the input ended with a whole one.
        Span<byte> block = stackalloc byte[Blake3Rounds.BlockBytes];
        Span<uint> words = stackalloc uint[16];
        Span<uint> chain = stackalloc uint[8];
        int blockBytes;
        Blake3Flags flags;
        ulong counter = 0;
        var depth = _depth;
        if (OpenBytes > 0 || depth == 0)
        {
            ((ReadOnlySpan<uint>)_chain).CopyTo(chain);
            ((ReadOnlySpan<byte>)_block).CopyTo(block);
            (blockBytes, flags, counter) = (_blockBytes, LastFlags, _chunks);
        }
        else
        {
            ((ReadOnlySpan<uint>)_key).CopyTo(chain);
            ((ReadOnlySpan<byte>)_stack).Slice((depth - 2) * Blake3Rounds.ChainBytes, block.Length).CopyTo(block);
            (blockBytes, flags) = (block.Length, _flags | Blake3Flags.Parent);
            depth -= 2;
        }
        while (depth-- > 0)
        {
            Blake3Rounds.Compress(chain, block[..blockBytes], counter, flags, words);
            ((ReadOnlySpan<uint>)_key).CopyTo(chain);
            ((ReadOnlySpan<byte>)_stack).Slice(depth * Blake3Rounds.ChainBytes, Blake3Rounds.ChainBytes).CopyTo(block);
            MemoryMarshal.AsBytes(words[..8]).CopyTo(block[Blake3Rounds.ChainBytes..]);
            (blockBytes, flags, counter) = (block.Length, _flags | Blake3Flags.Parent, 0);
        }
        // The root may give any number of bytes: its counter counts output blocks.
        for (counter = 0; !output.IsEmpty; counter++)
        {
            Blake3Rounds.Compress(chain, block[..blockBytes], counter, flags | Blake3Flags.Root, words);
            var take = Math.Min(output.Length, Blake3Rounds.BlockBytes);
            MemoryMarshal.AsBytes(words)[..take].CopyTo(output);
            output = output[take..];
        }
    }

    // Whole chunks, a power of two of them: answers how many chaining values of equal subtrees were written, at most as many as lanes
    // (at least two). Joining them is left to the caller, who has a neighbour's to fill the lanes with.
    private readonly int HashSubtree(ReadOnlySpan<byte> data, ulong counter, Span<byte> output, bool isTop)
    {
        var chunks = data.Length / Blake3Rounds.ChunkBytes;
        int count;
        Span<byte> chains = stackalloc byte[2 * MaxLanes * Blake3Rounds.ChainBytes];
        if (chunks <= Math.Max(2, Lanes))
        {
            HashMany(data, Blake3Rounds.ChunkBytes, counter, chains);
            count = chunks;
        }
        else
        {
            var half = data.Length / 2;
            count = HashSubtree(data[..half], counter, chains, isTop: false);
            count += HashSubtree(data[half..], counter + (ulong)(chunks / 2), chains[(count * Blake3Rounds.ChainBytes)..], isTop: false);
            count = Join(chains, count);
        }
        while (isTop && count > 2) count = Join(chains, count);
        chains[..(count * Blake3Rounds.ChainBytes)].CopyTo(output);
        return count;
    }

    private readonly int Join(Span<byte> chains, int count)
    {
        HashMany(chains[..(count * Blake3Rounds.ChainBytes)], Blake3Rounds.BlockBytes, 0, chains);
        return count / 2;
    }

    // Inputs of one size side by side: chunks, or parents. Output may be the place of the input: each group is read before it is written,
    // and is shorter.
    private readonly void HashMany(ReadOnlySpan<byte> input, int size, ulong counter, Span<byte> output)
    {
        var isChunks = size == Blake3Rounds.ChunkBytes;
        var (step, flags) = isChunks ? (1u, _flags) : (0u, _flags | Blake3Flags.Parent);
        var (first, last) = isChunks ? (Blake3Flags.ChunkStart, Blake3Flags.ChunkEnd) : (Blake3Flags.None, Blake3Flags.None);
        var blocks = size / Blake3Rounds.BlockBytes;
        while (!input.IsEmpty)
        {
            var count = input.Length / size;
            ref var start = ref MemoryMarshal.GetReference(input);
            int done;
            if (count >= 16 && Lanes >= 16)
            {
                Blake3Kernel.Hash<Vector512<uint>, Blake3Lanes512>(ref start, size, blocks, _key, counter, step, flags, first, last, output);
                done = 16;
            }
            else if (count >= 8 && Lanes >= 8)
            {
                Blake3Kernel.Hash<Vector256<uint>, Blake3Lanes256>(ref start, size, blocks, _key, counter, step, flags, first, last, output);
                done = 8;
            }
            else if (count >= 4 && Lanes >= 4)
            {
                Blake3Kernel.Hash<Vector128<uint>, Blake3Lanes128>(ref start, size, blocks, _key, counter, step, flags, first, last, output);
                done = 4;
            }
            else
            {
                HashOne(input[..size], counter, flags, first, last, output);
                done = 1;
            }
            input = input[(done * size)..];
            output = output[(done * Blake3Rounds.ChainBytes)..];
            counter += (ulong)done * step;
        }
    }

    private readonly void HashOne(ReadOnlySpan<byte> input, ulong counter, Blake3Flags flags, Blake3Flags first, Blake3Flags last, Span<byte> output)
    {
        Span<uint> words = stackalloc uint[16];
        Span<uint> chain = stackalloc uint[8];
        ((ReadOnlySpan<uint>)_key).CopyTo(words);
        for (var at = 0; at < input.Length; at += Blake3Rounds.BlockBytes)
        {
            var blockFlags = flags | (at == 0 ? first : Blake3Flags.None) | (at + Blake3Rounds.BlockBytes == input.Length ? last : Blake3Flags.None);
            words[..8].CopyTo(chain);
            Blake3Rounds.Compress(chain, input.Slice(at, Blake3Rounds.BlockBytes), counter, blockFlags, words);
        }
        MemoryMarshal.AsBytes(words[..8]).CopyTo(output);
    }

    [InlineArray(MaxDepth * Blake3Rounds.ChainBytes)]
    private struct Chains
    {
        private byte _first;
    }

    [InlineArray(8)]
    private struct Words8
    {
        private uint _first;
    }

    [InlineArray(Blake3Rounds.BlockBytes)]
    private struct Bytes64
    {
        private byte _first;
    }
}
