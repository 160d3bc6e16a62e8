using System.Buffers;
using System.Runtime.InteropServices;

namespace PeoplesCloud.Runtimes.Ports;

/// <summary>Datagrams that wait for a way that is slower than they come. The oldest give way to new ones: late datagrams are worth the least. Thread-safe, with one taker.</summary>
/// <param name="maxBytes">What may wait, in bytes with <see cref="Overhead"/> for each.</param>
public sealed class DatagramQueue(int maxBytes) : IDisposable
{
    /// <summary>What a datagram counts besides its bytes: empty ones cost too.</summary>
    public const int Overhead = 64;

    private readonly Lock _gate = new();
    private readonly Queue<Held> _held = new();
    private readonly SemaphoreSlim _some = new(0, 1);
    private Held? _returned;
    private int _bytes;
    private bool _disposed;

    /// <summary>How many were lost because they waited too long.</summary>
    public long Lost { get; private set; }

    /// <summary>Gives back what was taken last and could not be sent: it is taken next, before all that waits.</summary>
    public void Return(ReadOnlySpan<byte> datagram)
    {
        lock (_gate)
        {
            if (_disposed) return;
            if (_returned is { } before) Free(before);
            _returned = Copy(datagram);
            Tell();
        }
    }

    /// <summary>Adds a copy of a datagram, at the cost of the oldest ones if need be.</summary>
    public void Add(ReadOnlySpan<byte> datagram)
    {
        lock (_gate)
        {
            if (_disposed) return;
            var cost = datagram.Length + Overhead;
            while (_bytes + cost > maxBytes && _held.TryDequeue(out var oldest))
            {
                Free(oldest);
                Lost++;
            }
            if (cost > maxBytes)
            {
                Lost++;
                return;
            }
            _held.Enqueue(Copy(datagram));
            Tell();
        }
    }

    /// <summary>Completes when there is something to take.</summary>
    public async ValueTask WaitAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            lock (_gate)
            {
                if (_returned is not null || _held.Count > 0) return;
            }
            await _some.WaitAsync(cancellationToken);
        }
    }

    /// <summary>Takes the oldest datagram.</summary>
    /// <param name="buffer">As long as the longest datagram that is added.</param>
    /// <param name="length">Its length.</param>
    /// <returns>False when there is none.</returns>
    public bool TryTake(Span<byte> buffer, out int length)
    {
        lock (_gate)
        {
            length = 0;
            if (_returned is { } oldest) _returned = null;
            else if (!_held.TryDequeue(out oldest)) return false;
            length = oldest.Length;
            oldest.Buffer.AsSpan(0, length).CopyTo(buffer);
            Free(oldest);
            return true;
        }
    }

    /// <summary>Loses all that waits.</summary>
    public void Clear()
    {
        lock (_gate)
        {
            if (_returned is { } returned) Free(returned);
            _returned = null;
            while (_held.TryDequeue(out var oldest)) Free(oldest);
        }
    }

    /// <summary>Loses all that waits, and what is added from then on.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _disposed = true;
            Clear();
        }
        _some.Dispose();
    }

    private Held Copy(ReadOnlySpan<byte> datagram)
    {
        var held = new Held(ArrayPool<byte>.Shared.Rent(datagram.Length), datagram.Length);
        datagram.CopyTo(held.Buffer);
        _bytes += datagram.Length + Overhead;
        return held;
    }

    private void Tell()
    {
        if (_some.CurrentCount == 0) _some.Release();
    }

    private void Free(Held held)
    {
        _bytes -= held.Length + Overhead;
        ArrayPool<byte>.Shared.Return(held.Buffer);
    }

    [StructLayout(LayoutKind.Auto)]
    private readonly record struct Held(byte[] Buffer, int Length);
}
