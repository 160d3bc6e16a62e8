using System.Text.RegularExpressions;

namespace PeoplesCloud.Repository.Tests;

/// <summary>Rules that no analyzer knows.</summary>
public sealed partial class TidyTests
{
    [Fact]
    public void The_readme_names_the_two_commands_then_the_way_to_a_swarm_of_one_s_own_in_order()
    {
        var readme = Tree.Read("README.md");
        var commands = CommandLine().Matches(readme).Select(match => match.Groups[1].Value).ToList();
        Assert.Equal(["./pc try", "./test", "./pc up", "./pc create", "./pc join", "./pc deploy", "./pc logs", "./pc stop", "./pc sessions"], commands);
    }

    [Fact]
    public void The_solution_holds_every_project()
    {
        var solution = Tree.Read("PeoplesCloud.slnx");
        Assert.Empty(Tree.Under("", ".csproj").Where(project => !solution.Contains($"\"{project}\"", StringComparison.Ordinal)));
    }

    [Fact]
    public void Every_floor_says_what_it_promises() =>
        Assert.Empty(Tree.Under("src/", ".csproj").Select(project => $"{Path.GetDirectoryName(project)}/README.md").Where(readme => !Tree.Files.Contains(readme)));

    [Fact]
    public void Links_between_documents_lead_somewhere()
    {
        var broken = new List<string>();
        foreach (var document in Tree.Under("", ".md"))
        {
            foreach (Match link in Link().Matches(Tree.Read(document)))
            {
                var target = link.Groups[1].Value.Split('#')[0];
                if (target.Length == 0 || target.Contains("://", StringComparison.Ordinal)) continue;
                if (!Path.Exists(Path.Combine(Tree.Root, Path.GetDirectoryName(document)!, target))) broken.Add($"{document}: {target}");
            }
        }
        Assert.Empty(broken);
    }

    [Fact]
    public void Documents_that_the_code_names_are_there()
    {
        var missing = Tree.Under("src/", ".cs").Concat(Tree.Under("tests/", ".cs")).Concat(Tree.Under("docs/", ".md"))
            .SelectMany(file => DocumentName().Matches(Tree.Read(file)).Select(match => match.Value))
            .Distinct(StringComparer.Ordinal).Where(name => !Tree.Files.Contains(name));
        Assert.Empty(missing);
    }

    [Fact]
    public void No_file_names_the_machine_that_it_was_made_on_or_a_registry()
    {
        // Put together here, so that this file does not name them itself.
        string[] forbidden = ["/wo" + "rk/", "/ro" + "ot/", "api.nu" + "get.org", "registry.npm" + "js.org", "deb.deb" + "ian.org"];
        var found = Tree.Files.Where(file => Path.GetExtension(file) is not (".png" or ".bin" or ".hex"))
            .SelectMany(file => forbidden.Where(word => Tree.Read(file).Contains(word, StringComparison.Ordinal)).Select(word => $"{file}: {word}"));
        Assert.Empty(found);
    }

    [Fact]
    public void Only_the_seam_to_the_disk_flushes()
    {
        // What is flushed elsewhere is not seen by the tests that cut the power. Put together here, so that this file is not found.
        string[] flushes = ["FlushTo" + "Disk", "flushTo" + "Disk", "fsy" + "nc\"", "fdatasy" + "nc"];
        Assert.Empty(Tree.Under("src/", ".cs").Where(file => !file.StartsWith("src/Base/Files/", StringComparison.Ordinal) && flushes.Any(word => Tree.Read(file).Contains(word, StringComparison.Ordinal))));
    }

    [Fact]
    public void Source_files_end_their_lines_alike()
    {
        string[] text = [".cs", ".md", ".csproj", ".props", ".py", ".sh", ".js", ".mjs", ".proto"];
        var untidy = Tree.Files.Where(file => text.Contains(Path.GetExtension(file))).Where(file =>
        {
            var content = Tree.Read(file);
            return content.Contains('\r', StringComparison.Ordinal) || content.Contains('\t', StringComparison.Ordinal) && Path.GetExtension(file) == ".cs"
                || (content.Length > 0 && !content.EndsWith('\n'));
        });
        Assert.Empty(untidy);
    }

    [GeneratedRegex(@"^    (\./(?:test|pc \w+))", RegexOptions.Multiline)]
    private static partial Regex CommandLine();

    [GeneratedRegex(@"\]\(([^)\s]+)\)")]
    private static partial Regex Link();

    [GeneratedRegex(@"docs/[\w./-]+\.md")]
    private static partial Regex DocumentName();
}
