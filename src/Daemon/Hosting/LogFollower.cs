using System.Runtime.CompilerServices;
using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Swarms;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Programs.Logs;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Hosting;

/// <summary>One line of a program's log and who keeps it; a notice of this reader has no host.</summary>
internal sealed record FollowedLine(PeerId? Host, LogLine Line);

/// <summary>
/// Reads a program's log for as long as the program lives, wherever it goes: across broken connections, other hosts and newer versions. On
/// the same host it goes on behind the last line that it had; on a host that is new to it, with the first line since the program came there.
/// What cannot be known to be whole is said to be so.
/// </summary>
internal sealed class LogFollower(LocalSwarm swarm, ProgramMesh mesh, ProgramLocator locator, PeerId self, TimeProvider time)
{
    // How often it is looked where the program is, while nothing can be read or in the middle of a silence.
    private static readonly TimeSpan LookInterval = TimeSpan.FromMilliseconds(500);

    // A host that hands a program over ends its log first: it has this long to say its last lines.
    private static readonly TimeSpan LastLines = TimeSpan.FromSeconds(2);

    private readonly Dictionary<(EntryHash Program, PeerId Host), DateTimeOffset> _read = [];
    private readonly HashSet<(EntryHash Program, PeerId Host)> _visited = [];

    /// <summary>The lines, until the program is over.</summary>
    /// <param name="program">The program.</param>
    /// <param name="byName">Whether a newer version of that name follows it.</param>
    /// <param name="tail">With how many lines to begin.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="PcException">This node may not read it (any more).</exception>
    public async IAsyncEnumerable<FollowedLine> FollowAsync(SwarmProgram program, bool byName, int tail, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var id = program.Id;
        PeerId? last = null; // the host whose lines came last
        var isLost = false;
        PeerId? ended = null; // the host that said that it is over, which the feeds did not say yet
        while (true)
        {
            swarm.RequireMembership();
            var known = swarm.State.Programs[id];
            // 1. Where is it? One that is over is read once more, if nothing was; one that nobody has is waited for.
            if ((known.Stopped && last is not null ? null : locator.HolderOf(swarm, known)) is not { } host)
            {
                if (!IsOver(known, out var next))
                {
                    await Task.Delay(LookInterval, time, cancellationToken);
                    continue;
                }
                if (!byName || next is null) yield break;
                id = next.Id;
                yield return Notice($"a newer version of {known.Deployed.Name} follows");
                continue;
            }

            // 2. Read for as long as there is something to read, and the program is there.
            if (last is { } before && before != host) yield return Notice($"goes on on {NameOf(host)}");
            var start = _read.TryGetValue((id, host), out var line) ? LogStart.Behind(line) : _visited.Count == 0 ? tail : LogStart.Run;
            PcException? failure = null;
            using (var moved = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken))
            {
                var watching = WatchAsync(id, host, moved);
                await using var lines = mesh.LogsAsync(host, swarm.Id, id, start, follow: true, moved.Token).GetAsyncEnumerator(moved.Token);
                while (true)
                {
                    try
                    {
                        if (!await lines.MoveNextAsync()) break;
                    }
                    catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
                    {
                        break; // it has moved
                    }
                    catch (PcException e) when (IsPassing(e))
                    {
                        failure = e;
                        break;
                    }
                    (last, isLost, ended) = (host, false, null);
                    _visited.Add((id, host));
                    if (!lines.Current.IsNotice) _read[(id, host)] = lines.Current.Time;
                    yield return new FollowedLine(host, lines.Current);
                }
                if (failure is null) _visited.Add((id, host));
                await moved.CancelAsync();
                await watching;
            }

            // 3. Why did it end? A program that is over has no more lines; one whose host went away has, somewhere, sometime.
            known = swarm.State.Programs[id];
            var isOver = IsOver(known, out var successor);
            if (!isOver && failure is null && await IsOverOnAsync(host, id, cancellationToken))
            {
                // A program that is handed over is stopped on its host for a moment, too: what is over is so at the next look.
                isOver = ended == host;
                ended = host;
            }
            if (isOver)
            {
                if (failure is not null) yield return Notice($"the last lines may be missing: {failure.Message}");
                if (!byName || successor is null) yield break;
                id = successor.Id;
                yield return Notice($"a newer version of {known.Deployed.Name} follows");
                continue;
            }
            if (failure is not null && !isLost)
            {
                isLost = true;
                yield return Notice($"{NameOf(host)} cannot be reached now; what the program prints there comes when it can");
            }
            await Task.Delay(LookInterval, time, cancellationToken);
        }
    }

    // Ends the reading of a host that has the program no more, after its last lines.
    private async Task WatchAsync(EntryHash id, PeerId host, CancellationTokenSource moved)
    {
        try
        {
            while (locator.HolderOf(swarm.Id, id) is not { } holder || holder == host) await Task.Delay(LookInterval, time, moved.Token);
            await Task.Delay(LastLines, time, moved.Token);
            await moved.CancelAsync();
        }
        catch (OperationCanceledException)
        {
            // The reading has ended.
        }
    }

    // The newer version is one that names this one, or a live one of its name and owner.
    private bool IsOver(SwarmProgram program, out SwarmProgram? newer)
    {
        newer = swarm.State.Programs.Values.Where(other => other.Owner == program.Owner && other.Id != program.Id && string.Equals(other.Deployed.Name, program.Deployed.Name, StringComparison.Ordinal))
            .OrderByDescending(other => other.Deployed.Replaces == program.Id).ThenBy(other => other.Stopped).FirstOrDefault(other => other.Deployed.Replaces == program.Id || !other.Stopped);
        return program.Stopped || program.Finished;
    }

    private async Task<bool> IsOverOnAsync(PeerId host, EntryHash id, CancellationToken cancellationToken)
    {
        try
        {
            return await mesh.StateOfAsync(host, swarm.Id, id, cancellationToken) is "stopped" or "failed";
        }
        catch (PcException)
        {
            return false; // it has gone with its host, or is somewhere else
        }
    }

    private static bool IsPassing(PcException e) => e.Code is ErrorCode.PeerUnreachable or ErrorCode.PeerFailed or ErrorCode.ProgramNotFound or ErrorCode.Stopping;

    private FollowedLine Notice(string text) => new(null, new LogLine(time.GetUtcNow(), LogSource.Pc, text) { IsNotice = true });

    private string NameOf(PeerId peer) => peer == self ? "this node" : ProgramWords.NameOf(swarm.State, peer);
}
