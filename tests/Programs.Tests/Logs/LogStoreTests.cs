using System.Text;
using FsCheck;
using FsCheck.Fluent;
using PeoplesCloud.Programs.Logs;
using PeoplesCloud.Programs.Tests.Support;
using PeoplesCloud.Runtimes;

namespace PeoplesCloud.Programs.Tests.Logs;

public sealed class LogStoreTests : IDisposable
{
    private static readonly LogLimits Small = new() { FileBytes = 4096, LineBytes = 100 };

    private readonly TestFolder _folder = new();
    private readonly ManualTime _time = new();

    [Fact]
    public async Task Lines_have_their_time_and_source_and_partial_ones_wait_for_their_end()
    {
        using var log = Open();
        Out(log, "one\ntw");
        var first = _time.GetUtcNow();
        _time.Advance(TimeSpan.FromSeconds(1));
        log.Append(OutputKind.Err, "oops\r\n"u8);
        Out(log, "o\n");
        log.Say("started");
        Out(log, "never ended");
        Assert.Equal(["o one", "e oops", "o two", "p started"], await TextsAsync(log));
        Assert.Equal(first, (await ReadAsync(log, -1))[0].Time);
        Assert.Equal(first + TimeSpan.FromSeconds(1), (await ReadAsync(log, -1))[1].Time);
        Assert.Equal(first + TimeSpan.FromSeconds(1) + TimeSpan.FromTicks(1), (await ReadAsync(log, -1))[2].Time);
        log.FinishLines();
        log.FinishLines();
        Assert.Equal(["o never ended"], await TextsAsync(log, 1));
    }

    [Fact]
    public async Task What_is_no_text_is_made_safe_and_everything_else_is_kept()
    {
        using var log = Open();
        log.Append(OutputKind.Out, [0xff, (byte)'a', 0xc3, (byte)'\n']);
        Out(log, "\u001b[31mred\u0000\r50%\u2028\n\n");
        log.Append(OutputKind.Out, [0xc3]);
        log.Append(OutputKind.Out, [0xa9, (byte)'\n']);
        Assert.Equal(["o \ufffda\ufffd", "o \u001b[31mred\u0000\r50%\u2028", "o ", "o é"], await TextsAsync(log));
    }

    [Fact]
    public async Task A_long_line_is_cut_and_says_so()
    {
        using var log = Open(Small);
        for (var i = 0; i < 50; i++) Out(log, "0123456789");
        Out(log, "\nnext\n");
        Assert.Equal([$"o {string.Concat(Enumerable.Repeat("0123456789", 10))} ... (400 more bytes of this line were dropped)", "o next"], await TextsAsync(log));
    }

    [Theory]
    [InlineData(0, new string[0])]
    [InlineData(1, new[] { "o line 299" })]
    [InlineData(3, new[] { "o line 297", "o line 298", "o line 299" })]
    public async Task Tail_begins_with_the_last_lines(int tail, string[] expected)
    {
        using var log = Open(Small);
        for (var i = 0; i < 300; i++) Out(log, $"line {i}\n");
        Assert.Equal(expected, await TextsAsync(log, tail));
    }

    [Fact]
    public async Task Tail_reaches_into_the_older_file_and_ends_at_its_begin()
    {
        using var log = Open(Small);
        for (var i = 0; i < 1000; i++) Out(log, $"line {i}\n");
        var all = await TextsAsync(log);
        Assert.InRange(all.Count, 130, 400);
        Assert.Equal("o line 999", all[^1]);
        for (var tail = 1; tail <= all.Count + 5; tail += 7) Assert.Equal(all.TakeLast(tail), await TextsAsync(log, tail));
    }

    // A program that writes as fast as it can for ever: two files on disk, and memory for one line.
    [Fact]
    public void A_flood_grows_neither_disk_nor_memory()
    {
        using var log = Open(new LogLimits { FileBytes = 1 << 20 });
        var chunk = Encoding.UTF8.GetBytes(string.Concat(Enumerable.Range(0, 2000).Select(i => $"flood {i}\n")));
        var endless = new byte[100_000];
        log.Append(OutputKind.Out, chunk);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 1000; i++)
        {
            log.Append(OutputKind.Out, chunk);
            log.Append(OutputKind.Err, endless);
        }
        Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < 8 << 20, $"{GC.GetAllocatedBytesForCurrentThread() - before} bytes allocated");
        Assert.InRange(Directory.EnumerateFiles(_folder.Path).Sum(file => new FileInfo(file).Length), 1 << 20, 2 << 20);
    }

    [Fact]
    public async Task Following_sees_each_line_once_and_in_order()
    {
        using var log = Open();
        Out(log, "before\n");
        var following = TextsAsync(log, -1, follow: true);
        for (var i = 0; i < 1000; i++) Out(log, $"line {i}\n");
        log.Complete();
        Assert.Equal(["o before", .. Enumerable.Range(0, 1000).Select(i => $"o line {i}")], await following);
    }

    [Fact]
    public async Task A_follower_that_is_too_slow_is_told_what_it_missed()
    {
        using var log = Open(Small);
        Out(log, "first\n");
        var enumerator = log.ReadAsync(-1, follow: true, TestContext.Current.CancellationToken).GetAsyncEnumerator(TestContext.Current.CancellationToken);
        Assert.True(await enumerator.MoveNextAsync());
        for (var i = 0; i < 2000; i++) Out(log, $"line {i}\n");
        log.Complete();
        var lines = new List<LogLine>();
        while (await enumerator.MoveNextAsync()) lines.Add(enumerator.Current);
        var gap = Assert.Single(lines, line => line.Source == LogSource.Pc);
        Assert.Contains("lines are missing", gap.Text, StringComparison.Ordinal);
        Assert.Equal("line 1999", lines[^1].Text);
        Assert.InRange(lines.Count, 100, 1000);
    }

    [Fact]
    public async Task Following_ends_when_it_is_cancelled_or_the_log_is_closed()
    {
        var log = Open();
        using var cancel = new CancellationTokenSource();
        var cancelled = Task.Run(async () => { await foreach (var _ in log.ReadAsync(0, follow: true, cancel.Token)) Assert.Fail("there is no line"); }, TestContext.Current.CancellationToken);
        var closed = TextsAsync(log, 0, follow: true);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cancelled);
        log.Dispose();
        Assert.Empty(await closed);
    }

    [Fact]
    public async Task A_log_goes_on_after_a_restart_and_after_a_torn_line()
    {
        using (var log = Open()) Out(log, "one\n");
        await File.AppendAllTextAsync(_folder["log"], "63844 o torn", TestContext.Current.CancellationToken);
        using (var log = Open())
        {
            Out(log, "two\n");
            Assert.Equal(["o one", "o torn", "o two"], await TextsAsync(log));
        }
    }

    [Fact]
    public async Task A_damaged_file_loses_its_damaged_lines_only()
    {
        using (var log = Open()) Out(log, "one\n");
        await File.AppendAllTextAsync(_folder["log"], "garbage\n\n99999999999999999999 o x\n-5 o x\n5 q x\n5 o\n", TestContext.Current.CancellationToken);
        await File.AppendAllBytesAsync(_folder["log"], [.. new byte[200_000], (byte)'\n'], TestContext.Current.CancellationToken);
        using (var log = Open())
        {
            Out(log, "two\n");
            Assert.Equal(["o one", "o two"], await TextsAsync(log));
        }
    }

    [Fact]
    public void However_it_is_cut_into_chunks_the_lines_are_the_same() => Prop.ForAll(Chunks(), chunks =>
    {
        var splitter = new LineSplitter(1000);
        var lines = new List<string>();
        foreach (var chunk in chunks) splitter.Push(chunk, line => lines.Add(Encoding.UTF8.GetString(line)));
        splitter.Finish(line => lines.Add(Encoding.UTF8.GetString(line)));
        var whole = new LineSplitter(1000);
        var expected = new List<string>();
        whole.Push(chunks.SelectMany(chunk => chunk).ToArray(), line => expected.Add(Encoding.UTF8.GetString(line)));
        whole.Finish(line => expected.Add(Encoding.UTF8.GetString(line)));
        Assert.Equal(expected, lines);
        Assert.DoesNotContain(lines, line => line.Contains('\n', StringComparison.Ordinal));
    }).QuickCheckThrowOnFailure();

    // /dev/full refuses each write as a full disk does.
    [Fact]
    public async Task A_full_disk_loses_lines_and_nothing_else()
    {
        File.CreateSymbolicLink(_folder["log"], "/dev/full");
        using var log = Open();
        Out(log, "lost\n");
        Out(log, "lost too\n");
        log.Say("also lost");
        await Task.CompletedTask;
    }

    // Something that cannot be replaced lies where the older file goes: the flood is dropped, the log goes on when it is gone.
    [Fact]
    public async Task A_rotation_that_fails_loses_lines_and_says_so_later()
    {
        using var log = Open(Small);
        Directory.CreateDirectory(_folder["log.1/x"]);
        for (var i = 0; i < 1000; i++) Out(log, $"line {i}\n");
        Assert.InRange(new FileInfo(_folder["log"]).Length, 1, Small.FileBytes);
        Directory.Delete(_folder["log.1"], recursive: true);
        Out(log, "again\n");
        var lines = await TextsAsync(log, 2);
        Assert.Matches("^p [0-9]+ bytes of the log are missing here", lines[0]);
        Assert.Equal("o again", lines[1]);
    }

    [Fact]
    public async Task A_reader_goes_on_behind_a_line_that_it_had_across_files_and_daemons()
    {
        var log = Open(Small);
        for (var i = 0; i < 60; i++) Out(log, $"line {i}\n");
        var all = await ReadAsync(log, -1);
        Assert.Equal(all.Count, all.Select(line => line.Time).Distinct().Count());
        for (var i = 60; i < 140; i++) Out(log, $"line {i}\n");
        log.Dispose();
        using var again = Open(Small);
        _time.Advance(TimeSpan.FromHours(-1)); // a clock that is set back takes nothing away
        Out(again, "line 140\n");
        foreach (var line in all)
        {
            var behind = await ReadAsync(again, LogStart.Behind(line.Time));
            var number = int.Parse(line.Text.Split(' ')[1], System.Globalization.CultureInfo.InvariantCulture);
            if (behind[0].IsNotice) behind.RemoveAt(0);
            else Assert.Equal($"line {number + 1}", behind[0].Text);
            Assert.Equal("line 140", behind[^1].Text);
            Assert.Equal(behind.Count, behind.Select(one => one.Text).Distinct().Count());
        }
        var last = await ReadAsync(again, 2);
        Assert.Equal(["line 140"], (await ReadAsync(again, LogStart.Behind(last[0].Time))).Select(line => line.Text));
        Assert.Empty(await ReadAsync(again, LogStart.Behind(last[1].Time)));
    }

    [Fact]
    public async Task A_line_that_is_not_kept_any_more_is_missed_in_words()
    {
        using var log = Open(Small);
        Out(log, "first\n");
        var first = (await ReadAsync(log, -1))[0];
        for (var i = 0; i < 500; i++) Out(log, $"line {i}\n");
        var lines = await ReadAsync(log, LogStart.Behind(first.Time));
        Assert.True(lines[0].IsNotice);
        Assert.Equal("lines may be missing here: they are not kept any more", lines[0].Text);
        Assert.Equal((await ReadAsync(log, -1)).Count, lines.Count - 1);
    }

    [Fact]
    public async Task A_run_begins_with_its_first_line_wherever_that_is()
    {
        using (var earlier = Open(Small)) Out(earlier, "earlier\n");
        using var log = Open(Small);
        Assert.Empty(await ReadAsync(log, LogStart.Run));
        for (var i = 0; i < 60; i++) Out(log, $"line {i}\n");
        Assert.Equal(Enumerable.Range(0, 60).Select(i => $"line {i}"), (await ReadAsync(log, LogStart.Run)).Select(line => line.Text));
        for (var i = 60; i < 140; i++) Out(log, $"line {i}\n");
        Assert.Equal("line 0", (await ReadAsync(log, LogStart.Run))[0].Text);
        for (var i = 140; i < 500; i++) Out(log, $"line {i}\n");
        var lines = await ReadAsync(log, LogStart.Run);
        Assert.True(lines[0].IsNotice);
        Assert.Equal("line 499", lines[^1].Text);
    }

    public void Dispose() => _folder.Dispose();

    private static void Out(LogStore log, string text) => log.Append(OutputKind.Out, Encoding.UTF8.GetBytes(text));

    private static async Task<List<LogLine>> ReadAsync(LogStore log, LogStart tail, bool follow = false)
    {
        var lines = new List<LogLine>();
        await foreach (var line in log.ReadAsync(tail, follow, TestContext.Current.CancellationToken)) lines.Add(line);
        return lines;
    }

    private static async Task<List<string>> TextsAsync(LogStore log, int tail = -1, bool follow = false) =>
        [.. (await ReadAsync(log, tail, follow)).Select(line => $"{"oep"[(int)line.Source]} {line.Text}")];

    private static Arbitrary<byte[][]> Chunks() =>
        Gen.Elements((byte)'a', (byte)'b', (byte)'\n', (byte)'\r', (byte)0xc3, (byte)0xa9, (byte)0xff).ArrayOf().ArrayOf().ToArbitrary();

    private LogStore Open(LogLimits? limits = null) => new(_folder.Path, limits ?? new LogLimits(), _time);
}
