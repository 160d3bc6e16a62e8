using System.Text;

namespace PeoplesCloud.Cli.Output;

/// <summary>
/// Where a command writes. On a terminal what others chose (names, log lines) has its control characters made visible,
/// so that a log cannot move the cursor or retitle the window; elsewhere bytes pass as they are.
/// </summary>
internal sealed class Terminal
{
    private readonly bool _color;

    public Terminal(TextWriter output, TextWriter error, bool outputIsTerminal, bool errorIsTerminal, bool color)
    {
        Out = output;
        Error = error;
        IsTerminal = outputIsTerminal;
        ErrorIsTerminal = errorIsTerminal;
        _color = color;
    }

    /// <summary>Standard output.</summary>
    public TextWriter Out { get; }

    /// <summary>Standard error.</summary>
    public TextWriter Error { get; }

    /// <summary>Whether standard output is a terminal.</summary>
    public bool IsTerminal { get; }

    /// <summary>Whether standard error is a terminal.</summary>
    public bool ErrorIsTerminal { get; }

    /// <summary>Columns of the terminal; 100 where there is none.</summary>
    public int Width
    {
        get
        {
            try
            {
                return IsTerminal && Console.WindowWidth > 20 ? Console.WindowWidth : 100;
            }
            catch (IOException)
            {
                return 100;
            }
        }
    }

    /// <summary>The process's own output. Colour on a terminal, unless NO_COLOR is set or TERM is dumb.</summary>
    public static Terminal OfProcess()
    {
        var outputIsTerminal = StandardStream.IsTerminal(StandardStream.Output);
        var plain = Environment.GetEnvironmentVariable("NO_COLOR") is { Length: > 0 } || Environment.GetEnvironmentVariable("TERM") is "dumb";
        // Console.Out flushes each write; a list of many lines is one write instead.
        var output = new StreamWriter(new StandardStream(StandardStream.Output), new UTF8Encoding(false), 4096) { AutoFlush = outputIsTerminal };
        var error = new StreamWriter(new StandardStream(StandardStream.Error), new UTF8Encoding(false), 256) { AutoFlush = true };
        return new Terminal(output, error, outputIsTerminal, StandardStream.IsTerminal(StandardStream.Error), outputIsTerminal && !plain);
    }

    /// <summary>Writes a line to standard output.</summary>
    public void Line(string text = "") => Out.WriteLine(text);

    /// <summary>What others chose, safe to show here.</summary>
    public string Safe(string text) => IsTerminal ? ControlCharacters.Visible(text) : text;

    /// <summary>Dimmed on a terminal.</summary>
    public string Dim(string text) => Styled("2", text);

    /// <summary>Bold on a terminal.</summary>
    public string Bold(string text) => Styled("1", text);

    /// <summary>Green on a terminal: holds, runs.</summary>
    public string Good(string text) => Styled("32", text);

    /// <summary>Yellow on a terminal: degraded, waiting.</summary>
    public string Warn(string text) => Styled("33", text);

    /// <summary>Red on a terminal: failed, missing.</summary>
    public string Bad(string text) => Styled("31", text);

    private string Styled(string code, string text) => _color ? $"\e[{code}m{text}\e[0m" : text;
}
