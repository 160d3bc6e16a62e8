using System.Net.Sockets;

namespace PeoplesCloud.Libp2p;

/// <summary>Lets several sockets of this machine have one port: SO_REUSEPORT, which .NET has no name for.</summary>
internal static class PortSharing
{
    private const int SolSocket = 1;
    private const int SoReusePort = 15; // asm-generic/socket.h

    /// <summary>Must be called on each of the sockets before it is bound. Does nothing where it is not known.</summary>
    public static void Enable(Socket socket)
    {
        if (OperatingSystem.IsLinux()) socket.SetRawSocketOption(SolSocket, SoReusePort, BitConverter.GetBytes(1));
    }
}
