using System.Text.Json;

namespace PeoplesCloud.EndToEnd.Tests;

/// <summary>Three hosts with cables between them. Without root there are no namespaces: the tests then do nothing.</summary>
public sealed class NetworkTests
{
    [Fact]
    public void A_host_whose_cable_is_pulled_falls_asleep_and_comes_back_with_its_program()
    {
        if (!Lan.Possible) return;
        using var lan = new Lan("oak", "elm", "fir");
        lan.AddDocker("oak");
        using var place = new Place();
        var oak = place.Up(lan, "oak", "--no-host");
        var elm = place.Up(lan, "elm");
        var fir = place.Up(lan, "fir", "--no-host");
        var addresses = Pc.Run(oak, "network", "--json").Ok().Json.GetProperty("addresses").EnumerateArray().Select(a => a.GetString()!).ToList();
        Assert.Contains(addresses, address => address.StartsWith($"/ip4/{lan.AddressOf("oak")}/tcp/4242", StringComparison.Ordinal));
        var ticket = Place.Swarm("friends", oak, elm, fir);
        // The addresses in a ticket are binary: read it as the program does.
        Assert.True(Swarm.Ticket.TryParse(ticket, out var read, out _));
        Assert.StartsWith($"/ip4/{lan.AddressOf("oak")}/tcp/4242", read!.Addresses[0]);
        Assert.DoesNotContain(read.Addresses, address => address.Contains("/127.0.0.1/", StringComparison.Ordinal) || address.Contains("/172.17.", StringComparison.Ordinal) || address.Contains("/::1/", StringComparison.Ordinal));

        Assert.Contains("runs on elm", Pc.Run(oak, "deploy", "friends", Pc.HelloBot).Ok().Out);
        Until(fir, list => StateOfProgram(list) == "running", "fir sees the bot run");
        Place.Until(() => Pc.Run(oak, "logs", "friends", "hello-bot"), said => said.Out.Contains("hello number 2 ", StringComparison.Ordinal), "the log crossed the LAN");

        lan.Unplug("elm");
        var states = new List<string>();
        Until(oak, list =>
        {
            var state = StateOfMember(list, "elm");
            if (states.LastOrDefault() != state) states.Add(state);
            return state == "asleep" && StateOfProgram(list) == "unknown";
        }, "elm fell asleep");
        // What another had heard of it meanwhile may clear it once; it is never asleep without having been suspected.
        Assert.Equal(["suspect", "asleep"], states[^2..]);

        lan.Plug("elm");
        Until(oak, list => StateOfMember(list, "elm") == "awake" && StateOfProgram(list) == "running", "elm is back");
        var log = Place.Until(() => Pc.Run(oak, "logs", "friends", "hello-bot", "--tail", "10000"), said => said.Exit == 0, "the log is there again").Out;
        Assert.Single(log.Split('\n'), line => line.Contains("hello number 1 ", StringComparison.Ordinal)); // nothing ran twice
        Pc.Run(oak, "stop", "friends", "hello-bot").Ok();
        Until(elm, list => StateOfProgram(list) is "stopped" or "", "the bot ended");
    }

    [Fact]
    public void One_who_was_removed_and_one_who_never_came_in_get_nothing()
    {
        if (!Lan.Possible) return;
        using var lan = new Lan("oak", "elm", "fir", "stranger");
        using var place = new Place();
        var (oak, elm, fir) = (place.Up(lan, "oak", "--no-host"), place.Up(lan, "elm"), place.Up(lan, "fir", "--no-host"));
        Place.Swarm("friends", oak, elm, fir);
        Pc.Run(oak, "deploy", "friends", Pc.HelloBot).Ok();
        Until(fir, list => StateOfProgram(list) == "running", "a member sees the bot");

        foreach (var said in new[] { "head -c 100000 /dev/urandom", @"printf 'GET /mesh/v1/blocks/x HTTP/1.1\r\nHost: oak\r\n\r\n'" })
            foreach (var host in new[] { "oak", "elm" })
            {
                // timeout ends with 124 when the node did not hang up by itself.
                var heard = Pc.Run(Pc.Start("", "/usr/bin/env", [.. lan.On("stranger"), "timeout", "60", "bash", "-c", $"exec 3<>/dev/tcp/{lan.AddressOf(host)}/4242 || exit 99; {said} >&3; cat <&3 | tr -d '\\0'; exit 0"], null));
                Assert.True(heard.Exit is not (99 or 124), $"{said}: exit {heard.Exit}\n{heard.Err}");
                Assert.DoesNotContain("HTTP/", heard.Out);
            }
        Until(oak, list => StateOfMember(list, "elm") == "awake" && StateOfProgram(list) == "running", "nobody was harmed");

        Pc.Run(oak, "remove", "friends", "fir").Ok();
        Place.Until(() => Pc.Run(fir, "deploy", "friends", Pc.HelloBot, "--name", "another"), said => said.Err.Contains("PC4001", StringComparison.Ordinal), "fir is told that it is no member");
        Assert.NotEqual(0, Pc.Run(fir, "logs", "friends", "hello-bot").Exit);
        Assert.NotEqual(0, Pc.Run(fir, "stop", "friends", "hello-bot").Exit);
        Until(oak, list => list.GetProperty("members").GetArrayLength() == 2 && StateOfProgram(list) == "running", "the others go on");
    }

    [Fact]
    public void A_program_that_was_stopped_while_its_host_slept_ends_when_it_wakes()
    {
        if (!Lan.Possible) return;
        using var lan = new Lan("oak", "elm", "fir");
        using var place = new Place();
        var (oak, elm, fir) = (place.Up(lan, "oak", "--no-host"), place.Up(lan, "elm"), place.Up(lan, "fir", "--no-host"));
        Place.Swarm("friends", oak, elm, fir);
        Pc.Run(oak, "deploy", "friends", Pc.HelloBot).Ok();
        lan.Unplug("elm");
        Until(oak, list => StateOfMember(list, "elm") == "asleep", "elm fell asleep");
        Pc.Run(oak, "stop", "friends", "hello-bot").Ok();
        Assert.Equal("running", StateOfProgram(Look(elm))); // it cannot know yet
        lan.Plug("elm");
        Until(elm, list => StateOfProgram(list) is "stopped" or "", "elm stopped the bot");
        Until(fir, list => StateOfProgram(list) is "stopped" or "", "fir knows it too");
    }

    [Fact]
    public void Members_that_all_have_another_address_find_each_other_on_the_lan()
    {
        if (!Lan.Possible) return;
        using var lan = new Lan("oak", "elm");
        using var place = new Place();
        var (oak, elm) = (place.Up(lan, "oak", "--no-host"), place.Up(lan, "elm", "--no-host"));
        Place.Swarm("friends", oak, elm);
        foreach (var home in new[] { oak, elm }) Pc.Run(home, "down").Ok();
        // What each knows of the other is where nobody is any more; only who asks on the LAN hears where.
        foreach (var host in new[] { "oak", "elm" }) lan.Move(host);
        place.Up(lan, "oak", "--no-host");
        place.Up(lan, "elm", "--no-host");
        Until(oak, list => StateOfMember(list, "elm") == "awake", "oak found elm");
        Until(elm, list => StateOfMember(list, "oak") == "awake", "elm found oak");
    }

    private static JsonElement Look(string home) => Pc.Run(home, "list", "friends", "--json").Ok().Json.GetProperty("swarms")[0];

    private static void Until(string home, Func<JsonElement, bool> fits, string what) =>
        Place.Until(() => Pc.Run(home, "list", "friends", "--json").Ok(), said => fits(said.Json.GetProperty("swarms")[0]), what);

    private static string StateOfMember(JsonElement list, string name) =>
        list.GetProperty("members").EnumerateArray().Single(member => member.GetProperty("name").GetString() == name).GetProperty("state").GetString()!;

    /// <summary>The state of the only program; empty when there is none.</summary>
    private static string StateOfProgram(JsonElement list) =>
        list.GetProperty("programs").EnumerateArray().Select(program => program.GetProperty("state").GetString()!).SingleOrDefault() ?? "";
}
