using System.Diagnostics.CodeAnalysis;
using PeoplesCloud.Base;

namespace PeoplesCloud.Programs.Bundles;

/// <summary>
/// Reads an encrypted bundle from another stream and gives its plain bytes, each chunk after it was verified. Owns the other
/// stream. Constant memory. The end is given only after the chunk that is marked as the last.
/// </summary>
internal sealed class OpeningStream : ReadOnlyStream
{
    private const int SealedBytes = BundleFormat.ChunkBytes + BundleFormat.TagBytes;

    private readonly Stream _sealed;
    private readonly byte[] _key;
    private readonly byte[] _ahead = new byte[SealedBytes + 1];
    private readonly byte[] _output = new byte[BundleFormat.ChunkBytes];
    private BundleFormat.ChunkCipher? _cipher;
    private ReadOnlyMemory<byte> _pending;
    private int _aheadBytes;
    private bool _first = true;
    private bool _ended;

    /// <summary>Opens a bundle.</summary>
    /// <param name="sealedBundle">The encrypted bytes.</param>
    /// <param name="key">32 bytes.</param>
    public OpeningStream(Stream sealedBundle, ReadOnlySpan<byte> key)
    {
        _sealed = sealedBundle;
        _key = key.ToArray();
    }

    /// <inheritdoc/>
    public override int Read(Span<byte> buffer)
    {
        if (buffer.IsEmpty) return 0;
        while (_pending.IsEmpty && !_ended)
        {
            if (_cipher is null) Start(_sealed.ReadAtLeast(_ahead.AsSpan(0, BundleFormat.HeaderBytes), BundleFormat.HeaderBytes, throwOnEndOfStream: false));
            _aheadBytes += _sealed.ReadAtLeast(_ahead.AsSpan(_aheadBytes), _ahead.Length - _aheadBytes, throwOnEndOfStream: false);
            OpenNext();
        }
        return Take(buffer);
    }

    /// <inheritdoc/>
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (buffer.IsEmpty) return 0;
        while (_pending.IsEmpty && !_ended)
        {
            if (_cipher is null)
            {
                var header = _ahead.AsMemory(0, BundleFormat.HeaderBytes);
                Start(await _sealed.ReadAtLeastAsync(header, header.Length, throwOnEndOfStream: false, cancellationToken));
            }
            _aheadBytes += await _sealed.ReadAtLeastAsync(_ahead.AsMemory(_aheadBytes), _ahead.Length - _aheadBytes, throwOnEndOfStream: false, cancellationToken);
            OpenNext();
        }
        return Take(buffer.Span);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _cipher?.Dispose();
            _sealed.Dispose();
            Array.Clear(_key);
        }
        base.Dispose(disposing);
    }

    // Fuzz target: what opens under a key was sealed under it, so sealing it again gives the same bytes. The key is 32 bytes of 5.
    internal static void Fuzz(ReadOnlySpan<byte> input)
    {
        byte[] key = [.. Enumerable.Repeat((byte)5, BundleKey.KeyBytes)];
        var plain = new MemoryStream();
        try
        {
            using var opening = new OpeningStream(new MemoryStream(input.ToArray()), key);
            opening.CopyTo(plain);
        }
        catch (PcException refused) when (refused.Code == ErrorCode.BundleDamaged)
        {
            return;
        }
        plain.Position = 0;
        var again = new MemoryStream();
        using (var sealing = new SealingStream(plain, key, input.Slice(8, BundleFormat.SaltBytes))) sealing.CopyTo(again);
        Invariant.Check(again.GetBuffer().AsSpan(0, (int)again.Length).SequenceEqual(input), "what opens was sealed so");
    }

    private int Take(Span<byte> buffer)
    {
        var taken = Math.Min(buffer.Length, _pending.Length);
        _pending.Span[..taken].CopyTo(buffer);
        _pending = _pending[taken..];
        return taken;
    }

    [MemberNotNull(nameof(_cipher))]
    private void Start(int headerBytes)
    {
        var status = BundleFormat.TryOpen(_key, _ahead.AsSpan(0, headerBytes), out _cipher);
        if (_cipher is not null) return;
        throw Damaged(status switch
        {
            BundleStatus.NeedMore => "it ends within its header",
            BundleStatus.NotABundle => "it is no bundle",
            BundleStatus.UnknownVersion => "its version is not known here",
            _ => "the key is another bundle's",
        });
    }

    private void OpenNext()
    {
        var last = _aheadBytes <= SealedBytes;
        var bytes = Math.Min(_aheadBytes, SealedBytes);
        if (bytes < BundleFormat.TagBytes || (last && !_first && bytes == BundleFormat.TagBytes)) throw Damaged("it is cut off");
        if (!_cipher!.TryOpen(_ahead.AsSpan(0, bytes), last, _output)) throw Damaged("a chunk is damaged, missing or out of its order");
        _pending = _output.AsMemory(0, bytes - BundleFormat.TagBytes);
        _ahead[0] = _ahead[^1];
        _aheadBytes -= bytes;
        _first = false;
        _ended = last;
    }

    private static PcException Damaged(string how) => new(ErrorCode.BundleDamaged, $"the bundle cannot be opened: {how}");
}
