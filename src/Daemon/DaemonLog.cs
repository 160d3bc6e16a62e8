using Microsoft.Extensions.Logging;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon;

/// <summary>What the daemon logs: event ids 1100 to 1199. Names and identifiers, never secrets, tickets or payloads.</summary>
internal static partial class DaemonLog
{
    [LoggerMessage(1100, LogLevel.Information, "Serving as {Peer} on {Addresses}")]
    public static partial void Serving(ILogger logger, PeerId peer, string addresses);

    [LoggerMessage(1101, LogLevel.Information, "Stopped: {Reason}")]
    public static partial void Stopped(ILogger logger, string reason);

    [LoggerMessage(1102, LogLevel.Error, "{Request} failed")]
    public static partial void RequestFailed(ILogger logger, string request, Exception error);

    [LoggerMessage(1103, LogLevel.Warning, "Refused {Method} {Path} of {Peer}: {Reason}")]
    public static partial void Refused(ILogger logger, string method, string path, PeerId peer, string reason);

    [LoggerMessage(1104, LogLevel.Error, "The part {Part} failed and starts again in {Pause}")]
    public static partial void PartRestarts(ILogger logger, string part, TimeSpan pause, Exception error);

    [LoggerMessage(1105, LogLevel.Critical, "The part {Part} failed and the node stops")]
    public static partial void PartStopsNode(ILogger logger, string part, Exception error);

    [LoggerMessage(1106, LogLevel.Information, "Joined swarm {Swarm} ({Id}) with {Members} members")]
    public static partial void Joined(ILogger logger, string swarm, string id, int members);

    [LoggerMessage(1107, LogLevel.Information, "Admitted {Peer} to swarm {Swarm} as {Name}")]
    public static partial void Admitted(ILogger logger, PeerId peer, string swarm, string name);

    [LoggerMessage(1108, LogLevel.Debug, "Could not reach {Peer}: {Reason}")]
    public static partial void NotReached(ILogger logger, PeerId peer, string reason);

    [LoggerMessage(1109, LogLevel.Warning, "Refused {Count} entries of swarm {Swarm} from {Peer}: {Reason}")]
    public static partial void EntriesRefused(ILogger logger, int count, string swarm, PeerId peer, EntryRefusal reason);

    [LoggerMessage(1110, LogLevel.Warning, "This machine's clock and the clock of {Peer} are {Apart} apart: set the clock (timedatectl set-ntp true)")]
    public static partial void ClocksApart(ILogger logger, PeerId peer, TimeSpan apart);

    [LoggerMessage(1115, LogLevel.Information, "Made a new key for swarm {Swarm}: generation {Generation}")]
    public static partial void KeyRotated(ILogger logger, string swarm, int generation);

    [LoggerMessage(1116, LogLevel.Warning, "Could not make a new key for swarm {Swarm}: {Reason}")]
    public static partial void KeyNotRotated(ILogger logger, string swarm, string reason);

    [LoggerMessage(1113, LogLevel.Information, "This node is no longer in swarm {Swarm}: {Reason}")]
    public static partial void NoLongerIn(ILogger logger, string swarm, string reason);

    [LoggerMessage(1114, LogLevel.Warning, "Did not take what {Peer} gossiped in swarm {Swarm}: {What}")]
    public static partial void GossipRefused(ILogger logger, PeerId peer, string swarm, string what);

    [LoggerMessage(1120, LogLevel.Debug, "Got no place with {Relay}: {Reason}")]
    public static partial void NoPlace(ILogger logger, PeerId relay, string reason);

    [LoggerMessage(1130, LogLevel.Warning, "Refused {Peer} at {Host}, which showed a wrong secret or code of {Swarm}")]
    public static partial void JoinRefused(ILogger logger, PeerId peer, string host, string swarm);

    [LoggerMessage(1131, LogLevel.Warning, "Could not share the secret of swarm {Swarm} with its new admin: {Reason}")]
    public static partial void SecretNotShared(ILogger logger, string swarm, string reason);

    [LoggerMessage(1132, LogLevel.Warning, "Wrong guesses are not remembered across a restart: {Reason}")]
    public static partial void GuessesNotKept(ILogger logger, string reason);
}
