using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using PeoplesCloud.Base;
using PeoplesCloud.Content;
using PeoplesCloud.Daemon.Tests.Mesh;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Tests.Gateway;

public sealed class GatewayTests : IAsyncLifetime
{
    private static readonly IPEndPoint AnyPort = new(IPAddress.Loopback, 0);

    private TestNode _oak = null!;
    private HttpClient _world = null!;
    private string _open = "";
    private string _closed = "";

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _oak = await TestNode.StartAsync("oak", configure: config => config with { Gateway = new() { Listen = AnyPort } });
        _world = new HttpClient { BaseAddress = new Uri(_oak.Node.Gateway!) };
        _open = await AddAsync("open", isPublic: true);
        _closed = await AddAsync("closed", isPublic: false);
    }

    public async ValueTask DisposeAsync()
    {
        _world.Dispose();
        await _oak.DisposeAsync();
    }

    [Fact]
    public async Task The_world_reads_what_was_marked_and_nothing_else()
    {
        Assert.Equal(HttpStatusCode.OK, (await GetAsync($"/ipfs/{_open}?format=raw")).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await GetAsync($"/ipfs/{_open}/sub/file?format=car")).StatusCode);
        foreach (var format in (string[])["raw", "car"]) Assert.Equal(HttpStatusCode.NotFound, (await GetAsync($"/ipfs/{_closed}?format={format}")).StatusCode);

        // One answer whether it is not here or not for the world.
        var missing = await (await GetAsync($"/ipfs/{Cid.V1(Cid.Raw, new byte[32])}?format=raw")).Content.ReadAsStringAsync(Stop);
        Assert.Equal(missing, await (await GetAsync($"/ipfs/{_closed}?format=raw")).Content.ReadAsStringAsync(Stop));

        // What is fetched later from here is marked later, too; and a mark can be taken back without the pin.
        await SendAsync(HttpMethod.Post, $"/v1/pins/{_closed}?public=true");
        Assert.Equal(HttpStatusCode.OK, (await GetAsync($"/ipfs/{_closed}?format=raw")).StatusCode);
        await SendAsync(HttpMethod.Delete, $"/v1/pins/{_closed}?public=true");
        Assert.Equal(HttpStatusCode.NotFound, (await GetAsync($"/ipfs/{_closed}?format=raw")).StatusCode);
        var pins = await _oak.Client.GetAsync("/v1/pins", TestNode.Json.PinsReply);
        Assert.Equal([_open], pins.Public!);
        Assert.Contains(_closed, pins.Pins);
        using var twice = await _oak.Client.SendAsync(HttpMethod.Delete, $"/v1/pins/{_closed}?public=true");
        Assert.Contains($"PC{(int)ErrorCode.NotPinned}", await twice.Content.ReadAsStringAsync(Stop), StringComparison.Ordinal);

        // It is the same after a restart, and an unpinned one is not public.
        await _oak.StopAsync();
        await _oak.StartAgainAsync();
        using var again = new HttpClient { BaseAddress = new Uri(_oak.Node.Gateway!) };
        Assert.Equal(HttpStatusCode.OK, (await again.GetAsync($"/ipfs/{_open}?format=raw", Stop)).StatusCode);
        await SendAsync(HttpMethod.Delete, $"/v1/pins/{_open}");
        Assert.Equal(HttpStatusCode.NotFound, (await again.GetAsync($"/ipfs/{_open}?format=raw", Stop)).StatusCode);
    }

    [Fact]
    public async Task Answers_say_what_they_are_and_that_they_never_change()
    {
        using var raw = await GetAsync($"/ipfs/{_open}?format=raw");
        Assert.True(Cid.Parse(_open).Matches(await raw.Content.ReadAsByteArrayAsync(Stop)));
        Assert.Equal("application/vnd.ipld.raw", raw.Content.Headers.ContentType!.ToString());
        Assert.Equal($"\"{_open}.raw\"", raw.Headers.ETag!.ToString());
        Assert.True(raw.Headers.CacheControl!.Public && raw.Headers.CacheControl.Extensions.Any(e => e.Name == "immutable"));
        Assert.Equal($"attachment; filename=\"{_open}.bin\"", raw.Content.Headers.ContentDisposition!.ToString());
        Assert.Equal("nosniff", raw.Headers.GetValues("X-Content-Type-Options").Single());

        using var car = await GetAsync($"/ipfs/{_open}?format=car&car-dups=y");
        Assert.Equal("application/vnd.ipld.car; version=1; order=dfs; dups=y", car.Content.Headers.ContentType!.ToString());
        using var block = await GetAsync($"/ipfs/{_open}?format=car&dag-scope=block");
        Assert.NotEqual(car.Headers.ETag, block.Headers.ETag);

        using var head = await _world.SendAsync(new HttpRequestMessage(HttpMethod.Head, $"/ipfs/{_open}?format=raw"), Stop);
        Assert.Equal(raw.Content.Headers.ContentLength, head.Content.Headers.ContentLength);
        Assert.Empty(await head.Content.ReadAsByteArrayAsync(Stop));

        var again = new HttpRequestMessage(HttpMethod.Get, $"/ipfs/{_open}?format=raw");
        again.Headers.IfNoneMatch.Add(raw.Headers.ETag);
        Assert.Equal(HttpStatusCode.NotModified, (await _world.SendAsync(again, Stop)).StatusCode);
        var other = new HttpRequestMessage(HttpMethod.Get, $"/ipfs/{_closed}?format=raw");
        other.Headers.IfNoneMatch.Add(EntityTagHeaderValue.Any);
        Assert.Equal(HttpStatusCode.NotFound, (await _world.SendAsync(other, Stop)).StatusCode);
    }

    [Theory]
    [InlineData("application/vnd.ipld.raw", "application/vnd.ipld.raw")]
    [InlineData("application/vnd.ipld.car; version=1; order=dfs; dups=y", "application/vnd.ipld.car; version=1; order=dfs; dups=y")]
    [InlineData("text/html, application/vnd.ipld.raw;q=0.5, application/vnd.ipld.car", "application/vnd.ipld.car; version=1; order=dfs; dups=n")]
    public async Task The_format_may_be_in_Accept(string accept, string type)
    {
        var request = new HttpRequestMessage(HttpMethod.Get, $"/ipfs/{_open}");
        request.Headers.TryAddWithoutValidation("Accept", accept);
        Assert.Equal(type, (await _world.SendAsync(request, Stop)).Content.Headers.ContentType!.ToString());
    }

    [Theory]
    [InlineData("GET", "/ipfs/OPEN", null, 400)]
    [InlineData("GET", "/ipfs/OPEN", "text/html", 406)]
    [InlineData("GET", "/ipfs/OPEN?format=tar", null, 406)]
    [InlineData("GET", "/ipfs/OPEN?format=car&dag-scope=some", null, 400)]
    [InlineData("GET", "/ipfs/OPEN?format=car&entity-bytes=1", null, 400)]
    [InlineData("GET", "/ipfs/OPEN?format=car&car-version=2", null, 400)]
    [InlineData("GET", "/ipfs/OPEN", "application/vnd.ipld.car; version=2", 400)]
    [InlineData("GET", "/ipfs/OPEN?format=car&car-order=bfs", null, 406)]
    [InlineData("GET", "/ipfs/OPEN/sub?format=raw", null, 400)]
    [InlineData("GET", "/ipfs/OPEN/nothing?format=car", null, 404)]
    [InlineData("GET", "/ipfs/OPEN/sub/../file?format=car", null, 404)]
    [InlineData("GET", "/ipfs/hello?format=raw", null, 400)]
    [InlineData("GET", "/ipfs/bafkqaaa?format=raw", null, 200)]
    [InlineData("HEAD", "/ipfs/bafkqaaa?format=car", null, 200)]
    [InlineData("POST", "/ipfs/OPEN?format=raw", null, 405)]
    [InlineData("GET", "/v1/status", null, 404)]
    [InlineData("GET", "/mesh/v1/blocks/OPEN", null, 404)]
    public async Task Every_other_question_has_its_status(string method, string path, string? accept, int status)
    {
        // The path as it is: HttpClient would resolve the dots.
        var uri = new Uri($"{_oak.Node.Gateway}{path.Replace("OPEN", _open)}", new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true });
        var request = new HttpRequestMessage(new HttpMethod(method), uri);
        if (accept is not null) request.Headers.TryAddWithoutValidation("Accept", accept);
        Assert.Equal(status, (int)(await _world.SendAsync(request, Stop)).StatusCode);
    }

    [Fact]
    public async Task A_member_reads_what_its_swarm_was_granted_and_an_archive_that_lacks_a_block_does_not_end_in_order()
    {
        await _oak.CreateAsync("friends");
        await _oak.CreateAsync("others");
        await using var friend = await new MeshPeer("friend", _oak).AdmittedAsync(_oak.Node.Swarms.Require("friends"), Role.Member);
        await using var other = await new MeshPeer("other", _oak).AdmittedAsync(_oak.Node.Swarms.Require("others"), Role.Member);
        var root = await AddAsync("for friends", isPublic: false, "friends");

        var whole = await friend.Http.GetByteArrayAsync(MeshHttp.UriOf(_oak.Node.Self, $"/ipfs/{root}?format=car"), Stop);
        Assert.True(whole.Length > 300_000);
        Assert.Equal(403, (await other.AskAsync("GET", $"/ipfs/{root}?format=car")).Status);
        await using var stranger = new MeshPeer("stranger", _oak);
        Assert.Equal(403, (await stranger.AskAsync("GET", $"/ipfs/{_open}?format=raw")).Status); // what is public has a door of its own
        var blocks = new List<Cid>();
        await foreach (var cid in new UnixFsReader(new BlockFetcher(new FolderStore(_oak.Home), [])).WalkAsync(Cid.Parse(root), Stop)) blocks.Add(cid);

        // One leaf is missing: the connection is cut.
        var digest = Convert.ToHexStringLower(blocks[^1].Digest);
        File.Delete(Path.Combine(_oak.Home, "blocks", digest[..1], digest));
        await Assert.ThrowsAnyAsync<Exception>(() => friend.Http.GetByteArrayAsync(MeshHttp.UriOf(_oak.Node.Self, $"/ipfs/{root}?format=car"), Stop));
    }

    [Fact]
    public async Task A_port_that_is_taken_is_said()
    {
        using var taken = new TcpListener(AnyPort);
        taken.Start();
        var error = await Assert.ThrowsAsync<PcException>(() => TestNode.StartAsync("elm", configure: config => config with { Gateway = new() { Listen = (IPEndPoint)taken.LocalEndpoint } }));
        Assert.Equal(ErrorCode.GatewayPortTaken, error.Code);
    }

    private Task<HttpResponseMessage> GetAsync(string path) => _world.GetAsync(path, Stop);

    private async Task SendAsync(HttpMethod method, string path)
    {
        using var response = await _oak.Client.SendAsync(method, path);
        Assert.True(response.IsSuccessStatusCode);
    }

    private async Task<string> AddAsync(string name, bool isPublic, string? swarm = null)
    {
        var folder = Directory.CreateDirectory(Path.Combine(_oak.Home, name, "sub")).Parent!.FullName;
        var content = new byte[300_000];
        new Random(name.Length).NextBytes(content);
        await File.WriteAllBytesAsync(Path.Combine(folder, "sub", "file"), content, Stop);
        return (await _oak.AddAsync(folder, recursive: true, swarm, isPublic: isPublic))[^1].Cid;
    }

    /// <summary>The files of a home's blocks, as they are.</summary>
    private sealed class FolderStore(string home) : IBlockStore
    {
        public bool Contains(Cid cid) => File.Exists(PathOf(cid));

        public async ValueTask<ReadOnlyMemory<byte>?> GetAsync(Cid cid, CancellationToken cancellationToken) => await File.ReadAllBytesAsync(PathOf(cid), cancellationToken);

        public ValueTask PutAsync(IReadOnlyList<(Cid Cid, ReadOnlyMemory<byte> Bytes)> blocks, CancellationToken cancellationToken) => throw new NotSupportedException();

        public IEnumerable<Cid> List() => [];

        private string PathOf(Cid cid) => Path.Combine(home, "blocks", Convert.ToHexStringLower(cid.Digest)[..1], Convert.ToHexStringLower(cid.Digest));
    }
}
