using System.Buffers;
using System.Buffers.Binary;
using Microsoft.Extensions.Logging;
using PeoplesCloud.Base;
using PeoplesCloud.Base.Formats;
using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Sessions.Channels;

/// <summary>
/// The channels of a swarm (docs/protocols/channels.md): what is published on one member is heard on every member that carries them, in the order in
/// which that member published it, once. Thread-safe.
/// </summary>
public sealed class SwarmChannels : IChannels, IAsyncDisposable
{
    private const int MaxKeptBuffer = 64 << 10;

    private readonly IChannelMesh _mesh;
    private readonly ChannelLimits _limits;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly ulong _boot;
    private readonly Random _random;
    private readonly Lock _gate = new(); // taken last
    private readonly Dictionary<PeerId, ChannelLink> _links = [];
    private readonly Dictionary<PeerId, ChannelPublisher> _publishers = [];
    private ulong _lastNumber;
    private bool _isOver;

    /// <summary>Carries nothing before <see cref="SetMembers"/> says to whom.</summary>
    /// <param name="mesh">The mesh.</param>
    /// <param name="limits">What holds.</param>
    /// <param name="time">The clock.</param>
    /// <param name="random">Names this life of the node among all of it, and spreads attempts.</param>
    /// <param name="logger">What happens.</param>
    public SwarmChannels(IChannelMesh mesh, ChannelLimits limits, TimeProvider time, Random random, ILogger logger)
    {
        (_mesh, _limits, _time, _random, _logger) = (mesh, limits, time, random, logger);
        _boot = (ulong)random.NextInt64(1, long.MaxValue);
        Hub = new ChannelHub(Carry);
    }

    /// <summary>What clients of this node's endpoint publish to and hear.</summary>
    internal ChannelHub Hub { get; }

    /// <summary>The members that are connected and hear what this node publishes.</summary>
    public IReadOnlyCollection<PeerId> Connected
    {
        get
        {
            lock (_gate) return [.. _links.Where(link => link.Value.IsOpen).Select(link => link.Key)];
        }
    }

    /// <inheritdoc/>
    public ValueTask<int> PublishAsync(string channel, ReadOnlyMemory<byte> payload, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var name = ChannelName.Of(channel);
        if (name.Length > _limits.MaxChannelBytes || payload.Length > _limits.MaxMessageBytes)
            throw new PcException(ErrorCode.SessionsMessageTooLarge, $"a message of {payload.Length} bytes on a channel whose name has {name.Length} bytes is more than is carried: {_limits.MaxMessageBytes} and {_limits.MaxChannelBytes}");
        if (!_mesh.MayPublish(_mesh.Self)) throw new PcException(ErrorCode.NotPermitted, "this node may not publish in the swarm: it may only read", "ask an admin of the swarm for a ticket that gives more");
        return ValueTask.FromResult(Hub.Publish(name, payload.Span, publishedHere: true));
    }

    /// <inheritdoc/>
    public IDisposable Subscribe(string channelOrPattern, Action<ChannelMessage> heard) => new HubSubscription(Hub, channelOrPattern, heard);

    /// <summary>Who is to hear what this node publishes, now; this node itself does not count.</summary>
    public async Task SetMembers(IEnumerable<PeerId> members)
    {
        var wanted = members.Where(member => member != _mesh.Self).ToHashSet();
        List<ChannelLink> gone;
        lock (_gate)
        {
            if (_isOver) return;
            gone = [.. _links.Where(link => !wanted.Contains(link.Key)).Select(link => link.Value)];
            foreach (var member in _links.Keys.Except(wanted).ToList()) _links.Remove(member);
            foreach (var member in wanted.Except(_links.Keys).ToList()) _links[member] = new ChannelLink(_mesh, member, _boot, _limits, _time, _random.Next(), _logger);
            foreach (var member in _publishers.Keys.Except(wanted).ToList()) _publishers.Remove(member);
        }
        foreach (var link in gone) await link.DisposeAsync();
    }

    /// <summary>A member may be reachable now that was not before.</summary>
    public void Hurry(PeerId member)
    {
        lock (_gate) _links.GetValueOrDefault(member)?.Hurry();
    }

    /// <summary>Hears a member over a stream that it opened, until the stream ends.</summary>
    /// <param name="member">Who opened it, as the connection proved; a member of the swarm.</param>
    /// <param name="hello">What it said first.</param>
    /// <param name="stream">The stream after that.</param>
    /// <param name="cancellationToken">Ends it.</param>
    internal async Task HearAsync(PeerId member, ChannelHello hello, IChannelStream stream, CancellationToken cancellationToken)
    {
        ChannelPublisher? publisher;
        lock (_gate)
        {
            if (!_publishers.TryGetValue(member, out publisher)) _publishers[member] = publisher = new ChannelPublisher();
        }
        var (turn, number) = publisher.Enter(hello.Boot);
        Hurry(member); // it carries channels, so it hears them
        await stream.Output.WriteAsync(new ChannelWelcome(ChannelStatus.Welcome, number).Encode(), cancellationToken);
        var buffer = new byte[4096];
        var length = 0;
        while (true)
        {
            // Taken out of the stream at once, so that a message may be larger than the stream's window; room is made as bytes come.
            var read = await stream.Input.ReadAsync(cancellationToken);
            var more = (int)read.Buffer.Length;
            if (more == 0 && read.IsCompleted) return;
            if (buffer.Length - length < more) Array.Resize(ref buffer, (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)(length + more)));
            read.Buffer.CopyTo(buffer.AsSpan(length));
            length += more;
            stream.Input.AdvanceTo(read.Buffer.End);

            if (Say(member, publisher, turn, buffer.AsSpan(0, length)) is not { } said) return;
            if (said.Read == 0) continue;
            buffer.AsSpan(said.Read, length - said.Read).CopyTo(buffer);
            length -= said.Read;
            if (length == 0 && buffer.Length > MaxKeptBuffer) buffer = new byte[4096];
            var ack = new byte[sizeof(ulong)];
            BinaryPrimitives.WriteUInt64BigEndian(ack, said.Number);
            await stream.Output.WriteAsync(ack, cancellationToken);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        List<ChannelLink> links;
        lock (_gate)
        {
            _isOver = true;
            links = [.. _links.Values];
            _links.Clear();
        }
        foreach (var link in links) await link.DisposeAsync();
    }

    // Under the lock of the hub: what was published here goes to all in one order.
    private void Carry(ChannelName channel, ReadOnlySpan<byte> payload, Deliveries deliveries)
    {
        lock (_gate)
        {
            if (_links.Count == 0) return;
            var number = ++_lastNumber;
            var frame = ChannelFrame.Encode(number, channel, payload);
            foreach (var link in _links.Values)
            {
                link.Add(number, frame);
                deliveries.Touch(link);
            }
        }
    }

    // All messages that are there; null: the stream is to end.
    private (int Read, ulong Number)? Say(PeerId member, ChannelPublisher publisher, int turn, ReadOnlySpan<byte> bytes)
    {
        var deliveries = new Deliveries();
        var said = Say(member, publisher, turn, bytes, deliveries);
        deliveries.Send();
        return said;
    }

    private (int Read, ulong Number)? Say(PeerId member, ChannelPublisher publisher, int turn, ReadOnlySpan<byte> bytes, Deliveries deliveries)
    {
        var (all, last) = (0, 0UL);
        while (true)
        {
            var status = ChannelFrame.TryRead(bytes[all..], _limits.MaxMessageBytes, out var frame, out var read);
            if (status == ParseStatus.NeedMore) break;
            if (status == ParseStatus.Invalid || !_mesh.MayPublish(member))
            {
                ChannelLog.Refused(_logger, member, status == ParseStatus.Invalid ? "what it sent is no message" : "it may not publish");
                return null;
            }
            all += read;
            last = frame.Number;
            if (!publisher.Say(turn, frame, Hub, deliveries)) return null;
        }
        return (all, last);
    }
}

/// <summary>Log messages of channels, events 7110 to 7119.</summary>
internal static partial class ChannelLog
{
    [LoggerMessage(7110, LogLevel.Debug, "Messages reach {Member}")]
    public static partial void Reached(ILogger logger, PeerId member);

    [LoggerMessage(7111, LogLevel.Debug, "Messages do not reach {Member}: {Reason}")]
    public static partial void NotReached(ILogger logger, PeerId member, string reason);

    [LoggerMessage(7112, LogLevel.Warning, "Messages were lost to {Member}, which does not take them")]
    public static partial void Lost(ILogger logger, PeerId member);

    [LoggerMessage(7113, LogLevel.Warning, "Hears no more of {Member}: {Reason}")]
    public static partial void Refused(ILogger logger, PeerId member, string reason);
}
