using PeoplesCloud.Libp2p;
using PeoplesCloud.Runtimes.Ports;

namespace PeoplesCloud.Daemon.Tunnels;

/// <summary>The mesh's end of a tunnel.</summary>
internal static class MeshEnd
{
    /// <summary>A stream as one; it is taken over.</summary>
    public static PortEnd Of(Libp2pStream stream) => new(stream.AsStream(), () => stream.Output.CompleteAsync(), stream.Reset);
}
