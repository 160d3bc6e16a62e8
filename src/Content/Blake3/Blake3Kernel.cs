using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace PeoplesCloud.Content;

/// <summary>Compresses as many inputs at once as a vector has lanes; the hot loop of everything longer than a few chunks.</summary>
internal static class Blake3Kernel
{
    /// <summary>Hashes one group of inputs to their chaining values.</summary>
    /// <param name="input">The first input; each has <paramref name="blocks"/> whole blocks.</param>
    /// <param name="stride">Bytes from one input to the next.</param>
    /// <param name="blocks">Blocks of each input.</param>
    /// <param name="key">The chaining value to begin with, 8 words.</param>
    /// <param name="counter">The first input's counter.</param>
    /// <param name="step">1 for chunks, which count; 0 for parents.</param>
    /// <param name="flags">Of every block.</param>
    /// <param name="first">And of the first.</param>
    /// <param name="last">And of the last.</param>
    /// <param name="output">Gets 32 bytes for each lane.</param>
    // Compiled at once with all optimizations: the code of the first tier would take a second for what this does in ten milliseconds.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Hash<TVector, TLanes>(
        ref byte input, nint stride, int blocks, ReadOnlySpan<uint> key, ulong counter, uint step, Blake3Flags flags, Blake3Flags first, Blake3Flags last, Span<byte> output)
        where TVector : struct
        where TLanes : struct, IBlake3Lanes<TVector>
    {
        key = key[..8];
        Unsafe.SkipInit(out Words16<TVector> words);
        ref var m = ref Unsafe.As<Words16<TVector>, TVector>(ref words);
        ref var schedule = ref MemoryMarshal.GetReference(Blake3Rounds.Schedule);
        var (h0, h1, h2, h3) = (TLanes.Same(key[0]), TLanes.Same(key[1]), TLanes.Same(key[2]), TLanes.Same(key[3]));
        var (h4, h5, h6, h7) = (TLanes.Same(key[4]), TLanes.Same(key[5]), TLanes.Same(key[6]), TLanes.Same(key[7]));
        var low = TLanes.Counters(counter, step, out var high);
        for (var block = 0; block < blocks; block++)
        {
            TLanes.Load(ref Unsafe.Add(ref input, block * Blake3Rounds.BlockBytes), stride, ref m);
            var blockFlags = flags | (block == 0 ? first : Blake3Flags.None) | (block == blocks - 1 ? last : Blake3Flags.None);
            var (v0, v1, v2, v3, v4, v5, v6, v7) = (h0, h1, h2, h3, h4, h5, h6, h7);
            var (v8, v9, v10, v11) = (TLanes.Same(0x6A09E667), TLanes.Same(0xBB67AE85), TLanes.Same(0x3C6EF372), TLanes.Same(0xA54FF53A));
            var (v12, v13, v14, v15) = (low, high, TLanes.Same(Blake3Rounds.BlockBytes), TLanes.Same((uint)blockFlags));
            for (var at = 0; at < 16 * Blake3Rounds.Rounds; at += 16)
            {
                ref var s = ref Unsafe.Add(ref schedule, at);
                TLanes.Mix(ref v0, ref v4, ref v8, ref v12, Unsafe.Add(ref m, s), Unsafe.Add(ref m, Unsafe.Add(ref s, 1)));
                TLanes.Mix(ref v1, ref v5, ref v9, ref v13, Unsafe.Add(ref m, Unsafe.Add(ref s, 2)), Unsafe.Add(ref m, Unsafe.Add(ref s, 3)));
                TLanes.Mix(ref v2, ref v6, ref v10, ref v14, Unsafe.Add(ref m, Unsafe.Add(ref s, 4)), Unsafe.Add(ref m, Unsafe.Add(ref s, 5)));
                TLanes.Mix(ref v3, ref v7, ref v11, ref v15, Unsafe.Add(ref m, Unsafe.Add(ref s, 6)), Unsafe.Add(ref m, Unsafe.Add(ref s, 7)));
                TLanes.Mix(ref v0, ref v5, ref v10, ref v15, Unsafe.Add(ref m, Unsafe.Add(ref s, 8)), Unsafe.Add(ref m, Unsafe.Add(ref s, 9)));
                TLanes.Mix(ref v1, ref v6, ref v11, ref v12, Unsafe.Add(ref m, Unsafe.Add(ref s, 10)), Unsafe.Add(ref m, Unsafe.Add(ref s, 11)));
                TLanes.Mix(ref v2, ref v7, ref v8, ref v13, Unsafe.Add(ref m, Unsafe.Add(ref s, 12)), Unsafe.Add(ref m, Unsafe.Add(ref s, 13)));
                TLanes.Mix(ref v3, ref v4, ref v9, ref v14, Unsafe.Add(ref m, Unsafe.Add(ref s, 14)), Unsafe.Add(ref m, Unsafe.Add(ref s, 15)));
            }
            h0 = TLanes.Xor(v0, v8);
            h1 = TLanes.Xor(v1, v9);
            h2 = TLanes.Xor(v2, v10);
            h3 = TLanes.Xor(v3, v11);
            h4 = TLanes.Xor(v4, v12);
            h5 = TLanes.Xor(v5, v13);
            h6 = TLanes.Xor(v6, v14);
            h7 = TLanes.Xor(v7, v15);
        }
        (m, Unsafe.Add(ref m, 1), Unsafe.Add(ref m, 2), Unsafe.Add(ref m, 3)) = (h0, h1, h2, h3);
        (Unsafe.Add(ref m, 4), Unsafe.Add(ref m, 5), Unsafe.Add(ref m, 6), Unsafe.Add(ref m, 7)) = (h4, h5, h6, h7);
        ref var lanes = ref Unsafe.As<TVector, uint>(ref m);
        var chains = MemoryMarshal.Cast<byte, uint>(output[..(TLanes.Count * Blake3Rounds.ChainBytes)]);
        for (var i = 0; i < chains.Length; i++) chains[i] = Unsafe.Add(ref lanes, ((i % 8) * TLanes.Count) + (i / 8));
    }

    [InlineArray(16)]
    private struct Words16<TVector>
        where TVector : struct
    {
        private TVector _first;
    }
}
