using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace PeoplesCloud.Content;

/// <summary>16 lanes (AVX-512).</summary>
internal readonly struct Blake3Lanes512 : IBlake3Lanes<Vector512<uint>>
{
    public static bool IsSupported => Vector512.IsHardwareAccelerated && Avx512F.IsSupported;

    public static int Count => 16;

    public static Vector512<uint> Same(uint word) => Vector512.Create(word);

    public static Vector512<uint> Counters(ulong first, uint step, out Vector512<uint> high)
    {
        high = Vector512.Create(Blake3Lanes256.Counters(first, step, out var lower), Blake3Lanes256.Counters(first + (8 * step), step, out var upper));
        (var low, high) = (high, Vector512.Create(lower, upper));
        return low;
    }

    public static Vector512<uint> Xor(Vector512<uint> left, Vector512<uint> right) => left ^ right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Mix(ref Vector512<uint> a, ref Vector512<uint> b, ref Vector512<uint> c, ref Vector512<uint> d, Vector512<uint> x, Vector512<uint> y)
    {
        a = a + x + b;
        d = Avx512F.RotateRight(d ^ a, 16);
        c += d;
        b = Avx512F.RotateRight(b ^ c, 12);
        a = a + y + b;
        d = Avx512F.RotateRight(d ^ a, 8);
        c += d;
        b = Avx512F.RotateRight(b ^ c, 7);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load(ref byte input, nint stride, ref Vector512<uint> message)
    {
        var (a0, a1, a2, a3) = Four(ref input, stride);
        var (b0, b1, b2, b3) = Four(ref Unsafe.Add(ref input, 4 * stride), stride);
        var (c0, c1, c2, c3) = Four(ref Unsafe.Add(ref input, 8 * stride), stride);
        var (d0, d1, d2, d3) = Four(ref Unsafe.Add(ref input, 12 * stride), stride);
        Join(a0, b0, c0, d0, ref message);
        Join(a1, b1, c1, d1, ref Unsafe.Add(ref message, 1));
        Join(a2, b2, c2, d2, ref Unsafe.Add(ref message, 2));
        Join(a3, b3, c3, d3, ref Unsafe.Add(ref message, 3));
    }

    // Four inputs: the k-th vector holds in its j-th quarter word 4j+k of each.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector512<uint>, Vector512<uint>, Vector512<uint>, Vector512<uint>) Four(ref byte input, nint stride)
    {
        var a = Vector512.LoadUnsafe(ref input).AsUInt32();
        var b = Vector512.LoadUnsafe(ref Unsafe.Add(ref input, stride)).AsUInt32();
        var c = Vector512.LoadUnsafe(ref Unsafe.Add(ref input, 2 * stride)).AsUInt32();
        var d = Vector512.LoadUnsafe(ref Unsafe.Add(ref input, 3 * stride)).AsUInt32();
        var (lowAb, highAb) = (Avx512F.UnpackLow(a, b).AsUInt64(), Avx512F.UnpackHigh(a, b).AsUInt64());
        var (lowCd, highCd) = (Avx512F.UnpackLow(c, d).AsUInt64(), Avx512F.UnpackHigh(c, d).AsUInt64());
        return (
            Avx512F.UnpackLow(lowAb, lowCd).AsUInt32(), Avx512F.UnpackHigh(lowAb, lowCd).AsUInt32(),
            Avx512F.UnpackLow(highAb, highCd).AsUInt32(), Avx512F.UnpackHigh(highAb, highCd).AsUInt32());
    }

    // The first quarters of all four make one vector, the second ones another, ...
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Join(Vector512<uint> a, Vector512<uint> b, Vector512<uint> c, Vector512<uint> d, ref Vector512<uint> message)
    {
        var (evenAb, oddAb) = (Avx512F.Shuffle4x128(a, b, 0x88), Avx512F.Shuffle4x128(a, b, 0xDD));
        var (evenCd, oddCd) = (Avx512F.Shuffle4x128(c, d, 0x88), Avx512F.Shuffle4x128(c, d, 0xDD));
        message = Avx512F.Shuffle4x128(evenAb, evenCd, 0x88);
        Unsafe.Add(ref message, 4) = Avx512F.Shuffle4x128(oddAb, oddCd, 0x88);
        Unsafe.Add(ref message, 8) = Avx512F.Shuffle4x128(evenAb, evenCd, 0xDD);
        Unsafe.Add(ref message, 12) = Avx512F.Shuffle4x128(oddAb, oddCd, 0xDD);
    }
}
