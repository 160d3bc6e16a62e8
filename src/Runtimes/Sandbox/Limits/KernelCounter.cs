using System.Globalization;
using Microsoft.Win32.SafeHandles;

namespace PeoplesCloud.Runtimes.Sandbox.Limits;

/// <summary>
/// A number behind a word in one of the kernel's files of lines <c>word number</c> that is looked at several times a second for each sandbox:
/// the file stays open, which makes a look some ten times cheaper. Thread-safe.
/// </summary>
internal sealed class KernelCounter(string file, string word) : IDisposable
{
    private const int MaxBytes = 1024;

    private readonly Lock _gate = new();
    private SafeFileHandle? _handle;

    /// <summary>The number now; null when there is none.</summary>
    public long? Read()
    {
        try
        {
            Span<byte> text = stackalloc byte[MaxBytes];
            lock (_gate)
            {
                _handle ??= File.OpenHandle(file);
                text = text[..RandomAccess.Read(_handle, text, 0)];
            }
            return Find(text);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The group is gone, and with it its numbers.
            return null;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_gate)
        {
            _handle?.Dispose();
            _handle = null;
        }
    }

    private long? Find(ReadOnlySpan<byte> text)
    {
        foreach (var range in text.Split((byte)'\n'))
        {
            var line = text[range];
            if (line.Length <= word.Length || line[word.Length] != ' ') continue;
            if (!System.Text.Ascii.Equals(line[..word.Length], word)) continue;
            return long.TryParse(line[(word.Length + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out var value) ? value : null;
        }
        return null;
    }
}
