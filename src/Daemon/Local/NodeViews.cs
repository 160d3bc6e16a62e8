using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Api;
using PeoplesCloud.Daemon.Hosting;
using PeoplesCloud.Daemon.Swarms;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Local;

/// <summary>What <c>pc list</c> shows, from snapshots.</summary>
internal sealed class NodeViews(SwarmRegistry swarms, Libp2pHost host, ProgramLocator locator, Func<SwarmId, PresenceInfo> own, TimeProvider time)
{
    /// <summary>How long pc list says that data was kept apart; pc history and pc data list say it as long as there is something to say.</summary>
    private static readonly TimeSpan ConflictsShown = TimeSpan.FromDays(2);

    /// <summary>The swarms of this node, or the one that is named.</summary>
    public ListReply List(string? swarm) =>
        new([.. (string.IsNullOrEmpty(swarm) ? swarms.All : [swarms.Require(swarm)]).OrderBy(s => s.Name, StringComparer.Ordinal).Select(Describe)]);

    private SwarmInfo Describe(LocalSwarm swarm)
    {
        var state = swarm.State;
        var connected = host.Connections.Select(connection => connection.RemotePeer).ToHashSet();
        return new SwarmInfo(
            swarm.Name,
            swarm.Id.ToString(),
            swarm.Me is { } me ? Membership.RoleName(me.Role) : "removed",
            [.. state.ActiveMembers.OrderBy(member => member.Name, StringComparer.Ordinal).Select(member => Describe(swarm, member, connected))],
            [.. state.Programs.Values.Where(program => !program.Stopped).OrderBy(program => program.Deployed.Name, StringComparer.Ordinal).Select(program => Describe(swarm, program, connected))],
            swarm.RefusedBy.Count == 0 ? null : [.. swarm.RefusedBy.Select(peer => NameOf(state, peer)).Order(StringComparer.Ordinal)]);
    }

    private MemberInfo Describe(LocalSwarm swarm, Member member, HashSet<PeerId> connected)
    {
        if (member.Peer == swarms.Self)
        {
            var info = own(swarm.Id);
            return new MemberInfo(member.Peer.ToString(), member.Name, Membership.RoleName(member.Role), "here", info.Hosts, info.Hosts ? info.Rank : null, time.GetUtcNow());
        }
        var view = swarm.Presence.GetValueOrDefault(member.Peer);
        var liveness = LivenessOf(view, connected.Contains(member.Peer));
        var hosts = view?.Record?.Info.Hosts ?? false;
        double? rank = hosts && liveness != Liveness.Asleep ? view!.Record!.Info.Rank : null;
        return new MemberInfo(member.Peer.ToString(), member.Name, Membership.RoleName(member.Role), WordOf(liveness), hosts, rank, view?.LastHeard);
    }

    private ProgramInfo Describe(LocalSwarm swarm, SwarmProgram program, HashSet<PeerId> connected)
    {
        var holder = locator.HolderOf(swarm, program);
        var (state, detail, restarts, running) = StateOf(swarm, program, holder, connected);
        return new ProgramInfo(
            program.Deployed.Name,
            program.Deployed.Bundle.ToString(),
            program.Deployed.Language,
            NameOf(swarm.State, program.Owner),
            holder is { } peer ? NameOf(swarm.State, peer) : null,
            state,
            detail,
            restarts,
            program.DeployedAt,
            swarm.State.FormerKeyHolders(program).Select(former => former.Name).ToList() is { Count: > 0 } formers ? formers : null,
            program.Runs.Count == 0 ? null : [.. program.Runs.Select(run => new RunInfo(NameOf(swarm.State, run.Host), run.Epoch, run.Began, run.Ended, run.End is { } end ? ProgramWords.Of(end) : null, run.Detail))],
            running is { Alone: true },
            program.Guardians.Count == 0 ? null : [.. program.Guardians.Select(guardian => NameOf(swarm.State, guardian)).Order(StringComparer.Ordinal)],
            ScheduleOf(swarm, program, holder),
            running is { Alone: true } ? running.AloneSince : null,
            ConflictsOf(swarm.State, program) is { Count: > 0 } conflicts ? conflicts : null);
    }

    private List<ConflictInfo> ConflictsOf(SwarmState state, SwarmProgram program)
    {
        var since = time.GetUtcNow() - ConflictsShown;
        return [.. program.Controls.Where(control => control.Action == ControlAction.DataTold && control.At >= since).Select(control => new ConflictInfo(NameOf(state, control.Author), control.At, control.Detail))];
    }

    private ScheduleInfo? ScheduleOf(LocalSwarm swarm, SwarmProgram program, PeerId? holder)
    {
        if (program.Deployed.Manifest.Schedule is not { } text) return null;
        var last = holder is { } host ? RunningOn(swarm, program, host)?.Last : null;
        return new ScheduleInfo(text, CronSchedule.TryParse(text)?.NextAfter(time.GetUtcNow()), last is { } over ? new ScheduleLast(DateTimeOffset.FromUnixTimeSeconds(over.Due), ProgramWords.Of(over.Result)) : null);
    }

    private RunningProgram? RunningOn(LocalSwarm swarm, SwarmProgram program, PeerId host) => host == swarms.Self
        ? own(swarm.Id).Running.FirstOrDefault(running => running.Program == program.Id)
        : ProgramLocator.RunningOf(swarm, program.Id) is { } best && best.Host == host ? best.Running : swarm.Presence.GetValueOrDefault(host)?.Record?.Info.Running.FirstOrDefault(running => running.Program == program.Id);

    private (string State, string? Detail, int Restarts, RunningProgram? Running) StateOf(LocalSwarm swarm, SwarmProgram program, PeerId? holder, HashSet<PeerId> connected)
    {
        if (program.Finished) return ("stopped", program.Runs[^1].Detail, 0, null);
        if (holder is not { } host) return ("waiting", null, 0, null);
        var running = RunningOn(swarm, program, host);
        if (swarm.State.Find(host) is null) return ("waiting", "its host is no member any more", 0, null);
        if (host != swarms.Self && LivenessOf(swarm.Presence.GetValueOrDefault(host), connected.Contains(host)) == Liveness.Asleep) return ("unknown", "its host is asleep", 0, null);
        return running is null ? ("starting", null, 0, null) : (running.State, running.Detail, running.Restarts, running);
    }

    // Of whom gossip has heard nothing yet, an open connection says that it is there; one to a sleeper only has not ended yet.
    private static Liveness LivenessOf(PeerView? view, bool connected) => view is { Record: not null } ? view.Liveness : connected ? Liveness.Awake : Liveness.Asleep;

    private static string WordOf(Liveness liveness) => liveness switch
    {
        Liveness.Awake => "awake",
        Liveness.Suspect => "suspect",
        _ => "asleep",
    };

    private static string NameOf(SwarmState state, PeerId peer) => state.Members.TryGetValue(peer, out var member) ? member.Name : peer.ToString();
}
