using System.Buffers;
using System.Buffers.Binary;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using PeoplesCloud.Base.Formats;
using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Sessions.Channels;

/// <summary>
/// Brings what this node publishes to one member: over one stream, in order, until the member said that it heard it. A stream that broke is opened again
/// and what was not heard is sent again. Thread-safe.
/// </summary>
internal sealed class ChannelLink : ISender, IAsyncDisposable
{
    private readonly IChannelMesh _mesh;
    private readonly PeerId _member;
    private readonly ulong _boot;
    private readonly ChannelLimits _limits;
    private readonly TimeProvider _time;
    private readonly Random _random;
    private readonly ILogger _logger;
    private readonly Lock _gate = new();
    private readonly LinkedList<Waiting> _waiting = new(); // by number
    private readonly Channel<bool> _due = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private readonly Channel<bool> _hurry = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _running;
    private LinkedListNode<Waiting>? _next; // the first that was not sent on this stream
    private long _bytes;
    private bool _isOpen;
    private bool _lost;

    /// <summary>Begins to reach the member.</summary>
    public ChannelLink(IChannelMesh mesh, PeerId member, ulong boot, ChannelLimits limits, TimeProvider time, int seed, ILogger logger)
    {
        (_mesh, _member, _boot, _limits, _time, _random, _logger) = (mesh, member, boot, limits, time, new Random(seed), logger);
        _running = Task.Run(RunAsync, CancellationToken.None);
    }

    /// <summary>Whether the member is connected and hears.</summary>
    public bool IsOpen
    {
        get
        {
            lock (_gate) return _isOpen;
        }
    }

    /// <summary>How many messages the member has not heard.</summary>
    public int WaitingCount
    {
        get
        {
            lock (_gate) return _waiting.Count;
        }
    }

    /// <summary>Adds a message; it goes with <see cref="Send"/>.</summary>
    public void Add(ulong number, byte[] frame)
    {
        lock (_gate)
        {
            if (!_isOpen) DropOld();
            var node = _waiting.AddLast(new Waiting(number, frame, _time.GetTimestamp()));
            _next ??= node;
            _bytes += frame.Length;
            while (_bytes > _limits.MaxWaitingBytes || _waiting.Count > _limits.MaxWaiting)
            {
                if (!_lost) ChannelLog.Lost(_logger, _member);
                _lost = true;
                DropFirst();
            }
        }
    }

    /// <inheritdoc/>
    public void Send() => _due.Writer.TryWrite(true);

    /// <summary>The member may be reachable now: a pause ends.</summary>
    public void Hurry() => _hurry.Writer.TryWrite(true);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _running;
        _stop.Dispose();
    }

    private async Task RunAsync()
    {
        var pause = _limits.FirstPause;
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                if (await ConnectAsync()) pause = _limits.FirstPause;
            }
            catch (OperationCanceledException) when (_stop.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e) when (e is IOException or OperationCanceledException)
            {
                ChannelLog.NotReached(_logger, _member, e.Message);
            }
            await PauseAsync(pause * (0.5 + _random.NextDouble()));
            pause = pause * 2 < _limits.LongestPause ? pause * 2 : _limits.LongestPause;
        }
    }

    private async Task PauseAsync(TimeSpan pause)
    {
        using var limit = new CancellationTokenSource(pause, _time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, _stop.Token);
        try
        {
            await _hurry.Reader.ReadAsync(both.Token);
        }
        catch (OperationCanceledException)
        {
            // It was as long as it should be, or all ends.
        }
    }

    // One stream, to its end; answers whether the member was reached.
    private async Task<bool> ConnectAsync()
    {
        using var limit = new CancellationTokenSource(_limits.MessageTimeout, _time);
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, _stop.Token);
        await using var stream = await _mesh.OpenAsync(_member, patience.Token);
        try
        {
            await stream.Output.WriteAsync(new ChannelHello(_mesh.Swarm, _boot).Encode(), patience.Token);
            var welcome = await ReadWelcomeAsync(stream, patience.Token);
            if (welcome.Status != ChannelStatus.Welcome) throw new IOException("it does not carry the channels of this swarm for this node");
            Begin(welcome.Heard);
            using var over = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
            var acks = ReadAcksAsync(stream, over);
            try
            {
                await WriteAsync(stream, over.Token);
            }
            catch (Exception e) when (e is IOException || (e is OperationCanceledException && !_stop.IsCancellationRequested))
            {
                // It broke, or the member closed it: what was not heard goes over the next one.
            }
            finally
            {
                await over.CancelAsync();
                await acks;
            }
            return true;
        }
        finally
        {
            stream.Reset();
            End();
        }
    }

    private async Task WriteAsync(IChannelStream stream, CancellationToken cancellationToken)
    {
        while (true)
        {
            while (Take() is { } frame)
            {
                stream.Output.Write(frame);
                if (stream.Output.UnflushedBytes > 64 << 10) await stream.Output.FlushAsync(cancellationToken);
            }
            if (stream.Output.UnflushedBytes > 0) await stream.Output.FlushAsync(cancellationToken);
            await _due.Reader.ReadAsync(cancellationToken);
        }
    }

    private async Task ReadAcksAsync(IChannelStream stream, CancellationTokenSource over)
    {
        try
        {
            while (true)
            {
                var read = await stream.Input.ReadAtLeastAsync(sizeof(ulong), over.Token);
                if (read.Buffer.Length < sizeof(ulong)) break;
                var whole = read.Buffer.Slice(0, read.Buffer.Length / sizeof(ulong) * sizeof(ulong));
                var last = new byte[sizeof(ulong)];
                whole.Slice(whole.Length - sizeof(ulong)).CopyTo(last);
                stream.Input.AdvanceTo(whole.End);
                Heard(BinaryPrimitives.ReadUInt64BigEndian(last));
            }
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            // The stream broke, or all ends.
        }
        await over.CancelAsync();
    }

    private static async Task<ChannelWelcome> ReadWelcomeAsync(IChannelStream stream, CancellationToken cancellationToken)
    {
        var read = await stream.Input.ReadAtLeastAsync(ChannelWelcome.Size, cancellationToken);
        var head = read.Buffer.Slice(0, Math.Min(read.Buffer.Length, ChannelWelcome.Size));
        var status = ChannelWelcome.TryRead(head.ToArray(), out var welcome);
        stream.Input.AdvanceTo(head.End);
        return status == ParseStatus.Done ? welcome : throw new IOException("its welcome could not be read");
    }

    private void Begin(ulong heard)
    {
        lock (_gate)
        {
            DropOld();
            while (_waiting.First is { } first && first.Value.Number <= heard) DropFirst();
            _next = _waiting.First;
            (_isOpen, _lost) = (true, false);
        }
        ChannelLog.Reached(_logger, _member);
    }

    private void End()
    {
        lock (_gate) (_isOpen, _next) = (false, null);
    }

    private byte[]? Take()
    {
        lock (_gate)
        {
            if (_next is not { } next) return null;
            _next = next.Next;
            return next.Value.Frame;
        }
    }

    private void Heard(ulong number)
    {
        lock (_gate)
        {
            while (_waiting.First is { } first && first.Value.Number <= number && first != _next) DropFirst();
        }
    }

    private void DropOld()
    {
        while (_waiting.First is { } first && _time.GetElapsedTime(first.Value.Since) > _limits.Patience) DropFirst();
    }

    private void DropFirst()
    {
        var first = _waiting.First!;
        if (_next == first) _next = first.Next;
        _waiting.RemoveFirst();
        _bytes -= first.Value.Frame.Length;
    }

    private sealed record Waiting(ulong Number, byte[] Frame, long Since);
}
