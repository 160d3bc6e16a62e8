using System.Diagnostics;
using System.Text.Json;

namespace PeoplesCloud.Bench;

/// <summary>The built program and throw-away nodes of it, for benchmarks of the whole.</summary>
internal sealed class RealNodes : IDisposable
{
    public static string Root { get; } = FindRoot();

    public static string Program { get; } = Path.Combine(Root, "artifacts", "pc", "current", "pc");

    private readonly string _folder = Directory.CreateTempSubdirectory("pc-bench-").FullName;
    private readonly List<string> _homes = [];
    private readonly bool _firstHosts;

    /// <summary>Starts oak (which does not host unless it is said to), elm and fir in one swarm called friends.</summary>
    /// <param name="count">How many.</param>
    /// <param name="prepare">Called with each one's home before it starts.</param>
    /// <param name="firstHosts">Whether oak hosts, too.</param>
    public RealNodes(int count, Action<int, string>? prepare = null, bool firstHosts = false)
    {
        _firstHosts = firstHosts;
        for (var i = 0; i < count; i++)
        {
            _homes.Add(Path.Combine(_folder, Names[i]));
            prepare?.Invoke(i, _homes[i]);
            Up(i);
        }
        if (count < 2) return;
        var ticket = Run(0, "create", "--name", "friends", "--json").GetProperty("ticket").GetString()!;
        for (var i = 1; i < count; i++) Run(i, "join", ticket);
    }

    public static IReadOnlyList<string> Names { get; } = ["oak", "elm", "fir", "ash", "yew"];

    public string Home(int node) => _homes[node];

    /// <summary>Starts a node, also one that was down; the first does not host unless it was said to.</summary>
    public void Up(int node) => Run(node, ["up", "--no-restart", "--name", Names[node], "--port", "0", "--listen", "127.0.0.1", .. node == 0 && !_firstHosts ? ["--no-host"] : Array.Empty<string>()]);

    public string Folder => _folder;

    public int PidOf(int node) => Run(node, "up", "--json").GetProperty("pid").GetInt32();

    /// <summary>Runs a command and returns its JSON, if it wrote any.</summary>
    public JsonElement Run(int node, params string[] arguments)
    {
        using var process = Start(node, arguments);
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        if (process.ExitCode != 0) throw new InvalidOperationException($"pc {string.Join(' ', arguments)} ended with {process.ExitCode}: {output}");
        return output.StartsWith('{') ? JsonDocument.Parse(output).RootElement : default;
    }

    public Process Start(int node, params string[] arguments)
    {
        var start = new ProcessStartInfo(Program, arguments) { UseShellExecute = false, RedirectStandardOutput = true };
        start.Environment["PC_HOME"] = _homes[node];
        return Process.Start(start)!;
    }

    public void Dispose()
    {
        for (var i = 0; i < _homes.Count; i++) Run(i, "down");
        Directory.Delete(_folder, recursive: true);
    }

    /// <summary>The value below which half, or another share, of the samples lie.</summary>
    public static double Percentile(IReadOnlyCollection<double> samples, double share) =>
        samples.Order().ElementAt(Math.Min(samples.Count - 1, (int)(share * samples.Count)));

    private static string FindRoot()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "PeoplesCloud.slnx"))) folder = folder.Parent;
        return folder?.FullName ?? throw new InvalidOperationException("the benchmarks run outside of the repository");
    }
}
