using System.Globalization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Hosting;
using PeoplesCloud.Daemon.Http;
using PeoplesCloud.Programs.Hosting;

namespace PeoplesCloud.Daemon.Mesh;

/// <summary>The routes of the mesh about programs that run here (docs/protocols/mesh-api.md).</summary>
internal sealed class RunningMeshEndpoints(ProgramHost programs, StatsService stats)
{
    private const int MaxWatchSeconds = 60;

    /// <summary>Adds the routes.</summary>
    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost("/mesh/v1/swarms/{swarm}/programs/{program}/restart", RestartAsync).Requires(MeshRight.Controller);
        routes.MapPost("/mesh/v1/swarms/{swarm}/programs/{program}/watch", WatchAsync).Requires(MeshRight.Owner);
        routes.MapPost("/mesh/v1/swarms/{swarm}/stats", StatsAsync).Requires(MeshRight.Member);
    }

    private static MeshCaller Caller(HttpContext context) => context.Features.Get<MeshCaller>()!;

    private async Task WatchAsync(HttpContext context)
    {
        if (!int.TryParse(context.Request.Query["seconds"], NumberStyles.None, CultureInfo.InvariantCulture, out var seconds) || seconds is < 1 or > MaxWatchSeconds) throw new PcException(ErrorCode.BadRequest, $"seconds is 1 to {MaxWatchSeconds}");
        var trial = await programs.WatchAsync(Caller(context).Program!.Id, TimeSpan.FromSeconds(seconds), context.RequestAborted);
        await Bodies.WriteJsonAsync(context.Response, new TrialMessage(trial.Up, trial.Why, trial.Finished), StatsJson.Default.TrialMessage, context.RequestAborted);
    }

    private async Task StatsAsync(HttpContext context) =>
        await Bodies.WriteJsonAsync(context.Response, await stats.OwnAsync(Caller(context).Swarm!.Id, context.RequestAborted), StatsJson.Default.IReadOnlyListStatsMessage, context.RequestAborted);

    // What is restarted is what the feeds ask for: the caller has brought the entry.
    private Task RestartAsync(HttpContext context) => programs.RestartAsync(Caller(context).Swarm!.State, Caller(context).Program!.Id).WaitAsync(context.RequestAborted);
}
