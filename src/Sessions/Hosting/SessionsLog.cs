using Microsoft.Extensions.Logging;

namespace PeoplesCloud.Sessions.Hosting;

/// <summary>Log messages of sessions, events 7100 to 7149.</summary>
internal static partial class SessionsLog
{
    [LoggerMessage(7100, LogLevel.Information, "Started session {Session} on port {Port} after {Elapsed}")]
    public static partial void Started(ILogger logger, string session, int port, TimeSpan elapsed);

    [LoggerMessage(7101, LogLevel.Information, "Session {Session} could not be started: {Why}")]
    public static partial void NotStarted(ILogger logger, string session, string why);

    [LoggerMessage(7102, LogLevel.Information, "Session {Session} ended by itself with {ExitCode}")]
    public static partial void Exited(ILogger logger, string session, int exitCode);

    [LoggerMessage(7103, LogLevel.Information, "Removed session {Session}")]
    public static partial void Removed(ILogger logger, string session);

    [LoggerMessage(7104, LogLevel.Information, "Session {Session} sleeps: nobody was connected for {Idle}")]
    public static partial void Sleeps(ILogger logger, string session, TimeSpan idle);

    [LoggerMessage(7105, LogLevel.Information, "Session {Session} woke after {Elapsed}")]
    public static partial void Woke(ILogger logger, string session, TimeSpan elapsed);

    [LoggerMessage(7106, LogLevel.Debug, "A connection to session {Session} was broken off: {Why}")]
    public static partial void ConnectionFailed(ILogger logger, string session, string why);

    [LoggerMessage(7107, LogLevel.Error, "Session {Session} failed in a way that was not foreseen")]
    public static partial void Failed(ILogger logger, string session, Exception error);

    [LoggerMessage(7108, LogLevel.Warning, "Dropped a payload on the channel of {Verb}: {Why}")]
    public static partial void Unreadable(ILogger logger, string verb, string why);

    [LoggerMessage(7109, LogLevel.Warning, "What carries messages of sessions took one not: {Why}")]
    public static partial void NotPublished(ILogger logger, string why);

    [LoggerMessage(7110, LogLevel.Warning, "The folder of session {Session} could not be removed and stays until the next start")]
    public static partial void FolderStays(ILogger logger, string session, Exception error);

    [LoggerMessage(7120, LogLevel.Information, "Session {Session} ended with {ExitCode} and is started again in {Pause}")]
    public static partial void StartsAgain(ILogger logger, string session, int exitCode, TimeSpan pause);

    [LoggerMessage(7121, LogLevel.Information, "Took over session {Session} on port {Port}, which an earlier daemon left")]
    public static partial void Adopted(ILogger logger, string session, int port);

    [LoggerMessage(7122, LogLevel.Warning, "Removed container {Container}, which belongs to no session")]
    public static partial void Orphan(ILogger logger, string container);

    [LoggerMessage(7123, LogLevel.Warning, "Container {Container} of a session that ended stays until Docker answers: {Why}")]
    public static partial void ContainerStays(ILogger logger, string container, string why);

    [LoggerMessage(7124, LogLevel.Warning, "Ended container {Container} of a session: it wrote {Bytes} bytes to its disk, and {Most} are allowed")]
    public static partial void DiskFull(ILogger logger, string container, long bytes, long most);
}
