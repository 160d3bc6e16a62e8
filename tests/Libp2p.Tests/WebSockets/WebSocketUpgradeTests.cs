using System.Text;
using PeoplesCloud.Libp2p.WebSockets;

namespace PeoplesCloud.Libp2p.Tests.WebSockets;

public sealed class WebSocketUpgradeTests
{
    // The example of RFC 6455, section 1.3.
    private const string Key = "dGhlIHNhbXBsZSBub25jZQ==";
    private const string Accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
    private const string Request = "GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: " + Key
        + "\r\nOrigin: http://example.com\r\nSec-WebSocket-Protocol: chat, superchat\r\nSec-WebSocket-Version: 13\r\n\r\n";
    private const string Response = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + Accept + "\r\n\r\n";

    [Fact]
    public void The_example_of_the_specification_is_read_and_answered()
    {
        Assert.Null(ReadRequest(Request, out var key));
        Assert.Equal(Key, key);
        Assert.Equal(Response, Encoding.ASCII.GetString(WebSocketUpgrade.Response(key)));
        Assert.Null(ReadResponse(Response));
    }

    [Fact]
    public void Our_own_request_is_accepted_and_has_another_key_each_time()
    {
        var keys = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < 10; i++)
        {
            Assert.Null(WebSocketUpgrade.ReadRequest(WebSocketUpgrade.Request("127.0.0.1:80", WebSocketUpgrade.NewKey()), out var key));
            keys.Add(key);
        }
        Assert.Equal(10, keys.Count);
    }

    [Fact]
    public void What_a_browser_adds_is_accepted() =>
        Assert.Null(ReadRequest(Request.Replace("Connection: Upgrade", "connection: keep-alive, Upgrade\r\nCookie: a=b\r\nSec-WebSocket-Extensions: permessage-deflate", StringComparison.Ordinal), out _));

    [Theory]
    [InlineData("GET /chat HTTP/1.1", "POST /chat HTTP/1.1")]
    [InlineData("GET /chat HTTP/1.1", "GET /chat HTTP/1.0")]
    [InlineData("GET /chat HTTP/1.1", "GET  /chat HTTP/1.1")]
    [InlineData("GET /chat HTTP/1.1", "GET http://server.example.com/ HTTP/1.1")]
    [InlineData("Upgrade: websocket", "Upgrade: h2c")]
    [InlineData("Connection: Upgrade", "Connection: close")]
    [InlineData("Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 8")]
    [InlineData("Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Version: 13")]
    [InlineData("Sec-WebSocket-Key: " + Key, "Sec-WebSocket-Key: short")]
    [InlineData("Sec-WebSocket-Key: " + Key, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ!!")]
    [InlineData("Sec-WebSocket-Key: " + Key, "X: y")]
    [InlineData("Sec-WebSocket-Key: " + Key, "Sec-WebSocket-Key: " + Key + "\r\nSec-WebSocket-Key: " + Key)]
    [InlineData("Host: server", "Host : server")]
    [InlineData("Host: server", "Host: \u0001server")]
    [InlineData("Host: server", "Ho\nst: server")]
    [InlineData("Host: server", ": server")]
    public void A_request_that_is_not_right_is_refused(string good, string bad) => Assert.NotNull(ReadRequest(Request.Replace(good, bad, StringComparison.Ordinal), out _));

    [Theory]
    [InlineData("HTTP/1.1 101 Switching Protocols", "HTTP/1.1 200 OK")]
    [InlineData("HTTP/1.1 101 Switching Protocols", "HTTP/1.1 1010 Switching Protocols")]
    [InlineData("Upgrade: websocket", "Upgrade: h2c")]
    [InlineData("Connection: Upgrade", "Connection: close")]
    [InlineData(Accept, "AAAALMBiTxaQ9kYGzzhZRbK+xOo=")]
    [InlineData("Upgrade: websocket", "Upgrade: websocket\r\nSec-WebSocket-Protocol: chat")]
    [InlineData("Upgrade: websocket", "Upgrade: websocket\r\nSec-WebSocket-Extensions: permessage-deflate")]
    public void An_answer_that_is_not_right_is_refused(string good, string bad) => Assert.NotNull(ReadResponse(Response.Replace(good, bad, StringComparison.Ordinal)));

    [Fact]
    public void Every_truncation_and_too_many_fields_are_refused()
    {
        for (var length = 0; length < Request.Length; length++) Assert.NotNull(ReadRequest(Request[..length], out _));
        for (var length = 0; length < Response.Length; length++) Assert.NotNull(ReadResponse(Response[..length]));
        Assert.NotNull(ReadRequest(Request.Replace("Host:", string.Concat(Enumerable.Repeat("X: y\r\n", 64)) + "Host:", StringComparison.Ordinal), out _));
    }

    private static string? ReadRequest(string head, out string key) => WebSocketUpgrade.ReadRequest(Encoding.ASCII.GetBytes(head), out key);

    private static string? ReadResponse(string head) => WebSocketUpgrade.ReadResponse(Encoding.ASCII.GetBytes(head), Key);
}
