using PeoplesCloud.Runtimes.Docker;
using PeoplesCloud.Runtimes.Docker.Lasting;

namespace PeoplesCloud.Runtimes.Tests.Docker;

public sealed class LastingBodyTests
{
    // As an engine joins what it is told and what the image says: an entrypoint takes the image's command away, an empty list only its entrypoint, one empty word both.
    [Theory]
    [InlineData(null, "", "image entrypoint image command")]
    [InlineData(null, "mine", "image entrypoint mine")]
    [InlineData("own", "", "own")]
    [InlineData("own", "mine", "own mine")]
    [InlineData("", "", "image command")]
    [InlineData("", "mine", "mine")]
    [InlineData("\"\"", "", "")]
    [InlineData("\"\"", "mine", "mine")]
    public void An_entrypoint_and_a_command_are_joined_as_by_an_engine(string? entrypoint, string command, string joined)
    {
        var config = new ImageConfig(["image", "entrypoint"], ["image", "command"], "/", [], []);
        var spec = new LastingSpec("a1", "image", new RunLimits(), NetworkMode.None)
        {
            Entrypoint = entrypoint is null ? null : entrypoint == "\"\"" ? [""] : Words(entrypoint),
            Command = Words(command),
        };
        Assert.Equal(Words(joined), LastingBody.CommandOf(spec, config));
    }

    private static string[] Words(string text) => text.Split(' ', StringSplitOptions.RemoveEmptyEntries);
}
