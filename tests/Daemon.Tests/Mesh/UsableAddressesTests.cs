using System.Net;
using PeoplesCloud.Daemon.Mesh;
using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Daemon.Tests.Mesh;

public sealed class UsableAddressesTests
{
    [Theory]
    [InlineData("127.0.0.1 172.17.0.1 192.168.1.5", "192.168.1.5")]
    [InlineData("::1 fe80::1 2001:db8::1 192.168.1.5", "192.168.1.5 2001:db8::1")]
    [InlineData("127.0.0.1 172.17.0.1", "127.0.0.1 172.17.0.1")]
    [InlineData("127.0.0.1", "127.0.0.1")]
    [InlineData("fd00::1 10.0.0.1 fe80::1", "10.0.0.1 fd00::1")]
    public void Loopback_and_bridges_are_given_only_when_there_is_no_other(string listening, string chosen)
    {
        var addresses = listening.Split(' ').Select(ip => Multiaddr.FromEndPoint(new IPEndPoint(IPAddress.Parse(ip), 4242)));
        var usable = UsableAddresses.Choose(addresses, new HashSet<IPAddress> { IPAddress.Parse("172.17.0.1") });
        Assert.Equal(chosen, string.Join(' ', usable.Select(address => address.Host)));
    }
}
