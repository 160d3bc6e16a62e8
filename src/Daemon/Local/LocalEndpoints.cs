using System.Globalization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using PeoplesCloud.Base;
using PeoplesCloud.Content;
using PeoplesCloud.Daemon.Api;
using PeoplesCloud.Daemon.Contents;
using PeoplesCloud.Daemon.Http;
using PeoplesCloud.Daemon.Joining;
using PeoplesCloud.Daemon.Swarms;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Local;

/// <summary>The routes of the local API (docs/protocols/local-api.md). Each reads its request, asks the node, writes its answer.</summary>
internal sealed class LocalEndpoints(DaemonNode node)
{
    private const int MaxRequestBytes = 64 << 10;

    private static LocalApiJson Json => LocalApiJson.Default;

    /// <summary>Adds the routes.</summary>
    public void Map(IEndpointRouteBuilder routes)
    {
        Get(routes, "/v1/status", c => Bodies.WriteJsonAsync(c.Response, node.Status(), Json.StatusReply, c.RequestAborted));
        Post(routes, "/v1/shutdown", ShutdownAsync);
        Get(routes, "/v1/list", c => Bodies.WriteJsonAsync(c.Response, node.Views.List(c.Request.Query["swarm"]), Json.ListReply, c.RequestAborted));
        Get(routes, "/v1/network", async c => await Bodies.WriteJsonAsync(c.Response, await node.Network.DescribeAsync(c.RequestAborted), Json.NetworkReply, c.RequestAborted));

        Post(routes, "/v1/swarms", CreateAsync);
        Post(routes, "/v1/swarms/join", JoinAsync);
        Post(routes, "/v1/swarms/join-secret", JoinSecretAsync);
        Post(routes, "/v1/swarms/join-code", JoinCodeAsync);
        Post(routes, "/v1/swarms/{swarm}/invite", InviteAsync);
        Post(routes, "/v1/swarms/{swarm}/words", WordsAsync);
        Post(routes, "/v1/swarms/{swarm}/secret", SecretAsync);
        Post(routes, "/v1/swarms/{swarm}/leave", LeaveAsync);
        Post(routes, "/v1/swarms/{swarm}/remove", RemoveAsync);

        Post(routes, "/v1/swarms/{swarm}/deploy", DeployAsync);
        Get(routes, "/v1/swarms/{swarm}/programs/{program}/logs", LogsAsync);
        Post(routes, "/v1/swarms/{swarm}/programs/{program}/stop", StopAsync);

        new HostEndpoints(node.HostOwner).Map(routes);
        new SecretEndpoints(node.ProgramSecrets).Map(routes);

        Post(routes, "/v1/add", AddAsync);
        Post(routes, "/v1/get", GetAsync);
        Get(routes, "/v1/cat/{cid}/{**path}", CatAsync);
        Get(routes, "/v1/pins", c => Bodies.WriteJsonAsync(c.Response, new PinsReply([.. node.Content.Pins.Select(pin => pin.ToString())], [.. node.Content.Public.Select(pin => pin.ToString())]), Json.PinsReply, c.RequestAborted));
        Post(routes, "/v1/gc", CollectAsync);
        Post(routes, "/v1/pins/{cid}", c => node.Content.PinAsync(ContentService.Parse(Value(c, "cid")), IsPublic(c), c.RequestAborted));
        Add(routes, "DELETE", "/v1/pins/{cid}", c => node.Content.UnpinAsync(ContentService.Parse(Value(c, "cid")), IsPublic(c), c.RequestAborted));
    }

    private Task ShutdownAsync(HttpContext context)
    {
        context.Response.OnCompleted(() =>
        {
            node.RequestStop("asked by pc down");
            return Task.CompletedTask;
        });
        return Task.CompletedTask;
    }

    private async Task CreateAsync(HttpContext context)
    {
        var request = await ReadAsync(context, Json.CreateRequest);
        if (request.Secret is not null) SecretMembership.Check(request.Secret); // before there is a swarm
        var reply = node.Membership.Create(request.Name);
        if (request.Secret is not null) await node.Secrets.SetAsync(reply.Name, new SecretRequest(request.Secret), context.RequestAborted);
        await Bodies.WriteJsonAsync(context.Response, reply, Json.SwarmReply, context.RequestAborted);
    }

    private async Task JoinAsync(HttpContext context)
    {
        var request = await ReadAsync(context, Json.JoinRequest);
        var reply = await node.Membership.JoinAsync(request.Ticket, request.Name, context.RequestAborted);
        await Bodies.WriteJsonAsync(context.Response, reply, Json.SwarmReply, context.RequestAborted);
    }

    private async Task JoinSecretAsync(HttpContext context)
    {
        var reply = await node.Secrets.JoinAsync(await ReadAsync(context, Json.JoinSecretRequest), context.RequestAborted);
        await Bodies.WriteJsonAsync(context.Response, reply, Json.SwarmReply, context.RequestAborted);
    }

    private async Task JoinCodeAsync(HttpContext context)
    {
        var reply = await node.Secrets.JoinAsync(await ReadAsync(context, Json.JoinCodeRequest), context.RequestAborted);
        await Bodies.WriteJsonAsync(context.Response, reply, Json.SwarmReply, context.RequestAborted);
    }

    private async Task WordsAsync(HttpContext context)
    {
        var reply = await node.Secrets.InviteAsync(Value(context, "swarm"), await ReadAsync(context, Json.WordsRequest), context.RequestAborted);
        await Bodies.WriteJsonAsync(context.Response, reply, Json.WordsReply, context.RequestAborted);
    }

    private async Task SecretAsync(HttpContext context)
    {
        var reply = await node.Secrets.SetAsync(Value(context, "swarm"), await ReadAsync(context, Json.SecretRequest), context.RequestAborted);
        await Bodies.WriteJsonAsync(context.Response, reply, Json.SecretReply, context.RequestAborted);
    }

    private async Task InviteAsync(HttpContext context)
    {
        var request = await ReadAsync(context, Json.InviteRequest);
        var reply = await node.Membership.InviteAsync(Value(context, "swarm"), request, context.RequestAborted);
        await Bodies.WriteJsonAsync(context.Response, reply, Json.InviteReply, context.RequestAborted);
    }

    private Task LeaveAsync(HttpContext context) => node.Membership.LeaveAsync(Value(context, "swarm"), context.RequestAborted);

    private async Task RemoveAsync(HttpContext context)
    {
        var request = await ReadAsync(context, Json.RemoveRequest);
        var reply = await node.Membership.RemoveAsync(Value(context, "swarm"), request.Member, context.RequestAborted);
        await Bodies.WriteJsonAsync(context.Response, reply, Json.RemoveReply, context.RequestAborted);
    }

    private async Task DeployAsync(HttpContext context)
    {
        var request = await ReadAsync(context, Json.DeployRequest);
        await StreamAsync<DeployReply>(context, Json.EventDeployReply, async (write, cancellationToken) =>
        {
            var reply = await node.Programs.DeployAsync(Value(context, "swarm"), request, text => write(new Event<DeployReply>("step", Text: text)), cancellationToken);
            await write(new Event<DeployReply>("result", Result: reply with { Url = UrlOf(node.Swarms.Require(Value(context, "swarm")), reply) }));
        });
    }

    private string? UrlOf(LocalSwarm swarm, DeployReply deployed) =>
        swarm.State.Programs.Values.Any(program => !program.Stopped && program.Deployed.Name == deployed.Program && program.Deployed.Bundle.ToString() == deployed.Hash && program.Deployed.Manifest.Ports.Any(port => port.Protocol == ProgramPort.Http))
            ? node.Web?.UrlOf(swarm.Name, deployed.Program)
            : null;

    private Task LogsAsync(HttpContext context)
    {
        var follow = context.Request.Query["follow"] == "true";
        var tail = context.Request.Query["tail"].ToString() is { Length: > 0 } text ? Integer("tail", text) : -1;
        return StreamAsync<LogLine>(context, Json.EventLogLine, async (write, cancellationToken) =>
        {
            await foreach (var line in node.Programs.LogsAsync(Value(context, "swarm"), Value(context, "program"), tail, follow, cancellationToken))
                await write(new Event<LogLine>("log", Result: line));
        });
    }

    private async Task StopAsync(HttpContext context)
    {
        var reply = await node.Programs.StopAsync(Value(context, "swarm"), Value(context, "program"), context.RequestAborted);
        await Bodies.WriteJsonAsync(context.Response, reply, Json.StopReply, context.RequestAborted);
    }

    private async Task AddAsync(HttpContext context)
    {
        var request = await ReadAsync(context, Json.AddRequest);
        Absolute("path", request.Path);
        if (request.CidVersion is not (0 or 1)) throw new PcException(ErrorCode.Usage, $"a content id has version 0 or 1, not {request.CidVersion}", "--cid-version 1");
        var profile = new UnixFsProfile(request.CidVersion, request.RawLeaves ?? request.CidVersion == 1);
        var swarm = request.Swarm is null ? null : (Swarm.SwarmId?)node.Swarms.Require(request.Swarm).Id;
        await StreamAsync<AddedReply>(context, Json.EventAddedReply, async (write, cancellationToken) =>
        {
            AddedReply? last = null;
            var progress = new ProgressEvents<AddedReply>(write);
            await foreach (var added in node.Content.AddAsync(request.Path, request.Recursive, profile, swarm, request.Public, progress, cancellationToken))
            {
                await progress.WrittenAsync();
                last = new AddedReply(added.Cid.ToString(), added.Path, added.Size);
                await write(new Event<AddedReply>("added", Result: last));
            }
            await write(new Event<AddedReply>("result", Result: last));
        });
    }

    private async Task CollectAsync(HttpContext context)
    {
        var request = await ReadAsync(context, Json.CollectRequest);
        var result = await node.Content.CollectAsync(request.DryRun, context.RequestAborted);
        var reply = new CollectReply(result.RemovedBlocks, result.RemovedBytes, result.KeptBlocks, result.KeptBytes, request.DryRun);
        await Bodies.WriteJsonAsync(context.Response, reply, Json.CollectReply, context.RequestAborted);
    }

    private async Task GetAsync(HttpContext context)
    {
        var request = await ReadAsync(context, Json.GetRequest);
        Absolute("output", request.Output);
        var cid = ContentService.Parse(request.Cid);
        await StreamAsync<GetReply>(context, Json.EventGetReply, async (write, cancellationToken) =>
        {
            var progress = new ProgressEvents<GetReply>(write);
            var result = await node.Content.GetAsync(cid, request.Output, progress, cancellationToken);
            await progress.WrittenAsync();
            await write(new Event<GetReply>("result", Result: new GetReply(cid.ToString(), request.Output, result.Bytes, result.Files)));
        });
    }

    private async Task CatAsync(HttpContext context)
    {
        var path = context.Request.RouteValues["path"] as string;
        await using var content = await node.Content.OpenAsync(ContentService.Parse(Value(context, "cid")), string.IsNullOrEmpty(path) ? null : path, context.RequestAborted);
        context.Response.ContentType = "application/octet-stream";
        context.Response.ContentLength = content.CanSeek ? content.Length : null;
        await content.CopyToAsync(context.Response.Body, context.RequestAborted);
    }

    // -- Helpers ----------------------------------------------------------------------------------------------

    private Task StreamAsync<T>(HttpContext context, System.Text.Json.Serialization.Metadata.JsonTypeInfo<Event<T>> type, Func<Func<Event<T>, Task>, CancellationToken, Task> run) =>
        StreamAsync(node, context, type, run);

    /// <summary>Answers in lines until <paramref name="run"/> ends, the caller goes away or the node stops. Errors before the first line answer their own status; later ones are the last line.</summary>
    public static async Task StreamAsync<T>(DaemonNode node, HttpContext context, System.Text.Json.Serialization.Metadata.JsonTypeInfo<Event<T>> type, Func<Func<Event<T>, Task>, CancellationToken, Task> run)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, node.Stopping);
        using var writer = new NdjsonWriter<Event<T>>(context.Response, type);
        try
        {
            await run(line => writer.WriteAsync(line, stop.Token), stop.Token);
            await writer.StartAsync(stop.Token); // an answer without lines is an answer
        }
        catch (Exception e) when (context.Response.HasStarted && !context.RequestAborted.IsCancellationRequested)
        {
            var error = node.Stopping.IsCancellationRequested
                ? new PcException(ErrorCode.Stopping, "the daemon is stopping")
                : Errors.Explain(e, $"{context.Request.Method} {context.Request.Path}", node.Logger);
            await writer.WriteAsync(new Event<T>("error", Error: Errors.ReplyOf(error)), context.RequestAborted);
        }
    }

    private static ValueTask<T> ReadAsync<T>(HttpContext context, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> type) =>
        Bodies.ReadJsonAsync(context.Request, type, MaxRequestBytes, context.RequestAborted);

    private static string Value(HttpContext context, string name) => context.Request.RouteValues[name] as string ?? "";

    private static bool IsPublic(HttpContext context) => context.Request.Query["public"] == "true";

    private static int Integer(string name, string text) =>
        int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value) ? value : throw new PcException(ErrorCode.BadRequest, $"{name} is no number");

    private static void Absolute(string name, string? path)
    {
        if (!Path.IsPathRooted(path)) throw new PcException(ErrorCode.BadRequest, $"{name} is no absolute path");
    }

    private static void Get(IEndpointRouteBuilder routes, string path, RequestDelegate run) => Add(routes, "GET", path, run);

    private static void Post(IEndpointRouteBuilder routes, string path, RequestDelegate run) => Add(routes, "POST", path, run);

    private static void Add(IEndpointRouteBuilder routes, string method, string path, RequestDelegate run) =>
        routes.MapMethods(path, [method], run).WithMetadata(LocalRightMetadata.User);
}
