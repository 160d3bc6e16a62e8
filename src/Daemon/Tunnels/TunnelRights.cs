using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Tunnels;

/// <summary>
/// Who may connect to a program's ports: its owner and admins, and every member of the swarm when its manifest opens it to them.
/// Only to ports that the manifest names. Judged by whoever opens, to say it at once, and again by the host, which decides.
/// </summary>
internal static class TunnelRights
{
    /// <summary>Whether a member may connect to a program.</summary>
    public static bool MayOpen(SwarmState state, PeerId peer, SwarmProgram program) =>
        state.Find(peer) is not null && (program.Deployed.Manifest.IsOpenToMembers || state.MayControl(peer, program));

    /// <summary>The program's port of this number, for datagrams or for connections; null when it names none.</summary>
    public static ProgramPort? PortOf(SwarmProgram program, int number, bool datagrams) =>
        program.Deployed.Manifest.Ports.FirstOrDefault(port => port.Number == number && port.Protocol is ProgramPort.Udp == datagrams);
}
