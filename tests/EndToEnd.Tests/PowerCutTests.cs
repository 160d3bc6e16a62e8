using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace PeoplesCloud.EndToEnd.Tests;

/// <summary>
/// Goal: whatever host loses its power at whatever moment, no deploy that was accepted is lost, and nothing runs twice. Method: a seed decides what is
/// deployed, whose daemon is killed with all that it started, when, and for how long it is away; an observer counts the runs. A few cuts by default:
/// PC_POWER_CUTS=500 makes 500, PC_SEED repeats a run.
/// </summary>
public sealed class PowerCutTests
{
    private const int MostPrograms = 4;
    private const double Tolerance = 1;

    private static readonly string[] Hosts = ["elm", "fir", "ash"];

    [Fact]
    public void Seeded_power_cuts_lose_no_deploy_and_run_nothing_twice()
    {
        if (!Lan.Possible) return;
        var cuts = int.Parse(Environment.GetEnvironmentVariable("PC_POWER_CUTS") ?? "4", CultureInfo.InvariantCulture);
        var seed = int.Parse(Environment.GetEnvironmentVariable("PC_SEED") ?? Random.Shared.Next().ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
        TestContext.Current.TestOutputHelper?.WriteLine($"PC_SEED={seed} PC_POWER_CUTS={cuts}");
        var random = new Random(seed);
        using var lan = new Lan(["oak", .. Hosts]);
        using var place = new Place();
        using var recorder = new Recorder(lan, place, Hosts);
        var homes = new[] { "oak" }.Concat(Hosts).ToDictionary(name => name, name => FailoverTests.Up(lan, place, name));
        Place.Swarm("friends", homes["oak"], [.. Hosts.Select(host => homes[host])]);
        FailoverTests.UntilAwake(homes["oak"], 4);

        var accepted = new List<string>();
        for (var cut = 0; cut < cuts; cut++)
        {
            var victim = homes.Keys.ElementAt(random.Next(homes.Count));
            var deploy = accepted.Count < MostPrograms && random.Next(2) == 0 ? Deploy(homes["oak"], recorder.Bot($"bot-{cut}")) : null;
            Wait(random.Next(deploy is null ? 3_000 : 700));
            PowerOff(homes[victim]);
            if (deploy is not null && Pc.Run(deploy).Exit == 0) accepted.Add($"bot-{cut}");
            Wait(random.Next(3_000));
            FailoverTests.Up(lan, place, victim);
            Assert.True(recorder.LongestOverlap() < Tolerance, $"seed {seed}, cut {cut} of {victim}: both ran for {recorder.LongestOverlap():0.00} s: {string.Join(", ", recorder.Runs())}");
        }

        FailoverTests.UntilAwake(homes["oak"], 4);
        foreach (var program in accepted)
        {
            // Whatever was cut off in the middle, each of them runs, and on one host.
            var heard = recorder.WaitForRunOf(program, Recorder.Now, $"seed {seed}: {program} runs");
            Place.Until(() => Pc.Run(homes["oak"], "list", "friends", "--json").Ok(), said => HostOf(said.Json, program) == heard.Host, $"oak knows that {program} runs on {heard.Host}");
        }
        Assert.True(recorder.LongestOverlap() < Tolerance, $"seed {seed}: both ran for {recorder.LongestOverlap():0.00} s: {string.Join(", ", recorder.Runs())}");
        TestContext.Current.TestOutputHelper?.WriteLine($"{cuts} cuts, {accepted.Count} deploys accepted, {recorder.Runs().Count} runs, at most {recorder.LongestOverlap():0.00} s together");
    }

    private static Process Deploy(string home, string folder) => Pc.Start(home, Pc.Program, ["deploy", "friends", folder], null);

    // A power cut takes the daemon and its sandboxes at once, without a word. What it had not flushed is not lost here: tests with a disk of their own cut that.
    private static void PowerOff(string home)
    {
        if (Pc.Run(home, "list", "--json").Exit != 0) return;
        using var daemon = Process.GetProcessById(Place.PidOf(home));
        daemon.Kill(entireProcessTree: true);
        daemon.WaitForExit();
    }

    // The moment of a cut is the seed's: this is no wait for something to happen.
    private static void Wait(int milliseconds) => Thread.Sleep(milliseconds);

    private static string? HostOf(JsonElement list, string program) =>
        list.GetProperty("swarms")[0].GetProperty("programs").EnumerateArray().Where(one => one.GetProperty("name").GetString() == program && one.GetProperty("state").GetString() == "running").Select(one => one.GetProperty("host").GetString()).SingleOrDefault();
}
