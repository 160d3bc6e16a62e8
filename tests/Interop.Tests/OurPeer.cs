using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;
using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Interop.Tests;

/// <summary>
/// A host of ours in a process of its own, so that it can be in a network of its own; driven as js/peer.mjs is. It listens on port 4001 of all
/// addresses, echoes and forwards for everybody. Commands: dial, routes, and reserve for a place with the relay at the address.
/// </summary>
internal static class OurPeer
{
    public const string Mode = "our-peer";

    public static async Task<int> RunAsync(TextReader commands, TextWriter answers)
    {
        using var key = new Ed25519Key(Ed25519Key.NewSeed());
        await using var host = new Libp2pHost(key, new Libp2pOptions(), TimeProvider.System, NullLoggerFactory.Instance);
        host.Handle("/echo/1", async (stream, token) => await stream.Input.CopyToAsync(stream.Output, token));
        host.ServeRelay(RelayPolicy.Everybody);
        await host.ListenAsync(Parse("/ip4/0.0.0.0/tcp/4001"));
        await SayAsync(answers, new { ready = host.ListenAddresses.First(address => !address.IsLoopback).WithPeer(host.Self).ToString() });
        while (await commands.ReadLineAsync() is { } line)
        {
            var command = JsonDocument.Parse(line).RootElement;
            var id = command.GetProperty("id").GetInt32();
            try
            {
                await SayAsync(answers, new { id, ok = await DoAsync(host, command.GetProperty("do").GetString()!, command.GetProperty("address").GetString()) });
            }
            catch (IOException e)
            {
                await SayAsync(answers, new { id, error = e.Message });
            }
        }
        return 0;
    }

    private static async Task<object> DoAsync(Libp2pHost host, string command, string? address)
    {
        if (command == "routes") return host.Connections.Select(connection => $"{connection.RemotePeer} {(connection.IsRelayed ? "relayed" : "direct")}").ToList();
        var there = Parse(address!);
        var peer = there.Peer!.Value;
        host.AddAddresses(peer, [there]);
        if (command == "dial") return (await host.ConnectAsync(peer)).RemotePeer.ToString();
        return (await host.ReserveAsync(peer)).Expires;
    }

    private static Multiaddr Parse(string text) => Multiaddr.TryParse(text, out var address) ? address : throw new InvalidOperationException($"{text} is no address");

    private static async Task SayAsync(TextWriter answers, object line)
    {
        await answers.WriteLineAsync(JsonSerializer.Serialize(line));
        await answers.FlushAsync();
    }
}
