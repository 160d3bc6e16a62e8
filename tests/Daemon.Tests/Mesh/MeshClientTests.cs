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

    private static async Task<PcException> ErrorOfAsync(HttpStatusCode status, string body, int maxBytes = 1024) =>
        await Assert.ThrowsAsync<PcException>(() => ClientOf(status, body).PostAsync(Peer, "/x", default, maxBytes, TestContext.Current.CancellationToken));

    private static MeshClient ClientOf(HttpStatusCode status, string body) => new(new HttpClient(new Answering(status, body)), TimeProvider.System);

    private sealed class Answering(HttpStatusCode status, string body) : HttpMessageHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) =>
            Task.FromResult(new HttpResponseMessage(status) { Content = new StreamContent(new MemoryStream(Encoding.UTF8.GetBytes(body))) });
    }
}
