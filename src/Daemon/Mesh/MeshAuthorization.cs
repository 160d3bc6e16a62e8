using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Logging;
using PeoplesCloud.Base;
using PeoplesCloud.Content;
using PeoplesCloud.Daemon.Storage;
using PeoplesCloud.Daemon.Swarms;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Mesh;

/// <summary>
/// The one filter that every request of the mesh passes: who calls is proven by the connection, what it may do is read from the
/// swarm's state as it is now. Everything that is not allowed here is refused, with one answer that does not tell a stranger
/// whether a swarm, a program or a block exists; only a former member is told that it is one. A node that has just woken finds out first who was removed meanwhile, and a right that
/// is lost while the answer is under way cuts it off, in the middle of a silence too.
/// </summary>
internal sealed class MeshAuthorization(SwarmRegistry swarms, ContentAccess access, ILogger logger)
{
    /// <summary>Middleware.</summary>
    public async Task HandleAsync(HttpContext context, RequestDelegate next)
    {
        var peer = context.Features.Get<IRemotePeerFeature>()?.RemotePeer ?? default;
        var declared = context.GetEndpoint()?.Metadata.GetMetadata<MeshRightMetadata>()?.Right;
        if (peer.IsDefault || declared is not { } right || Judge(right, peer, context) is not { } caller) throw Refuse(context, peer, declared);
        if (right is MeshRight.Stranger or MeshRight.Gossiper || SwarmOf(caller) is not { } swarm)
        {
            context.Features.Set(caller);
            await next(context);
            return;
        }
        await swarm.WaitUntilSettledAsync(peer, context.RequestAborted);
        var gate = new Lock();
        var isOver = false; // the context serves another request then
        void JudgeAgain(LocalSwarm changed)
        {
            lock (gate)
            {
                if (!isOver && Judge(right, peer, context) is null) context.Abort();
            }
        }
        swarm.Changed += JudgeAgain;
        try
        {
            // After it is watched: no change falls between.
            if (Judge(right, peer, context) is not { } now) throw Refuse(context, peer, declared);
            context.Features.Set(now);
            await next(context);
        }
        finally
        {
            swarm.Changed -= JudgeAgain;
            lock (gate) isOver = true;
        }
    }

    private PcException Refuse(HttpContext context, PeerId peer, MeshRight? right)
    {
        DaemonLog.Refused(logger, context.Request.Method, context.Request.Path, peer, right is null ? "no such route" : $"needs {right}");
        // Who was a member knows of the swarm: it may hear that it is none any more, having been asleep when the others heard.
        return SwarmId.TryParse(Value(context, "swarm"), out var id) && swarms.Find(id) is { Me: not null } swarm && swarm.State.Members.TryGetValue(peer, out var former) && !former.IsActive
            ? new PcException(ErrorCode.NotAMember, $"this peer is not a member of {swarm.State.Name} any more")
            : new PcException(ErrorCode.NotPermitted, "this node does not answer that to this peer");
    }

    private LocalSwarm? SwarmOf(MeshCaller caller) => caller.Swarm ?? (caller.ReadableIn is { } through ? swarms.Find(through) : null);

    /// <summary>Refuses a table of endpoints in which one does not say who may call it.</summary>
    public static void Check(IEnumerable<Endpoint> endpoints)
    {
        foreach (var endpoint in endpoints)
            Invariant.Check(endpoint.Metadata.GetMetadata<MeshRightMetadata>() is not null, $"the endpoint {endpoint.DisplayName} declares its right");
    }

    private MeshCaller? Judge(MeshRight right, PeerId peer, HttpContext context)
    {
        if (right == MeshRight.Stranger) return new MeshCaller(peer, null, null, null);
        if (right == MeshRight.Reader) return Cid.TryParse(Value(context, "cid"), out var cid) && access.MayRead(peer, cid) is { } through ? new MeshCaller(peer, null, null, through) : null;
        if (!SwarmId.TryParse(Value(context, "swarm"), out var id) || swarms.Find(id) is not { Me: not null } swarm) return null;
        var state = swarm.State;
        if (state.Find(peer) is not { } member) return null;

        SwarmProgram? program = null;
        if (context.Request.RouteValues.ContainsKey("program") && !(EntryHash.TryParse(Value(context, "program"), out var programId) && state.Programs.TryGetValue(programId, out program))) return null;
        var allowed = right switch
        {
            MeshRight.Gossiper or MeshRight.Member => true,
            MeshRight.Deployer => member.MayDeployAndHost,
            MeshRight.Owner => member.MayDeployAndHost && program is not null && program.Owner == peer,
            MeshRight.Keeper => IsKeeper(),
            MeshRight.DataReader => IsKeeper() || (program is not null && state.MayControl(peer, program)),
            MeshRight.Controller => program is not null && state.MayControl(peer, program),
            _ => false,
        };
        return allowed ? new MeshCaller(peer, swarm, program, null) : null;

        bool IsKeeper() => member.MayDeployAndHost && program is not null && (program.Owner == peer || program.KeyOf(peer) is not null);
    }

    private static string Value(HttpContext context, string name) => context.Request.RouteValues[name] as string ?? "";
}
