using System.Security.Cryptography;
using PeoplesCloud.Content;

namespace PeoplesCloud.Programs.Bundles;

/// <summary>
/// The bundles that this daemon packed, by the hash of their archives, so that a folder that did not change is not encrypted, stored and sent
/// again. In memory only: keys are not written anywhere but sealed. Bounded, the oldest goes first. Thread-safe.
/// </summary>
public sealed class BundleMemory : IDisposable
{
    /// <summary>Bundles that are remembered: more programs than one person works on at a time.</summary>
    private const int MaxBundles = 64;

    private readonly Lock _lock = new();
    private readonly Dictionary<string, PackedBundle> _bundles = new(StringComparer.Ordinal);
    private readonly Queue<string> _order = new();

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_lock)
        {
            foreach (var bundle in _bundles.Values) bundle.Key.Dispose();
            _bundles.Clear();
            _order.Clear();
        }
    }

    /// <summary>The bundle of an archive, with a key of the caller's own; null when it is not known or not usable any more.</summary>
    internal PackedBundle? Find(ReadOnlySpan<byte> archiveHash, Func<Cid, bool> isUsable)
    {
        lock (_lock)
        {
            return _bundles.TryGetValue(Convert.ToHexString(archiveHash), out var known) && isUsable(known.Cid) ? known with { Key = new BundleKey(known.Key.Bytes) } : null;
        }
    }

    /// <summary>Remembers a bundle; the key stays the caller's.</summary>
    internal void Remember(ReadOnlySpan<byte> archiveHash, PackedBundle bundle)
    {
        var hash = Convert.ToHexString(archiveHash);
        lock (_lock)
        {
            if (_bundles.Remove(hash, out var before)) before.Key.Dispose();
            else _order.Enqueue(hash);
            _bundles[hash] = bundle with { Key = new BundleKey(bundle.Key.Bytes) };
            if (_bundles.Count <= MaxBundles) return;
            if (_bundles.Remove(_order.Dequeue(), out var oldest)) oldest.Key.Dispose();
        }
    }

    /// <summary>Passes an archive on and hashes it on its way. Owns it.</summary>
    internal sealed class HashingStream(Stream archive) : ReadOnlyStream
    {
        private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

        /// <summary>The hash of what was read.</summary>
        public byte[] Hash() => _hash.GetCurrentHash();

        /// <inheritdoc/>
        public override int Read(Span<byte> buffer)
        {
            var read = archive.Read(buffer);
            _hash.AppendData(buffer[..read]);
            return read;
        }

        /// <inheritdoc/>
        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                archive.Dispose();
                _hash.Dispose();
            }
            base.Dispose(disposing);
        }
    }
}
