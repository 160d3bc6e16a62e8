namespace PeoplesCloud.Fuzz;

/// <summary>
/// Damages inputs in the ways that parsers get wrong: flipped bits, extreme lengths, pieces that are missing, repeated or of another
/// input. Inputs that made the target do something new are kept for good. The same seed and the same answers make the same inputs.
/// </summary>
internal sealed class Mutator(IReadOnlyList<byte[]> seeds, int seed)
{
    /// <summary>The longest input that is made, in bytes.</summary>
    public const int MaxBytes = 64 * 1024;

    private const int MaxKept = 256;

    // Around the edges of one, two and four bytes and of varints.
    private static readonly byte[][] Interesting =
    [
        [0], [1], [0x7f], [0x80], [0xff], [0xff, 0xff], [0x7f, 0xff], [0x80, 0x00], [0x00, 0x00, 0x00, 0x00], [0x7f, 0xff, 0xff, 0xff],
        [0xff, 0xff, 0xff, 0xff], [0x80, 0x01], [0xff, 0x7f], [0x80, 0x80, 0x04], [0xff, 0xff, 0xff, 0xff, 0x07], [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
        [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
    ];

    private const int MaxNovel = 2048;

    private readonly Random _random = new(seed);
    private readonly List<byte[]> _kept = [.. seeds.DefaultIfEmpty([])];
    private readonly List<byte[]> _novel = [];

    /// <summary>The next input: a seed as it is at first, then one with some damage.</summary>
    public byte[] Next(long number)
    {
        if (number < seeds.Count) return seeds[(int)number];
        if (_random.Next(64) == 0) return Noise();
        var input = Any().ToList();
        for (var damages = 1 + _random.Next(4); damages > 0; damages--) Damage(input);
        if (input.Count > MaxBytes) input.RemoveRange(MaxBytes, input.Count - MaxBytes);
        var made = input.ToArray();
        if (_random.Next(16) == 0) Remember(made); // damage upon damage goes deeper
        return made;
    }

    /// <summary>An input made the target do what no other did.</summary>
    public void Keep(byte[] input)
    {
        if (_novel.Count < MaxNovel) _novel.Add(input);
        else _novel[_random.Next(MaxNovel)] = input;
    }

    private byte[] Any() => _novel.Count > 0 && _random.Next(2) == 0 ? _novel[_random.Next(_novel.Count)] : _kept[_random.Next(_kept.Count)];

    private void Damage(List<byte> input)
    {
        var at = _random.Next(input.Count + 1);
        var length = Math.Min(_random.Next(1, 33), input.Count - at);
        switch (_random.Next(9))
        {
            case 0 when at < input.Count:
                input[at] ^= (byte)(1 << _random.Next(8));
                break;
            case 1 when at < input.Count:
                input[at] = (byte)_random.Next(256);
                break;
            case 2:
                Overwrite(input, at, Interesting[_random.Next(Interesting.Length)]);
                break;
            case 3:
                input.InsertRange(at, Interesting[_random.Next(Interesting.Length)]);
                break;
            case 4:
                input.RemoveRange(at, length);
                break;
            case 5:
                input.InsertRange(at, input.GetRange(at, length));
                break;
            case 6:
                input.RemoveRange(at, input.Count - at);
                break;
            case 7:
                var other = Any();
                var from = _random.Next(other.Length + 1);
                input.InsertRange(at, other.AsSpan(from, Math.Min(other.Length - from, _random.Next(1, 257))));
                break;
            default:
                var noise = new byte[_random.Next(1, 17)];
                _random.NextBytes(noise);
                input.InsertRange(at, noise);
                break;
        }
    }

    private static void Overwrite(List<byte> input, int at, byte[] value)
    {
        for (var i = 0; i < value.Length && at + i < input.Count; i++) input[at + i] = value[i];
    }

    private byte[] Noise()
    {
        var noise = new byte[_random.Next(1, _random.Next(2, 2048))];
        _random.NextBytes(noise);
        return noise;
    }

    private void Remember(byte[] input)
    {
        if (_kept.Count < MaxKept) _kept.Add(input);
        else _kept[seeds.Count + _random.Next(Math.Max(1, MaxKept - seeds.Count))] = input;
    }
}
