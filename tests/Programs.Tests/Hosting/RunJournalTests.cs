using PeoplesCloud.Programs.Hosting;
using PeoplesCloud.Programs.Tests.Support;
using PeoplesCloud.Runtimes;
using PeoplesCloud.Runtimes.Ports;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Programs.Tests.Hosting;

/// <summary>What a host notes of its runs, for when it dies, and what they take.</summary>
public sealed class RunJournalTests
{
    private static readonly RunJournal Noted = new(
        new SwarmId(EntryHash.Of([1])), EntryHash.Of([2]), 34, DateTimeOffset.FromUnixTimeMilliseconds(1_900_000_000_123), new RunUse(TimeSpan.FromMilliseconds(1_234), 5_678, 90));

    [Fact]
    public void What_was_noted_last_is_read_back()
    {
        using var folder = new TestFolder();
        Assert.Null(RunJournal.Read(folder.Path));
        (Noted with { Epoch = 33 }).Write(folder.Path);
        Noted.Write(folder.Path);
        Assert.Equal(Noted, RunJournal.Read(folder.Path));
        Assert.Equal([RunJournal.FileName], Directory.EnumerateFileSystemEntries(folder.Path).Select(Path.GetFileName));
    }

    [Fact]
    public void A_damaged_note_is_none()
    {
        using var folder = new TestFolder();
        Noted.Write(folder.Path);
        var line = File.ReadAllText(folder[RunJournal.FileName]);
        foreach (var damaged in new[] { "", line[..^20], "2" + line[1..], line.Replace(" 34 ", " -34 ", StringComparison.Ordinal), line.Replace(" 34 ", " 99999999999999999999 ", StringComparison.Ordinal), new string('1', 4096) })
        {
            File.WriteAllText(folder[RunJournal.FileName], damaged);
            Assert.Null(RunJournal.Read(folder.Path));
        }
    }

    [Fact]
    public void A_meter_sums_up_one_process_after_the_other()
    {
        var time = new ManualTime();
        var meter = new RunMeter(time);
        Assert.Equal(RunUse.None, meter.Read());
        var run = new MeteredRun { Used = new RunUsage(64 << 20, TimeSpan.FromSeconds(1), 3) { NetworkBytes = 1000 } };
        meter.Begin(run);
        time.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal(new RunUse(TimeSpan.FromSeconds(1), 640, 1000), Rounded(meter));
        run.Used = new RunUsage(0, TimeSpan.FromSeconds(2), 0) { NetworkBytes = 1500 }; // it has ended
        meter.End();
        meter.Transferred(34);
        meter.Begin(new MeteredRun { Used = new RunUsage(-1, TimeSpan.FromTicks(-1), -1) }); // nothing is known of this one
        time.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal(new RunUse(TimeSpan.FromSeconds(2), 640, 1534), Rounded(meter));
    }

    // The odd ticks of the clock make a little less of ten seconds.
    private static RunUse Rounded(RunMeter meter) => meter.Read() is var use ? use with { MemoryMebibyteSeconds = (use.MemoryMebibyteSeconds + 1) / 10 * 10 } : use;

    private sealed class MeteredRun : IRun
    {
        public RunUsage Used { get; set; } = new(0, TimeSpan.Zero, 0);

        public Task<RunExit> Exited => Task.FromResult(new RunExit(0, RunExitReason.Exited));

        public RunUsage Usage() => Used;

        public ValueTask StopAsync(TimeSpan grace) => ValueTask.CompletedTask;

        public ValueTask<Stream> ConnectAsync(int port, CancellationToken cancellationToken) => throw new NotSupportedException();

        public ValueTask<IDatagramChannel> OpenDatagramsAsync(int port, CancellationToken cancellationToken) => throw new NotSupportedException();

        public ValueTask<int> ExecAsync(IReadOnlyList<string> command, Stream input, Func<OutputKind, ReadOnlyMemory<byte>, ValueTask> output, CancellationToken cancellationToken) => throw new NotSupportedException();

        public ValueTask FreezeAsync() => ValueTask.CompletedTask;

        public ValueTask ThawAsync() => ValueTask.CompletedTask;

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
