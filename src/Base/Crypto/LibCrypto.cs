using System.Runtime.InteropServices;

namespace PeoplesCloud.Base.Crypto;

/// <summary>
/// The calls of the system's OpenSSL 3 (or 1.1.1) that .NET has no type for. .NET on Linux needs the same library, so it is there.
/// Sources: EVP_PKEY_new(3), EVP_DigestSign(3), EVP_PKEY_derive(3).
/// </summary>
internal static partial class LibCrypto
{
    /// <summary>NID_ED25519.</summary>
    public const int Ed25519 = 1087;

    /// <summary>NID_X25519.</summary>
    public const int X25519 = 1034;

    private const string Library = "libcrypto";

    static LibCrypto() => NativeLibrary.SetDllImportResolver(typeof(LibCrypto).Assembly, (name, assembly, _) =>
    {
        if (!string.Equals(name, Library, StringComparison.Ordinal)) return 0;
        foreach (var file in new[] { "libcrypto.so.3", "libcrypto.so.1.1", "libcrypto.so" })
            if (NativeLibrary.TryLoad(file, assembly, DllImportSearchPath.SafeDirectories, out var handle)) return handle;
        return 0;
    });

    [LibraryImport(Library)]
    public static partial EvpKey EVP_PKEY_new_raw_private_key(int type, nint engine, ReadOnlySpan<byte> key, nuint length);

    [LibraryImport(Library)]
    public static partial EvpKey EVP_PKEY_new_raw_public_key(int type, nint engine, ReadOnlySpan<byte> key, nuint length);

    [LibraryImport(Library)]
    public static partial int EVP_PKEY_get_raw_public_key(EvpKey key, Span<byte> output, ref nuint length);

    [LibraryImport(Library)]
    public static partial void EVP_PKEY_free(nint key);

    [LibraryImport(Library)]
    public static partial DigestContext EVP_MD_CTX_new();

    [LibraryImport(Library)]
    public static partial void EVP_MD_CTX_free(nint context);

    [LibraryImport(Library)]
    public static partial int EVP_DigestSignInit(DigestContext context, nint keyContext, nint digest, nint engine, EvpKey key);

    [LibraryImport(Library)]
    public static partial int EVP_DigestSign(DigestContext context, Span<byte> signature, ref nuint signatureLength, ReadOnlySpan<byte> message, nuint messageLength);

    [LibraryImport(Library)]
    public static partial int EVP_DigestVerifyInit(DigestContext context, nint keyContext, nint digest, nint engine, EvpKey key);

    [LibraryImport(Library)]
    public static partial int EVP_DigestVerify(DigestContext context, ReadOnlySpan<byte> signature, nuint signatureLength, ReadOnlySpan<byte> message, nuint messageLength);

    [LibraryImport(Library)]
    public static partial DeriveContext EVP_PKEY_CTX_new(EvpKey key, nint engine);

    [LibraryImport(Library)]
    public static partial void EVP_PKEY_CTX_free(nint context);

    [LibraryImport(Library)]
    public static partial int EVP_PKEY_derive_init(DeriveContext context);

    [LibraryImport(Library)]
    public static partial int EVP_PKEY_derive_set_peer(DeriveContext context, EvpKey peer);

    [LibraryImport(Library)]
    public static partial int EVP_PKEY_derive(DeriveContext context, Span<byte> secret, ref nuint length);

    [LibraryImport(Library)]
    public static partial void ERR_clear_error();

    /// <summary>An EVP_PKEY.</summary>
    internal sealed class EvpKey() : SafeHandle(0, ownsHandle: true)
    {
        public override bool IsInvalid => handle == 0;

        protected override bool ReleaseHandle()
        {
            EVP_PKEY_free(handle);
            return true;
        }
    }

    /// <summary>An EVP_MD_CTX.</summary>
    internal sealed class DigestContext() : SafeHandle(0, ownsHandle: true)
    {
        public override bool IsInvalid => handle == 0;

        protected override bool ReleaseHandle()
        {
            EVP_MD_CTX_free(handle);
            return true;
        }
    }

    /// <summary>An EVP_PKEY_CTX.</summary>
    internal sealed class DeriveContext() : SafeHandle(0, ownsHandle: true)
    {
        public override bool IsInvalid => handle == 0;

        protected override bool ReleaseHandle()
        {
            EVP_PKEY_CTX_free(handle);
            return true;
        }
    }

    /// <summary>Loads a raw private key and its public half.</summary>
    public static EvpKey LoadPrivate(int type, ReadOnlySpan<byte> raw, Span<byte> publicKey)
    {
        if (raw.Length != 32) throw new ArgumentException("a private key has 32 bytes", nameof(raw));
        var key = EVP_PKEY_new_raw_private_key(type, 0, raw, (nuint)raw.Length);
        var length = (nuint)publicKey.Length;
        Invariant.Check(!key.IsInvalid && EVP_PKEY_get_raw_public_key(key, publicKey, ref length) == 1 && length == 32, "libcrypto loads a 32-byte key");
        return key;
    }
}
