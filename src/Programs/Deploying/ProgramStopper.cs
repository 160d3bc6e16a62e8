using PeoplesCloud.Base;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Programs.Deploying;

/// <summary>A stopped program.</summary>
/// <param name="Program">The program.</param>
/// <param name="Host">Where it ran; null when it was placed nowhere.</param>
/// <param name="Problem">Why the host was not reached: it stops the program when it hears of the entry. Null when it has ended.</param>
public sealed record StopResult(SwarmProgram Program, PeerId? Host, string? Problem);

/// <summary>Stops programs, for their owners and for admins: first in the feed, so that no host starts it again, then on its host.</summary>
public sealed class ProgramStopper(IProgramMesh mesh, DeployTimeouts timeouts, TimeProvider time)
{
    /// <summary>The shortest begin of a hash that names a program.</summary>
    public const int ShortestHash = 6;

    /// <summary>Finds a program that was not stopped by its name, by its hash or bundle's CID, or by 6 or more characters that one of those begins with.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.ProgramNotFound"/>: none, or several.</exception>
    public static SwarmProgram Find(SwarmState state, string nameOrHash)
    {
        var live = state.Programs.Values.Where(program => !program.Stopped).ToList();
        var found = live.Where(program => string.Equals(program.Deployed.Name, nameOrHash, StringComparison.Ordinal)).ToList();
        if (found.Count == 0 && nameOrHash.Length >= ShortestHash)
        {
            found = [.. live.Where(program => program.Id.ToString().StartsWith(nameOrHash, StringComparison.Ordinal)
                || program.Deployed.Bundle.ToString().StartsWith(nameOrHash, StringComparison.Ordinal))];
        }
        return found.Count switch
        {
            1 => found[0],
            0 => throw new PcException(ErrorCode.ProgramNotFound, $"no program in {state.Name} is called {Quoted.Text(nameOrHash)}"),
            _ => throw new PcException(ErrorCode.ProgramNotFound, $"{found.Count} programs in {state.Name} fit {Quoted.Text(nameOrHash)}", "Use its hash: pc list."),
        };
    }

    /// <summary>Stops a program.</summary>
    /// <exception cref="PcException">This node may not stop it (the swarm's code).</exception>
    public async Task<StopResult> StopAsync(IProgramSwarm swarm, SwarmProgram program, CancellationToken cancellationToken)
    {
        await swarm.AppendAsync(new ProgramStopped(program.Id), cancellationToken);
        if (program.Host is not { } host) return new StopResult(program, null, null);
        using var timeout = new CancellationTokenSource(timeouts.Stop, time);
        try
        {
            // The entry is written: whoever asked may go away, the host is told all the same.
            await mesh.StopAsync(host, swarm.State.Id, program.Id, timeout.Token);
            return new StopResult(program, host, null);
        }
        catch (Exception unreachable)
        {
            return new StopResult(program, host, unreachable.Message);
        }
    }
}
