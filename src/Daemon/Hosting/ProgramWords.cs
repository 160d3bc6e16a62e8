using PeoplesCloud.Programs.Hosting;

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
        _ => "failed",
    };
}
