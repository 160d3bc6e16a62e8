using System.Globalization;
using PeoplesCloud.Base;

namespace PeoplesCloud.Cli.Output;

/// <summary>
/// Shows what pip, npm and docker say on a host while a deploy waits for them: one line with a bar on a terminal, every line elsewhere. When the deploy
/// fails, all that a terminal did not show comes as it is: what helps stands seldom in the last line.
/// </summary>
/// <param name="terminal">Where it is shown, on standard error.</param>
/// <param name="quiet">Show nothing unless it fails (--json).</param>
internal sealed class InstallView(Terminal terminal, bool quiet)
{
    private const int BarCells = 20;
    private const int MaxKept = 2_000; // lines; more than any installer says that ends by itself

    private static readonly string[] Tools = ["pip: ", "npm: ", "docker: "];

    private readonly Queue<string> _hidden = new();
    private int _shown;
    private bool _drawn;

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
        var bar = new char[BarCells];
        Array.Fill(bar, '░');
        if (ShareOf(line) is { } share) Array.Fill(bar, '█', 0, (int)(share * BarCells));
        else for (var i = 0; i < 4; i++) bar[(_shown + i) % BarCells] = '█'; // how far it is nobody knows, that it goes on can be seen
        var room = Math.Max(10, terminal.Width - BarCells - 4);
        terminal.Error.Write($"\r\e[2K{new string(bar)} {(line.Length > room ? string.Concat(line.AsSpan(0, room), "…") : line)}");
        _drawn = true;
    }

    private void Clear()
    {
        if (_drawn) terminal.Error.Write("\r\e[2K");
        _drawn = false;
    }
}
