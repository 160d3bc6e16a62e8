using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace PeoplesCloud.Content;

/// <summary>8 lanes (AVX2).</summary>
internal readonly struct Blake3Lanes256 : IBlake3Lanes<Vector256<uint>>
{
    public static bool IsSupported => Vector256.IsHardwareAccelerated && Avx2.IsSupported;

    public static int Count => 8;

    public static Vector256<uint> Same(uint word) => Vector256.Create(word);

    public static Vector256<uint> Counters(ulong first, uint step, out Vector256<uint> high)
    {
        var low = Vector256.Create(Blake3Lanes128.Counters(first, step, out var lower), Blake3Lanes128.Counters(first + (4 * step), step, out var upper));
        high = Vector256.Create(lower, upper);
        return low;
    }

    public static Vector256<uint> Xor(Vector256<uint> left, Vector256<uint> right) => left ^ right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Mix(ref Vector256<uint> a, ref Vector256<uint> b, ref Vector256<uint> c, ref Vector256<uint> d, Vector256<uint> x, Vector256<uint> y)
    {
        a = a + x + b;
        d = RotateBytes(d ^ a, 16);
        c += d;
        b = Rotate(b ^ c, 12);
        a = a + y + b;
        d = RotateBytes(d ^ a, 8);
        c += d;
        b = Rotate(b ^ c, 7);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load(ref byte input, nint stride, ref Vector256<uint> message)
    {
        for (var half = 0; half < 2; half++)
        {
            ref var words = ref Unsafe.Add(ref input, 32 * half);
            var (a0, a1, a2, a3) = Four(ref words, stride);
            var (b0, b1, b2, b3) = Four(ref Unsafe.Add(ref words, 4 * stride), stride);
            ref var m = ref Unsafe.Add(ref message, 8 * half);
            (m, Unsafe.Add(ref m, 4)) = (Avx2.Permute2x128(a0, b0, 0x20), Avx2.Permute2x128(a0, b0, 0x31));
            (Unsafe.Add(ref m, 1), Unsafe.Add(ref m, 5)) = (Avx2.Permute2x128(a1, b1, 0x20), Avx2.Permute2x128(a1, b1, 0x31));
            (Unsafe.Add(ref m, 2), Unsafe.Add(ref m, 6)) = (Avx2.Permute2x128(a2, b2, 0x20), Avx2.Permute2x128(a2, b2, 0x31));
            (Unsafe.Add(ref m, 3), Unsafe.Add(ref m, 7)) = (Avx2.Permute2x128(a3, b3, 0x20), Avx2.Permute2x128(a3, b3, 0x31));
        }
    }

    // Half a block of four inputs: the k-th vector holds in its j-th half word 4j+k of each.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector256<uint>, Vector256<uint>, Vector256<uint>, Vector256<uint>) Four(ref byte input, nint stride)
    {
        var a = Vector256.LoadUnsafe(ref input).AsUInt32();
        var b = Vector256.LoadUnsafe(ref Unsafe.Add(ref input, stride)).AsUInt32();
        var c = Vector256.LoadUnsafe(ref Unsafe.Add(ref input, 2 * stride)).AsUInt32();
        var d = Vector256.LoadUnsafe(ref Unsafe.Add(ref input, 3 * stride)).AsUInt32();
        var (lowAb, highAb) = (Avx2.UnpackLow(a, b).AsUInt64(), Avx2.UnpackHigh(a, b).AsUInt64());
        var (lowCd, highCd) = (Avx2.UnpackLow(c, d).AsUInt64(), Avx2.UnpackHigh(c, d).AsUInt64());
        return (
            Avx2.UnpackLow(lowAb, lowCd).AsUInt32(), Avx2.UnpackHigh(lowAb, lowCd).AsUInt32(),
            Avx2.UnpackLow(highAb, highCd).AsUInt32(), Avx2.UnpackHigh(highAb, highCd).AsUInt32());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<uint> Rotate(Vector256<uint> value, [ConstantExpected] byte bits) =>
        Avx512F.VL.IsSupported ? Avx512F.VL.RotateRight(value, bits) : (value >>> bits) | (value << (32 - bits));

    // Whole bytes move in one shuffle where there is no rotation.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<uint> RotateBytes(Vector256<uint> value, [ConstantExpected] byte bits)
    {
        if (Avx512F.VL.IsSupported) return Avx512F.VL.RotateRight(value, bits);
        var places = bits == 16
            ? Vector256.Create((byte)2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13)
            : Vector256.Create((byte)1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12, 1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12);
        return Avx2.Shuffle(value.AsByte(), places).AsUInt32();
    }
}
