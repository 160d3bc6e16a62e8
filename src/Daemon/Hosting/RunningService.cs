using Microsoft.Extensions.Logging;
using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Api;
using PeoplesCloud.Daemon.Mesh;
using PeoplesCloud.Daemon.Swarms;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Programs.Hosting;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Hosting;

/// <summary>What a person does with a program that runs: start it again.</summary>
internal sealed class RunningService(SwarmRegistry swarms, ProgramHost own, ProgramLocator locator, ProgramMesh mesh, MeshClient client, ILogger logger)
{
    // A host stops the program (10 s) and starts it again; then the caller hears of it, or that it may take longer.
    private static readonly TimeSpan RestartTimeout = TimeSpan.FromSeconds(60);

    /// <summary>
    /// Starts a program again. The wish is in the feed before its host is told, so that a host that cannot be reached does it when it
    /// hears of it; whoever starts the program after that has done it.
    /// </summary>
    public async Task<RestartReply> RestartAsync(string swarmName, string programName, CancellationToken cancellationToken)
    {
        var (swarm, program) = Require(swarms, swarmName, programName, "restart it");
        var entry = await swarm.AppendAsync(new ProgramControlled(program.Id, ControlAction.Restart, ""), cancellationToken);
        mesh.Remember(program.Id, entry);
        var reply = new RestartReply(program.Deployed.Name, program.Deployed.Bundle.ToString(), null, Done: false);
        if (locator.HolderOf(swarm.Id, program.Id) is not { } host) return reply with { Problem = "it has no host now" };
        reply = reply with { Host = ProgramWords.NameOf(swarm.State, host) };
        try
        {
            await RestartOnAsync(host, swarm, program.Id, cancellationToken);
            return reply with { Done = true };
        }
        catch (PcException e) when (e.Code is ErrorCode.PeerUnreachable)
        {
            DaemonLog.NotReached(logger, host, e.Message);
            return reply with { Problem = e.Message };
        }
        finally
        {
            mesh.Forget(program.Id);
        }
    }

    private async Task RestartOnAsync(PeerId host, LocalSwarm swarm, EntryHash program, CancellationToken cancellationToken)
    {
        if (host == swarms.Self)
        {
            await own.RestartAsync(swarm.State, program).WaitAsync(RestartTimeout, cancellationToken);
            return;
        }
        await mesh.BringEntriesAsync(host, swarm.Id, program, cancellationToken);
        await client.PostAsync(host, ProgramMesh.PathOf(swarm.Id, program, "restart"), default, 0, cancellationToken, RestartTimeout);
    }

    /// <summary>A live program of a swarm that this node may control.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.NotPermitted"/>, or what finding it throws.</exception>
    public static (LocalSwarm Swarm, SwarmProgram Program) Require(SwarmRegistry swarms, string swarmName, string programName, string what)
    {
        var swarm = swarms.Require(swarmName);
        swarm.RequireMembership();
        var program = ProgramService.Find(swarm.State, programName, liveOnly: true);
        if (!swarm.State.MayControl(swarms.Self, program)) throw new PcException(ErrorCode.NotPermitted, $"only the owner of {program.Deployed.Name} and admins of {swarm.Name} {what}");
        return (swarm, program);
    }
}
