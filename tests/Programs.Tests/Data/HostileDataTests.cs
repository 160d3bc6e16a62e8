using System.Text;
using PeoplesCloud.Base;
using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Programs.Data;
using PeoplesCloud.Programs.Tests.Support;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Programs.Tests.Data;

/// <summary>Hosts, guardians and programs that mean harm.</summary>
public sealed class HostileDataTests : IAsyncDisposable
{
    private readonly DataVillage _village = new();
    private readonly DataNode _elm;
    private readonly DataNode _fir;

    public HostileDataTests() => (_elm, _fir) = (_village.Add("elm"), _village.Add("fir"));

    [Theory]
    [InlineData("../outside")]
    [InlineData("/tmp/outside")]
    [InlineData("a/../../outside")]
    [InlineData("./a")]
    [InlineData("a//b")]
    [InlineData("")]
    [InlineData("folder/missing/file")]
    [InlineData("nul\0byte")]
    public async Task A_version_whose_paths_lead_elsewhere_is_refused(string path)
    {
        var piece = Encoding.UTF8.GetBytes("harm");
        var version = Version([new DataEntry("folder", DataKind.Folder, 0, []), new DataEntry(path, DataKind.File, piece.Length, [DataHash.Of(piece)])], sort: true);
        await RefusedAsync(version, ErrorCode.DataDamaged);
        Assert.False(File.Exists(Path.Combine(_village.Folder.Path, "outside")));
    }

    [Fact]
    public async Task A_version_that_somebody_else_signed_is_refused()
    {
        using var other = new Ed25519Key(Ed25519Key.NewSeed());
        var version = Version([]) with { Holder = _elm.Self };
        await RefusedAsync(version, ErrorCode.DataDamaged, DataVersionCodec.Sign(version, new Ed25519Signer(other)));
    }

    [Fact]
    public async Task A_version_of_another_program_is_refused()
    {
        var version = Version([]);
        await RefusedAsync(version with { Key = version.Key with { Name = "other" } }, ErrorCode.DataDamaged);
    }

    [Fact]
    public async Task A_member_that_cannot_be_the_holder_is_refused()
    {
        var version = Version([]);
        _fir.HighestEpoch = 3;
        await RefusedAsync(version with { Stamp = version.Stamp with { Epoch = ulong.MaxValue } }, ErrorCode.DataRefused);
        await RefusedAsync(version with { Stamp = version.Stamp with { Deploy = 17 } }, ErrorCode.DataRefused);
    }

    [Fact]
    public async Task A_version_of_an_earlier_deploy_is_not_taken_for_one_of_this()
    {
        var version = Version([]);
        _village.Deploy();
        await RefusedAsync(version, ErrorCode.DataRefused);
    }

    // Whoever has the lease begins: a member that speaks of a later epoch may lie, and one that does not is met by leases, not here.
    [Fact]
    public async Task Data_of_a_later_epoch_on_another_keeps_nobody_from_beginning()
    {
        await using (var run = await _elm.BeginAsync(1)) ReplicationTests.Write(run, "score", "one");
        _elm.Awake = false;
        await using (var later = await _fir.BeginAsync(9)) ReplicationTests.Write(later, "score", "nine");
        _elm.Awake = true;
        await using var next = await _elm.BeginAsync(2);
        Assert.Equal("one", File.ReadAllText(Path.Combine(next.Folder, "score")));
    }

    [Fact]
    public async Task A_version_that_is_too_large_is_refused_before_a_piece_of_it_is_fetched()
    {
        var hash = DataHash.Of("x"u8);
        await RefusedAsync(Version([new DataEntry("large", DataKind.File, 65L << 20, [.. Enumerable.Repeat(hash, (int)DataEntry.ChunksOf(65L << 20))])]), ErrorCode.DataRefused);
        Assert.Equal(0, _elm.ChunksGiven);
    }

    [Fact]
    public async Task Pieces_with_other_bytes_are_refused_and_never_saved()
    {
        await using var run = await _elm.BeginAsync(1);
        _elm.Tamper = bytes => bytes is null ? null : [.. bytes.Select(b => (byte)(b ^ 1))];
        ReplicationTests.Write(run, "score", "one");
        await ReplicationTests.UntilAsync(() => _elm.Said.Any(line => line.StartsWith("data: not copied to fir: ", StringComparison.Ordinal)));
        Assert.Null(_fir.Newest);
        Assert.Empty(Directory.EnumerateFiles(Path.Combine(_fir.Kept, "objects")));
        _elm.Tamper = bytes => bytes;
        await _fir.UntilAsync("score=one");
    }

    [Fact]
    public async Task A_piece_that_was_damaged_on_a_guardians_disk_is_not_given_and_fetched_again()
    {
        await using var run = await _elm.BeginAsync(1);
        ReplicationTests.Write(run, "score", "one");
        await _fir.UntilAsync("score=one");
        var piece = Directory.GetFiles(Path.Combine(_fir.Kept, "objects")).Single();
        File.WriteAllText(piece, "ONE");
        Assert.Null(_fir.Data.Chunk(_village.Spec, DataHash.Of("one"u8)));
        ReplicationTests.Write(run, "other", "two");
        await _fir.UntilAsync("other=two score=one");
    }

    [Fact]
    public async Task A_host_whose_own_copy_is_damaged_begins_with_the_pieces_of_others()
    {
        await using (var run = await _elm.BeginAsync(1)) ReplicationTests.Write(run, "score", "one");
        File.WriteAllText(Directory.GetFiles(Path.Combine(_fir.Kept, "objects")).Single(), "ONE");
        await using (var next = await _fir.BeginAsync(2)) Assert.Equal("one", File.ReadAllText(Path.Combine(next.Folder, "score")));
        File.WriteAllText(Directory.GetFiles(Path.Combine(_elm.Kept, "objects")).Single(), "ONE");
        _fir.Awake = false;
        var refused = await Assert.ThrowsAsync<PcException>(() => _elm.BeginAsync(3));
        Assert.Equal(ErrorCode.DataUnavailable, refused.Code); // rather than with less
    }

    [Fact]
    public async Task What_a_guardian_says_of_a_later_epoch_does_not_win()
    {
        await using (var run = await _elm.BeginAsync(1)) ReplicationTests.Write(run, "score", "one");
        // Fir makes up a version of an epoch that is to come, and signs it as the holder that it never was.
        var forged = Version([], holder: _fir) with { Stamp = new DataStamp((ulong)_village.Spec.DeployedAt.ToUnixTimeMilliseconds(), 90, 1) };
        _fir.Forge = _ => DataVersionCodec.Sign(forged, _fir.Signer);
        await using var next = await _elm.BeginAsync(2);
        Assert.Equal("one", File.ReadAllText(Path.Combine(next.Folder, "score")));
    }

    [Fact]
    public async Task Links_out_of_the_folder_are_neither_followed_nor_copied()
    {
        _village.Folder.With("secret/key", "secret");
        await using var run = await _elm.BeginAsync(1);
        File.CreateSymbolicLink(Path.Combine(run.Folder, "file"), _village.Folder["secret/key"]);
        File.CreateSymbolicLink(Path.Combine(run.Folder, "folder"), _village.Folder["secret"]);
        ReplicationTests.Write(run, "score", "one");
        await _fir.UntilAsync("score=one");
        Assert.Contains(_elm.Said, line => line == "data: not copied: \"file\" is a symbolic link");
    }

    [Fact]
    public async Task A_folder_that_becomes_a_link_while_it_is_read_leads_nowhere()
    {
        // The program swaps a folder for a link to the host's files and back, as fast as it can. Nothing of what is copied is theirs.
        _village.Folder.With("secret/score", "secret");
        await using var run = await _elm.BeginAsync(1);
        var (folder, aside) = (Path.Combine(run.Folder, "swapped"), Path.Combine(run.Folder, "aside"));
        ReplicationTests.Write(run, "swapped/score", "mine");
        using var stop = new CancellationTokenSource();
        var swapping = Task.Run(
            () =>
            {
                for (var i = 0; !stop.IsCancellationRequested; i++)
                {
                    Directory.Move(folder, aside);
                    File.CreateSymbolicLink(folder, _village.Folder["secret"]);
                    File.Delete(folder);
                    Directory.Move(aside, folder);
                    File.WriteAllText(Path.Combine(run.Folder, "count"), $"{i}");
                }
            },
            CancellationToken.None);
        for (var seen = 0UL; seen < 8; seen = _fir.Newest?.Stamp.Number ?? 0)
        {
            Assert.False(swapping.IsFaulted);
            if (_fir.Files() is { } files) Assert.DoesNotContain("secret", files, StringComparison.Ordinal);
            await Task.Delay(10, TestContext.Current.CancellationToken);
        }
        await stop.CancelAsync();
        await swapping;
    }

    [Fact]
    public async Task A_program_that_writes_more_than_it_may_is_ended_and_the_rest_is_not_copied()
    {
        var spec = _village.Deploy(diskBytes: 1000);
        await using var run = await _elm.BeginAsync(1, spec);
        var process = new PausableRun();
        run.Started(process);
        ReplicationTests.Write(run, "score", "one");
        await _fir.UntilAsync("score=one");
        ReplicationTests.Write(run, "flood", new string('x', 1001));
        await process.Exited.WaitAsync(Patience.Limit, TestContext.Current.CancellationToken);
        Assert.Contains(_elm.Said, line => line == "data: holds 1004 bytes, more than the 1000 bytes that this program may use; it was ended");
        Assert.Equal("score=one", _fir.Files());
    }

    [Fact]
    public async Task Too_many_files_are_not_copied_and_this_is_said()
    {
        await using var run = await _elm.BeginAsync(1);
        for (var i = 0; i <= DataLimits.MaxEntries; i++) File.WriteAllBytes(Path.Combine(run.Folder, $"{i}"), []);
        await ReplicationTests.UntilAsync(() => _elm.Said.Any(line => line == "data: not copied: it has more than 10000 files and folders"));
    }

    public async ValueTask DisposeAsync() => await _village.DisposeAsync();

    private DataVersion Version(IReadOnlyList<DataEntry> entries, bool sort = false, DataNode? holder = null) => new()
    {
        Key = DataKey.Of(_village.Spec),
        Stamp = new DataStamp((ulong)_village.Spec.DeployedAt.ToUnixTimeMilliseconds(), 1, 1),
        Holder = (holder ?? _elm).Self,
        Taken = DateTimeOffset.UnixEpoch,
        Origins = [],
        Entries = sort ? [.. entries.OrderBy(entry => entry.Path, StringComparer.Ordinal)] : entries,
    };

    // Elm tells fir of it; fir refuses, and has nothing of it.
    private async Task RefusedAsync(DataVersion version, ErrorCode code, byte[]? signed = null)
    {
        await using (var run = await _elm.BeginAsync(1))
        {
            // So that there is something to forge.
            _fir.Awake = false;
            ReplicationTests.Write(run, "score", "one");
        }
        _fir.Awake = true;
        var forged = signed ?? DataVersionCodec.Sign(version, _elm.Signer);
        _elm.Forge = _ => forged;
        var refused = await Assert.ThrowsAsync<PcException>(
            () => _fir.Data.NoticedAsync(_elm.Self, _village.Spec, new DataNotice(version.Origin, 0, 0, false), TestContext.Current.CancellationToken));
        Assert.Equal(code, refused.Code);
        Assert.Null(_fir.Newest);
    }
}
