using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Configuration;

namespace PeoplesCloud.Daemon.Tests.Configuration;

public sealed class ConfigTests : IDisposable
{
    private static readonly Dictionary<string, string?> Nothing = [];
    private readonly string _folder = TestNode.NewHome();

    [Fact]
    public void Flags_win_over_the_environment_over_the_file_over_the_defaults()
    {
        var file = Write("name = \"from-file\"\nport = 1001\nws_port = 0\nhost = false\n\n[limits]\nprograms = 3 # few\nlog_mib = 2\n");
        var environment = new Dictionary<string, string?> { ["PC_HOME"] = _folder, ["PC_PORT"] = "1002", ["PC_LIMITS_PROGRAMS"] = "4" };
        var config = DaemonConfig.Load(file, new Dictionary<string, string?> { ["port"] = "1003", ["name"] = null }, environment);
        Assert.Equal(("from-file", 1003, false, 4, 2, 1000), (config.Name, config.Port!.Value, config.Hosts, config.Limits.Programs, config.Limits.LogMebibytes, config.Limits.Connections));
        Assert.Equal(_folder, config.Home);
        Assert.Equal(0, config.WebSocketPort);
    }

    [Fact]
    public void Without_anything_everything_has_a_default()
    {
        var config = DaemonConfig.Load(null, Nothing, new Dictionary<string, string?> { ["HOME"] = _folder });
        Assert.Equal(Path.Combine(_folder, ".local/share/peoples-cloud"), config.Home);
        Assert.Null(config.Port);
        Assert.Null(config.WebSocketPort);
        Assert.True(config.Hosts);
        Assert.NotEmpty(config.Name);
        Assert.Equal(["0.0.0.0", "::"], config.Listen);
        Assert.Equal((true, null, 4281), (config.Web.Serve, config.Web.Port, WebConfig.DefaultPort)); // beside the 4280 of a dashboard
        Assert.Equal("unix:path=/run/dbus/system_bus_socket", config.SystemBus);
        Assert.Equal("unix:path=/elsewhere", DaemonConfig.Load(null, Nothing, new Dictionary<string, string?> { ["HOME"] = _folder, ["DBUS_SYSTEM_BUS_ADDRESS"] = "unix:path=/elsewhere" }).SystemBus);
    }

    [Theory]
    [InlineData("\"20GiB\"", 20L << 30)]
    [InlineData("\"500 MB\"", 500_000_000L)]
    [InlineData("2000000", 2_000_000L)]
    [InlineData("\"none\"", null)]
    public void The_limit_of_content_has_units(string written, long? bytes) =>
        Assert.Equal(bytes, DaemonConfig.Load(Write($"[content]\nlimit = {written}\n"), Nothing, Nothing).Content.LimitBytes);

    [Theory]
    [InlineData("\"1KiB\"")]
    [InlineData("\"GiB\"")]
    [InlineData("\"-1GiB\"")]
    [InlineData("\"9999999999TiB\"")]
    [InlineData("\"5 apples\"")]
    public void A_limit_that_is_none_is_a_problem(string written)
    {
        var file = Write($"[content]\nlimit = {written}\n");
        Assert.Contains("content.limit", Assert.Throws<PcException>(() => DaemonConfig.Load(file, Nothing, Nothing)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Servers_are_named_by_URL_or_multiaddr()
    {
        var file = Write("[content]\ngateways = [\"https://example.org\", \"/dns4/example.org/tcp/443/https\", \"/ip6/::1/tcp/80/http\"]\nipfs_api = \"/ip4/127.0.0.1/tcp/5001\"\n");
        var content = DaemonConfig.Load(file, Nothing, Nothing).Content;
        Assert.Equal(["https://example.org/", "https://example.org/", "http://[::1]/"], content.Gateways.Select(g => g.AbsoluteUri));
        Assert.Equal("http://127.0.0.1:5001/", content.IpfsApi!.AbsoluteUri);
        Assert.Equal("http://10.0.0.1:5001/", DaemonConfig.Load(file, new Dictionary<string, string?> { ["content.ipfs_api"] = "/ip4/10.0.0.1/tcp/5001" }, Nothing).Content.IpfsApi!.AbsoluteUri);
        foreach (var wrong in (string[])["ftp://example.org", "example.org", "/ip4/example.org/tcp/1", "/ip4/127.0.0.1/udp/1", "/ip4/127.0.0.1/tcp/99999", "/ip4/127.0.0.1/tcp/1/quic", "https://me:secret@example.org", "https://example.org/?a=b"])
            Assert.Contains("content.ipfs_api", Assert.Throws<PcException>(() => DaemonConfig.Load(Write($"[content]\nipfs_api = \"{wrong}\"\n"), Nothing, Nothing)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_gateway_listens_nowhere_unless_an_address_with_a_port_is_named()
    {
        Assert.Null(DaemonConfig.Load(Write(""), Nothing, Nothing).Gateway.Listen);
        Assert.Equal("127.0.0.1:8080", DaemonConfig.Load(Write("[gateway]\nlisten = \"127.0.0.1:8080\"\n"), Nothing, Nothing).Gateway.Listen!.ToString());
        foreach (var wrong in (string[])["127.0.0.1", "here:80", ":80", "127.0.0.1:99999"])
            Assert.Contains("gateway.listen", Assert.Throws<PcException>(() => DaemonConfig.Load(Write($"[gateway]\nlisten = \"{wrong}\"\n"), Nothing, Nothing)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void All_problems_are_said_at_once_and_unknown_keys_with_a_suggestion()
    {
        var file = Write("nmae = \"oak\"\nport = 70000\nlisten = [\"127.0.0.1\", \"nowhere\"]\nhost = maybe\nport = 1\n[limits\n");
        var error = Assert.Throws<PcException>(() => DaemonConfig.Load(file, Nothing, Nothing));
        Assert.Equal(ErrorCode.ConfigInvalid, error.Code);
        Assert.Contains("line 1: unknown key nmae (did you mean name?)", error.Message, StringComparison.Ordinal);
        Assert.Contains("port = '70000': a whole number from 0 to 65535", error.Message, StringComparison.Ordinal);
        Assert.Contains("listen = 'nowhere'", error.Message, StringComparison.Ordinal);
        Assert.Contains("line 4: host: 'maybe' is no number, true or false", error.Message, StringComparison.Ordinal);
        Assert.Contains("line 5: port was already set on line 2", error.Message, StringComparison.Ordinal);
        Assert.Contains("line 6: expected [table]", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_owner_caps_what_is_forwarded()
    {
        var file = Write("mdns = false\n[relay]\nguests = false\ncircuits = 3\ncircuit_mib = 10\nkib_per_second = 500\n");
        var config = DaemonConfig.Load(file, Nothing, new Dictionary<string, string?> { ["PC_RELAY_USE"] = "false" });
        Assert.Equal((false, true, false, false), (config.Mdns, config.Relay.Serve, config.Relay.Guests, config.Relay.Use));
        var limits = config.Relay.ToLimits();
        Assert.Equal((3, 10L << 20, 500L << 10, 0L), (limits.MaxCircuits, limits.MaxCircuitBytes, limits.MaxBytesPerSecond, limits.MaxCircuitBytesPerSecond));
        Assert.Contains("relay.circuits = '0'", Assert.Throws<PcException>(() => DaemonConfig.Load(Write("[relay]\ncircuits = 0\n"), Nothing, Nothing)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_named_file_must_exist() =>
        Assert.Equal(ErrorCode.ConfigMissing, Assert.Throws<PcException>(() => DaemonConfig.Load(Path.Combine(_folder, "none.toml"), Nothing, Nothing)).Code);

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private string Write(string text)
    {
        var file = Path.Combine(_folder, "config.toml");
        File.WriteAllText(file, text);
        return file;
    }
}
