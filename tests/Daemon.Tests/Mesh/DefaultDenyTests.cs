using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using PeoplesCloud.Base;
using PeoplesCloud.Content;
using PeoplesCloud.Daemon.Http;
using PeoplesCloud.Daemon.Mesh;
using PeoplesCloud.Daemon.Swarms;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Tests.Mesh;

public sealed class DefaultDenyTests
{
    // Repeated here, so that a right is not changed by accident.
    private static readonly string[] Rights =
    [
        "/ipfs/{cid}/{**path} Reader",
        "/mesh/v1/blocks/{cid} Reader",
        "/mesh/v1/join Stranger",
        "/mesh/v1/swarms/{swarm}/ask Deployer",
        "/mesh/v1/swarms/{swarm}/entries Gossiper",
        "/mesh/v1/swarms/{swarm}/gossip Gossiper",
        "/mesh/v1/swarms/{swarm}/lease Gossiper",
        "/mesh/v1/swarms/{swarm}/links Member",
        "/mesh/v1/swarms/{swarm}/programs/{program}/claim Keeper",
        "/mesh/v1/swarms/{swarm}/programs/{program}/data/chunks DataReader",
        "/mesh/v1/swarms/{swarm}/programs/{program}/data/drop Controller",
        "/mesh/v1/swarms/{swarm}/programs/{program}/data/notice Keeper",
        "/mesh/v1/swarms/{swarm}/programs/{program}/data/state DataReader",
        "/mesh/v1/swarms/{swarm}/programs/{program}/data/version DataReader",
        "/mesh/v1/swarms/{swarm}/programs/{program}/logs Controller",
        "/mesh/v1/swarms/{swarm}/programs/{program}/restart Controller",
        "/mesh/v1/swarms/{swarm}/programs/{program}/start Owner",
        "/mesh/v1/swarms/{swarm}/programs/{program}/status Member",
        "/mesh/v1/swarms/{swarm}/programs/{program}/stop Controller",
        "/mesh/v1/swarms/{swarm}/programs/{program}/times Controller",
        "/mesh/v1/swarms/{swarm}/programs/{program}/watch Owner",
        "/mesh/v1/swarms/{swarm}/sessions/{session}/log Deployer",
        "/mesh/v1/swarms/{swarm}/stats Member",
    ];

    // Goal: nobody reaches an endpoint of the mesh without the right that it declares. Method: walk all endpoints that are
    // there, with real ids in their routes, as everybody there can be, and compare who gets past the filter with one table.
    [Fact]
    public async Task Every_endpoint_of_the_mesh_refuses_everybody_without_its_right()
    {
        await using var oak = await TestNode.StartAsync("oak");
        var swarm = await NewSwarmAsync(oak, "friends");
        var other = await NewSwarmAsync(oak, "others");
        await using var stranger = new MeshPeer("stranger", oak);
        await using var neighbour = await new MeshPeer("neighbour", oak).AdmittedAsync(other, Role.Admin);
        await using var removed = await new MeshPeer("removed", oak).AdmittedAsync(swarm, Role.Admin);
        await using var guest = await new MeshPeer("guest", oak).AdmittedAsync(swarm, Role.Guest);
        await using var member = await new MeshPeer("member", oak).AdmittedAsync(swarm, Role.Member);
        await using var owner = await new MeshPeer("owner", oak).AdmittedAsync(swarm, Role.Member);
        await using var keeper = await new MeshPeer("keeper", oak).AdmittedAsync(swarm, Role.Member);
        await using var admin = await new MeshPeer("admin", oak).AdmittedAsync(swarm, Role.Admin);
        Assert.Equal(400, (await removed.AskAsync("POST", $"/mesh/v1/swarms/{swarm.Id}/entries", [0])).Status); // in, and on an open connection
        await oak.Node.Membership.RemoveAsync("friends", "removed", TestContext.Current.CancellationToken);
        var program = Deploy(owner, swarm, oak, keeper, guest);
        var cid = await AddBlockAsync(oak, "friends");

        MeshPeer[] all = [stranger, neighbour, removed, guest, member, owner, keeper, admin];
        var allowed = new Dictionary<MeshRight, MeshPeer[]>
        {
            [MeshRight.Stranger] = all,
            [MeshRight.Gossiper] = [guest, member, owner, keeper, admin],
            [MeshRight.Member] = [guest, member, owner, keeper, admin],
            [MeshRight.Deployer] = [member, owner, keeper, admin],
            [MeshRight.Owner] = [owner],
            [MeshRight.Keeper] = [owner, keeper],
            [MeshRight.Controller] = [owner, admin],
            [MeshRight.DataReader] = [owner, keeper, admin],
            [MeshRight.Reader] = [guest, member, owner, keeper, admin],
        };
        var wrong = new List<string>();
        var endpoints = EndpointsOf(oak.Node.MeshApp);
        Assert.Equal(Rights, endpoints.Select(endpoint => $"{endpoint.RoutePattern.RawText} {endpoint.Metadata.GetRequiredMetadata<MeshRightMetadata>().Right}").Order(StringComparer.Ordinal));
        foreach (var endpoint in endpoints)
        {
            var right = endpoint.Metadata.GetRequiredMetadata<MeshRightMetadata>().Right;
            var path = endpoint.RoutePattern.RawText!.Replace("{swarm}", swarm.Id.ToString()).Replace("{program}", program.ToString()).Replace("{cid}", cid.ToString()).Replace("{session}", "aa").Replace("/{**path}", "");
            Assert.DoesNotContain('{', path);
            foreach (var method in endpoint.Metadata.GetRequiredMetadata<HttpMethodMetadata>().HttpMethods)
            {
                foreach (var peer in all)
                {
                    var (status, error) = await peer.AskAsync(method, path);
                    var passed = !(status == StatusCodes.Status403Forbidden && (method == "HEAD" || error!.Code == $"PC{(int)(peer == removed && path.Contains("/swarms/", StringComparison.Ordinal) ? ErrorCode.NotAMember : ErrorCode.NotPermitted)}"));
                    if (passed != allowed[right].Contains(peer)) wrong.Add($"{method} {path} as {peer.Name}: {status} {error?.Code} {error?.Message}");
                }
            }
        }
        Assert.Empty(wrong);
    }

    [Fact]
    public async Task The_mesh_serves_no_route_of_the_local_api_and_the_socket_none_of_the_mesh()
    {
        await using var oak = await TestNode.StartAsync("oak");
        var swarm = await NewSwarmAsync(oak, "friends");
        await using var admin = await new MeshPeer("admin", oak).AdmittedAsync(swarm, Role.Admin);
        await using var stranger = new MeshPeer("stranger", oak);

        var local = EndpointsOf(oak.Node.LocalApp);
        Assert.True(local.Count >= 15);
        foreach (var (method, path) in local.SelectMany(Requests))
        {
            foreach (var peer in new[] { admin, stranger })
            {
                var (status, error) = await peer.AskAsync(method, path);
                Assert.Equal((403, method == "HEAD" ? null : $"PC{(int)ErrorCode.NotPermitted}"), (status, error?.Code));
            }
        }
        foreach (var (method, path) in EndpointsOf(oak.Node.MeshApp).SelectMany(Requests))
        {
            using var response = await oak.Client.SendAsync(new HttpMethod(method), path);
            Assert.Equal(404, (int)response.StatusCode);
            if (method != "HEAD") Assert.Contains($"PC{(int)ErrorCode.UnknownRoute}", await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken), StringComparison.Ordinal);
        }
    }

    [Fact]
    public void An_endpoint_without_a_right_is_refused_at_start()
    {
        Assert.Throws<InvariantException>(() => MeshAuthorization.Check([new Endpoint(_ => Task.CompletedTask, new EndpointMetadataCollection(), "forgotten")]));
    }

    [Fact]
    public async Task A_block_of_one_swarm_is_not_readable_from_another_and_one_that_nobody_was_granted_by_nobody()
    {
        await using var oak = await TestNode.StartAsync("oak");
        var friends = await NewSwarmAsync(oak, "friends");
        var others = await NewSwarmAsync(oak, "others");
        await using var friend = await new MeshPeer("friend", oak).AdmittedAsync(friends, Role.Member);
        await using var other = await new MeshPeer("other", oak).AdmittedAsync(others, Role.Member);
        await using var stranger = new MeshPeer("stranger", oak);
        var ofFriends = await AddBlockAsync(oak, "friends");
        var ofAll = await AddBlockAsync(oak, null);

        Assert.Equal(200, (await friend.AskAsync("GET", $"/mesh/v1/blocks/{ofFriends}")).Status);
        Assert.Equal(403, (await other.AskAsync("GET", $"/mesh/v1/blocks/{ofFriends}")).Status);
        Assert.Equal(200, (await friend.AskAsync("GET", $"/mesh/v1/blocks/{ofAll}")).Status);
        Assert.Equal(200, (await other.AskAsync("GET", $"/mesh/v1/blocks/{ofAll}")).Status);
        Assert.Equal(403, (await stranger.AskAsync("GET", $"/mesh/v1/blocks/{ofAll}")).Status);
        Assert.Equal(403, (await friend.AskAsync("GET", $"/mesh/v1/blocks/{Cid.V1(Cid.Raw, new byte[32])}")).Status);
    }

    private static async Task<LocalSwarm> NewSwarmAsync(TestNode node, string name)
    {
        await node.CreateAsync(name);
        return node.Node.Swarms.Require(name);
    }

    private static EntryHash Deploy(MeshPeer owner, LocalSwarm swarm, TestNode host, params IEnumerable<MeshPeer> keepers)
    {
        var deployed = new ProgramDeployed("bot", Cid.V0(new byte[32]), 1, "py3", new ProgramLimits(1 << 28, 1000, 64, 1 << 28, "none"), [.. keepers.Select(keeper => new SealedKey(keeper.Id, new byte[81]))]);
        var entries = owner.Write(swarm, _ => deployed, written => new ProgramPlaced(written[0].Hash, host.Node.Self, 1));
        Assert.Equal(host.Node.Self, swarm.State.Programs[entries[0].Hash].Host);
        return entries[0].Hash;
    }

    private static int s_files;

    private static async Task<Cid> AddBlockAsync(TestNode node, string? swarm)
    {
        var file = Path.Combine(node.Home, "to-add");
        await File.WriteAllTextAsync(file, $"content {Interlocked.Increment(ref s_files)} of {swarm ?? "all"}", TestContext.Current.CancellationToken);
        Assert.True(Cid.TryParse((await node.AddAsync(file, swarm: swarm)).Single().Cid, out var cid));
        return cid;
    }

    private static List<RouteEndpoint> EndpointsOf(HttpServer server) => [.. server.Endpoints.OfType<RouteEndpoint>()];

    private static IEnumerable<(string Method, string Path)> Requests(RouteEndpoint endpoint) =>
        endpoint.Metadata.GetRequiredMetadata<HttpMethodMetadata>().HttpMethods.Select(method => (method, System.Text.RegularExpressions.Regex.Replace(endpoint.RoutePattern.RawText!, @"\{[^}]*\}", "friends", System.Text.RegularExpressions.RegexOptions.None, TimeSpan.FromSeconds(1))));
}
