using System.Text;

namespace PeoplesCloud.Cli.Output;

/// <summary>Rows of text in columns that are as wide as their widest cell, two spaces apart; no lines around them.</summary>
internal sealed class Table(params string[] headings)
{
    // A class, and loops instead of Linq over values: what is generic over a value of ours is compiled at each start of a command.
    private readonly List<Row> _rows = [];

    /// <summary>Adds a row; null cells are empty.</summary>
    public void Add(params string?[] cells) => _rows.Add(new Row(cells, null));

    /// <summary>Adds a row whose whole line is styled.</summary>
    public void AddStyled(Func<string, string> style, params string?[] cells) => _rows.Add(new Row(cells, style));

    /// <summary>Writes headings (when there are any) and rows, each line after <paramref name="indent"/>.</summary>
    public void Write(Terminal terminal, string indent = "")
    {
        var widths = Widths();
        if (headings.Length > 0) terminal.Line(indent + terminal.Dim(Join(headings, widths)));
        foreach (var row in _rows)
        {
            var line = Join(row.Cells, widths);
            terminal.Line(indent + (row.Style is null ? line : row.Style(line)));
        }
    }

    private int[] Widths()
    {
        var columns = headings.Length;
        foreach (var row in _rows) columns = Math.Max(columns, row.Cells.Length);
        var widths = new int[columns];
        for (var column = 0; column < headings.Length; column++) widths[column] = headings[column].Length;
        foreach (var row in _rows)
            for (var column = 0; column < row.Cells.Length; column++) widths[column] = Math.Max(widths[column], row.Cells[column]?.Length ?? 0);
        return widths;
    }

    private static string Join(string?[] cells, int[] widths)
    {
        var line = new StringBuilder();
        for (var column = 0; column < cells.Length; column++)
        {
            var cell = cells[column] ?? "";
            line.Append(cell);
            if (column == cells.Length - 1) break;
            for (var space = widths[column] + 2 - cell.Length; space > 0; space--) line.Append(' ');
        }

        return line.ToString().TrimEnd();
    }

    private sealed record Row(string?[] Cells, Func<string, string>? Style);
}
