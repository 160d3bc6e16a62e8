using System.Security.Cryptography;

namespace PeoplesCloud.Base.Crypto;

/// <summary>
/// The group of P-256 as SPAKE2 needs it, through libcrypto. Each multiplication is by one scalar alone, which libcrypto does in
/// constant time. The order is prime and the cofactor 1, so a point on the curve that is not the identity generates the group.
/// </summary>
internal static class P256
{
    /// <summary>Length of a scalar in bytes, big-endian.</summary>
    public const int ScalarBytes = 32;

    /// <summary>Length of an uncompressed point in bytes.</summary>
    public const int PointBytes = 65;

    private static readonly nint Group = Require(LibCrypto.EC_GROUP_new_by_curve_name(LibCrypto.P256));
    private static readonly nint Order = Require(LibCrypto.EC_GROUP_get0_order(Group));

    private static ReadOnlySpan<byte> OrderBytes =>
    [
        0xFF, 0xFF, 0xFF, 0xFF, 0x00, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
        0xBC, 0xE6, 0xFA, 0xAD, 0xA7, 0x17, 0x9E, 0x84, 0xF3, 0xB9, 0xCA, 0xC2, 0xFC, 0x63, 0x25, 0x51,
    ];

    /// <summary>Whether this is a scalar other than zero.</summary>
    public static bool IsScalar(ReadOnlySpan<byte> scalar) =>
        scalar.Length == ScalarBytes && scalar.ContainsAnyExcept((byte)0) && scalar.SequenceCompareTo(OrderBytes) < 0;

    /// <summary>A number modulo the order, 32 bytes. With 16 bytes more than the order has, the result is uniform to within 2^-128.</summary>
    public static byte[] Reduce(ReadOnlySpan<byte> number)
    {
        using var context = LibCrypto.BN_CTX_secure_new();
        using var big = LibCrypto.BN_bin2bn(number, number.Length, 0);
        using var reduced = LibCrypto.BN_new();
        var scalar = new byte[ScalarBytes];
        Invariant.Check(LibCrypto.BN_nnmod(reduced, big, Order, context) == 1 && LibCrypto.BN_bn2binpad(reduced, scalar, ScalarBytes) == ScalarBytes, "libcrypto reduces a number");
        Invariant.Check(scalar.AsSpan().ContainsAnyExcept((byte)0), "a scalar is not zero");
        return scalar;
    }

    /// <summary>A random scalar.</summary>
    public static byte[] NewScalar()
    {
        Span<byte> random = stackalloc byte[ScalarBytes + 16];
        RandomNumberGenerator.Fill(random);
        var scalar = Reduce(random);
        CryptographicOperations.ZeroMemory(random);
        return scalar;
    }

    /// <summary>scalar * G + factor * point, uncompressed. The point is one of ours.</summary>
    public static byte[] Blind(ReadOnlySpan<byte> scalar, ReadOnlySpan<byte> factor, ReadOnlySpan<byte> point)
    {
        using var context = LibCrypto.BN_CTX_secure_new();
        using var k = LibCrypto.BN_bin2bn(scalar, scalar.Length, 0);
        using var result = LibCrypto.EC_POINT_new(Group);
        using var mask = Times(factor, point, context);
        Invariant.Check(mask is not null
            && LibCrypto.EC_POINT_mul(Group, result, k, 0, 0, context) == 1
            && LibCrypto.EC_POINT_add(Group, result, result, mask, context) == 1, "libcrypto multiplies and adds on P-256");
        return Write(result, context);
    }

    /// <summary>
    /// scalar * (share - factor * point), uncompressed; null when the share is not an uncompressed point of the curve, or is
    /// exactly factor * point, so that the result would be the identity.
    /// </summary>
    public static byte[]? Unblind(ReadOnlySpan<byte> scalar, ReadOnlySpan<byte> share, ReadOnlySpan<byte> factor, ReadOnlySpan<byte> point)
    {
        using var context = LibCrypto.BN_CTX_secure_new();
        using var result = Read(share, context);
        if (result is null) return null;
        using var k = LibCrypto.BN_bin2bn(scalar, scalar.Length, 0);
        using var mask = Times(factor, point, context);
        Invariant.Check(mask is not null
            && LibCrypto.EC_POINT_invert(Group, mask, context) == 1
            && LibCrypto.EC_POINT_add(Group, result, result, mask, context) == 1
            && LibCrypto.EC_POINT_mul(Group, result, 0, result, k, context) == 1, "libcrypto multiplies and adds on P-256");
        return LibCrypto.EC_POINT_is_at_infinity(Group, result) == 1 ? null : Write(result, context);
    }

    private static LibCrypto.EcPoint? Times(ReadOnlySpan<byte> factor, ReadOnlySpan<byte> point, LibCrypto.BigContext context)
    {
        using var k = LibCrypto.BN_bin2bn(factor, factor.Length, 0);
        var result = Read(point, context);
        if (result is not null && LibCrypto.EC_POINT_mul(Group, result, 0, result, k, context) == 1) return result;
        result?.Dispose();
        return null;
    }

    private static LibCrypto.EcPoint? Read(ReadOnlySpan<byte> bytes, LibCrypto.BigContext context)
    {
        if (bytes.Length != PointBytes || bytes[0] != LibCrypto.Uncompressed) return null;
        var point = LibCrypto.EC_POINT_new(Group);
        if (LibCrypto.EC_POINT_oct2point(Group, point, bytes, (nuint)bytes.Length, context) == 1
            && LibCrypto.EC_POINT_is_on_curve(Group, point, context) == 1 && LibCrypto.EC_POINT_is_at_infinity(Group, point) == 0) return point;
        LibCrypto.ERR_clear_error(); // what is left on this thread's queue would surface in an unrelated TLS call
        point.Dispose();
        return null;
    }

    private static byte[] Write(LibCrypto.EcPoint point, LibCrypto.BigContext context)
    {
        var bytes = new byte[PointBytes];
        Invariant.Check(LibCrypto.EC_POINT_point2oct(Group, point, LibCrypto.Uncompressed, bytes, PointBytes, context) == PointBytes, "a point other than the identity has 65 bytes");
        return bytes;
    }

    private static nint Require(nint handle)
    {
        Invariant.Check(handle != 0, "libcrypto knows P-256");
        return handle;
    }
}
