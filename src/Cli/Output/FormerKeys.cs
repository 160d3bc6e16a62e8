namespace PeoplesCloud.Cli.Output;

/// <summary>Says whose secrets are to be changed, since somebody who is out could read them.</summary>
internal static class FormerKeys
{
    public static string Line(Terminal terminal, IReadOnlyList<string> holders, string program, string? owner) =>
        $"{string.Join(" and ", holders.Select(terminal.Safe))} held the key of {terminal.Safe(program)}: {(owner is null ? "deploy it again" : $"{terminal.Safe(owner)} should deploy it again")}, and change the secrets in it";
}
