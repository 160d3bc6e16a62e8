using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text.Json;
using PeoplesCloud.Daemon;
using PeoplesCloud.Daemon.Api;
using PeoplesCloud.Daemon.Configuration;

namespace PeoplesCloud.Interop.Tests;

/// <summary>Our gateway, read by programs that we did not write: fetch, @ipld/car and ipfs-unixfs-exporter.</summary>
public sealed class JsGatewayTests : IAsyncLifetime
{
    private readonly string _home = Directory.CreateTempSubdirectory("pc-gateway-").FullName;
    private readonly CancellationTokenSource _stop = new();
    private Task<int> _running = null!;
    private HttpClient _local = null!;

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        var config = new DaemonConfig { Home = _home, Name = "oak", Port = 0, Listen = ["127.0.0.1"], Hosts = false, Gateway = new GatewayConfig { Listen = new IPEndPoint(IPAddress.Loopback, 0) } };
        using var ready = new ReadyLine();
        _running = Task.Run(() => DaemonHost.RunAsync(config, ready, _stop.Token));
        await await Task.WhenAny(ready.Written, _running);
        _local = new HttpClient(new SocketsHttpHandler { ConnectCallback = ConnectAsync }) { BaseAddress = new Uri("http://pc") };
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _running;
        _local.Dispose();
        _stop.Dispose();
        Directory.Delete(_home, recursive: true);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public async Task Archives_and_blocks_are_read_whole_by_programs_that_trust_nothing(int cidVersion)
    {
        var root = Directory.CreateDirectory(Path.Combine(_home, "site")).FullName;
        var wide = Directory.CreateDirectory(Path.Combine(root, "wide")).FullName;
        for (var i = 0; i < 7000; i++) File.CreateSymbolicLink(Path.Combine(wide, $"{i:x4}"), "x"); // enough for shards
        await File.WriteAllTextAsync(Path.Combine(wide, "page.html"), "<p>hello", Stop);
        var large = new byte[1_000_000];
        new Random(3).NextBytes(large);
        await File.WriteAllBytesAsync(Path.Combine(root, "large"), large, Stop);
        Directory.CreateDirectory(Path.Combine(root, "sub"));
        await File.WriteAllTextAsync(Path.Combine(root, "sub", "file"), "inside", Stop);
        var gateway = (await _local.GetFromJsonAsync("/v1/status", LocalApiJson.Default.StatusReply, Stop))!.Gateway!;
        using var response = await _local.PostAsync("/v1/add", JsonContent.Create(new AddRequest(root, true, null, cidVersion, null, Public: true), LocalApiJson.Default.AddRequest), Stop);
        var events = (await response.Content.ReadAsStringAsync(Stop)).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonSerializer.Deserialize(line, LocalApiJson.Default.EventAddedReply)!).ToList();
        var added = events.Where(e => e.Kind == "added").ToDictionary(e => e.Result!.Path, e => e.Result!.Cid);

        // A path through shards: the archive alone is enough to walk it.
        Assert.Equal(Hash("<p>hello"u8), Single(await JsAsync("car", gateway, added["site"], "wide/page.html")));
        Assert.Equal(Hash(large), Single(await JsAsync("car", gateway, added["site"], "large")));
        Assert.Equal(Hash("inside"u8), Single(await JsAsync("car", gateway, added["site"], "sub")));
        // Block by block, from a folder and from a file.
        Assert.Equal(Hash("inside"u8), Single(await JsAsync("raw", gateway, added["site/sub"])));
        Assert.Equal(Hash(large), Single(await JsAsync("raw", gateway, added["site/large"])));
    }

    private static string Single(IEnumerable<JsonElement> lines) => lines.Select(l => l.GetProperty("sha256")).Single(h => h.ValueKind == JsonValueKind.String).GetString()!;

    private static string Hash(ReadOnlySpan<byte> bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes));

    private static Task<IReadOnlyList<JsonElement>> JsAsync(params string[] arguments) => JsScript.RunAsync("unixfs.mjs", arguments, Stop);

    private async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellationToken)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(Path.Combine(_home, "pc.sock")), cancellationToken);
        return new NetworkStream(socket, ownsSocket: true);
    }

    /// <summary>Completes with the line that a daemon writes when it serves.</summary>
    private sealed class ReadyLine : StringWriter
    {
        private readonly TaskCompletionSource _written = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Written => _written.Task;

        public override Task FlushAsync(CancellationToken cancellationToken)
        {
            _written.TrySetResult();
            return Task.CompletedTask;
        }
    }
}
