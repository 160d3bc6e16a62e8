using PeoplesCloud.Base;

namespace PeoplesCloud.Runtimes.Ports;

/// <summary>Where a <see cref="PortForwarder"/> leads. It may take its time: what came in is held meanwhile. Thread-safe.</summary>
public interface IPortTarget
{
    /// <summary>Connects by TCP.</summary>
    /// <exception cref="IOException">It was not reached.</exception>
    /// <exception cref="PcException">It was not reached.</exception>
    ValueTask<PortEnd> ConnectAsync(CancellationToken cancellationToken);

    /// <summary>Opens a way for the datagrams of one sender.</summary>
    /// <exception cref="IOException">It was not reached.</exception>
    /// <exception cref="PcException">It was not reached.</exception>
    ValueTask<IDatagramChannel> OpenDatagramsAsync(CancellationToken cancellationToken);
}
