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
    private int _bytes;
    private bool _disposed;

    /// <summary>How many were lost because they waited too long.</summary>
    public long Lost { get; private set; }

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
            var held = new Held(ArrayPool<byte>.Shared.Rent(datagram.Length), datagram.Length);
            datagram.CopyTo(held.Buffer);
            _held.Enqueue(held);
            _bytes += cost;
            if (_some.CurrentCount == 0) _some.Release();
        }
    }

    /// <summary>Completes when there is something to take.</summary>
    public async ValueTask WaitAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            lock (_gate)
            {
                if (_held.Count > 0) return;
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
            if (!_held.TryDequeue(out var oldest)) return false;
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

    private void Free(Held held)
    {
        _bytes -= held.Length + Overhead;
        ArrayPool<byte>.Shared.Return(held.Buffer);
    }

    [StructLayout(LayoutKind.Auto)]
    private readonly record struct Held(byte[] Buffer, int Length);
}
