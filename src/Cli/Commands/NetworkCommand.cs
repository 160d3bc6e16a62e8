using PeoplesCloud.Cli.Output;
using PeoplesCloud.Daemon.Api;

namespace PeoplesCloud.Cli.Commands;

/// <summary>pc network: this node's addresses and connections, and those of the others.</summary>
internal static class NetworkCommand
{
    public static PcCommand Create() => new PcCommand("network", "Show who is connected with whom, and how well.")
    {
        Details = """
            Lists every member that this node knows: whether the connection with it is direct or through another member, the round
            trip of a ping just now, and below the table why a connection is relayed, slow or missing. Then it lists what the
            members that answer say about the connections between each other.
            """,
        Examples = [("pc network", "Who this node is connected to."), ("pc network --json", "The same for scripts: peers, and pairs of others.")],
    }.Runs(Run);

    private static int Run(Invocation invocation)
    {
        var network = invocation.Client.Get("/v1/network", LocalApiJson.Default.NetworkReply);
        if (invocation.Json)
        {
            invocation.WriteJson(network, LocalApiJson.Default.NetworkReply);
            return 0;
        }

        var terminal = invocation.Terminal;
        terminal.Line($"this node  {network.PeerId}");
        foreach (var address in network.Addresses) terminal.Line($"  {address}");
        if (network.Peers.Count == 0)
        {
            terminal.Line("no other members are known");
            return 0;
        }

        WritePeers(terminal, network.Peers);
        if (network.Pairs.Count > 0) WritePairs(terminal, network.Pairs);
        return 0;
    }

    private static void WritePeers(Terminal terminal, IReadOnlyList<PeerInfo> list)
    {
        terminal.Line();
        var peers = new Table("MEMBER", "CONNECTION", "ROUND TRIP", "STREAMS", "IN", "OUT", "ADDRESS");
        foreach (var peer in list)
        {
            var name = NameOf(terminal, peer);
            if (peer.Direction == "none") peers.Add(name, "none", "", "", "", "", peer.Address);
            else peers.Add(name, $"{RouteOf(terminal, peer.Route, peer.Relay)}, {peer.Direction}", Milliseconds(peer.RoundTripMs), $"{peer.Streams}", Words.Bytes(peer.BytesIn), Words.Bytes(peer.BytesOut), Shown(peer));
        }

        peers.Write(terminal);
        foreach (var peer in list)
        {
            if (peer.Problem is { } problem) terminal.Line($"{NameOf(terminal, peer)}: {terminal.Safe(problem)}");
            if (peer.Why is { } why) terminal.Line($"{NameOf(terminal, peer)}: {terminal.Safe(why)}");
        }
    }

    private static void WritePairs(Terminal terminal, IReadOnlyList<PairInfo> list)
    {
        terminal.Line();
        var pairs = new Table("BETWEEN", "AND", "CONNECTION", "ROUND TRIP");
        foreach (var pair in list) pairs.Add(terminal.Safe(pair.From), terminal.Safe(pair.To), RouteOf(terminal, pair.Route, pair.Relay), Milliseconds(pair.RoundTripMs));
        pairs.Write(terminal);
        foreach (var pair in list)
            if (!string.IsNullOrEmpty(pair.Why)) terminal.Line($"{terminal.Safe(pair.From)} and {terminal.Safe(pair.To)}: {terminal.Safe(pair.Why)}");
    }

    private static string NameOf(Terminal terminal, PeerInfo peer) => terminal.Safe(peer.Name ?? Words.Short(peer.PeerId));

    private static string RouteOf(Terminal terminal, string route, string? relay) => route == "relayed" ? $"through {terminal.Safe(relay ?? "another node")}" : route;

    private static string Milliseconds(double? value) => value is { } ms ? $"{ms:0.0} ms" : "-";

    // The way through a relay is said in words; its address would fill the line with two peer ids.
    private static string? Shown(PeerInfo peer) => peer.Route == "relayed" ? "" : peer.Address;
}
