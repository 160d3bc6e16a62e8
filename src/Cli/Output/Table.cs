namespace PeoplesCloud.Cli.Output;

/// <summary>Rows of text in columns that are as wide as their widest cell, two spaces apart; no lines around them.</summary>
internal sealed class Table(params string[] headings)
{
    private readonly List<(string[] Cells, Func<string, string>? Style)> _rows = [];

    /// <summary>Adds a row; null cells are empty.</summary>
    public void Add(params string?[] cells) => _rows.Add((Array.ConvertAll(cells, cell => cell ?? ""), null));

    /// <summary>Adds a row whose whole line is styled.</summary>
    public void AddStyled(Func<string, string> style, params string?[] cells) => _rows.Add((Array.ConvertAll(cells, cell => cell ?? ""), style));

    /// <summary>Writes headings (when there are any) and rows, each line after <paramref name="indent"/>.</summary>
    public void Write(Terminal terminal, string indent = "")
    {
        var widths = new int[Math.Max(headings.Length, _rows.Count == 0 ? 0 : _rows.Max(row => row.Cells.Length))];
        for (var column = 0; column < headings.Length; column++) widths[column] = headings[column].Length;
        foreach (var (cells, _) in _rows)
            for (var column = 0; column < cells.Length; column++) widths[column] = Math.Max(widths[column], cells[column].Length);
        if (headings.Length > 0) terminal.Line(indent + terminal.Dim(Join(headings, widths)));
        foreach (var (cells, style) in _rows)
        {
            var line = Join(cells, widths);
            terminal.Line(indent + (style is null ? line : style(line)));
        }
    }

    private static string Join(string[] cells, int[] widths) =>
        string.Join("  ", cells.Select((cell, column) => column == cells.Length - 1 ? cell : cell.PadRight(widths[column]))).TrimEnd();
}
