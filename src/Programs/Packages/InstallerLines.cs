using PeoplesCloud.Programs.Logs;
using PeoplesCloud.Runtimes;

namespace PeoplesCloud.Programs.Packages;

/// <summary>Takes what an installer writes, tells each line that is not blank as it is, and keeps the last ones for an error. One chunk at a time, as runtimes hand them over.</summary>
/// <param name="said">Hears each line.</param>
/// <param name="keptLines">How many lines an error repeats.</param>
internal sealed class InstallerLines(Action<string> said, int keptLines)
{
    private const int MaxLineBytes = 4 << 10;

    // npm says nothing of how far it is but its requests: "npm http fetch GET 200 http://host/name/-/name-1.0.0.tgz 12ms (cache miss)".
    private const string NpmRequest = "npm http ";

    private const string PipWarning = "WARNING: ";

    private readonly LineSplitter[] _splitters = [new(MaxLineBytes), new(MaxLineBytes)];
    private readonly Queue<string>[] _last = [new(), new()];

    /// <summary>The end of what it wrote, for a message that ends here: errors if it wrote any, else the rest. One line, separated by bars.</summary>
    public string Last
    {
        get
        {
            var lines = _last[(int)OutputKind.Err] is { Count: > 0 } errors ? errors : _last[(int)OutputKind.Out];
            // pip warns of each try to reach its index, at length: why it gave up is said after that.
            var told = lines.Where(line => !line.StartsWith(PipWarning, StringComparison.Ordinal)).DefaultIfEmpty(lines.LastOrDefault()).ToList();
            return lines.Count == 0 ? "" : $": {string.Join(" | ", told)}";
        }
    }

    /// <summary>Takes a chunk.</summary>
    public ValueTask WriteAsync(OutputKind kind, ReadOnlyMemory<byte> chunk)
    {
        _splitters[(int)kind].Push(chunk.Span, line => Take(kind, line));
        return ValueTask.CompletedTask;
    }

    /// <summary>Nothing more comes.</summary>
    public void Complete()
    {
        foreach (var kind in new[] { OutputKind.Out, OutputKind.Err }) _splitters[(int)kind].Finish(line => Take(kind, line));
    }

    private static bool IsNpmTrouble(string line) => line.Split(' ') is not ["npm", "http", "fetch", _, ['1' or '2' or '3', ..], ..] and not ["npm", "http", not "fetch", ..];

    // Of a package its file, of a question to the registry nothing.
    private static string? FetchedOf(string line) => line.Split(' ') is ["npm", "http", "fetch", "GET", "200", var url, ..] && url.EndsWith(".tgz", StringComparison.Ordinal) ? url[(url.LastIndexOf('/') + 1)..] : null;

    private void Take(OutputKind kind, ReadOnlySpan<byte> line)
    {
        var text = System.Text.Encoding.UTF8.GetString(line);
        if (string.IsNullOrWhiteSpace(text)) return;
        if (text.StartsWith(NpmRequest, StringComparison.Ordinal) && !IsNpmTrouble(text))
        {
            if (FetchedOf(text) is { } fetched) said($"fetched {fetched}");
            return;
        }
        said(text);
        var last = _last[(int)kind];
        last.Enqueue(text);
        if (last.Count > keptLines) last.Dequeue();
    }
}
