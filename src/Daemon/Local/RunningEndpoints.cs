using System.IO.Pipelines;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Logging;
using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Api;
using PeoplesCloud.Daemon.Execs;
using PeoplesCloud.Daemon.Hosting;
using PeoplesCloud.Daemon.Http;

namespace PeoplesCloud.Daemon.Local;

/// <summary>The routes of the local API about running programs (docs/protocols/local-api.md).</summary>
internal sealed class RunningEndpoints(RunningService running, StatsService stats, ExecService execs, VersionService versions, ILogger logger, CancellationToken stopping)
{
    private const int MaxRequestBytes = 64 << 10;

    private static RunningApiJson Json => RunningApiJson.Default;

    /// <summary>Adds the routes.</summary>
    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapMethods("/v1/swarms/{swarm}/programs/{program}/restart", ["POST"], RestartAsync).WithMetadata(LocalRightMetadata.User);
        routes.MapMethods("/v1/swarms/{swarm}/programs/{program}/update", ["POST"], UpdateAsync).WithMetadata(LocalRightMetadata.User);
        routes.MapMethods("/v1/swarms/{swarm}/programs/{program}/rollback", ["POST"], RollbackAsync).WithMetadata(LocalRightMetadata.User);
        routes.MapMethods("/v1/swarms/{swarm}/programs/{program}/history", ["GET"], HistoryAsync).WithMetadata(LocalRightMetadata.User);
        routes.MapMethods("/v1/swarms/{swarm}/stats", ["GET"], StatsAsync).WithMetadata(LocalRightMetadata.User);
        routes.MapMethods("/v1/swarms/{swarm}/programs/{program}/exec", ["POST"], ExecAsync).WithMetadata(LocalRightMetadata.User);
    }

    private async Task RestartAsync(HttpContext context)
    {
        var reply = await running.RestartAsync(Value(context, "swarm"), Value(context, "program"), context.RequestAborted);
        await Bodies.WriteJsonAsync(context.Response, reply, Json.RestartReply, context.RequestAborted);
    }

    private Task UpdateAsync(HttpContext context) => StreamAsync(context, async (step, ct) =>
    {
        var request = await Bodies.ReadJsonAsync(context.Request, LocalApiJson.Default.DeployRequest, MaxRequestBytes, ct);
        return await versions.UpdateAsync(Value(context, "swarm"), Value(context, "program"), request, step, ct);
    });

    private Task RollbackAsync(HttpContext context) => StreamAsync(context, async (step, ct) =>
    {
        var request = await Bodies.ReadJsonAsync(context.Request, Json.RollbackRequest, MaxRequestBytes, ct);
        return await versions.RollbackAsync(Value(context, "swarm"), Value(context, "program"), request.Version, step, ct);
    });

    private async Task HistoryAsync(HttpContext context) =>
        await Bodies.WriteJsonAsync(context.Response, await versions.HistoryAsync(Value(context, "swarm"), Value(context, "program"), context.RequestAborted), Json.HistoryReply, context.RequestAborted);

    // Errors before the first step answer their own status; later ones are the last line.
    private async Task StreamAsync(HttpContext context, Func<Func<string, Task>, CancellationToken, Task<UpdateReply>> run)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, stopping);
        using var writer = new NdjsonWriter<Event<UpdateReply>>(context.Response, Json.EventUpdateReply);
        try
        {
            var reply = await run(text => writer.WriteAsync(new Event<UpdateReply>("step", Text: text), stop.Token), stop.Token);
            await writer.WriteAsync(new Event<UpdateReply>("result", Result: reply), stop.Token);
        }
        catch (Exception e) when (context.Response.HasStarted && !context.RequestAborted.IsCancellationRequested)
        {
            var error = stopping.IsCancellationRequested ? new PcException(ErrorCode.Stopping, "the daemon is stopping") : Errors.Explain(e, $"{context.Request.Method} {context.Request.Path}", logger);
            await writer.WriteAsync(new Event<UpdateReply>("error", Error: Errors.ReplyOf(error)), context.RequestAborted);
        }
    }

    private async Task StatsAsync(HttpContext context)
    {
        var program = context.Request.Query["program"].ToString();
        var reply = await stats.StatsAsync(Value(context, "swarm"), program.Length == 0 ? null : program, context.RequestAborted);
        await Bodies.WriteJsonAsync(context.Response, reply, Json.StatsReply, context.RequestAborted);
    }

    // From the upgrade on the connection carries frames both ways, so errors are frames too.
    private async Task ExecAsync(HttpContext context)
    {
        if (context.Features.Get<IHttpUpgradeFeature>() is not { IsUpgradableRequest: true } upgrade || !string.Equals(context.Request.Headers.Upgrade, ExecFrame.Upgrade, StringComparison.OrdinalIgnoreCase))
            throw new PcException(ErrorCode.BadRequest, $"this route needs Connection: Upgrade and Upgrade: {ExecFrame.Upgrade}");
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, stopping);
        context.Response.Headers.Upgrade = ExecFrame.Upgrade;
        await using var stream = await upgrade.UpgradeAsync();
        var channel = new ExecChannel(new DuplexPipe(PipeReader.Create(stream), PipeWriter.Create(stream)));
        var request = ExecJson.Read(await channel.OpenAsync(stop.Token), ExecJson.Default.ExecRequest);
        await channel.ServeAsync(
            (input, output, ct) => execs.RunAsync(Value(context, "swarm"), Value(context, "program"), request.Command, input, output, ct),
            e => stopping.IsCancellationRequested ? new PcException(ErrorCode.Stopping, "the daemon is stopping") : Errors.Explain(e, "a command beside a program", logger),
            stop.Token);
    }

    private sealed record DuplexPipe(PipeReader Input, PipeWriter Output) : IDuplexPipe;

    private static string Value(HttpContext context, string name) => context.Request.RouteValues[name] as string ?? "";
}
