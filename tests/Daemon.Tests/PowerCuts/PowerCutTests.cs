using PeoplesCloud.Simulation.Disk;

namespace PeoplesCloud.Daemon.Tests.PowerCuts;

// Goal: wherever the power is cut, nothing that somebody was told is lost, everything opens again, and nothing is half there.
// Method: nodes are used on a disk that notes every step (ours and SQLite's). Then, for each step and for many of the ways in which
// a disk may lose, tear and reorder what was not flushed, the folder that is left is made and opened as a daemon opens it.
public sealed class PowerCutTests(Recordings recordings, ITestOutputHelper output) : IClassFixture<Recordings>
{
    private const string ReadAgain = "the copy of the database of which an export is written, and nobody is told of";
    private const string BeginsLater = "a book of times that begins anew, and later, grants fewer times and none twice";

    /// <summary>Flushes without which nothing is lost, and why.</summary>
    private static readonly Dictionary<string, string> Spare = new(StringComparer.Ordinal)
    {
        ["SQLite, 1: bytes"] = ReadAgain,
        ["SQLite, 1-journal: bytes"] = ReadAgain,
        ["SQLite, 1-journal: names"] = ReadAgain,
        ["SQLite, pc.db-journal: names"] = "SQLite's own; this journal guards the first page of a new database only, before anybody was told anything",
        ["Workplace.Mark: bytes"] = "the file is empty",
        ["ProgramHost..ctor: names"] = "the book of times makes its folder in the same one right after, and flushes it",
        ["ScheduleBook..ctor: names"] = BeginsLater,
        ["ScheduleBook.Since: bytes"] = BeginsLater,
        ["ScheduleBook.Since: names"] = BeginsLater,
        ["DataStore.DropLive: names"] = "a folder that is half removed may come back, and be told as a conflict that is none",
        ["DataScanner.Copy: names"] = "what a program itself writes and flushes is not noted by the handle through which it is flushed again",
    };

    [Theory]
    [InlineData("home")]
    [InlineData("identity")]
    [InlineData("database")]
    [InlineData("pins")]
    [InlineData("blocks")]
    [InlineData("data")]
    [InlineData("export")]
    [InlineData("import")]
    [InlineData("oak")]
    [InlineData("elm")]
    public async Task A_cut_after_any_step_loses_nothing_that_was_told_and_leaves_no_half_state(string name)
    {
        var recording = recordings[name];
        var loss = await recording.FindLossAsync();
        Assert.True(loss is null, loss);
        output.WriteLine($"{name}: {recording.Trace.Steps.Count} steps, {recording.Looked} states");
    }

    [Fact]
    public async Task Leaving_out_the_flushes_of_any_one_place_loses_something()
    {
        var unnoticed = new List<string>();
        foreach (var place in recordings.All.SelectMany(recording => recording.Flushes).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal))
        {
            string? loss = null;
            foreach (var recording in recordings.All.Where(recording => recording.Flushes.Contains(place)))
            {
                loss = await recording.FindLossAsync(without: place, lastFirst: true);
                if (loss is not null) break;
            }
            output.WriteLine($"{place} -> {loss?.ReplaceLineEndings(" ") ?? "nothing is lost"}");
            if (loss is null) unnoticed.Add(place);
        }
        Assert.Equal(Spare.Keys.Order(StringComparer.Ordinal), unnoticed);
    }

    [Fact]
    public async Task A_node_starts_on_what_any_cut_left_and_goes_on()
    {
        foreach (var choice in CutChoice.Extremes.Append(CutChoice.Mixed(1)))
        {
            var folder = TestNode.NewHome();
            recordings["oak"].RestoreEnd(choice, folder);
            await using (var oak = await TestNode.StartAsync("oak", home: Path.Combine(folder, "home")))
            {
                Assert.Equal(["friends"], oak.Node.Swarms.All.Select(swarm => swarm.Name));
                var file = Path.Combine(folder, "file");
                await File.WriteAllTextAsync(file, choice.Name, TestContext.Current.CancellationToken);
                await oak.AddAsync(file, swarm: "friends");
                await oak.CreateAsync("family");
            }
            Directory.Delete(folder, recursive: true);
        }
    }
}
