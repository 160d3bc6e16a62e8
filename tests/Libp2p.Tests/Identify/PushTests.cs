using PeoplesCloud.Base.Formats;
using PeoplesCloud.Libp2p.Identify;
using PeoplesCloud.Libp2p.Tests.Hosts;

namespace PeoplesCloud.Libp2p.Tests.Identify;

public sealed class PushTests
{
    private static readonly Libp2pLimits Quick = new() { SimultaneousDial = TimeSpan.FromMilliseconds(100) }; // sweeps at half of it

    [Fact]
    public async Task A_protocol_that_comes_and_goes_is_told_to_those_who_are_connected()
    {
        await using var oak = await TestHost.StartAsync(Quick);
        await using var elm = (await TestHost.StartAsync(listen: false)).Knows(oak);
        var connection = await elm.Host.ConnectAsync(oak.Self);
        await Eventually.TrueAsync(() => connection.Identified is not null, "elm heard oak");
        Assert.DoesNotContain("/new/1", connection.Identified!.Protocols);

        oak.Host.Handle("/new/1", (_, _) => Task.CompletedTask);
        await Eventually.TrueAsync(() => connection.Identified.Protocols.Contains("/new/1"), "elm heard of the new protocol");
        oak.Host.StopHandling("/new/1");
        await Eventually.TrueAsync(() => !connection.Identified.Protocols.Contains("/new/1"), "elm heard of its end");
        Assert.StartsWith("peoples-cloud/", connection.Identified.AgentVersion, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_new_address_is_dialed_when_the_connection_is_gone()
    {
        await using var oak = await TestHost.StartAsync(Quick, listen: false);
        await using var elm = await TestHost.StartAsync();
        oak.Knows(elm);
        await oak.Host.ConnectAsync(elm.Self);
        await Eventually.TrueAsync(() => elm.Host.Connections is [{ Identified: not null }], "elm heard oak");
        Assert.Empty(elm.Host.Connections[0].Identified!.ListenAddresses);

        var address = await oak.Host.ListenAsync(TestHost.AnyPort, CancellationToken.None);
        await Eventually.TrueAsync(() => elm.Host.Connections[0].Identified!.ListenAddresses.Contains(address), "elm heard of the address");

        oak.Host.Disconnect(elm.Self);
        await Eventually.TrueAsync(() => elm.Host.Connections.Count == 0, "the connection is gone");
        await elm.Host.PingAsync(oak.Self);
    }

    [Fact]
    public async Task Nothing_is_pushed_while_nothing_changes_and_once_when_something_did()
    {
        await using var oak = await TestHost.StartAsync(Quick);
        await using var elm = (await TestHost.StartAsync(listen: false)).Knows(oak);
        var pushes = 0;
        elm.Host.Handle(IdentifyProtocol.PushId, async (stream, token) =>
        {
            Interlocked.Increment(ref pushes);
            await IdentifyProtocol.ReadAsync(stream, Libp2pLimits.Default, token);
        });
        await elm.Host.ConnectAsync(oak.Self);
        await Eventually.TrueAsync(() => oak.Host.Connections is [{ Identified: not null }], "oak heard elm");
        for (var change = 1; change <= 3; change++)
        {
            oak.Host.Handle($"/new/{change}", (_, _) => Task.CompletedTask);
            await Eventually.TrueAsync(() => Volatile.Read(ref pushes) >= change, "the change was pushed");
        }
        Assert.Equal(3, pushes);
    }

    [Fact]
    public async Task A_push_with_less_in_it_leaves_the_rest()
    {
        await using var oak = await TestHost.StartAsync();
        await using var elm = (await TestHost.StartAsync(listen: false)).Knows(oak);
        var connection = await elm.Host.ConnectAsync(oak.Self);
        await Eventually.TrueAsync(() => connection.Identified is not null, "elm heard oak");
        var before = connection.Identified!;

        await SayAsync(oak.Host, elm.Self, [0x1a, 6, .. "/new/1"u8]); // protocols alone, as a peer may
        await Eventually.TrueAsync(() => connection.Identified!.Protocols is ["/new/1"], "elm heard of it");
        Assert.Equal(before.ListenAddresses, connection.Identified!.ListenAddresses);
        Assert.Equal(before.AgentVersion, connection.Identified.AgentVersion);
    }

    [Fact]
    public async Task A_push_that_is_not_right_is_refused_and_changes_nothing()
    {
        await using var oak = await TestHost.StartAsync();
        await using var elm = (await TestHost.StartAsync(listen: false)).Knows(oak);
        var connection = await elm.Host.ConnectAsync(oak.Self);
        await Eventually.TrueAsync(() => connection.Identified is not null, "elm heard oak");
        var before = connection.Identified;

        var otherKey = PublicKeys.EncodeEd25519(Base.Crypto.Ed25519Key.NewSeed());
        foreach (var message in new byte[][] { [0x0a, 36, .. otherKey, 0x1a, 6, .. "/new/1"u8], [0x1a, 0x7f, 1], new byte[Libp2pLimits.Default.MaxIdentifyBytes + 1] })
        {
            _ = await Record.ExceptionAsync(() => SayAsync(oak.Host, elm.Self, message)); // reset, or closed and then reset
            await Eventually.TrueAsync(() => connection.StreamCount == 0, "elm is through with it");
        }
        Assert.Same(before, connection.Identified);
        await elm.Host.PingAsync(oak.Self); // the connection lives
    }

    [Fact]
    public void What_a_peer_says_of_itself_replaces_what_it_said_and_never_what_the_application_named()
    {
        var book = new AddressBook(new Libp2pLimits { MaxAddressesPerPeer = 3 });
        var peer = MultiaddrTests.RandomPeer();
        Assert.True(book.Add(peer, Addresses(1), AddressSource.Application));
        Assert.True(book.Add(peer, Addresses(2, 3), AddressSource.Itself));
        Assert.True(book.Add(peer, Addresses(4), AddressSource.Another));
        Assert.Equal(Addresses(1, 2, 3), book.Get(peer));
        Assert.True(book.Add(peer, Addresses(5), AddressSource.Itself));
        Assert.Equal(Addresses(1, 5, 4), book.Get(peer));
        Assert.False(book.Add(peer, Addresses(5, 1), AddressSource.Itself));
        Assert.True(book.Add(peer, Addresses(6, 7, 8, 9), AddressSource.Application));
        Assert.Equal(Addresses(6, 7, 8), book.Get(peer));
        Assert.True(book.IsNamed(peer));
    }

    private static Multiaddr[] Addresses(params int[] ports) => [.. ports.Select(p => Multiaddr.FromEndPoint(new System.Net.IPEndPoint(System.Net.IPAddress.Loopback, p)))];

    /// <summary>Pushes any bytes and waits for the end that the other side makes.</summary>
    private static async Task SayAsync(Libp2pHost from, PeerId to, byte[] message)
    {
        await using var stream = await from.OpenStreamAsync(to, IdentifyProtocol.PushId);
        Varint.Write(stream.Output, (ulong)message.Length);
        await stream.Output.WriteAsync(message);
        await stream.Output.CompleteAsync();
        var result = await stream.Input.ReadAsync().AsTask().WaitAsync(TestHost.Patience);
        Assert.True(result.IsCompleted);
    }
}
