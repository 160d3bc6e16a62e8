using System.Net;
using System.Text;
using PeoplesCloud.Base;
using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Daemon.Mesh;
using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Daemon.Tests.Mesh;

public sealed class MeshClientTests
{
    private static readonly PeerId Peer = PeerId.FromEd25519(new Ed25519Key(Ed25519Key.NewSeed()).PublicKey.Span);

    [Theory]
    [InlineData("garbage")]
    [InlineData("{\"code\":\"PC9999\",\"message\":\"x\",\"hint\":\"y\",\"exit\":1}")]
    [InlineData("{\"code\":\"<b>\"}")]
    public async Task An_error_that_is_none_of_ours_is_the_peers_failure(string body) =>
        Assert.Equal(ErrorCode.PeerFailed, (await ErrorOfAsync(HttpStatusCode.InternalServerError, body)).Code);

    [Fact]
    public async Task An_error_of_ours_comes_through_without_what_harms_a_terminal()
    {
        var error = await ErrorOfAsync(HttpStatusCode.Forbidden, $"{{\"code\":\"PC{(int)ErrorCode.TicketExpired}\",\"message\":\"\\u001b[31mred\",\"hint\":\"{new string('h', 2000)}\",\"exit\":5}}");
        Assert.Equal((ErrorCode.TicketExpired, " [31mred", 500), (error.Code, error.Message, error.Hint.Length));
    }

    [Fact]
    public async Task An_answer_over_the_bound_is_not_read()
    {
        Assert.Equal(ErrorCode.PeerFailed, (await ErrorOfAsync(HttpStatusCode.OK, new string('x', 65), maxBytes: 64)).Code);
        Assert.Equal(64, (await ClientOf(HttpStatusCode.OK, new string('x', 64)).PostAsync(Peer, "/x", default, 64, TestContext.Current.CancellationToken)).Length);
    }

    // Goal: two programs of different versions find the newest that both speak. Method: a peer that answers by the path of the request,
    // as MeshPipeline does.
    [Theory]
    [InlineData("1-1", "1-1", "/mesh/v1/x /mesh/v1/x")]
    [InlineData("1-3", "1-1", "/mesh/v1/x /mesh/v1/x")] // an older peer
    [InlineData("1-1", "1-3", "/mesh/v1/x /mesh/v1/x")] // a newer one
    [InlineData("1-3", "1-2", "/mesh/v1/x /mesh/v2/x")] // newer from the second request on
    [InlineData("1-3", "2-4", "/mesh/v1/x /mesh/v3/x /mesh/v3/x")] // asked once more
    [InlineData("1-3", "", "/mesh/v1/x /mesh/v1/x")] // it does not say
    [InlineData("1-3", "3-1", "/mesh/v1/x /mesh/v1/x")] // it says nonsense
    public async Task The_newest_version_that_both_speak_is_used(string ours, string theirs, string asked)
    {
        var peer = new Versioned(theirs);
        Assert.True(MeshVersions.TryParse(ours, out var range));
        var client = ClientOf(peer, range);
        for (var i = 0; i < 2; i++) Assert.Equal("body"u8.ToArray(), await client.PostAsync(Peer, "/mesh/v1/x", "body"u8.ToArray(), 64, TestContext.Current.CancellationToken));
        Assert.Equal(asked.Split(' '), peer.Asked);
    }

    [Fact]
    public async Task Nodes_without_a_common_version_say_which_they_speak()
    {
        var client = ClientOf(new Versioned("3-4"), new MeshVersions(1, 2));
        var error = await Assert.ThrowsAsync<PcException>(() => client.PostAsync(Peer, "/mesh/v1/x", default, 64, TestContext.Current.CancellationToken));
        Assert.Equal((ErrorCode.VersionUnknown, $"{Peer} speaks versions 3 to 4 of the mesh protocol, this node versions 1 to 2"), (error.Code, error.Message));
    }

    [Fact]
    public async Task A_peer_that_changes_its_mind_for_ever_is_asked_twice()
    {
        var peer = new Versioned("2-2") { NextVersions = "3-3" };
        var client = ClientOf(peer, new MeshVersions(1, 3));
        Assert.Equal(ErrorCode.VersionUnknown, (await Assert.ThrowsAsync<PcException>(() => client.PostAsync(Peer, "/mesh/v1/x", default, 64, TestContext.Current.CancellationToken))).Code);
        Assert.Equal(2, peer.Asked.Count);
    }

    [Theory]
    [InlineData("/mesh/v1/join", 1)]
    [InlineData("/mesh/v12", 12)]
    [InlineData("/mesh/v0/x", null)]
    [InlineData("/mesh/v01/x", null)]
    [InlineData("/mesh/v99999/x", null)]
    [InlineData("/mesh/vx/x", null)]
    [InlineData("/other/v1", null)]
    public void A_path_names_its_version(string path, int? version) => Assert.Equal(version, MeshVersions.Of(path));

    // Goal: a node that is asked in a version which it does not speak says so to everybody, a stranger who wants to join included.
    [Fact]
    public async Task A_node_says_its_versions_with_every_answer()
    {
        await using var oak = await TestNode.StartAsync("oak");
        await using var stranger = new MeshPeer("stranger", oak);
        foreach (var (path, status, code) in new[] { ("/mesh/v1/join", 400, "PC1101"), ("/mesh/v1/none", 403, "PC1110"), ("/mesh/v2/join", 500, "PC1112"), ("/mesh/v9999/swarms/x/gossip", 500, "PC1112") })
        {
            using var answer = await stranger.Http.PostAsync(MeshHttp.UriOf(oak.Node.Self, path), new ByteArrayContent([0]), TestContext.Current.CancellationToken);
            Assert.Equal(status, (int)answer.StatusCode);
            Assert.Contains(code, await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken), StringComparison.Ordinal);
            Assert.Equal(["1-1"], answer.Headers.GetValues(MeshVersions.Header));
        }
    }

    private static async Task<PcException> ErrorOfAsync(HttpStatusCode status, string body, int maxBytes = 1024) =>
        await Assert.ThrowsAsync<PcException>(() => ClientOf(status, body).PostAsync(Peer, "/x", default, maxBytes, TestContext.Current.CancellationToken));

    private static MeshClient ClientOf(HttpStatusCode status, string body) => ClientOf(new Answering(status, body), null);

    private static MeshClient ClientOf(HttpMessageHandler peer, MeshVersions? ours) => new(new HttpClient(peer), new HttpClient(peer), TimeProvider.System, ours);

    private sealed class Answering(HttpStatusCode status, string body) : HttpMessageHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) =>
            Task.FromResult(new HttpResponseMessage(status) { Content = new StreamContent(new MemoryStream(Encoding.UTF8.GetBytes(body))) });
    }

    /// <summary>A peer that speaks a range of versions.</summary>
    private sealed class Versioned(string versions) : HttpMessageHandler
    {
        public List<string> Asked { get; } = [];

        public string? NextVersions { get; init; }

        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            Asked.Add(request.RequestUri!.AbsolutePath);
            var says = Asked.Count > 1 && NextVersions is not null ? NextVersions : versions;
            var knows = !MeshVersions.TryParse(says, out var range) || range.Contains(MeshVersions.Of(request.RequestUri.AbsolutePath)!.Value);
            var response = new HttpResponseMessage(knows ? HttpStatusCode.OK : HttpStatusCode.InternalServerError) { Content = new ByteArrayContent(await request.Content!.ReadAsByteArrayAsync(cancellationToken)) };
            if (says.Length > 0) response.Headers.Add(MeshVersions.Header, says);
            return response;
        }
    }
}
