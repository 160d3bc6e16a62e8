using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;

namespace PeoplesCloud.Content;

/// <summary>What a block is in the tree (the specification's domain flags, section 2.1).</summary>
[Flags]
internal enum Blake3Flags : uint
{
    None = 0,
    ChunkStart = 1,
    ChunkEnd = 2,
    Parent = 4,
    Root = 8,
    KeyedHash = 16,
    DeriveKeyContext = 32,
    DeriveKeyMaterial = 64,
}

/// <summary>The compression function for one block, and the constants that all widths share.</summary>
internal static class Blake3Rounds
{
    public const int Rounds = 7;
    public const int BlockBytes = 64;
    public const int ChunkBytes = 1024;
    public const int ChainBytes = 32;

    /// <summary>The first words of the chaining value, which are those of SHA-256.</summary>
    public static ReadOnlySpan<uint> InitialWords => Initial;

    // A field: unoptimized code allocates for a span of constants.
    private static readonly uint[] Initial = [0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19];

    /// <summary>Which word of the message each round takes at each place: each row is the row before, permuted.</summary>
    public static ReadOnlySpan<byte> Schedule =>
    [
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
        2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8,
        3, 4, 10, 12, 13, 2, 7, 14, 6, 5, 9, 0, 11, 15, 8, 1,
        10, 7, 12, 9, 14, 3, 13, 15, 4, 0, 11, 2, 5, 8, 1, 6,
        12, 13, 9, 11, 15, 10, 14, 8, 7, 2, 5, 3, 0, 1, 6, 4,
        9, 14, 11, 5, 8, 12, 15, 1, 13, 3, 0, 10, 2, 6, 4, 7,
        11, 15, 5, 0, 1, 9, 8, 6, 14, 10, 2, 12, 3, 4, 7, 13,
    ];

    /// <summary>Compresses one block of at most 64 bytes (the rest counts as zeros); gives all 16 words.</summary>
    public static void Compress(ReadOnlySpan<uint> chain, ReadOnlySpan<byte> block, ulong counter, Blake3Flags flags, Span<uint> output)
    {
        Span<byte> whole = stackalloc byte[BlockBytes];
        whole[block.Length..].Clear();
        block.CopyTo(whole);
        Span<uint> message = stackalloc uint[16];
        for (var i = 0; i < message.Length; i++) message[i] = BinaryPrimitives.ReadUInt32LittleEndian(whole[(4 * i)..]);
        chain = chain[..8];
        output = output[..16];
        chain.CopyTo(output);
        InitialWords[..4].CopyTo(output[8..]);
        output[12] = (uint)counter;
        output[13] = (uint)(counter >> 32);
        output[14] = (uint)block.Length;
        output[15] = (uint)flags;
        for (var round = 0; round < Rounds; round++)
        {
            var schedule = Schedule.Slice(16 * round, 16);
            Mix(ref output[0], ref output[4], ref output[8], ref output[12], message[schedule[0]], message[schedule[1]]);
            Mix(ref output[1], ref output[5], ref output[9], ref output[13], message[schedule[2]], message[schedule[3]]);
            Mix(ref output[2], ref output[6], ref output[10], ref output[14], message[schedule[4]], message[schedule[5]]);
            Mix(ref output[3], ref output[7], ref output[11], ref output[15], message[schedule[6]], message[schedule[7]]);
            Mix(ref output[0], ref output[5], ref output[10], ref output[15], message[schedule[8]], message[schedule[9]]);
            Mix(ref output[1], ref output[6], ref output[11], ref output[12], message[schedule[10]], message[schedule[11]]);
            Mix(ref output[2], ref output[7], ref output[8], ref output[13], message[schedule[12]], message[schedule[13]]);
            Mix(ref output[3], ref output[4], ref output[9], ref output[14], message[schedule[14]], message[schedule[15]]);
        }
        for (var i = 0; i < 8; i++)
        {
            output[i] ^= output[i + 8];
            output[i + 8] ^= chain[i];
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Mix(ref uint a, ref uint b, ref uint c, ref uint d, uint x, uint y)
    {
        a += b + x;
        d = BitOperations.RotateRight(d ^ a, 16);
        c += d;
        b = BitOperations.RotateRight(b ^ c, 12);
        a += b + y;
        d = BitOperations.RotateRight(d ^ a, 8);
        c += d;
        b = BitOperations.RotateRight(b ^ c, 7);
    }
}
