using PeoplesCloud.Programs.Data;

namespace PeoplesCloud.Programs.Tests.Data;

public sealed class SendPaceTests
{
    private const long MiB = 1 << 20;

    private readonly HandClock _time = new();
    private readonly SendPace _pace;

    public SendPaceTests() => _pace = new SendPace(new DataLimits { SentBytesPerSecond = 8 * MiB, LongestSendRest = TimeSpan.FromSeconds(30) }, _time);

    [Fact]
    public void What_changed_of_a_large_file_does_not_wait_until_all_of_it_is_paid_for()
    {
        Assert.Equal(0, Wait(200 * MiB));
        Send(200 * MiB, seconds: 2);
        Assert.Equal(23, Wait(200 * MiB), 0.01);
        Assert.InRange(Wait(MiB / 4), 0.01, 0.1);
    }

    [Fact]
    public void A_large_file_after_a_small_one_does_not_wait()
    {
        Send(100, seconds: 0.02);
        Assert.InRange(Wait(200 * MiB), 0, 0.02);
    }

    [Fact]
    public void Nothing_waits_longer_than_the_longest_rest()
    {
        Send(4096 * MiB, seconds: 40);
        Assert.Equal(30, Wait(4096 * MiB), 0.01);
        _time.Advance(TimeSpan.FromSeconds(30));
        Assert.Equal(0, Wait(4096 * MiB));
    }

    // Goal: a program that writes on and on takes its share of a fast line, and half of a slow one, whatever the sizes are. Method: an hour of random
    // versions, each sent as soon as it may be.
    [Theory]
    [InlineData(100, 8)]
    [InlineData(4, 2.1)]
    public void In_the_long_run_each_byte_has_been_waited_for(double lineMiBPerSecond, double mostMiBPerSecond)
    {
        var random = new Random(4);
        var (sent, began) = (0L, _time.GetTimestamp());
        while (_time.GetElapsedTime(began) < TimeSpan.FromHours(1))
        {
            // Not above what is worth the longest rest.
            var bytes = (long)(40 * MiB * Math.Pow(random.NextDouble(), 6));
            _time.Advance(TimeSpan.FromSeconds(Wait(bytes)));
            Send(bytes, bytes / (lineMiBPerSecond * MiB));
            sent += bytes;
        }
        Assert.InRange(sent / (double)MiB / 3600, mostMiBPerSecond * 0.5, mostMiBPerSecond * 1.05);
    }

    private double Wait(long bytes) => _pace.WaitFor(bytes).TotalSeconds;

    private void Send(long bytes, double seconds)
    {
        _time.Advance(TimeSpan.FromSeconds(seconds));
        _pace.Sent(bytes, TimeSpan.FromSeconds(seconds));
    }

    private sealed class HandClock : TimeProvider
    {
        private TimeSpan _now;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => _now.Ticks;

        public void Advance(TimeSpan by) => _now += by;
    }
}
