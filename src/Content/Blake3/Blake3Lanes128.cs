using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace PeoplesCloud.Content;

/// <summary>4 lanes (SSE2 and later, NEON, or whatever the machine has).</summary>
internal readonly struct Blake3Lanes128 : IBlake3Lanes<Vector128<uint>>
{
    public static bool IsSupported => Vector128.IsHardwareAccelerated;

    public static int Count => 4;

    public static Vector128<uint> Same(uint word) => Vector128.Create(word);

    public static Vector128<uint> Counters(ulong first, uint step, out Vector128<uint> high)
    {
        var (a, b, c, d) = (first, first + step, first + (2 * step), first + (3 * step));
        high = Vector128.Create((uint)(a >> 32), (uint)(b >> 32), (uint)(c >> 32), (uint)(d >> 32));
        return Vector128.Create((uint)a, (uint)b, (uint)c, (uint)d);
    }

    public static Vector128<uint> Xor(Vector128<uint> left, Vector128<uint> right) => left ^ right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Mix(ref Vector128<uint> a, ref Vector128<uint> b, ref Vector128<uint> c, ref Vector128<uint> d, Vector128<uint> x, Vector128<uint> y)
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
    public static void Load(ref byte input, nint stride, ref Vector128<uint> message)
    {
        for (var quarter = 0; quarter < 4; quarter++)
        {
            ref var words = ref Unsafe.Add(ref input, 16 * quarter);
            var a = Vector128.LoadUnsafe(ref words).AsUInt32();
            var b = Vector128.LoadUnsafe(ref Unsafe.Add(ref words, stride)).AsUInt32();
            var c = Vector128.LoadUnsafe(ref Unsafe.Add(ref words, 2 * stride)).AsUInt32();
            var d = Vector128.LoadUnsafe(ref Unsafe.Add(ref words, 3 * stride)).AsUInt32();
            var (lowAb, highAb) = (Low(a, b).AsUInt64(), High(a, b).AsUInt64());
            var (lowCd, highCd) = (Low(c, d).AsUInt64(), High(c, d).AsUInt64());
            ref var m = ref Unsafe.Add(ref message, 4 * quarter);
            m = Vector128.Create(lowAb.GetLower(), lowCd.GetLower()).AsUInt32();
            Unsafe.Add(ref m, 1) = Vector128.Create(lowAb.GetUpper(), lowCd.GetUpper()).AsUInt32();
            Unsafe.Add(ref m, 2) = Vector128.Create(highAb.GetLower(), highCd.GetLower()).AsUInt32();
            Unsafe.Add(ref m, 3) = Vector128.Create(highAb.GetUpper(), highCd.GetUpper()).AsUInt32();
        }
    }

    // The first (last) two words of both, in turn.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<uint> Low(Vector128<uint> a, Vector128<uint> b) =>
        Sse2.IsSupported ? Sse2.UnpackLow(a, b) : AdvSimd.Arm64.IsSupported ? AdvSimd.Arm64.ZipLow(a, b) : Vector128.Create(a[0], b[0], a[1], b[1]);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<uint> High(Vector128<uint> a, Vector128<uint> b) =>
        Sse2.IsSupported ? Sse2.UnpackHigh(a, b) : AdvSimd.Arm64.IsSupported ? AdvSimd.Arm64.ZipHigh(a, b) : Vector128.Create(a[2], b[2], a[3], b[3]);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<uint> Rotate(Vector128<uint> value, [ConstantExpected] byte bits) =>
        Avx512F.VL.IsSupported ? Avx512F.VL.RotateRight(value, bits) : (value >>> bits) | (value << (32 - bits));

    // Whole bytes move in one shuffle where there is no rotation.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<uint> RotateBytes(Vector128<uint> value, [ConstantExpected] byte bits)
    {
        if (Avx512F.VL.IsSupported || !Ssse3.IsSupported) return Rotate(value, bits);
        var places = bits == 16
            ? Vector128.Create((byte)2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13)
            : Vector128.Create((byte)1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12);
        return Ssse3.Shuffle(value.AsByte(), places).AsUInt32();
    }
}
