using PeoplesCloud.Cli.Output;
using PeoplesCloud.Daemon.Api;

namespace PeoplesCloud.Cli.Commands;

/// <summary>pc network: this node's addresses and connections.</summary>
internal static class NetworkCommand
{
    public static PcCommand Create() => new PcCommand("network", "Show this node's addresses and its connections.")
    {
        Details = "Lists every member that this node knows, with the connection to it if there is one, and why there is none if there should be.",
        Examples = [("pc network", "Who this node is connected to.")],
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

        terminal.Line();
        var peers = new Table("MEMBER", "CONNECTION", "ROUND TRIP", "STREAMS", "IN", "OUT", "ADDRESS", "");
        foreach (var peer in network.Peers)
        {
            var name = terminal.Safe(peer.Name ?? Words.Short(peer.PeerId));
            if (peer.Direction == "none") peers.Add(name, "none", "", "", "", "", peer.Address, terminal.Safe(peer.Problem ?? ""));
            else peers.Add(name, peer.Direction, peer.RoundTripMs is { } ms ? $"{ms:0.0} ms" : "-", $"{peer.Streams}", Words.Bytes(peer.BytesIn), Words.Bytes(peer.BytesOut), peer.Address, terminal.Safe(peer.Problem ?? ""));
        }

        peers.Write(terminal);
        return 0;
    }
}
