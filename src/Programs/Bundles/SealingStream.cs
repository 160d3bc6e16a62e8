namespace PeoplesCloud.Programs.Bundles;

/// <summary>Reads plain bytes from another stream and gives the encrypted bundle. Owns the other stream. Constant memory.</summary>
internal sealed class SealingStream : ReadOnlyStream
{
    private readonly Stream _plain;
    private readonly BundleFormat.ChunkCipher _cipher;
    private readonly byte[] _ahead = new byte[BundleFormat.ChunkBytes + 1];
    private readonly byte[] _output = new byte[BundleFormat.ChunkBytes + BundleFormat.TagBytes];
    private ReadOnlyMemory<byte> _pending;
    private int _aheadBytes;
    private bool _ended;

    /// <summary>Starts a bundle.</summary>
    /// <param name="plain">What is encrypted.</param>
    /// <param name="key">32 bytes, used for this bundle only.</param>
    /// <param name="salt">24 random bytes.</param>
    public SealingStream(Stream plain, ReadOnlySpan<byte> key, ReadOnlySpan<byte> salt)
    {
        _plain = plain;
        var header = new byte[BundleFormat.HeaderBytes];
        _cipher = BundleFormat.Create(key, salt, header);
        _pending = header;
    }

    /// <inheritdoc/>
    public override int Read(Span<byte> buffer)
    {
        if (_pending.IsEmpty && !_ended) SealNext();
        var taken = Math.Min(buffer.Length, _pending.Length);
        _pending.Span[..taken].CopyTo(buffer);
        _pending = _pending[taken..];
        return taken;
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _cipher.Dispose();
            _plain.Dispose();
        }
        base.Dispose(disposing);
    }

    // One byte is read ahead: a chunk is the last when nothing follows it.
    private void SealNext()
    {
        _aheadBytes += _plain.ReadAtLeast(_ahead.AsSpan(_aheadBytes), _ahead.Length - _aheadBytes, throwOnEndOfStream: false);
        _ended = _aheadBytes <= BundleFormat.ChunkBytes;
        var bytes = Math.Min(_aheadBytes, BundleFormat.ChunkBytes);
        _cipher.Seal(_ahead.AsSpan(0, bytes), _ended, _output);
        _pending = _output.AsMemory(0, bytes + BundleFormat.TagBytes);
        _ahead[0] = _ahead[^1];
        _aheadBytes -= bytes;
    }
}
