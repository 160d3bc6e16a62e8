namespace PeoplesCloud.Programs.Tests.Support;

/// <summary>A golden vector: lines of <c>name = value</c>, values in hex or words; # begins a comment. See tests/vectors/bundle/1.</summary>
internal sealed class Vector
{
    private readonly Dictionary<string, string> _values = new(StringComparer.Ordinal);

    public static string Folder { get; } = FindFolder();

    public static IEnumerable<TheoryDataRow<string>> Names(string start) =>
        Directory.EnumerateFiles(Folder, start + "*.txt").Select(path => Path.GetFileNameWithoutExtension(path)).Order(StringComparer.Ordinal).Select(name => new TheoryDataRow<string>(name));

    public static Vector Load(string name)
    {
        var vector = new Vector();
        foreach (var line in File.ReadLines(Path.Combine(Folder, name + ".txt")).Select(line => line.Split('#')[0].Trim()).Where(line => line.Length > 0))
        {
            var parts = line.Split('=', 2, StringSplitOptions.TrimEntries);
            vector._values.Add(parts[0], parts[1]);
        }
        return vector;
    }

    public string Text(string name) => _values[name];

    public byte[] Bytes(string name) => Convert.FromHexString(_values[name].Replace(" ", "", StringComparison.Ordinal));

    private static string FindFolder()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "PeoplesCloud.slnx"))) folder = folder.Parent!;
        return Path.Combine(folder.FullName, "tests", "vectors", "bundle", "1");
    }
}
