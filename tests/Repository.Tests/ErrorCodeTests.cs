using System.Reflection;
using System.Text;
using PeoplesCloud.Base;

namespace PeoplesCloud.Repository.Tests;

public sealed class ErrorCodeTests
{
    private static readonly (int First, int Last, string Area)[] Areas =
    [
        (1000, 1099, "Command line"), (1100, 1199, "Daemon and local API"), (1200, 1299, "Configuration and home"), (2000, 2999, "Mesh"),
        (3000, 3999, "Content"), (4000, 4999, "Swarm"), (5000, 5999, "Runtimes"), (6000, 6999, "Programs"), (7000, 7999, "Sessions"),
    ];

    [Fact]
    public void Every_code_has_a_number_of_its_own_in_a_known_area()
    {
        var codes = Enum.GetNames<ErrorCode>().Select(name => (name, Number: (int)Enum.Parse<ErrorCode>(name))).ToList();
        Assert.Empty(codes.GroupBy(code => code.Number).Where(group => group.Count() > 1).Select(group => string.Join(", ", group.Select(code => code.name))));
        Assert.Empty(codes.Where(code => !Areas.Any(area => code.Number >= area.First && code.Number <= area.Last)));
    }

    [Fact]
    public void Every_code_has_a_sentence_and_a_hint()
    {
        foreach (var code in Enum.GetValues<ErrorCode>())
        {
            var info = PcException.InfoOf(code);
            Assert.True(info.Sentence.EndsWith('.') && char.IsUpper(info.Sentence[0]), $"{code}: the sentence is '{info.Sentence}'");
            Assert.True(info.Hint.Length > 5, $"{code}: the hint is '{info.Hint}'");
        }
    }

    [Fact] // run with PC_WRITE_DOCS=1 to write the file
    public void The_list_of_errors_in_the_docs_is_the_code_s()
    {
        var path = Path.Combine(Tree.Root, "docs", "errors.md");
        var wanted = Document();
        if (Environment.GetEnvironmentVariable("PC_WRITE_DOCS") == "1") File.WriteAllText(path, wanted);
        Assert.Equal(wanted, File.ReadAllText(path));
    }

    [Fact]
    public void Every_code_has_a_test_that_raises_it()
    {
        var tests = new StringBuilder();
        foreach (var file in Tree.Under("tests/", ".cs").Where(file => !file.StartsWith("tests/Repository.Tests/", StringComparison.Ordinal))) tests.Append(Tree.Read(file));
        var text = tests.ToString();
        var lacking = Enum.GetValues<ErrorCode>().Where(code =>
            !System.Text.RegularExpressions.Regex.IsMatch(text, $@"ErrorCode\.{code}\b|\bPC{(int)code:0000}\b", System.Text.RegularExpressions.RegexOptions.None, TimeSpan.FromSeconds(5)));
        Assert.Empty(lacking);
    }

    private static string Document()
    {
        var text = new StringBuilder();
        text.Append("# Errors\n\nEvery error that a person sees has a code. The command line prints two lines, what happened in this case and what to try,\n");
        text.Append("and ends with the exit code of the error's class; with `--json` the error is one JSON object on standard output.\n\n");
        text.Append("    error PC4014: this ticket of friends expired at 2026-11-01 12:00:00Z\n      try: ask the member who invited you for a new ticket: pc invite\n\n");
        text.Append("Exit codes: 0 done, 1 failed, 2 usage, 3 no daemon, 4 not found, 5 refused. This page is written from the code\n");
        text.Append("(`src/Base/ErrorCode.cs`); a test keeps the two the same.\n");
        foreach (var (first, last, area) in Areas)
        {
            var codes = Enum.GetValues<ErrorCode>().Where(code => (int)code >= first && (int)code <= last).ToList();
            if (codes.Count == 0) continue;
            text.Append($"\n## {area}\n\n| code | name | exit | what happened | what to try |\n|---|---|---|---|---|\n");
            foreach (var code in codes)
            {
                var info = typeof(ErrorCode).GetField(code.ToString())!.GetCustomAttribute<ErrorInfoAttribute>()!;
                text.Append($"| PC{(int)code:0000} | {code} | {(int)info.ExitCode} | {Cell(info.Sentence)} | {Cell(info.Hint)} |\n");
            }
        }
        return text.ToString();
    }

    private static string Cell(string text) => text.Replace("|", "\\|", StringComparison.Ordinal);
}
