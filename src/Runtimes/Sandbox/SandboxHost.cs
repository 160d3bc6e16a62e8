using Microsoft.Extensions.Logging;
using PeoplesCloud.Runtimes.Sandbox.Limits;

namespace PeoplesCloud.Runtimes.Sandbox;

/// <summary>What all sandboxes of a runtime share.</summary>
internal sealed record SandboxHost(SandboxOwner Owner, SandboxTools Tools, SandboxFolders Folders, Cgroups? Cgroups, TimeProvider Time, ILogger Logger)
{
    /// <summary>Ends runs that go over their memory.</summary>
    public MemoryWatch Memory { get; } = new(Cgroups is { HasMemory: true }, Time);

    /// <summary>What programs must not reach now.</summary>
    public RefusedRanges Refused { get; } = new(Time);

    /// <summary>Whether slirp4netns served the last network that wanted one.</summary>
    public bool ServesNetworks { get; set; }

    /// <summary>Logs that the receiver of a command's output failed.</summary>
    public void OutputFailed(Exception error) => SandboxLog.OutputDropped(Logger, error);

    /// <summary>Logs that a group stays behind.</summary>
    public void GroupNotRemoved(uint number) => SandboxLog.GroupNotRemoved(Logger, number);
}

/// <summary>Log messages of the sandbox, events 5000 to 5099.</summary>
internal static partial class SandboxLog
{
    [LoggerMessage(5000, LogLevel.Information, "Started {Run} in a sandbox ({Number}, network {Network}) after {Elapsed}")]
    public static partial void Started(ILogger logger, string run, uint number, NetworkMode network, TimeSpan elapsed);

    [LoggerMessage(5001, LogLevel.Information, "Ended {Run} with {ExitCode} ({Reason})")]
    public static partial void Ended(ILogger logger, string run, int exitCode, RunExitReason reason);

    [LoggerMessage(5002, LogLevel.Error, "Dropped the further output of a command because its receiver failed")]
    public static partial void OutputDropped(ILogger logger, Exception error);

    [LoggerMessage(5003, LogLevel.Warning, "The control group of sandbox {Number} was still in use 10 s after its end and stays until the next start")]
    public static partial void GroupNotRemoved(ILogger logger, uint number);

    [LoggerMessage(5005, LogLevel.Warning, "Sandboxes cannot run on this host: {What}; try: {Hint}")]
    public static partial void CannotRun(ILogger logger, string what, string hint);

    [LoggerMessage(5006, LogLevel.Warning, "What {Run} left on the host could not be removed and stays until the next start")]
    public static partial void CleanupFailed(ILogger logger, string run, Exception error);

    [LoggerMessage(5007, LogLevel.Warning, "What served the network of a sandbox has ended; the next packet starts it again")]
    public static partial void NetworkEnded(ILogger logger);

    [LoggerMessage(5008, LogLevel.Warning, "The network of a sandbox could not be served; its next packets will try again")]
    public static partial void NetworkFailed(ILogger logger, Exception error);

    [LoggerMessage(5004, LogLevel.Warning, "A sandbox could not be prepared ahead for network {Network}; the next start will tell")]
    public static partial void StandbyFailed(ILogger logger, NetworkMode network, Exception error);
}
