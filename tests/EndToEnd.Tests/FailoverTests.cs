using System.Diagnostics;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace PeoplesCloud.EndToEnd.Tests;

/// <summary>
/// Real daemons on hosts of a network, which are killed, cut off and stopped. What ran where is counted by an observer outside. Without root there are
/// no namespaces: the tests then do nothing.
/// </summary>
public sealed class FailoverTests
{
    /// <summary>With a majority no two hosts run a program; what two clocks, a loaded machine and a datagram on its way may make of that.</summary>
    private const double Tolerance = 1;

    /// <summary>How old the data of the next host may be, in seconds. On a machine that has time it is less than one; the longest pause between two copies is 10 s.</summary>
    private const double StaleData = 20;

    [Fact]
    public void Whatever_happens_to_its_host_a_program_runs_on_and_not_twice()
    {
        if (!Lan.Possible) return;
        using var lan = new Lan("oak", "elm", "fir", "ash");
        using var place = new Place();
        using var recorder = new Recorder(lan, place, "elm", "fir", "ash");
        var homes = new Dictionary<string, string>();
        foreach (var name in new[] { "oak", "elm", "fir", "ash" }) homes[name] = Up(lan, place, name);
        Place.Swarm("friends", homes["oak"], homes["elm"], homes["fir"], homes["ash"]);
        UntilAwake(homes["oak"], 4);
        Pc.Run(homes["oak"], "deploy", "friends", recorder.DataBot()).Ok();
        var run = recorder.WaitForRun(0, "the first run");
        recorder.WaitUntilHeard(run.Id, run.First + 2); // so that it has something to lose

        // Its daemon is killed while it writes.
        var at = Recorder.Now;
        Place.Kill(homes[run.Host]);
        run = Moved(recorder, run, at, "somebody took over from a killed daemon");
        Until(homes["oak"], program => program.GetProperty("runs").EnumerateArray().Last() is var now && now.GetProperty("host").GetString() == run.Host
            && now.TryGetProperty("detail", out var detail) && Regex.IsMatch(detail.GetString()!, "^data: [0-9]+ files? behind, [0-9.]+ s"), "the feed says how old its data was");
        foreach (var (name, home) in homes.Where(node => node.Key is not "oak" && node.Key != run.Host)) Up(lan, place, name, home);
        UntilAwake(homes["oak"], 4);

        // Its cable is pulled.
        at = Recorder.Now;
        lan.Unplug(run.Host);
        var cut = run.Host;
        run = Moved(recorder, run, at, "somebody took over from one who was cut off", goesOn: true);
        lan.Plug(cut);
        UntilAwake(homes["oak"], 4);
        // What it went on writing without the others is not in what they have: it is kept.
        Place.Until(() => Pc.Run(homes["oak"], "data", "list", "friends", "recorded-bot", "--json").Ok(), said => said.Json.GetProperty("copies").EnumerateArray().Any(copy =>
            copy.TryGetProperty("conflict", out var name) && name.GetString()!.StartsWith($"data.conflict-{cut}-", StringComparison.Ordinal) && copy.GetProperty("on").GetString() == cut), "the changes of who was cut off are kept");
        Until(homes["oak"], program => program.TryGetProperty("conflicts", out var told) && told.EnumerateArray().Any(one => one.GetProperty("on").GetString() == cut && one.GetProperty("what").GetString()!.Contains($"data.conflict-{cut}-", StringComparison.Ordinal)), "its owner is told");

        // Its daemon stands still: a kernel timer ends it, and its sandbox with it.
        at = Recorder.Now;
        using (var daemon = Process.GetProcessById(Place.PidOf(homes[run.Host])))
        {
            Pc.Signal(daemon, Pc.Stop);
            var still = run.Host;
            run = Moved(recorder, run, at, "somebody took over from a daemon that stands still");
            Assert.True(daemon.WaitForExit(TimeSpan.FromSeconds(60)), "the daemon that stood still was not ended");
            Up(lan, place, still, homes[still]);
        }
        UntilAwake(homes["oak"], 4);

        // It goes down in order: nobody waits for a lease to run out.
        at = Recorder.Now;
        var last = run.Host;
        Pc.Run(homes[last], "down").Ok();
        var left = run.Id;
        run = Moved(recorder, run, at, "somebody took over from one who went");
        Assert.True(run.Counts.First().Key > recorder.Runs().Single(one => one.Id == left).Counts.Last().Key, "what is handed over is all that there was");
        var program = Until(homes["oak"], program => program.GetProperty("host").GetString() == run.Host && program.GetProperty("state").GetString() == "running", "oak sees it run");
        var runs = program.GetProperty("runs").EnumerateArray().ToList();
        Assert.Equal("handed over", runs[^2].GetProperty("why").GetString());
        Assert.Equal("data: 0 files behind, 0.0 s", runs[^1].GetProperty("detail").GetString());
        Assert.Contains($"ran on {last} until ", Pc.Run(homes["oak"], "list", "friends").Ok().Out, StringComparison.Ordinal);
        Assert.Contains(runs, one => one.TryGetProperty("why", out var why) && why.GetString() == "lease lost");
        Pc.Run(homes["oak"], "stop", "friends", "recorded-bot").Ok();
    }

    // Goal: two friends with two laptops go on apart, and one of them ends when they meet. Method: two hosts that both guard; the cable of one is pulled.
    [Fact]
    public void Two_halves_both_go_on_and_one_ends_when_they_meet()
    {
        if (!Lan.Possible) return;
        using var lan = new Lan("elm", "fir");
        using var place = new Place();
        using var recorder = new Recorder(lan, place, "elm", "fir");
        var homes = new Dictionary<string, string> { ["elm"] = Up(lan, place, "elm"), ["fir"] = Up(lan, place, "fir") };
        Place.Swarm("friends", homes["elm"], homes["fir"]);
        UntilAwake(homes["elm"], 2);
        Pc.Run(homes["elm"], "deploy", "friends", recorder.Bot()).Ok();
        var first = recorder.WaitForRun(0, "the first run");

        var at = Recorder.Now;
        lan.Unplug("fir");
        var second = recorder.WaitForRun(at, "the other half took over");
        Assert.NotEqual(first.Host, second.Host);
        recorder.WaitUntilHeard(first.Id, second.First + 1); // both do
        Until(homes[second.Host], program => program.GetProperty("alone").GetBoolean(), "it says that it is alone");
        Assert.Matches("goes on without most of its guardians since [0-9: -]+: another host may run it too", Pc.Run(homes[second.Host], "list", "friends").Ok().Out);

        lan.Plug("fir");
        foreach (var home in homes.Values)
            Until(home, program => Ended(program, "overlapped") == 1 && !program.GetProperty("alone").GetBoolean() && program.GetProperty("state").GetString() == "running", "the halves met, and that is written down");
        var met = Recorder.Now;
        var (ended, goesOn) = Split(recorder, first.Id, second.Id);
        recorder.WaitUntilHeard(goesOn, met + 1); // the other would have been heard meanwhile
        Assert.True(recorder.Runs().Single(run => run.Id == ended).Last <= met, "the lower epoch ended");
    }

    private static RecordedRun Moved(Recorder recorder, RecordedRun before, double at, string what, bool goesOn = false)
    {
        var run = recorder.WaitForRun(at, what);
        Assert.NotEqual(before.Host, run.Host);
        recorder.WaitUntilHeard(run.Id, run.First + 2); // long enough to overlap if the other goes on
        // Its data was of one moment, and not of long ago. Who is cut off goes on writing for a while, which the others never hear of.
        var began = run.Counts.First().Key - 1;
        before = recorder.Runs().Single(one => one.Id == before.Id);
        Assert.True(began >= before.Counts.First().Key, $"{what}, and it began with {began}; before there were {before.Counts.First().Key} to {before.Counts.Last().Key}");
        var lost = (goesOn ? at : before.Last) - before.Counts.Last(said => said.Key <= began).Value;
        TestContext.Current.TestOutputHelper?.WriteLine($"{what}: {run.First - at:0.00} s after it, {recorder.LongestOverlap(at):0.00} s together, {Math.Max(0, lost):0.00} s of its data lost");
        Assert.True(lost < StaleData, $"{what}, and {lost:0.00} s of its data were lost");
        Assert.True(recorder.LongestOverlap(at) < Tolerance, $"{what}, and both ran for {recorder.LongestOverlap(at):0.00} s: {string.Join(", ", recorder.Runs())}");
        return run;
    }

    // Which of two runs is still heard.
    private static (string Ended, string GoesOn) Split(Recorder recorder, string one, string other)
    {
        var runs = recorder.Runs();
        return runs.Single(run => run.Id == one).Last > runs.Single(run => run.Id == other).Last ? (other, one) : (one, other);
    }

    private static int Ended(JsonElement program, string why) =>
        program.TryGetProperty("runs", out var runs) ? runs.EnumerateArray().Count(run => run.TryGetProperty("why", out var said) && said.GetString() == why) : 0;

    internal static string Up(Lan lan, Place place, string name, string? home = null) =>
        home is not null && Pc.Run(home, "list", "--json").Exit == 0 ? home : place.Up(lan, name, [.. name == "oak" ? ["--no-host"] : Array.Empty<string>(), "--listen", lan.AddressOf(name), "--port", "4242"]);

    internal static void UntilAwake(string home, int members) =>
        Place.Until(() => Pc.Run(home, "list", "friends", "--json").Ok(), said => said.Json.GetProperty("swarms")[0].GetProperty("members").EnumerateArray().Count(member => member.GetProperty("state").GetString() is "awake" or "here") == members, "all are awake");

    /// <summary>Waits until the only program looks as wanted on a node.</summary>
    internal static JsonElement Until(string home, Func<JsonElement, bool> fits, string what) =>
        Place.Until(() => Pc.Run(home, "list", "friends", "--json").Ok(), said => said.Json.GetProperty("swarms")[0].GetProperty("programs") is var programs && programs.GetArrayLength() == 1 && fits(programs[0]), what)
            .Json.GetProperty("swarms")[0].GetProperty("programs")[0];
}
