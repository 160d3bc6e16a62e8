namespace PeoplesCloud.Simulation.Disk;

/// <summary>
/// Everything that was done below a folder, in order, so that <see cref="PowerCut"/> can say what a cut at any step may have left.
/// Thread-safe: who does a step holds <see cref="Gate"/> while it is done and noted.
/// </summary>
public sealed class DiskTrace
{
    private readonly List<DiskStep> _steps = [];
    private readonly Dictionary<string, int> _files = new(StringComparer.Ordinal);
    private int _lastFile;

    /// <summary>A trace of what happens below a folder that is there, empty, and stays.</summary>
    public DiskTrace(string root) => Root = Path.GetFullPath(root);

    /// <summary>The folder; the steps' paths begin with it.</summary>
    public string Root { get; }

    /// <summary>Held from before a step until after it was noted.</summary>
    public Lock Gate { get; } = new();

    /// <summary>The steps so far.</summary>
    public IReadOnlyList<DiskStep> Steps
    {
        get
        {
            lock (Gate) return [.. _steps];
        }
    }

    /// <summary>Called with each step that is about to be noted; whoever does not return stops all that is done below the root.</summary>
    public Action<DiskStep> OnStep { get; set; } = _ => { };

    /// <summary>Whether a path lies below the root.</summary>
    public bool Covers(string path) => path.StartsWith(Root + "/", StringComparison.Ordinal);

    /// <summary>Notes that somebody was told.</summary>
    public void Acknowledge(object what) => Note(new DiskStep.Acknowledged(what));

    /// <summary>Notes a new file; answers its number.</summary>
    public int Make(string path)
    {
        lock (Gate)
        {
            Note(new DiskStep.FileMade(_lastFile + 1, path));
            return _files[path] = ++_lastFile;
        }
    }

    /// <summary>The number of the file that has this name now; makes one when none was noted.</summary>
    public int Find(string path)
    {
        lock (Gate) return _files.TryGetValue(path, out var file) ? file : Make(path);
    }

    /// <summary>Notes a step.</summary>
    public void Note(DiskStep step)
    {
        lock (Gate)
        {
            OnStep(step);
            _steps.Add(step);
            if (step is DiskStep.Deleted deleted) _files.Remove(deleted.Path);
            if (step is not DiskStep.Renamed renamed) return;
            if (_files.Remove(renamed.From, out var file)) _files[renamed.To] = file;
            foreach (var path in _files.Keys.Where(path => path.StartsWith(renamed.From + "/", StringComparison.Ordinal)).ToList())
                if (_files.Remove(path, out var below)) _files[renamed.To + path[renamed.From.Length..]] = below;
        }
    }
}
