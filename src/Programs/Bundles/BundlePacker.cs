using System.Security.Cryptography;
using PeoplesCloud.Base;
using PeoplesCloud.Content;

namespace PeoplesCloud.Programs.Bundles;

/// <summary>Adds a stream to the block store and gives its CID: UnixFsAdder.AddStreamAsync, pinned by the caller.</summary>
public delegate Task<Cid> AddBundle(Stream bundle, CancellationToken cancellationToken);

/// <summary>A bundle in the block store, with the key that opens it.</summary>
/// <param name="Cid">Its CID; another one at each packing, since the key is new.</param>
/// <param name="Key">Its key; the receiver disposes it.</param>
/// <param name="Bytes">What its files have together.</param>
/// <param name="Entries">Files and folders.</param>
public sealed record PackedBundle(Cid Cid, BundleKey Key, long Bytes, int Entries);

/// <summary>
/// Packs a folder into a bundle: scan, then tar, encrypt and add in one pass over the files and in constant memory. Thread-safe.
/// </summary>
/// <param name="add">Adds to the block store.</param>
/// <param name="limits">What a bundle may hold.</param>
/// <param name="memory">Bundles that were packed before; null packs everything anew.</param>
public sealed class BundlePacker(AddBundle add, BundleLimits limits, BundleMemory? memory = null)
{
    private readonly FolderScanner _scanner = new(limits);

    /// <summary>Packs a folder.</summary>
    /// <param name="folder">The program's folder.</param>
    /// <param name="cancellationToken">Gives up; what was added stays in the store until it is collected.</param>
    /// <param name="isUsable">Whether a bundle that was packed before may be taken again if the folder did not change: its blocks are kept, and who can open it still may. Null takes none.</param>
    /// <exception cref="PcException">The folder holds what a bundle cannot (6000, 6001, 6007 to 6012), or the store refuses to write.</exception>
    public async Task<PackedBundle> PackAsync(string folder, CancellationToken cancellationToken, Func<Cid, bool>? isUsable = null)
    {
        var scanned = _scanner.Scan(folder);
        if (scanned.Entries.Count == 0) throw new PcException(ErrorCode.LanguageNotDetected, $"{Quoted.Text(scanned.Root)} is empty");
        if (isUsable is not null && memory is not null && await FindAsync(scanned, isUsable, cancellationToken) is { } known) return known;
        var key = BundleKey.New();
        try
        {
            var archive = new BundleMemory.HashingStream(new TarStream(scanned));
            await using var bundle = new SealingStream(archive, key.Bytes, RandomNumberGenerator.GetBytes(BundleFormat.SaltBytes));
            var cid = await add(bundle, cancellationToken);
            var packed = new PackedBundle(cid, key, scanned.TotalBytes, scanned.Entries.Count);
            memory?.Remember(archive.Hash(), packed);
            return packed;
        }
        catch
        {
            key.Dispose();
            throw;
        }
    }

    /// <summary>The encrypted bundle of a scanned folder; with one key and salt always the same bytes.</summary>
    internal static Stream Seal(ScannedFolder scanned, BundleKey key, ReadOnlySpan<byte> salt) => new SealingStream(new TarStream(scanned), key.Bytes, salt);

    private async Task<PackedBundle?> FindAsync(ScannedFolder scanned, Func<Cid, bool> isUsable, CancellationToken cancellationToken)
    {
        await using var archive = new TarStream(scanned);
        return memory!.Find(await SHA256.HashDataAsync(archive, cancellationToken), isUsable);
    }
}
