using System.Runtime.InteropServices;

namespace PeoplesCloud.Base.Crypto;

/// <content>Points and whole numbers, and scrypt. Sources: EC_POINT_add(3), EC_POINT_new(3), BN_bin2bn(3), EVP_PBE_scrypt(3).</content>
internal static partial class LibCrypto
{
    /// <summary>NID_X9_62_prime256v1: P-256.</summary>
    public const int P256 = 415;

    /// <summary>POINT_CONVERSION_UNCOMPRESSED.</summary>
    public const int Uncompressed = 4;

    [LibraryImport(Library)]
    public static partial nint EC_GROUP_new_by_curve_name(int curve);

    [LibraryImport(Library)]
    public static partial nint EC_GROUP_get0_order(nint group);

    [LibraryImport(Library)]
    public static partial EcPoint EC_POINT_new(nint group);

    [LibraryImport(Library)]
    public static partial void EC_POINT_clear_free(nint point);

    [LibraryImport(Library)]
    public static partial int EC_POINT_oct2point(nint group, EcPoint point, ReadOnlySpan<byte> bytes, nuint length, BigContext context);

    [LibraryImport(Library)]
    public static partial nuint EC_POINT_point2oct(nint group, EcPoint point, int form, Span<byte> bytes, nuint length, BigContext context);

    [LibraryImport(Library)]
    public static partial int EC_POINT_mul(nint group, EcPoint result, BigNumber generatorTimes, nint point, nint times, BigContext context);

    [LibraryImport(Library)]
    public static partial int EC_POINT_mul(nint group, EcPoint result, nint generatorTimes, EcPoint point, BigNumber times, BigContext context);

    [LibraryImport(Library)]
    public static partial int EC_POINT_add(nint group, EcPoint result, EcPoint left, EcPoint right, BigContext context);

    [LibraryImport(Library)]
    public static partial int EC_POINT_invert(nint group, EcPoint point, BigContext context);

    [LibraryImport(Library)]
    public static partial int EC_POINT_is_at_infinity(nint group, EcPoint point);

    [LibraryImport(Library)]
    public static partial int EC_POINT_is_on_curve(nint group, EcPoint point, BigContext context);

    [LibraryImport(Library)]
    public static partial BigNumber BN_new();

    [LibraryImport(Library)]
    public static partial BigNumber BN_bin2bn(ReadOnlySpan<byte> bytes, int length, nint into);

    [LibraryImport(Library)]
    public static partial int BN_bn2binpad(BigNumber number, Span<byte> bytes, int length);

    [LibraryImport(Library)]
    public static partial int BN_nnmod(BigNumber result, BigNumber number, nint modulus, BigContext context);

    [LibraryImport(Library)]
    public static partial void BN_clear_free(nint number);

    [LibraryImport(Library)]
    public static partial BigContext BN_CTX_secure_new();

    [LibraryImport(Library)]
    public static partial void BN_CTX_free(nint context);

    [LibraryImport(Library)]
    public static partial int EVP_PBE_scrypt(
        ReadOnlySpan<byte> password, nuint passwordLength, ReadOnlySpan<byte> salt, nuint saltLength, ulong n, ulong r, ulong p, ulong maxMemory, Span<byte> key, nuint keyLength);

    /// <summary>A BIGNUM, cleared when it is freed.</summary>
    internal sealed class BigNumber() : SafeHandle(0, ownsHandle: true)
    {
        public override bool IsInvalid => handle == 0;

        protected override bool ReleaseHandle()
        {
            BN_clear_free(handle);
            return true;
        }
    }

    /// <summary>A BN_CTX: where libcrypto keeps what it computes with; cleared when it is freed.</summary>
    internal sealed class BigContext() : SafeHandle(0, ownsHandle: true)
    {
        public override bool IsInvalid => handle == 0;

        protected override bool ReleaseHandle()
        {
            BN_CTX_free(handle);
            return true;
        }
    }

    /// <summary>An EC_POINT, cleared when it is freed.</summary>
    internal sealed class EcPoint() : SafeHandle(0, ownsHandle: true)
    {
        public override bool IsInvalid => handle == 0;

        protected override bool ReleaseHandle()
        {
            EC_POINT_clear_free(handle);
            return true;
        }
    }
}
