using System.Net;

namespace PeoplesCloud.Libp2p.Http;

/// <summary>What Kestrel "listens" on: the HTTP streams of a node.</summary>
internal sealed class MeshEndPoint(PeerId self) : EndPoint
{
    public override string ToString() => $"/p2p/{self}{MeshHttp.Protocol}";
}
