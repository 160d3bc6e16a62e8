namespace PeoplesCloud.Programs.Data;

/// <summary>
/// When a guardian may be sent the next version, so that a program that writes on and on takes half of a line at most, and of a fast one a share. What was
/// sent is owed as time, which passes. The next version waits for as long as it is worth itself, and never longer than what is owed: a changed page does
/// not wait until a whole database is paid for, and a large file that follows a small one does not wait at all. In the long run each byte has
/// been waited for. Not thread-safe.
/// </summary>
/// <param name="limits">How much a second, and the longest wait.</param>
/// <param name="time">The clock.</param>
internal sealed class SendPace(DataLimits limits, TimeProvider time)
{
    // What the line is judged by: mostly what was sent last.
    private const double Remembered = 0.9;

    private TimeSpan _owed;
    private long _sentAt = time.GetTimestamp();
    private double _bytes;
    private double _seconds;

    /// <summary>How long a version of which the guardian lacks so much still waits.</summary>
    public TimeSpan WaitFor(long bytes)
    {
        var onTheLine = bytes * _seconds / Math.Max(1, _bytes);
        var worth = Max(AtRate(bytes), TimeSpan.FromSeconds(Math.Min(onTheLine, limits.LongestSendRest.TotalSeconds)));
        return Max((worth < _owed ? worth : _owed) - time.GetElapsedTime(_sentAt), TimeSpan.Zero);
    }

    /// <summary>So much was sent and saved just now, and took so long.</summary>
    public void Sent(long bytes, TimeSpan took)
    {
        var left = Max(_owed - (time.GetElapsedTime(_sentAt) - took), TimeSpan.Zero);
        var owed = left + Max(AtRate(bytes) - took, took);
        _owed = owed < limits.LongestSendRest ? owed : limits.LongestSendRest;
        (_bytes, _seconds) = ((_bytes * Remembered) + bytes, (_seconds * Remembered) + took.TotalSeconds);
        _sentAt = time.GetTimestamp();
    }

    private TimeSpan AtRate(long bytes) => TimeSpan.FromSeconds((double)bytes / limits.SentBytesPerSecond);

    private static TimeSpan Max(TimeSpan one, TimeSpan other) => one > other ? one : other;
}
