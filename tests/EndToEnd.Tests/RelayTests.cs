using System.Text.Json;

namespace PeoplesCloud.EndToEnd.Tests;

/// <summary>Members at home, behind routers that let nobody in, and one that all reach.</summary>
public sealed class RelayTests
{
    [Fact]
    public void Members_that_reach_only_a_third_join_deploy_read_logs_and_stop_through_it()
    {
        if (!Lan.Possible) return;
        using var homes = new Homes();
        homes.AddHost("elm", Nat.None);
        // Every connection leaves from another port and nothing comes in: no hole can be punched.
        homes.AddHost("oak", Nat.Symmetric);
        homes.AddHost("fir", Nat.Symmetric);
        homes.AddHost("ash", Nat.Symmetric);
        using var place = new Place();
        var elm = place.Up(homes, "elm", "--no-host");
        var oak = place.Up(homes, "oak", "--no-host");
        var fir = place.Up(homes, "fir");
        Pc.Run(elm, "create", "--name", "friends").Ok();
        foreach (var (home, role) in new[] { (oak, "admin"), (fir, "member") })
            Pc.Run(home, "join", Pc.Run(elm, "invite", "friends", "--role", role, "--json").Ok().Json.GetProperty("ticket").GetString()!).Ok();

        Place.Until(() => Pc.Run(oak, "network", "--json").Ok(), said => Peer(said, "fir")?.GetProperty("direction").GetString() is "in" or "out", "oak and fir are connected");
        var network = Place.Until(() => Pc.Run(oak, "network", "--json").Ok(), said => (Peer(said, "fir")?.TryGetProperty("why", out var why) ?? false) && why.GetString()!.Contains("192.168.1.2", StringComparison.Ordinal), "oak says why");
        Assert.Equal(("relayed", "elm", "direct"), (Peer(network, "fir")!.Value.GetProperty("route").GetString(), Peer(network, "fir")!.Value.GetProperty("relay").GetString(), Peer(network, "elm")!.Value.GetProperty("route").GetString()));
        Assert.Matches(@"fir +through elm, (in|out) +[0-9.]+ ms(.|\n)*fir: through elm, because fir cannot be reached directly: /ip4/192.168.1.2/tcp/4242", Pc.Run(oak, "network").Ok().Out);
        var pair = Assert.Single(Pc.Run(elm, "network", "--json").Ok().Json.GetProperty("pairs").EnumerateArray()); // elm has no end of it
        Assert.Equal(("relayed", "elm"), (pair.GetProperty("route").GetString(), pair.GetProperty("relay").GetString()));

        Assert.Contains("runs on fir", Pc.Run(oak, "deploy", "friends", Pc.HelloBot).Ok().Out);
        Place.Until(() => Pc.Run(oak, "logs", "friends", "hello-bot"), said => said.Out.Contains("hello number 2 ", StringComparison.Ordinal), "the log came through elm");
        Assert.Contains("stopped hello-bot", Pc.Run(oak, "stop", "friends", "hello-bot").Ok().Out);

        // Somebody who is no member yet shows oak its ticket through elm.
        var ash = place.Up(homes, "ash", "--no-host");
        var ticket = Pc.Run(oak, "invite", "friends", "--json").Ok().Json.GetProperty("ticket").GetString()!;
        Assert.Contains("joined swarm friends", Pc.Run(ash, "join", ticket).Ok().Out);
    }

    private static JsonElement? Peer(Said network, string name) =>
        network.Json.GetProperty("peers").EnumerateArray().Select(peer => (JsonElement?)peer).FirstOrDefault(peer => peer!.Value.TryGetProperty("name", out var found) && found.GetString() == name);
}
