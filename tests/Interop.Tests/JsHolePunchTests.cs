using PeoplesCloud.EndToEnd.Tests;
using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Interop.Tests;

/// <summary>
/// DCUtR with @libp2p/dcutr, which dials from a new port each time: the routers of nftables are of the kinds where that can meet. The router of
/// js lets nobody in; ours lets in whoever we sent something to, so that js gets in only when both dial.
/// </summary>
public sealed class JsHolePunchTests
{
    // @libp2p/dcutr dials no address that is private or set aside for documents. These namespaces reach nothing but each other.
    private const string Internet = "198.51.101.";

    [Theory]
    [InlineData(true)] // js is dialed through the relay: it begins, and we are the initiator of the handshake on a connection that js made
    [InlineData(false)] // js dials: we begin
    public async Task A_relayed_connection_with_js_becomes_direct_behind_routers(bool jsBegins)
    {
        if (!Lan.Possible) return;
        using var homes = new Homes(Internet);
        homes.AddHost("elm", Nat.None);
        homes.AddHost("oak", Nat.Restricted);
        var router = homes.AddHost("fir", Nat.PortRestricted);
        await using var elm = await JsPeer.StartOursOnAsync(homes.On("elm"));
        await using var oak = await JsPeer.StartOursOnAsync(homes.On("oak"));
        await using var js = await JsPeer.StartOnAsync(homes.On("fir"), $"punch=/ip4/{router}/tcp/4001", $"through={elm.Address}");
        if (jsBegins) await oak.AskAsync("dial", js.Address);
        else
        {
            await oak.AskAsync("reserve", elm.Address);
            await js.AskAsync("dial", elm.Address.ThroughRelay().WithPeer(oak.Self));
        }
        await MeetAsync(oak, js.Self);
        await MeetAsync(js, oak.Self);
    }

    private static async Task MeetAsync(JsPeer from, PeerId to)
    {
        IReadOnlyList<string> routes = [];
        await Eventually.TrueAsync(async () => (routes = await RoutesAsync(from, to)).Contains("direct"), () => $"there is no direct connection: {string.Join(", ", routes)}");
    }

    private static async Task<IReadOnlyList<string>> RoutesAsync(JsPeer from, PeerId to) =>
        [.. (await from.AskAsync("routes")).EnumerateArray().Select(route => route.GetString()!.Split(' ')).Where(route => route[0] == to.ToString()).Select(route => route[1])];
}
