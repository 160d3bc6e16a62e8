using System.Globalization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Logging;
using PeoplesCloud.Base;
using PeoplesCloud.Content;
using PeoplesCloud.Daemon.Contents;
using PeoplesCloud.Daemon.Gateway;
using PeoplesCloud.Daemon.Hosting;
using PeoplesCloud.Daemon.Http;
using PeoplesCloud.Daemon.Leases;
using PeoplesCloud.Daemon.Local;
using PeoplesCloud.Daemon.Storage;
using PeoplesCloud.Daemon.Swarms;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Programs;
using PeoplesCloud.Programs.Hosting;
using PeoplesCloud.Programs.Logs;
using PeoplesCloud.Programs.Placing;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Mesh;

/// <summary>The routes of the mesh (docs/protocols/mesh-api.md). Who calls was judged before; each endpoint bounds its body.</summary>
internal sealed class MeshEndpoints(
    SwarmRegistry swarms, IBlockStore blocks, ContentAccess access, ProgramHost programs, LeaseService leases, Action<LocalSwarm> reconcile, Action<LocalSwarm> admitted, NetworkView network, GuessLimiter guesses, Libp2pHost host, TimeProvider time, ILogger logger, CancellationToken stopping)
{
    private const int MaxJsonBytes = 16 << 10;
    private const string TicketGuesses = "tickets";

    /// <summary>Adds the routes.</summary>
    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost("/mesh/v1/join", JoinAsync).Requires(MeshRight.Stranger);
        routes.MapPost("/mesh/v1/swarms/{swarm}/gossip", GossipAsync).Requires(MeshRight.Gossiper);
        routes.MapPost("/mesh/v1/swarms/{swarm}/entries", EntriesAsync).Requires(MeshRight.Gossiper);
        routes.MapPost("/mesh/v1/swarms/{swarm}/lease", LeaseAsync).Requires(MeshRight.Gossiper);
        routes.MapGet("/mesh/v1/blocks/{cid}", BlockAsync).Requires(MeshRight.Reader);
        routes.MapMethods("/ipfs/{cid}/{**path}", GatewayResponder.Methods, GatewayAsync).Requires(MeshRight.Reader);
        routes.MapPost("/mesh/v1/swarms/{swarm}/ask", AskAsync).Requires(MeshRight.Deployer);
        routes.MapPost("/mesh/v1/swarms/{swarm}/links", LinksAsync).Requires(MeshRight.Member);
        routes.MapPost("/mesh/v1/swarms/{swarm}/programs/{program}/start", StartAsync).Requires(MeshRight.Owner);
        routes.MapPost("/mesh/v1/swarms/{swarm}/programs/{program}/stop", StopAsync).Requires(MeshRight.Controller);
        routes.MapGet("/mesh/v1/swarms/{swarm}/programs/{program}/logs", LogsAsync).Requires(MeshRight.Controller);
        routes.MapGet("/mesh/v1/swarms/{swarm}/programs/{program}/status", StatusAsync).Requires(MeshRight.Member);
    }

    private static MeshCaller Caller(HttpContext context) => context.Features.Get<MeshCaller>()!;

    private async Task JoinAsync(HttpContext context)
    {
        var peer = Caller(context).Peer;
        var address = host.Connections.FirstOrDefault(connection => connection.RemotePeer == peer)?.RemoteAddress.Host;
        if (guesses.WaitOf(address, TicketGuesses) > TimeSpan.Zero) throw new PcException(ErrorCode.TooManyAttempts, "too many wrong tickets were shown from this network");
        var body = await Bodies.ReadAsync(context.Request, SwarmLimits.MaxJoinRequestBytes, context.RequestAborted);
        if (!JoinRequest.TryDecode(body, out var request)) throw new PcException(ErrorCode.BadRequest, "the request to join could not be read");
        JoinReply reply;
        try
        {
            var swarm = swarms.Find(request.Swarm) ?? throw new PcException(ErrorCode.TicketUnknown, "no such swarm");
            await swarm.WaitUntilConfirmedAsync(context.RequestAborted);
            await swarm.WaitUntilSettledAsync(peer, context.RequestAborted); // a removal that was slept through may have closed the ticket
            swarm.RotateStaleKey();
            // The entry is persisted when Change returns; from there on the answer is owed, whoever waits for it.
            reply = swarm.Change(replica => replica.Redeem(peer, request, swarm.CurrentKey(), time.GetUtcNow()));
            DaemonLog.Admitted(logger, peer, swarm.Name, request.Name);
            if (swarm.State.Find(peer) is { IsAdmin: true }) admitted(swarm);
        }
        catch (PcException e) when (e.Code is ErrorCode.TicketUnknown)
        {
            // One answer for every wrong guess: whoever has no ticket learns no name and not whether the swarm exists.
            guesses.TryTake(address, TicketGuesses, out _);
            throw new PcException(ErrorCode.TicketUnknown, "this node never issued this ticket");
        }
        await Bodies.WriteBytesAsync(context.Response, reply.Encode(), context.RequestAborted);
    }

    private async Task GossipAsync(HttpContext context)
    {
        var message = await Bodies.ReadAsync(context.Request, SwarmLimits.MaxGossipBytes, context.RequestAborted);
        Caller(context).Swarm!.Handle(new GossipInput.MessageReceived(Caller(context).Peer, message));
        context.Response.StatusCode = StatusCodes.Status204NoContent;
    }

    /// <summary>Entries that the caller wants known before it goes on. Answers how many named entries are still missing.</summary>
    private async Task EntriesAsync(HttpContext context)
    {
        var (peer, swarm) = (Caller(context).Peer, Caller(context).Swarm!);
        var body = await Bodies.ReadAsync(context.Request, EntryList.MaxBytes, context.RequestAborted);
        var entries = EntryList.TryDecode(body) ?? throw new PcException(ErrorCode.BadRequest, "the entries could not be read");
        var result = swarm.Receive(entries);
        foreach (var refused in result.Refused.GroupBy(refusal => refusal.Reason)) DaemonLog.EntriesRefused(logger, refused.Count(), swarm.Name, peer, refused.Key);
        await Bodies.WriteBytesAsync(context.Response, System.Text.Encoding.ASCII.GetBytes(result.Missing.Count.ToString(CultureInfo.InvariantCulture)), context.RequestAborted);
    }

    // Answered while this node catches up, too: whoever sleeps through a vote holds up the others.
    private async Task LeaseAsync(HttpContext context)
    {
        var message = await Bodies.ReadAsync(context.Request, LeaseMessage.MaxBytes, context.RequestAborted);
        leases.Receive(Caller(context).Swarm!, Caller(context).Peer, message);
        context.Response.StatusCode = StatusCodes.Status204NoContent;
    }

    private async Task BlockAsync(HttpContext context)
    {
        var cid = ContentService.Parse((string)context.Request.RouteValues["cid"]!);
        if (await blocks.GetAsync(cid, context.RequestAborted) is not { } block)
        {
            context.Response.StatusCode = StatusCodes.Status404NotFound;
            return;
        }
        context.Response.Headers[MeshBlockSource.SwarmHeader] = Caller(context).ReadableIn!.Value.ToString();
        await Bodies.WriteBytesAsync(context.Response, block, context.RequestAborted);
    }

    private Task GatewayAsync(HttpContext context)
    {
        var peer = Caller(context).Peer;
        return GatewayResponder.RespondAsync(context, new ReadableBlockStore(blocks, cid => new(access.MayRead(peer, cid) is not null)), isPublic: false);
    }

    private async Task AskAsync(HttpContext context)
    {
        var ask = await Bodies.ReadJsonAsync(context.Request, MeshJson.Default.AskMessage, MaxJsonBytes, context.RequestAborted);
        var manifest = ProgramManifest.TryDecode(ask.Manifest) ?? throw new PcException(ErrorCode.BadRequest, "the manifest could not be read");
        var limits = new ProgramLimits(ask.MemoryBytes, ask.CpuMillis, ask.Pids, ask.DiskBytes, ask.Network);
        var offer = programs.Offer(new ProgramAsk(Caller(context).Swarm!.Id, ask.Language, limits) { Manifest = manifest, Name = ask.Name }, Caller(context).Peer);
        var hosts = offer.Hosts && Caller(context).Swarm!.Me is { MayDeployAndHost: true };
        await Bodies.WriteJsonAsync(context.Response, new OfferMessage(hosts, offer.Languages, offer.Rank, offer.Refusal, offer.Seals, offer.Schedules), MeshJson.Default.OfferMessage, context.RequestAborted);
    }

    private async Task LinksAsync(HttpContext context) =>
        await Bodies.WriteJsonAsync(context.Response, await network.LinksAsync(Caller(context).Swarm!, context.RequestAborted), MeshJson.Default.IReadOnlyListLinkMessage, context.RequestAborted);

    private async Task StartAsync(HttpContext context)
    {
        var (swarm, program) = (Caller(context).Swarm!, Caller(context).Program!);
        if (program.Stopped || program.Host != swarms.Self) throw new PcException(ErrorCode.NotPermitted, $"{program.Deployed.Name} is not placed on this node");
        await programs.StartAsync(ProgramSpec.Of(swarm.Id, program), context.RequestAborted);
        reconcile(swarm); // it may have been stopped meanwhile
    }

    private Task StopAsync(HttpContext context) => programs.StandStillAsync(Caller(context).Program!.Id, "was stopped");

    private async Task LogsAsync(HttpContext context)
    {
        var program = Caller(context).Program!;
        var follow = context.Request.Query["follow"] == "true";
        if (!int.TryParse(context.Request.Query["tail"], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var tail)) tail = -1;
        var start = long.TryParse(context.Request.Query["after"], NumberStyles.None, CultureInfo.InvariantCulture, out var after) && after <= DateTime.MaxValue.Ticks ? LogStart.Behind(new DateTimeOffset(after, TimeSpan.Zero))
            : context.Request.Query["from"] == "run" ? LogStart.Run
            : LogStart.Last(tail);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, stopping);
        try
        {
            using var writer = new NdjsonWriter<LogMessage>(context.Response, MeshJson.Default.LogMessage);
            await foreach (var line in programs.LogsAsync(program.Id, start, follow, stop.Token))
                await writer.WriteAsync(new LogMessage(line.Time.UtcTicks, line.IsNotice ? "n" : SourceName(line.Source), line.Text), stop.Token);
            await writer.StartAsync(stop.Token);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            context.Abort();
        }
    }

    private async Task StatusAsync(HttpContext context)
    {
        var program = Caller(context).Program!;
        var status = programs.Programs.FirstOrDefault(status => status.Spec.Id == program.Id)
            ?? throw new PcException(ErrorCode.ProgramNotFound, $"{program.Deployed.Name} is not on this node");
        var message = new ProgramStatusMessage(ProgramWords.Of(status.State), status.Detail, status.Restarts);
        await Bodies.WriteJsonAsync(context.Response, message, MeshJson.Default.ProgramStatusMessage, context.RequestAborted);
    }

    private static string SourceName(LogSource source) => source switch
    {
        LogSource.Out => "o",
        LogSource.Err => "e",
        _ => "p",
    };
}
