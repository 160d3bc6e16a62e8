using System.Threading.Channels;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Api;
using PeoplesCloud.Daemon.Http;
using PeoplesCloud.Daemon.Swarms;
using PeoplesCloud.Daemon.Tunnels;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Local;

/// <summary>The route of the local API that opens a program's port on this machine.</summary>
internal sealed class TunnelEndpoints(DaemonNode node)
{
    private const int MaxRequestBytes = 4 << 10;

    /// <summary>Adds the route.</summary>
    public void Map(IEndpointRouteBuilder routes) =>
        routes.MapMethods("/v1/swarms/{swarm}/programs/{program}/open", ["POST"], OpenAsync).WithMetadata(LocalRightMetadata.User);

    private async Task OpenAsync(HttpContext context)
    {
        var request = await Bodies.ReadJsonAsync(context.Request, TunnelApiJson.Default.OpenRequest, MaxRequestBytes, context.RequestAborted);
        if (request.Local is < 0 or > 65535) throw new PcException(ErrorCode.BadRequest, "local is no port");
        var swarm = node.Swarms.Require((string)context.Request.RouteValues["swarm"]!);
        var (program, port) = node.Tunnels.Find(swarm, (string)context.Request.RouteValues["program"]!, request.Port);
        // From here on by its name: a new version has another hash.
        using var opened = OpenedPort.Listen(node.Tunnels, swarm, program.Deployed.Name, port, request.Local);
        await LocalEndpoints.StreamAsync<OpenReply>(node, context, TunnelApiJson.Default.EventOpenReply, async (write, cancellationToken) =>
        {
            var host = HostOf(swarm, program.Deployed.Name);
            var url = port.Protocol is ProgramPort.Http ? node.Web?.UrlOf(swarm.Name, program.Deployed.Name) : null;
            await write(new Event<OpenReply>("opened", Result: new OpenReply(program.Deployed.Name, port.Number, opened.EndPoint.Address.ToString(), opened.EndPoint.Port, NameOf(swarm, host), url, port.Protocol)));
            Task Say(string text) => write(new Event<OpenReply>("step", Text: text));
            using var end = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            var following = FollowAsync(swarm, program.Deployed.Name, host, Say, end.Token);
            try
            {
                await opened.RunAsync(Say, cancellationToken);
            }
            finally
            {
                await end.CancelAsync();
                await following.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        });
    }

    /// <summary>Says where the program runs whenever that changes.</summary>
    private async Task FollowAsync(LocalSwarm swarm, string program, PeerId? last, Func<string, Task> say, CancellationToken cancellationToken)
    {
        var changed = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
        void OnChanged(LocalSwarm _) => changed.Writer.TryWrite(true);
        // Where it runs is first heard by presence, after an entry or without one.
        void OnEffect(LocalSwarm _, GossipEffect effect)
        {
            if (effect is GossipEffect.PresenceChanged) changed.Writer.TryWrite(true);
        }
        swarm.Changed += OnChanged;
        swarm.Effect += OnEffect;
        try
        {
            while (true)
            {
                var now = HostOf(swarm, program);
                if (now != last) await say(now is null ? $"no member runs {program} now" : $"{program} runs on {NameOf(swarm, now)} now");
                last = now;
                await changed.Reader.ReadAsync(cancellationToken);
            }
        }
        finally
        {
            swarm.Changed -= OnChanged;
            swarm.Effect -= OnEffect;
        }
    }

    private PeerId? HostOf(LocalSwarm swarm, string name) =>
        swarm.State.Programs.Values.Where(program => !program.Stopped && program.Deployed.Name == name).MaxBy(program => program.DeployedAt) is { } program
            ? node.Tunnels.HolderOf(swarm, program)
            : null;

    private static string? NameOf(LocalSwarm swarm, PeerId? peer) =>
        peer is not { } member ? null : swarm.State.Members.TryGetValue(member, out var known) ? known.Name : member.ToString();
}
