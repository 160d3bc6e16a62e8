using System.Globalization;
using PeoplesCloud.Base;

namespace PeoplesCloud.Cli.Output;

/// <summary>
/// Shows what pip, npm and docker say on a host while a deploy waits for them: one line with a bar on a terminal, every line elsewhere. When the deploy
/// fails, all that a terminal did not show comes as it is: what helps stands seldom in the last line.
/// </summary>
/// <param name="terminal">Where it is shown, on standard error.</param>
/// <param name="quiet">Show nothing unless it fails (--json).</param>
/// <param name="time">The clock of how long it takes; null for the system's.</param>
internal sealed class InstallView(Terminal terminal, bool quiet, TimeProvider? time = null)
{
    private const int BarCells = 20;
    private const int MaxKept = 2_000; // lines; more than any installer says that ends by itself

    private static readonly string[] Tools = ["pip: ", "npm: ", "docker: "];

    private readonly TimeProvider _time = time ?? TimeProvider.System;
    private readonly Queue<string> _hidden = new();
    private readonly Lock _drawing = new();
    private int _shown;
    private long? _began;
    private string? _drawn; // the line that is shown
    private ITimer? _tick;

    /// <summary>Shows a step when it is one of an installer; false when it is another's.</summary>
    public bool Takes(string step)
    {
        if (!Array.Exists(Tools, tool => step.StartsWith(tool, StringComparison.Ordinal)))
        {
            Clear();
            return false;
        }
        _shown++;
        var line = ControlCharacters.Visible(step);
        if (!quiet && !terminal.ErrorIsTerminal)
        {
            terminal.Error.WriteLine(line);
            return true;
        }
        _hidden.Enqueue(line);
        if (_hidden.Count > MaxKept) _hidden.Dequeue();
        if (!quiet) Draw(line);
        return true;
    }

    /// <summary>Runs what reports steps; on failure shows what was held back.</summary>
    public T During<T>(Func<T> work)
    {
        try
        {
            var result = work();
            Clear();
            return result;
        }
        catch (Exception failure) when (failure is DaemonErrorException or PcException)
        {
            Clear();
            foreach (var line in _hidden) terminal.Error.WriteLine(line);
            throw;
        }
    }

    /// <summary>How far a tool says that it is, from 0 to 1; null when it does not: pip and npm never know, a Dockerfile has numbered steps.</summary>
    internal static double? ShareOf(string line)
    {
        const string Step = "docker: Step ";
        if (!line.StartsWith(Step, StringComparison.Ordinal)) return null;
        var numbers = line[Step.Length..].Split(' ')[0].Split('/');
        return numbers is [var done, var all] && int.TryParse(done, CultureInfo.InvariantCulture, out var step) && int.TryParse(all, CultureInfo.InvariantCulture, out var steps) && step > 0 && step <= steps ? (step - 1) / (double)steps : null;
    }

    private void Draw(string line)
    {
        lock (_drawing)
        {
            _drawn = line;
            _began ??= _time.GetTimestamp();
            _tick ??= _time.CreateTimer(_ => Redraw(), null, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(1));
            Write(line);
        }
    }

    // A download of minutes says nothing: that time passes is seen all the same.
    private void Redraw()
    {
        lock (_drawing)
        {
            if (_drawn is not { } line) return;
            _shown++;
            Write(line);
        }
    }

    private void Write(string line)
    {
        var bar = new char[BarCells];
        Array.Fill(bar, '░');
        if (ShareOf(line) is { } share) Array.Fill(bar, '█', 0, (int)(share * BarCells));
        else for (var i = 0; i < 4; i++) bar[(_shown + i) % BarCells] = '█'; // how far it is nobody knows, that it goes on can be seen
        var took = string.Create(CultureInfo.InvariantCulture, $"{_time.GetElapsedTime(_began!.Value).TotalSeconds,4:0} s");
        var room = Math.Max(10, terminal.Width - BarCells - took.Length - 5);
        terminal.Error.Write($"\r\e[2K{new string(bar)} {took} {(line.Length > room ? string.Concat(line.AsSpan(0, room), "…") : line)}");
    }

    private void Clear()
    {
        lock (_drawing)
        {
            if (_drawn is not null) terminal.Error.Write("\r\e[2K");
            _drawn = null;
            _tick?.Dispose();
            _tick = null;
        }
    }
}
