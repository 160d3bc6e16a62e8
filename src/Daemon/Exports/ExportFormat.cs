using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using PeoplesCloud.Base;
using PeoplesCloud.Content;

namespace PeoplesCloud.Daemon.Exports;

/// <summary>
/// What an export holds, by name (docs/layouts/export.md). A reader takes these names and no others, so no path of an archive leads
/// anywhere but to its place in a home.
/// <code>
/// export = manifest file* block* end                 a tar in the one form of TarFormat
/// </code>
/// </summary>
internal static class ExportFormat
{
    /// <summary>The first entry.</summary>
    public const string Manifest = "manifest.json";

    /// <summary>The last entry: how many blocks came before it, a space, the SHA-256 of the manifest in hex, a line end.</summary>
    public const string End = "end";

    /// <summary>The longest manifest, in bytes: some 25,000 files, of which each program that a node ever hosted has at most three.</summary>
    public const int MaxManifestBytes = 4 << 20;

    /// <summary>The longest end, in bytes: a number of 64 bits and a hash.</summary>
    public const int MaxEndBytes = 19 + 1 + 64 + 1;

    /// <summary>The longest file, in bytes; far more than a database of feeds has.</summary>
    public const long MaxFileBytes = 1L << 40;

    private const string Programs = "programs/";
    private const string Blocks = "blocks/";
    private const int LocalNameLength = 26;
    private const int DigestLength = 64;

    /// <summary>Files without which a home is none.</summary>
    public static IReadOnlyList<string> Needed { get; } = ["identity.key", "pc.db"];

    /// <summary>Files at the top of a home, in the order in which they are written.</summary>
    public static IReadOnlyList<string> TopFiles { get; } = [.. Needed, "pins", "public", "config.toml", "host.toml"];

    /// <summary>Files of a program, in the order in which they are written.</summary>
    public static IReadOnlyList<string> ProgramFiles { get; } = ["finished", "log", "log.1"];

    /// <summary>Whether a name is that of a file which may be in an export.</summary>
    public static bool IsFile(string name)
    {
        if (TopFiles.Contains(name, StringComparer.Ordinal)) return true;
        if (!name.StartsWith(Programs, StringComparison.Ordinal) || name.Length < Programs.Length + LocalNameLength + 2 || name[Programs.Length + LocalNameLength] != '/') return false;
        return IsProgram(name.Substring(Programs.Length, LocalNameLength)) && ProgramFiles.Contains(name[(Programs.Length + LocalNameLength + 1)..], StringComparer.Ordinal);
    }

    /// <summary>Whether a name is that of a program's folder: the first letters of an id in base32.</summary>
    public static bool IsProgram(string name) => name.Length == LocalNameLength && name.All(letter => letter is (>= 'a' and <= 'z') or (>= '2' and <= '7'));

    /// <summary>The name of a program's file.</summary>
    public static string ProgramFile(string program, string file) => $"{Programs}{program}/{file}";

    /// <summary>The digest that a block's name says; null when it is no block's name.</summary>
    public static string? DigestOf(string name)
    {
        if (name.Length != Blocks.Length + 2 + DigestLength || !name.StartsWith(Blocks, StringComparison.Ordinal) || name[Blocks.Length + 1] != '/') return null;
        var digest = name[(Blocks.Length + 2)..];
        return digest[0] == name[Blocks.Length] && IsDigest(digest) ? digest : null;
    }

    /// <summary>Whether a file's name is a digest.</summary>
    public static bool IsDigest(string name) => name.Length == DigestLength && name.All(letter => letter is (>= '0' and <= '9') or (>= 'a' and <= 'f'));

    /// <summary>The name of a block.</summary>
    public static string BlockOf(string digest) => $"{Blocks}{digest[0]}/{digest}";

    /// <summary>The content of the last entry.</summary>
    public static byte[] EndOf(ReadOnlySpan<byte> manifest, long blocks) =>
        Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{blocks} {Convert.ToHexStringLower(SHA256.HashData(manifest))}\n"));

    /// <summary>The longest block, in bytes.</summary>
    public static int MaxBlockBytes => IBlockStore.MaxBlockBytes;

    /// <summary>The error of bytes that are no whole export.</summary>
    public static PcException Damaged(string how, Exception? inner = null) => new(ErrorCode.ExportDamaged, $"the export cannot be read: {how}", inner: inner);
}
