using PeoplesCloud.Libp2p;
using PeoplesCloud.Programs.Hosting;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Hosting;

/// <summary>States of programs as presence, the mesh and the local API write them.</summary>
internal static class ProgramWords
{
    /// <summary>The word of a state.</summary>
    public static string Of(ProgramState state) => state switch
    {
        ProgramState.Starting => "starting",
        ProgramState.Running => "running",
        ProgramState.Restarting => "restarting",
        ProgramState.Stopped => "stopped",
        ProgramState.Waiting => "waiting",
        ProgramState.Scheduled => "scheduled",
        _ => "failed",
    };

    /// <summary>What a member is called; its id when it never was one.</summary>
    public static string NameOf(SwarmState state, PeerId peer) => state.Members.TryGetValue(peer, out var member) ? member.Name : peer.ToString();

    /// <summary>The word of what became of a time of a schedule.</summary>
    public static string Of(ScheduledResult result) => result switch
    {
        ScheduledResult.Ok => "ok",
        ScheduledResult.Failed => "failed",
        ScheduledResult.Skipped => "skipped",
        ScheduledResult.Lost => "lost",
        _ => "unknown",
    };

    /// <summary>The word of why a run ended.</summary>
    public static string Of(RunEnd end) => end switch
    {
        RunEnd.Finished => "finished",
        RunEnd.Stopped => "stopped",
        RunEnd.HandedOver => "handed over",
        RunEnd.LeaseLost => "lease lost",
        RunEnd.Overlapped => "overlapped",
        RunEnd.StartFailed => "start failed",
        RunEnd.HostDied => "host died",
        RunEnd.HostStopped => "host stopped",
        RunEnd.HostRefused => "host refused",
        _ => "unknown",
    };
}
