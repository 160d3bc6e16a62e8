using PeoplesCloud.Base;
using PeoplesCloud.Programs.Data;
using PeoplesCloud.Programs.Tests.Support;

namespace PeoplesCloud.Programs.Tests.Data;

public sealed class ReplicationTests : IAsyncDisposable
{
    private readonly DataVillage _village = new();
    private readonly DataNode _elm;
    private readonly DataNode _fir;
    private readonly DataNode _oak;

    public ReplicationTests() => (_elm, _fir, _oak) = (_village.Add("elm"), _village.Add("fir"), _village.Add("oak"));

    [Fact]
    public async Task What_a_program_writes_is_on_each_guardian_soon_while_it_runs()
    {
        await using var run = await _elm.BeginAsync(1);
        Assert.Empty(Directory.EnumerateFileSystemEntries(run.Folder));
        Write(run, "score", "one");
        Write(run, "deep/er/file", "two");
        await _fir.UntilAsync("deep/ deep/er/ deep/er/file=two score=one");
        await _oak.UntilAsync("deep/ deep/er/ deep/er/file=two score=one");
        Write(run, "score", "three");
        File.Delete(Path.Combine(run.Folder, "deep/er/file"));
        Write(run, "deep/new", "four");
        await _fir.UntilAsync("deep/ deep/er/ deep/new=four score=three");
    }

    [Fact]
    public async Task Only_the_pieces_that_changed_are_sent()
    {
        await using var run = await _elm.BeginAsync(1);
        _oak.Awake = false;
        var large = new byte[20 * DataLimits.ChunkBytes];
        new Random(1).NextBytes(large);
        File.WriteAllBytes(Path.Combine(run.Folder, "database"), large);
        await UntilAsync(() => _fir.Newest?.Content is { } content && content == _elm.Newest?.Content);
        var sent = _elm.ChunksGiven;
        Assert.True(sent >= 20);
        using (var file = File.OpenWrite(Path.Combine(run.Folder, "database")))
        {
            file.Position = 7 * DataLimits.ChunkBytes;
            file.Write("changed"u8);
        }
        await UntilAsync(() => _elm.Newest!.Value.Stamp.Number == 2 && _fir.Newest == _elm.Newest);
        Assert.Equal(sent + 1, _elm.ChunksGiven);
    }

    [Fact]
    public async Task The_next_host_begins_with_the_newest_copy_that_any_reachable_guardian_has()
    {
        // Oak was cut off before the last change, fir was not. Oak takes over when elm is dead.
        await using var run = await _elm.BeginAsync(1);
        Write(run, "score", "one");
        await _oak.UntilAsync("score=one");
        _elm.Cut.Add(_oak);
        Write(run, "score", "two");
        await _fir.UntilAsync("score=two");
        Assert.Equal("score=one", _oak.Files());
        _elm.Awake = false;
        await using var next = await _oak.BeginAsync(2);
        Assert.Equal("two", File.ReadAllText(Path.Combine(next.Folder, "score")));
        Assert.Equal((0, _fir.Self, 2, 1), (next.Age.FilesBehind, next.Age.From, next.Age.Asked, next.Age.Answered));
        Assert.Matches("^0 files behind, [0-9]+\\.[0-9] s, 1 of 2 copies were reached$", next.Age.ToString());
        Assert.Contains(_oak.Said, line => line.StartsWith("data: began with 1 file, 3 bytes, 0 files behind", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_copy_that_is_behind_says_by_how_many_files()
    {
        await using var run = await _elm.BeginAsync(1);
        Write(run, "a", "1");
        await _fir.UntilAsync("a=1");
        // It is told of two more, and the host dies before it has them.
        var gate = new TaskCompletionSource();
        _elm.ChunkGate = gate.Task;
        Write(run, "b", "2");
        Write(run, "c", "3");
        await UntilAsync(() => _fir.Data.StateOf(_village.Spec).Told is { Lacking: 2 });
        (_elm.Awake, _oak.Awake) = (false, false);
        await using var next = await _fir.BeginAsync(2);
        Assert.Equal(2, next.Age.FilesBehind);
        Assert.StartsWith("2 files behind, ", next.Age.ToString(), StringComparison.Ordinal);
        Assert.True(File.Exists(Path.Combine(next.Folder, "a")));
        gate.SetResult();
    }

    [Fact]
    public async Task A_program_that_is_handed_over_begins_elsewhere_with_all_that_it_wrote()
    {
        await using (var run = await _elm.BeginAsync(1))
        {
            Write(run, "score", "last words");
        }
        Assert.Equal("score=last words", _fir.Files());
        await using var next = await _fir.BeginAsync(2);
        Assert.Equal("last words", File.ReadAllText(Path.Combine(next.Folder, "score")));
        Assert.Equal("0 files behind, 0.0 s", next.Age.ToString());
    }

    [Fact]
    public async Task Data_outlives_a_redeploy_and_a_run_on_the_same_host_goes_on_with_its_folder()
    {
        await using (var run = await _elm.BeginAsync(7)) Write(run, "score", "one");
        var later = _village.Deploy();
        await using (var run = await _elm.BeginAsync(1, later))
        {
            Assert.Equal("one", File.ReadAllText(Path.Combine(run.Folder, "score")));
            Write(run, "score", "two");
        }
        await using var next = await _oak.BeginAsync(2, later);
        Assert.Equal("two", File.ReadAllText(Path.Combine(next.Folder, "score")));
    }

    [Fact]
    public async Task What_a_dead_host_had_not_copied_is_kept_as_a_conflict_and_told()
    {
        var run = await _elm.BeginAsync(1);
        Write(run, "score", "one");
        await _fir.UntilAsync("score=one");
        _elm.Awake = false;
        Write(run, "score", "two, never copied");
        await UntilAsync(() => _elm.Files() == "score=two, never copied");
        await using var next = await _fir.BeginAsync(2);
        Write(next, "score", "three");
        await _oak.UntilAsync("score=three");

        // Elm is back: its daemon starts, and fir's copies reach it.
        await run.DisposeAsync();
        _elm.DieAndStartAgain();
        _elm.Awake = true;
        Write(next, "score", "four");
        await _elm.UntilAsync("score=four");
        var conflict = Assert.Single(_elm.Told);
        Assert.Equal(new DataConflict("data.conflict-elm-1", _elm.Self, 1, 1), conflict);
        Assert.Equal("score=two, never copied", _elm.Files("data.conflict-elm-1"));
        Assert.Equal(["data.conflict-elm-1"], _elm.Data.StateOf(_village.Spec).Conflicts);
        Assert.True(File.Exists(Path.Combine(_elm.Kept, "data.conflict-elm-1")));
        Assert.Empty(_oak.Told);
        Assert.Empty(_fir.Told);

        // It is still there after a start, and can be dropped.
        _elm.DieAndStartAgain();
        Assert.Equal("score=two, never copied", _elm.Files("data.conflict-elm-1"));
        Assert.True(await _elm.Data.DropAsync(_elm.Self, _village.Spec, "data.conflict-elm-1", TestContext.Current.CancellationToken));
        Assert.Empty(_elm.Data.StateOf(_village.Spec).Conflicts);
        Assert.False(await _elm.Data.DropAsync(_elm.Self, _village.Spec, "data.conflict-elm-1", TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task What_the_process_wrote_after_its_daemon_was_killed_is_found_when_it_starts_again()
    {
        var run = await _elm.BeginAsync(1);
        Write(run, "score", "one");
        await _fir.UntilAsync("score=one");
        _elm.Awake = false; // nothing is copied any more, as if the daemon had been killed
        _elm.DieAndStartAgain();
        Write(run, "score", "two");
        _elm.Awake = true;
        await using (var again = await _elm.BeginAsync(2))
        {
            Assert.Equal("two", File.ReadAllText(Path.Combine(again.Folder, "score")));
            Assert.Equal((0, TimeSpan.Zero), (again.Age.FilesBehind, again.Age.Age));
            await _fir.UntilAsync("score=two");
        }
        Assert.Empty(_elm.Told);
        Assert.Empty(_fir.Told);
        await run.DisposeAsync();
    }

    [Fact]
    public async Task What_a_killed_daemon_had_not_copied_is_there_for_the_next_host_when_it_is_back_in_time()
    {
        var run = await _elm.BeginAsync(1);
        Write(run, "score", "one");
        await _fir.UntilAsync("score=one");
        _elm.Awake = false;
        _elm.DieAndStartAgain();
        Write(run, "score", "two");
        _elm.Awake = true;
        await using var next = await _fir.BeginAsync(2);
        Assert.Equal("two", File.ReadAllText(Path.Combine(next.Folder, "score")));
        await run.DisposeAsync();
    }

    [Fact]
    public async Task A_host_that_changed_nothing_after_its_last_copy_leaves_no_conflict()
    {
        var run = await _elm.BeginAsync(1);
        Write(run, "score", "one");
        await _fir.UntilAsync("score=one");
        _elm.Awake = false;
        await using var next = await _fir.BeginAsync(2);
        Write(next, "score", "two");
        await run.DisposeAsync();
        _elm.DieAndStartAgain();
        _elm.Awake = true;
        await _elm.UntilAsync("score=two");
        Assert.Empty(_elm.Told);
        Assert.Empty(Directory.EnumerateFiles(_elm.Kept, "data.conflict-*"));
    }

    [Fact]
    public async Task Two_hosts_that_ran_apart_keep_both_and_the_higher_epoch_goes_on()
    {
        await using var run = await _elm.BeginAsync(1);
        Write(run, "score", "both");
        await _fir.UntilAsync("score=both");
        await _oak.UntilAsync("score=both");
        // Elm with oak on one side, fir alone on the other.
        _fir.Cut.UnionWith([_elm, _oak]);
        await using var other = await _fir.BeginAsync(2);
        Write(run, "score", "of elm");
        Write(other, "score", "of fir");
        await _oak.UntilAsync("score=of elm");
        await _fir.UntilAsync("score=of fir");
        _fir.Cut.Clear();
        await run.DisposeAsync(); // its lease is lost
        await _oak.UntilAsync("score=of fir");
        await _elm.UntilAsync("score=of fir");
        Assert.Equal("score=of elm", _oak.Files("data.conflict-elm-1"));
        Assert.Equal("score=of elm", _elm.Files("data.conflict-elm-1"));
        Assert.Contains(_elm.Said, line => line.Contains("fir has newer data, of epoch 2", StringComparison.Ordinal));
    }

    // Goal: an older folder that is found beside newer data is not passed over. Method: elm takes fir's copy and dies before its own folder is
    // gone (which is put back as it was), and something still wrote there, as a container that outlives its daemon may.
    [Fact]
    public async Task What_is_written_to_an_older_folder_after_a_newer_copy_came_is_kept()
    {
        var run = await _elm.BeginAsync(1);
        Write(run, "score", "one");
        await _fir.UntilAsync("score=one");
        _elm.Awake = false;
        await run.DisposeAsync();
        var (folder, pointer) = (run.Folder, await File.ReadAllBytesAsync(Path.Combine(_elm.Kept, "live"), TestContext.Current.CancellationToken));
        _elm.DieAndStartAgain();
        _elm.Awake = true;
        await using var next = await _fir.BeginAsync(2);
        Write(next, "score", "two");
        await _elm.UntilAsync("score=two");
        await UntilAsync(() => !File.Exists(Path.Combine(_elm.Kept, "live")));
        Assert.Empty(_elm.Told);

        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "score"), "one, and a late word");
        File.WriteAllBytes(Path.Combine(_elm.Kept, "live"), pointer);
        _elm.DieAndStartAgain();
        Write(next, "score", "three");
        await _elm.UntilAsync("score=three");
        Assert.Equal(new DataConflict("data.conflict-elm-1", _elm.Self, 1, 1), Assert.Single(_elm.Told));
        Assert.Equal("score=one, and a late word", _elm.Files("data.conflict-elm-1"));
    }

    [Fact]
    public async Task A_run_whose_epoch_is_older_than_the_data_does_not_begin()
    {
        await using (var run = await _elm.BeginAsync(5)) Write(run, "score", "one");
        var refused = await Assert.ThrowsAsync<PcException>(() => _fir.BeginAsync(4));
        Assert.Equal(ErrorCode.DataSuperseded, refused.Code);
    }

    [Fact]
    public async Task Data_of_a_program_that_was_stopped_long_ago_is_removed()
    {
        await using (var run = await _elm.BeginAsync(1)) Write(run, "score", "one");
        Assert.Equal(0, await _fir.Data.CollectAsync(_ => false)); // not long ago
        Directory.SetLastWriteTimeUtc(_fir.Kept, TimeProvider.System.GetUtcNow().UtcDateTime.AddDays(-31));
        Assert.Equal(0, await _fir.Data.CollectAsync(_ => true));
        Assert.Equal(1, await _fir.Data.CollectAsync(_ => false));
        Assert.False(Directory.Exists(_fir.Kept));
        Assert.Null(_fir.Newest);
    }

    // Goal: a program that writes on and on does not fill the line. Method: a byte a second is sent, so that each copy is followed by the longest rest.
    [Fact]
    public async Task Between_two_copies_a_guardian_is_left_alone_and_has_the_last_one_all_the_same()
    {
        await using var village = new DataVillage();
        var elm = village.Add("elm", limits: new DataLimits { SentBytesPerSecond = 1, LongestSendRest = TimeSpan.FromHours(1) });
        var fir = village.Add("fir");
        await using (var run = await elm.BeginAsync(1))
        {
            Write(run, "log", new string('x', 5000));
            await UntilAsync(() => fir.Newest is { } newest && newest.Content == elm.Newest?.Content);
            var (first, given) = (fir.Newest, elm.ChunksGiven);
            for (var i = 0; i < 4; i++)
            {
                Write(run, "log", $"{i}");
                await UntilAsync(() => elm.Files() == $"log={i}");
            }
            Assert.Equal((first, given), (fir.Newest, elm.ChunksGiven));
        }
        Assert.Equal(("log=3", 2), (fir.Files(), elm.ChunksGiven)); // at once when it left
    }

    // Goal: a page of a database that changed does not wait until the whole of it is paid for. Method: the first copy is worth 100 s, the change one.
    [Fact]
    public async Task A_change_of_a_large_file_is_copied_long_before_all_of_it_could_be_again()
    {
        const int pieces = 100;
        await using var village = new DataVillage();
        var elm = village.Add("elm", limits: new DataLimits { SentBytesPerSecond = DataLimits.ChunkBytes, LongestSendRest = TimeSpan.FromHours(1) });
        var fir = village.Add("fir");
        await using var run = await elm.BeginAsync(1);
        var large = new byte[pieces * DataLimits.ChunkBytes];
        new Random(2).NextBytes(large);
        File.WriteAllBytes(Path.Combine(run.Folder, "database"), large);
        await UntilAsync(() => fir.Newest is { } newest && newest.Content == elm.Newest?.Content && elm.ChunksGiven >= pieces);
        var (given, before) = (elm.ChunksGiven, elm.Newest);
        using (var file = File.OpenWrite(Path.Combine(run.Folder, "database")))
        {
            file.Position = 70 * DataLimits.ChunkBytes;
            file.Write("changed"u8);
        }
        await UntilAsync(() => elm.Newest != before && fir.Newest == elm.Newest);
        Assert.Equal(given + 1, elm.ChunksGiven);
    }

    [Fact]
    public async Task Pieces_that_no_version_needs_are_removed()
    {
        await using var run = await _elm.BeginAsync(1);
        for (var i = 0; i < 5; i++)
        {
            Write(run, "score", $"number {i}");
            await _fir.UntilAsync($"score=number {i}");
            await _oak.UntilAsync($"score=number {i}");
        }
        await UntilAsync(() => Directory.GetFiles(Path.Combine(_fir.Kept, "objects")).Length == 1);
        Assert.Equal("number 4".Length, _fir.Data.Bytes);
    }

    public async ValueTask DisposeAsync() => await _village.DisposeAsync();

    internal static void Write(IProgramDataRun run, string name, string text)
    {
        var path = Path.Combine(run.Folder, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, text);
    }

    internal static async Task UntilAsync(Func<bool> condition, Func<string>? otherwise = null)
    {
        using var limit = new CancellationTokenSource(Patience.Limit);
        while (!condition())
        {
            Assert.False(limit.IsCancellationRequested, otherwise?.Invoke() ?? "waited too long");
            await Task.Delay(10, TestContext.Current.CancellationToken);
        }
    }
}
