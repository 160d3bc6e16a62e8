namespace PeoplesCloud.Simulation.Disk;

/// <summary>What is left of a write that was not flushed.</summary>
public enum KeptBytes
{
    /// <summary>Nothing; the file keeps its length too.</summary>
    None,

    /// <summary>The file is as long as after the write, with zeros where it grew.</summary>
    LengthOnly,

    /// <summary>Some sectors.</summary>
    Some,

    /// <summary>All of it.</summary>
    All,
}

/// <summary>Decides one of the many things that a power cut may leave.</summary>
public sealed class CutChoice
{
    private readonly Random? _random;
    private readonly bool _names;
    private readonly KeptBytes _bytes;

    private CutChoice(string name, bool names, KeptBytes bytes, Random? random = null)
    {
        Name = name;
        _names = names;
        _bytes = bytes;
        _random = random;
    }

    /// <summary>Said when a test fails.</summary>
    public string Name { get; }

    /// <summary>The extremes: each is what some real file system does.</summary>
    public static IReadOnlyList<CutChoice> Extremes { get; } =
    [
        new("nothing that was not flushed", names: false, KeptBytes.None),
        new("names without bytes", names: true, KeptBytes.None),
        new("names and lengths", names: true, KeptBytes.LengthOnly),
        new("bytes without names", names: false, KeptBytes.All),
        new("everything", names: true, KeptBytes.All),
    ];

    /// <summary>Any mixture, from a seed.</summary>
    public static CutChoice Mixed(int seed) => new($"a mixture, seed {seed}", names: false, KeptBytes.None, new Random(seed));

    /// <summary>Whether the next change of a name is kept.</summary>
    public bool KeepsName() => _random is null ? _names : _random.Next(2) == 0;

    /// <summary>What is kept of the next write.</summary>
    public KeptBytes KeepsBytes() => _random is null ? _bytes : (KeptBytes)_random.Next(4);

    /// <summary>Whether the next sector of a torn write is kept.</summary>
    public bool KeepsSector() => _random!.Next(2) == 0;
}
