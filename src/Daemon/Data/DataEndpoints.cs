using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Http;
using PeoplesCloud.Daemon.Mesh;
using PeoplesCloud.Programs;
using PeoplesCloud.Programs.Data;

namespace PeoplesCloud.Daemon.Data;

/// <summary>The routes of the mesh for programs' data (docs/protocols/program-data.md).</summary>
internal sealed class DataEndpoints(ProgramData data)
{
    /// <summary>Adds the routes.</summary>
    public void Map(IEndpointRouteBuilder routes)
    {
        const string Prefix = "/mesh/v1/swarms/{swarm}/programs/{program}/data";
        routes.MapPost(Prefix + "/state", StateAsync).Requires(MeshRight.DataReader);
        routes.MapPost(Prefix + "/notice", NoticeAsync).Requires(MeshRight.Keeper);
        routes.MapPost(Prefix + "/version", VersionAsync).Requires(MeshRight.DataReader);
        routes.MapPost(Prefix + "/chunks", ChunksAsync).Requires(MeshRight.DataReader);
        routes.MapPost(Prefix + "/drop", DropAsync).Requires(MeshRight.Controller);
    }

    private static MeshCaller Caller(HttpContext context) => context.Features.Get<MeshCaller>()!;

    private static ProgramSpec SpecOf(HttpContext context) => ProgramSpec.Of(Caller(context).Swarm!.Id, Caller(context).Program!);

    private async Task StateAsync(HttpContext context) =>
        await Bodies.WriteBytesAsync(context.Response, DataMessages.Encode(await data.SettledStateOf(SpecOf(context), context.RequestAborted)), context.RequestAborted);

    private async Task NoticeAsync(HttpContext context)
    {
        var body = await Bodies.ReadAsync(context.Request, DataMessages.NoticeBytes, context.RequestAborted);
        var notice = DataMessages.ReadNotice(body) ?? throw new PcException(ErrorCode.BadRequest, "the notice could not be read");
        var spec = SpecOf(context);
        if (!spec.Deployed.Manifest.Data || Caller(context).Program!.Stopped) throw new PcException(ErrorCode.DataRefused, $"{spec.Name} has no data to keep");
        var held = await data.NoticedAsync(Caller(context).Peer, spec, notice, context.RequestAborted);
        await Bodies.WriteBytesAsync(context.Response, DataMessages.Encode(held), context.RequestAborted);
    }

    private async Task VersionAsync(HttpContext context)
    {
        var signed = data.SignedVersion(Caller(context).Peer, SpecOf(context), Conflict(context)) ?? throw new PcException(ErrorCode.DataNotFound, "no such version of the data is here");
        await Bodies.WriteBytesAsync(context.Response, signed, context.RequestAborted);
    }

    private async Task ChunksAsync(HttpContext context)
    {
        var body = await Bodies.ReadAsync(context.Request, DataLimits.BatchChunks * DataHash.Size, context.RequestAborted);
        var wanted = DataMessages.ReadWanted(body) ?? throw new PcException(ErrorCode.BadRequest, "the list of pieces could not be read");
        var spec = SpecOf(context);
        await Bodies.WriteBytesAsync(context.Response, DataMessages.EncodeChunks([.. wanted.Select(hash => data.Chunk(spec, hash, Caller(context).Peer))]), context.RequestAborted);
    }

    // The caller has brought the entries that it knows, so that this node knows of the stop too.
    private async Task DropAsync(HttpContext context)
    {
        var (caller, spec, conflict) = (Caller(context), SpecOf(context), Conflict(context));
        if (conflict is null) DataService.RequireEnded(caller.Swarm!.State, caller.Program!);
        var dropped = await data.DropAsync(caller.Peer, spec, conflict, context.RequestAborted);
        await Bodies.WriteBytesAsync(context.Response, new byte[] { dropped ? (byte)1 : (byte)0 }, context.RequestAborted);
    }

    private static string? Conflict(HttpContext context) => context.Request.Query["conflict"].ToString() is { Length: > 0 } name ? name : null;
}
