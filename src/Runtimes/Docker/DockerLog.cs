using Microsoft.Extensions.Logging;

namespace PeoplesCloud.Runtimes.Docker;

/// <summary>Log messages of the Docker runtime, events 5100 to 5149.</summary>
internal static partial class DockerLog
{
    [LoggerMessage(5100, LogLevel.Information, "Started {Run} in container {Container} (network {Network}) after {Elapsed}")]
    public static partial void Started(ILogger logger, string run, string container, NetworkMode network, TimeSpan elapsed);

    [LoggerMessage(5101, LogLevel.Information, "Ended {Run} with {ExitCode} ({Reason})")]
    public static partial void Ended(ILogger logger, string run, int exitCode, RunExitReason reason);

    [LoggerMessage(5102, LogLevel.Error, "Dropped the further output of a container because its receiver failed")]
    public static partial void OutputDropped(ILogger logger, Exception error);

    [LoggerMessage(5103, LogLevel.Warning, "Docker went away while {Run} ran; its container is ended as soon as that is possible")]
    public static partial void Lost(ILogger logger, string run);

    [LoggerMessage(5104, LogLevel.Warning, "Removed container {Container}, which an earlier daemon left")]
    public static partial void Removed(ILogger logger, string container);

    [LoggerMessage(5105, LogLevel.Warning, "Docker cannot be used now: {What}")]
    public static partial void Unusable(ILogger logger, string what);

    [LoggerMessage(5106, LogLevel.Information, "Started the guard of containers, process {Pid}")]
    public static partial void GuardStarted(ILogger logger, int pid);

    [LoggerMessage(5107, LogLevel.Warning, "The guard of containers has ended; started another")]
    public static partial void GuardGone(ILogger logger);

    [LoggerMessage(5108, LogLevel.Error, "Containers run without a guard, which could not be started again: {What}")]
    public static partial void GuardMissing(ILogger logger, string what);

    [LoggerMessage(5109, LogLevel.Warning, "The container of {Run} could not be removed and stays until the next start: {What}")]
    public static partial void CleanupFailed(ILogger logger, string run, string what);

    [LoggerMessage(5110, LogLevel.Information, "Built image {Image}")]
    public static partial void Built(ILogger logger, string image);
}
