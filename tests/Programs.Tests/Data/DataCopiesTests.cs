using PeoplesCloud.Base;
using PeoplesCloud.Content;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Programs.Data;
using PeoplesCloud.Programs.Tests.Support;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Programs.Tests.Data;

/// <summary>The copies of a program's data as its owner sees them.</summary>
public sealed class DataCopiesTests : IAsyncDisposable
{
    private readonly DataVillage _village = new();
    private readonly DataNode _elm;
    private readonly DataNode _fir;
    private readonly DataNode _oak;

    public DataCopiesTests() => (_elm, _fir, _oak) = (_village.Add("elm", limits: new DataLimits { ScanInterval = TimeSpan.FromSeconds(1) }), _village.Add("fir"), _village.Add("oak"));

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task All_copies_are_listed_the_newest_first_and_who_does_not_answer_is_named()
    {
        await using var run = await _elm.BeginAsync(3);
        ReplicationTests.Write(run, "score", "one");
        await _fir.UntilAsync("score=one");
        await _oak.UntilAsync("score=one");
        _elm.Cut.Add(_oak);
        ReplicationTests.Write(run, "score", "two");
        ReplicationTests.Write(run, "more", "x");
        await _fir.UntilAsync("more=x score=two");

        // Asked by fir, who has a copy itself.
        var list = await CopiesOf(_fir).ListAsync(_village.Spec, All, Token);
        Assert.Empty(list.Missing);
        Assert.Equal([2, 2, 1], list.Copies.Select(copy => copy.Version.Files));
        Assert.Equal((_oak.Self, 2), (list.Copies[2].On, list.Copies[2].Version.FilesUnlike(list.Newest)));
        Assert.All(list.Copies, copy => Assert.Equal((null, _elm.Self, 3UL), (copy.Conflict, copy.Version.Holder, copy.Version.Stamp.Epoch)));

        _elm.Awake = false;
        list = await CopiesOf(_oak).ListAsync(_village.Spec, All, Token);
        Assert.Equal([_fir.Self, _oak.Self], list.Copies.Select(copy => copy.On));
        Assert.Equal(_elm.Self, Assert.Single(list.Missing).Member);
    }

    [Fact]
    public async Task A_copy_becomes_a_folder_and_nothing_is_written_over()
    {
        await using var run = await _elm.BeginAsync(1);
        Directory.CreateDirectory(Path.Combine(run.Folder, "empty"));
        var large = new byte[3 * DataLimits.ChunkBytes + 5];
        new Random(1).NextBytes(large);
        File.WriteAllBytes(Path.Combine(run.Folder, "large"), large);
        ReplicationTests.Write(run, "deep/run.sh", "#!/bin/sh");
        File.SetUnixFileMode(Path.Combine(run.Folder, "deep/run.sh"), UnixFileMode.UserRead | UnixFileMode.UserExecute);
        await UntilSameAsync(_fir, files: 2);

        var seen = new List<AddProgress>();
        var folder = _village.Folder["got"];
        var copy = await CopiesOf(_oak).GetAsync(_village.Spec, [_fir.Self], null, folder, new Now<AddProgress>(seen.Add), Token);
        Assert.Equal((_fir.Self, 2), (copy.On, copy.Version.Files));
        Assert.Equal(large, File.ReadAllBytes(Path.Combine(folder, "large")));
        Assert.Equal("#!/bin/sh", File.ReadAllText(Path.Combine(folder, "deep/run.sh")));
        Assert.True(File.GetUnixFileMode(Path.Combine(folder, "deep/run.sh")).HasFlag(UnixFileMode.UserExecute));
        Assert.True(Directory.Exists(Path.Combine(folder, "empty")));
        Assert.Equal((copy.Version.TotalBytes, copy.Version.TotalBytes), (seen[^1].DoneBytes, seen[^1].TotalBytes));

        Assert.Equal(ErrorCode.OutputExists, (await Assert.ThrowsAsync<PcException>(() => CopiesOf(_oak).GetAsync(_village.Spec, All, null, folder, null, Token))).Code);
        Assert.Equal(ErrorCode.DataNotWritten, (await Assert.ThrowsAsync<PcException>(() => CopiesOf(_oak).GetAsync(_village.Spec, All, null, _village.Folder["got/large/below"], null, Token))).Code);
        Assert.Equal(ErrorCode.DataNotFound, (await Assert.ThrowsAsync<PcException>(() => CopiesOf(_oak).GetAsync(_village.Spec, All, "data.conflict-elm-9", _village.Folder["other"], null, Token))).Code);
    }

    [Fact]
    public async Task A_member_that_lies_is_not_believed_and_another_is_asked()
    {
        await using var run = await _elm.BeginAsync(1);
        ReplicationTests.Write(run, "score", "one");
        await UntilSameAsync(_fir, files: 1);
        await UntilSameAsync(_oak, files: 1);
        _elm.Tamper = bytes => [.. bytes!, 1];
        var copy = await CopiesOf(_oak).GetAsync(_village.Spec, [_elm.Self, _fir.Self], null, _village.Folder["got"], null, Token);
        Assert.Equal((_fir.Self, "one"), (copy.On, File.ReadAllText(_village.Folder["got/score"])));

        // Nothing half is left by the one that failed.
        _fir.Tamper = _elm.Tamper;
        await Assert.ThrowsAsync<PcException>(() => CopiesOf(_oak).GetAsync(_village.Spec, [_elm.Self, _fir.Self], null, _village.Folder["again"], null, Token));
        Assert.DoesNotContain(Directory.EnumerateFileSystemEntries(_village.Folder[""]), path => path.EndsWith(".part", StringComparison.Ordinal));

        _fir.Forge = signed => [.. signed.SkipLast(1), (byte)~signed[^1]];
        Assert.Equal(ErrorCode.DataDamaged, Assert.Single((await CopiesOf(_oak).ListAsync(_village.Spec, [_fir.Self], Token)).Missing).Problem.Code);
    }

    [Fact]
    public async Task What_somebody_reads_stays_while_the_program_changes_it()
    {
        await using var run = await _elm.BeginAsync(1);
        var large = new byte[(DataLimits.BatchChunks + 1) * DataLimits.ChunkBytes];
        new Random(1).NextBytes(large);
        File.WriteAllBytes(Path.Combine(run.Folder, "large"), large);
        await UntilSameAsync(_fir, files: 1);
        await UntilSameAsync(_oak, files: 1);

        // Two batches; between them every piece changes.
        var between = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var changed = new TaskCompletionSource();
        var progress = new Now<AddProgress>(at =>
        {
            if (at.DoneBytes != DataLimits.BatchChunks * DataLimits.ChunkBytes) return;
            _elm.ChunkGate = changed.Task;
            between.TrySetResult();
        });
        var getting = CopiesOf(_oak).GetAsync(_village.Spec, [_elm.Self], null, _village.Folder["got"], progress, Token);
        await between.Task.WaitAsync(Patience.Limit, Token);
        _elm.Data.Changed += _ => changed.TrySetResult(); // what nobody needs is gone by then
        File.WriteAllBytes(Path.Combine(run.Folder, "large"), new byte[large.Length]);
        Assert.Equal(1UL, (await getting).Version.Stamp.Number);
        Assert.Equal(large, File.ReadAllBytes(_village.Folder["got/large"]));
    }

    [Fact]
    public async Task All_of_it_can_be_removed_when_nothing_runs()
    {
        await using (var run = await _elm.BeginAsync(1))
        {
            ReplicationTests.Write(run, "score", "one");
            await UntilSameAsync(_fir, files: 1);
            var refused = await CopiesOf(_oak).DropAsync(_village.Spec, [_elm.Self, _fir.Self], null, Token);
            Assert.Equal([ErrorCode.DataInUse, null], refused.Select(answer => answer.Problem?.Code));
            Assert.Equal([false, true], refused.Select(answer => answer.Dropped));
        }
        Assert.All(await CopiesOf(_oak).DropAsync(_village.Spec, All, null, Token), answer => Assert.Null(answer.Problem));
        Assert.False(Directory.Exists(_elm.Kept) || Directory.Exists(_fir.Kept) || Directory.Exists(_oak.Kept));
        Assert.Empty((await CopiesOf(_oak).ListAsync(_village.Spec, All, Token)).Copies);

        // And there can be some again.
        await using var next = await _elm.BeginAsync(2);
        Assert.Empty(Directory.EnumerateFileSystemEntries(next.Folder));
        ReplicationTests.Write(next, "score", "two");
        await _fir.UntilAsync("score=two");
    }

    public ValueTask DisposeAsync() => _village.DisposeAsync();

    private IReadOnlyList<PeerId> All => [_elm.Self, _fir.Self, _oak.Self];

    private static DataCopies CopiesOf(DataNode node) => new(node.Self, node.Data, node, node, new Ed25519Verifier());

    private Task UntilSameAsync(DataNode node, int files) =>
        ReplicationTests.UntilAsync(() => node.Newest?.Content is { } content && content == _elm.Newest?.Content && node.Files().Split('=').Length > files);

    /// <summary>Hears at once, on the caller's thread.</summary>
    private sealed class Now<T>(Action<T> heard) : IProgress<T>
    {
        public void Report(T value) => heard(value);
    }
}
