using System.IO.Pipelines;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Sessions.Channels;

/// <summary>What the channels of a swarm need of the mesh and of who is in. Thread-safe.</summary>
public interface IChannelMesh
{
    /// <summary>The swarm.</summary>
    SwarmId Swarm { get; }

    /// <summary>This node.</summary>
    PeerId Self { get; }

    /// <summary>Opens a stream of <c>/pc/channels/1</c> to a member.</summary>
    /// <exception cref="IOException">It cannot be reached or does not carry channels.</exception>
    ValueTask<IChannelStream> OpenAsync(PeerId member, CancellationToken cancellationToken);

    /// <summary>Whether a member, or this node, may publish now.</summary>
    bool MayPublish(PeerId member);
}

/// <summary>A stream with a member. Reading and writing fail with <see cref="IOException"/> when it broke.</summary>
public interface IChannelStream : IDuplexPipe, IAsyncDisposable
{
    /// <summary>Ends both directions at once.</summary>
    void Reset();
}
