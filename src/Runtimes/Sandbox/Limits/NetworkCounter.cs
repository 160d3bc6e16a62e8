using System.Globalization;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace PeoplesCloud.Runtimes.Sandbox.Limits;

/// <summary>
/// Bytes that a network of its own sent and received, from the kernel's /proc/PID/net/dev (proc(5)); loopback is not counted. The file stays open, and
/// with it the numbers: they can be read when the last process has ended. Thread-safe.
/// </summary>
internal sealed class NetworkCounter : IDisposable
{
    // Two lines of headings and some 120 bytes a device, of which a program can make none.
    private const int MaxBytes = 4096;

    private readonly Lock _gate = new();
    private readonly SafeFileHandle? _handle;
    private long _last = -1;

    /// <summary>Counts for the network that a process is in.</summary>
    public NetworkCounter(int pid)
    {
        try
        {
            _handle = File.OpenHandle($"/proc/{pid.ToString(CultureInfo.InvariantCulture)}/net/dev");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It has ended already.
        }
    }

    /// <summary>The bytes until now, or the last that were known; negative when there never were any numbers.</summary>
    public long Read()
    {
        lock (_gate)
        {
            if (_handle is not { IsClosed: false }) return _last;
            try
            {
                Span<byte> text = stackalloc byte[MaxBytes];
                // A device that has gone takes its numbers along.
                _last = Math.Max(_last, Sum(text[..RandomAccess.Read(_handle, text, 0)]));
            }
            catch (IOException)
            {
                // What was known stays known.
            }
            return _last;
        }
    }

    /// <summary>Lets go of the network; the last numbers stay known.</summary>
    public void Dispose()
    {
        lock (_gate) _handle?.Dispose();
    }

    // device = name ":" received-bytes 7*number sent-bytes 7*number
    internal static long Sum(ReadOnlySpan<byte> text)
    {
        long sum = 0;
        foreach (var line in Encoding.ASCII.GetString(text).Split('\n'))
        {
            if (line.Split(':') is not [var name, var numbers] || name.Trim() is "lo") continue;
            var fields = numbers.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (fields.Length > 8 && Number(fields[0]) is { } received && Number(fields[8]) is { } sent) sum += received + sent;
        }
        return sum;
    }

    private static long? Number(string field) => long.TryParse(field, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;
}
