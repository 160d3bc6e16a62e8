using System.Net;
using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Swarms;
using PeoplesCloud.Runtimes.Ports;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Tunnels;

/// <summary>
/// A port of 127.0.0.1 that leads to a program's port wherever the program runs. Whoever can connect to this machine's loopback can use it,
/// so it lives only as long as somebody holds it open.
/// </summary>
internal static class OpenedPort
{
    private const int FirstFree = 1024; // below are ports that only root may take

    /// <summary>Listens.</summary>
    /// <param name="dialer">Connects to the program.</param>
    /// <param name="swarm">The program's swarm.</param>
    /// <param name="program">The program's name.</param>
    /// <param name="port">Its port.</param>
    /// <param name="local">The port here: 0 takes any; null the same number when it is free and needs no right, else any.</param>
    /// <exception cref="PcException"><see cref="ErrorCode.LocalPortTaken"/>.</exception>
    public static PortForwarder Listen(TunnelDialer dialer, LocalSwarm swarm, string program, ProgramPort port, int? local)
    {
        var kind = port.Protocol is ProgramPort.Udp ? PortKinds.Udp : PortKinds.Tcp;
        if (local is null && port.Number >= FirstFree && TryListen(port.Number) is { } same) return same;
        return TryListen(local ?? 0) ?? throw new PcException(ErrorCode.LocalPortTaken, $"port {local} of this machine is used by another program, or needs root");

        PortForwarder? TryListen(int number) =>
            PortForwarder.TryListen(new IPEndPoint(IPAddress.Loopback, number), kind, new ProgramTarget(dialer, swarm, program, port.Number), dialer.Limits.Ports, dialer.Time);
    }
}
