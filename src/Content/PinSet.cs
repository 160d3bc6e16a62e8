using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;
using PeoplesCloud.Base;
using PeoplesCloud.Base.Files;

namespace PeoplesCloud.Content;

// pins = "pc-pins 1" LF *(cid LF) "sha256 " 64HEXDIG LF        UTF-8; CIDs sorted by their bytes; the hash covers everything before its line
// Replaced as a whole: temporary file, fsync, rename, fsync of the folder. See docs/layouts/blocks.md.

/// <summary>The CIDs that are to be kept with everything below them. Durable; thread-safe.</summary>
public sealed class PinSet
{
    private const string Header = "pc-pins 1\n";
    private const string Trailer = "sha256 ";

    private readonly string _file;
    private readonly IDisk _disk;
    private readonly Lock _writing = new();
    private volatile ImmutableSortedSet<Cid> _pins;

    /// <summary>Opens a set; a file that does not exist is an empty set.</summary>
    /// <param name="file">Its file; the folder exists.</param>
    /// <param name="disk">Takes what is written.</param>
    /// <exception cref="PcException">The file is damaged (<see cref="ErrorCode.PinsDamaged"/>) or cannot be read.</exception>
    public PinSet(string file, IDisk disk)
    {
        _file = Path.GetFullPath(file);
        _disk = disk;
        try
        {
            _pins = !File.Exists(_file) ? [] : TryParse(File.ReadAllText(_file)) ?? throw new PcException(ErrorCode.PinsDamaged, $"{_file} is damaged or of another version");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw StoreErrors.Explain(error, _file);
        }
    }

    /// <summary>Whether a CID is pinned itself; what lies below a pin is not looked at.</summary>
    public bool Contains(Cid cid) => _pins.Contains(cid);

    /// <summary>All pins as they are now, by their bytes.</summary>
    public IReadOnlyList<Cid> List() => [.. _pins];

    /// <summary>Pins; durable when it returns. False when it was pinned already.</summary>
    public Task<bool> AddAsync(Cid cid, CancellationToken cancellationToken) => ReplaceAsync(pins => pins.Add(cid), cancellationToken);

    /// <summary>Unpins; durable when it returns. False when it was not pinned.</summary>
    public Task<bool> RemoveAsync(Cid cid, CancellationToken cancellationToken) => ReplaceAsync(pins => pins.Remove(cid), cancellationToken);

    // On a thread of the pool: the disk makes its caller wait.
    private Task<bool> ReplaceAsync(Func<ImmutableSortedSet<Cid>, ImmutableSortedSet<Cid>> change, CancellationToken cancellationToken) => Task.Run(
        () =>
        {
            lock (_writing)
            {
                var pins = change(_pins);
                if (ReferenceEquals(pins, _pins)) return false;
                Write(pins);
                _pins = pins;
                return true;
            }
        },
        cancellationToken);

    private void Write(ImmutableSortedSet<Cid> pins)
    {
        try
        {
            _disk.Replace(_file, Encoding.UTF8.GetBytes(Format(pins)));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw StoreErrors.Explain(error, _file);
        }
    }

    /// <summary>A set as its file holds it.</summary>
    internal static string Format(IEnumerable<Cid> pins)
    {
        var text = new StringBuilder(Header);
        foreach (var pin in pins) text.Append(pin.ToString()).Append('\n');
        var checksum = Checksum(text.ToString());
        return text.Append(Trailer).Append(checksum).Append('\n').ToString();
    }

    /// <summary>The set that a file's text holds; null when it is damaged or of another version.</summary>
    internal static ImmutableSortedSet<Cid>? TryParse(string text)
    {
        var end = text.LastIndexOf(Trailer, StringComparison.Ordinal);
        var intact = end >= Header.Length && text.StartsWith(Header, StringComparison.Ordinal)
            && string.Equals(text[end..], $"{Trailer}{Checksum(text[..end])}\n", StringComparison.Ordinal);
        if (!intact) return null;
        var pins = ImmutableSortedSet.CreateBuilder<Cid>();
        foreach (var line in text[Header.Length..end].Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            if (!Cid.TryParse(line, out var cid)) return null;
            pins.Add(cid);
        }
        return pins.ToImmutable();
    }

    private static string Checksum(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));
}
