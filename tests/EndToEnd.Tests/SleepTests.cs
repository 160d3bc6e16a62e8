using System.Text.Json;

namespace PeoplesCloud.EndToEnd.Tests;

/// <summary>A laptop whose lid is shut while it runs a program, and opened when another host has had that program for a while.</summary>
public sealed class SleepTests
{
    /// <summary>For how long a program may go on after its host woke, in seconds. Its daemon has it stand still within milliseconds; machines are loaded.</summary>
    private const double Tolerance = 1;

    [Fact]
    public void What_a_laptop_ran_when_it_fell_asleep_does_not_go_on_when_it_wakes()
    {
        if (!Lan.Possible) return;
        string[] hosts = ["elm", "fir", "ash"];
        using var lan = new Lan(hosts);
        using var place = new Place();
        using var recorder = new Recorder(lan, place, hosts);
        var homes = hosts.ToDictionary(name => name, name => place.Up(new Sleepers(lan), name, "--listen", lan.AddressOf(name), "--port", "4242"));
        var daemons = homes.ToDictionary(home => home.Key, home => Place.PidOf(home.Value));
        foreach (var daemon in daemons.Values) Sleep.Started(daemon);
        Place.Swarm("friends", homes["elm"], homes["fir"], homes["ash"]);
        FailoverTests.UntilAwake(homes["elm"], 3);
        Pc.Run(homes["elm"], "deploy", "friends", recorder.Bot()).Ok();
        var before = recorder.WaitForRun(0, "the first run");

        // The lid is shut.
        var asleep = Sleep.Fall(daemons[before.Host]);
        var shut = Recorder.Now;
        var after = recorder.WaitForRun(shut, "somebody took over from one who sleeps");
        Assert.NotEqual(before.Host, after.Host);
        recorder.WaitUntilHeard(after.Id, after.First + 1);

        // It is opened.
        var opened = Recorder.Now;
        Sleep.Wake(asleep);
        foreach (var home in homes.Values)
        {
            var program = FailoverTests.Until(home, program => program.GetProperty("runs").EnumerateArray().ToList() is [var slept, _, ..] && slept.TryGetProperty("ended", out _)
                && program.GetProperty("host").GetString() == after.Host && program.GetProperty("state").GetString() == "running", "all know where it ran and where it runs");
            var runs = program.GetProperty("runs").EnumerateArray().ToList();
            Assert.Equal([before.Host, after.Host], runs.Select(run => run.GetProperty("host").GetString()));
            Assert.Equal("lease lost", runs[0].GetProperty("why").GetString());
            Assert.True(Time(runs[0], "ended") <= Time(runs[1], "began"), $"it ran on {before.Host} until {Time(runs[0], "ended"):O}, and on {after.Host} since {Time(runs[1], "began"):O}");
            Assert.Equal(daemons[before.Host], Place.PidOf(homes[before.Host])); // its daemon lives
        }
        recorder.WaitUntilHeard(after.Id, Recorder.Now + 1); // the other would be heard meanwhile
        var words = recorder.WordsOf(before.Id, shut);
        TestContext.Current.TestOutputHelper?.WriteLine($"slept for {opened - shut:0.00} s; said {words.Count} words after that, until {(words.Count == 0 ? 0 : words[^1] - opened):0.000} s after it woke");
        Assert.True(words.All(word => word < opened + Tolerance), $"it was opened at {opened:0.000}, and what ran there said something at {string.Join(", ", words)}");
        Assert.Equal(2, recorder.Runs().Count);
        Pc.Run(homes[before.Host], "audit", "friends", "--verify").Ok();
    }

    private static DateTimeOffset Time(JsonElement run, string name) => run.GetProperty(name).GetDateTimeOffset();

    /// <summary>Hosts of a LAN whose daemons may sleep.</summary>
    private sealed class Sleepers(Lan lan) : IHosts
    {
        public string[] On(string host) => [.. lan.On(host), .. Sleep.Able];
    }
}
