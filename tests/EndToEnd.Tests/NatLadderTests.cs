namespace PeoplesCloud.EndToEnd.Tests;

/// <summary>
/// Members behind a router of each kind, and one that all reach: every pair is connected, directly wherever the routers allow it.
/// PC_NAT_LADDER=all takes all pairs; without it the three that differ in what is done.
/// </summary>
public sealed class NatLadderTests
{
    private static readonly Nat[] All = [Nat.None, Nat.FullCone, Nat.Restricted, Nat.PortRestricted, Nat.PortRestricted, Nat.Symmetric, Nat.Symmetric];
    private static readonly Nat[] Few = [Nat.PortRestricted, Nat.PortRestricted, Nat.Symmetric];

    [Fact]
    public void Every_pair_is_connected_and_directly_where_a_hole_can_be_punched()
    {
        if (!Lan.Possible) return;
        using var homes = new Homes();
        homes.AddHost("elm", Nat.None);
        var kinds = Environment.GetEnvironmentVariable("PC_NAT_LADDER") == "all" ? All : Few;
        var members = kinds.Select((nat, i) => (Name: $"{nat.ToString().ToLowerInvariant()}{i}", Nat: nat)).ToList();
        foreach (var (name, nat) in members) homes.AddHost(name, nat);
        using var place = new Place();
        var elm = place.Up(homes, "elm", "--no-host");
        var ticket = Pc.Run(elm, "create", "--name", "friends", "--json").Ok().Json.GetProperty("ticket").GetString()!;
        var home = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var (name, _) in members)
        {
            home[name] = place.Up(homes, name, "--no-host");
            Pc.Run(home[name], "join", ticket).Ok();
        }

        var output = TestContext.Current.TestOutputHelper;
        for (var one = 0; one < members.Count; one++)
        {
            for (var other = one + 1; other < members.Count; other++)
            {
                var (from, to) = (members[one], members[other]);
                var expected = CanMeet(from.Nat, to.Nat) ? "direct" : "relayed";
                var said = Place.Until(() => Pc.Run(home[from.Name], "network", "--json").Ok(), network => RouteTo(network, to.Name) == expected, $"{from.Name} and {to.Name} are connected: {expected}");
                output?.WriteLine($"{from.Nat} - {to.Nat}: {RouteTo(said, to.Name)}");
            }
        }
    }

    /// <summary>A router that gives every connection another port is met only by one that does not look at ports.</summary>
    private static bool CanMeet(Nat one, Nat other) => (one == Nat.Symmetric ? other : other == Nat.Symmetric ? one : Nat.None) is not (Nat.PortRestricted or Nat.Symmetric);

    // A direct connection and the relayed one that it replaces may be there at once.
    private static string? RouteTo(Said network, string name)
    {
        var routes = network.Json.GetProperty("peers").EnumerateArray().Where(peer => peer.TryGetProperty("name", out var found) && found.GetString() == name)
            .Select(peer => peer.GetProperty("route").GetString()).ToList();
        return routes.Contains("direct") ? "direct" : routes.FirstOrDefault();
    }
}
