using System.Formats.Tar;
using System.Text;
using FsCheck;
using FsCheck.Fluent;
using PeoplesCloud.Base;
using PeoplesCloud.Programs.Bundles;
using PeoplesCloud.Programs.Tests.Support;

namespace PeoplesCloud.Programs.Tests.Bundles;

public sealed class TarTests : IDisposable
{
    private static readonly string LongPath = string.Join('/', Enumerable.Repeat("a-rather-long-name-of-a-folder", 6)) + "/";

    private readonly TestFolder _folder = new();

    [Fact]
    public void The_same_folder_gives_the_same_bytes_whenever_and_wherever_it_is()
    {
        using var other = new TestFolder();
        foreach (var folder in new[] { _folder, other }) folder.With("bot.py").With("lib/x.py", "x = 1");
        File.SetLastWriteTimeUtc(other["bot.py"], DateTime.UnixEpoch);
        File.SetUnixFileMode(other["bot.py"], (UnixFileMode)0x180);
        Assert.Equal(TarOf(_folder.Path), TarOf(other.Path));
    }

    // A second reader that we did not write: .NET's own.
    [Fact]
    public void Another_tar_reader_sees_the_same_files()
    {
        _folder.With("bot.py", "hello").With("empty", "").With(LongPath + "deep.py", new byte[1000]).With("ünïcode", "x");
        File.SetUnixFileMode(_folder["bot.py"], (UnixFileMode)0x1ED);
        using var reader = new System.Formats.Tar.TarReader(new MemoryStream(TarOf(_folder.Path)));
        var seen = new List<string>();
        while (reader.GetNextEntry(copyData: true) is { } entry)
        {
            Assert.Equal(DateTimeOffset.UnixEpoch, entry.ModificationTime);
            Assert.Equal((0, 0), (entry.Uid, entry.Gid));
            seen.Add($"{entry.EntryType} {entry.Name} {entry.Length} {entry.Mode.HasFlag(UnixFileMode.UserExecute)}");
        }
        Assert.Contains("RegularFile bot.py 5 True", seen);
        Assert.Contains("RegularFile empty 0 False", seen);
        Assert.Contains($"RegularFile {LongPath}deep.py 1000 False", seen);
        Assert.Contains($"Directory {LongPath} 0 True", seen);
        Assert.Contains("RegularFile ünïcode 1 False", seen);
        Assert.Equal(4 + 6, seen.Count);
    }

    [Fact]
    public async Task What_was_packed_is_unpacked_the_same()
    {
        _folder.With("src/bot.py", "hello").With("src/empty", "").With("src/" + LongPath + "deep.py", new byte[100_000]).With("src/ünïcode", "x").With("src/run.sh");
        Directory.CreateDirectory(_folder["src/nothing/in/here"]);
        File.SetUnixFileMode(_folder["src/run.sh"], (UnixFileMode)0x1ED);
        var unpacked = await UnpackAsync(TarOf(_folder["src"]));
        Assert.Equal(TestFolder.Describe(_folder["src"]), TestFolder.Describe(_folder["out"]));
        Assert.Equal(100_000 + 5 + 1 + 15, unpacked.Bytes);
    }

    [Fact]
    public void Random_folders_come_back_the_same() => Prop.ForAll(Folders(), entries =>
    {
        using var folder = new TestFolder();
        Directory.CreateDirectory(folder["src"]);
        foreach (var (path, bytes) in entries)
        {
            // Names may clash: what is a file here may be a folder there; the first wins.
            try
            {
                folder.With("src/" + path, bytes);
            }
            catch (Exception clash) when (clash is IOException or UnauthorizedAccessException)
            {
            }
        }
        var archive = TarOf(folder["src"]);
        new BundleUnpacker(BundleLimits.Default).UnpackTarAsync(new MemoryStream(archive), folder["out"], CancellationToken.None).GetAwaiter().GetResult();
        Assert.Equal(TestFolder.Describe(folder["src"]), TestFolder.Describe(folder["out"]));
        Assert.Equal(archive, TarOf(folder["out"]));
    }).Check(Config.QuickThrowOnFailure.WithMaxTest(60));

    public static TheoryData<string, byte[], string> Hostile() => new()
    {
        { "climbs out", Archive(Raw("../evil", '0', "x")), "leads out of the folder" },
        { "climbs out in the middle", Archive(Raw("a/", '5', ""), Raw("a/../../evil", '0', "x")), "leads out" },
        { "absolute", Archive(Raw("/etc/evil", '0', "x")), "absolute" },
        { "only dots", Archive(Raw("./evil", '0', "x")), "leads out" },
        { "double slash", Archive(Raw("a/", '5', ""), Raw("a//b", '0', "x")), "leads out" },
        { "no name", Archive(Raw("", '0', "x")), "leads out" },
        { "just a slash", Archive(Raw("/", '5', "")), "absolute" },
        { "control characters", Archive(Raw("a\nb", '0', "x")), "control characters" },
        { "not text", Archive(Raw("a\u0000", '0', "x", name: [0xff, 0xfe])), "leads out" },
        { "symbolic link", Archive(Raw("link", '2', "")), "a link" },
        { "hard link", Archive(Raw("link", '1', "")), "a link" },
        { "character device", Archive(Raw("null", '3', "")), "a device" },
        { "pipe", Archive(Raw("pipe", '6', "")), "no file and no folder" },
        { "GNU long name", Archive(Raw("././@LongLink", 'L', "x")), "no file and no folder" },
        { "global pax header", Archive(Raw("pax", 'g', "x")), "no file and no folder" },
        { "the same path twice", Archive(Raw("a", '0', "x"), Raw("a", '0', "y")), "not in order" },
        { "out of order", Archive(Raw("b", '0', "x"), Raw("a", '0', "y")), "not in order" },
        { "a file under a file", Archive(Raw("a", '0', "x"), Raw("a/b", '0', "y")), "outside of its folders" },
        { "a folder over a file", Archive(Raw("a", '0', "x"), Raw("a/", '5', "")), "twice" },
        { "without its folder", Archive(Raw("a/b", '0', "y")), "outside of its folders" },
        { "setuid", Archive(Raw("a", '0', "x", mode: "0004755")), "not written as ours" },
        { "an owner", Archive(Raw("a", '0', "x", patch: block => block[114] = (byte)'1')), "not written as ours" },
        { "a time", Archive(Raw("a", '0', "x", patch: block => block[146] = (byte)'1')), "not written as ours" },
        { "wrong checksum", Archive(Patched(Raw("a", '0', "x"), 150)), "not written as ours" },
        { "a length in base 256", Archive(Raw("a", '0', "x", patch: block => block[124] = 0x80)), "not written as ours" },
        { "a folder with content", Archive(Raw("a/", '5', "xyz")), "not written as ours" },
        { "a prefix field", Archive(Raw("a", '0', "x", patch: block => block[345] = (byte)'p')), "not written as ours" },
        { "padding that says something", Archive(Patched(Raw("a", '0', "x"), 700)), "padding" },
        { "bytes after the end", [.. Archive(Raw("a", '0', "x")), 1], "goes on after its end" },
        { "one empty block", [.. Raw("a", '0', "x"), .. new byte[512], .. Raw("b", '0', "x")], "one empty block" },
        { "no end", Raw("a", '0', "x"), "cut off" },
        { "nothing", [], "cut off" },
    };

    [Theory]
    [MemberData(nameof(Hostile))]
    public async Task A_hostile_archive_is_refused_and_leaves_nothing(string meaning, byte[] archive, string words)
    {
        Assert.NotEmpty(meaning);
        Directory.CreateDirectory(_folder["host"]);
        await Refused.WithAsync(ErrorCode.BundleDamaged, words, () => UnpackAsync(archive, "host/out"));
        Assert.Empty(Directory.EnumerateFileSystemEntries(_folder["host"]));
        Assert.Equal(["host"], Directory.EnumerateFileSystemEntries(_folder.Path).Select(Path.GetFileName));
    }

    [Fact]
    public async Task A_claimed_length_costs_nothing_until_its_bytes_are_there()
    {
        // Reading from memory never leaves this thread.
        var (thread, before) = (Environment.CurrentManagedThreadId, GC.GetAllocatedBytesForCurrentThread());
        await Refused.WithAsync(ErrorCode.BundleTooLarge, "more than 256 MiB", () => UnpackAsync(Archive(Raw("a", '0', "x", patch: block => "77777777777"u8.CopyTo(block.AsSpan(124))))));
        await Refused.WithAsync(ErrorCode.BundleTooLarge, "a path longer", () => UnpackAsync(Archive(Raw("././@PaxHeader", 'x', "", patch: block => "77777777777"u8.CopyTo(block.AsSpan(124))))));
        Assert.Equal(thread, Environment.CurrentManagedThreadId);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 4 << 20);
    }

    [Fact]
    public async Task A_host_has_its_own_limits()
    {
        for (var i = 0; i < 20; i++) _folder.With($"src/f{i}", new byte[1000]);
        var archive = TarOf(_folder["src"]);
        await Refused.WithAsync(ErrorCode.BundleTooLarge, "more than 10 files", () => UnpackAsync(archive, "out", new BundleLimits { MaxEntries = 10 }));
        await Refused.WithAsync(ErrorCode.BundleTooLarge, "more than 2 KiB", () => UnpackAsync(archive, "out", new BundleLimits { MaxBytes = 2048 }));
        Assert.False(Directory.Exists(_folder["out"]));
    }

    // Goal: no truncation is taken for a whole archive. Method: every length up to the whole.
    [Fact]
    public async Task Every_truncation_is_refused()
    {
        _folder.With("src/bot.py", "hello").With("src/" + LongPath + "x", "y");
        var archive = TarOf(_folder["src"]);
        for (var length = 0; length < archive.Length; length += length % 512 < 4 || length % 512 > 508 ? 1 : 31)
            await Assert.ThrowsAsync<PcException>(() => UnpackAsync(archive[..length]));
        await UnpackAsync(archive);
    }

    // Goal: damage never crashes, and never writes outside. Method: flip one bit of every 17th byte, each kind of field among them.
    [Fact]
    public async Task A_flipped_bit_is_refused_or_changes_only_content()
    {
        _folder.With("src/bot.py", "hello").With("src/" + LongPath + "x", "y");
        var archive = TarOf(_folder["src"]);
        for (var index = 0; index < archive.Length; index += 17)
        {
            var damaged = archive.ToArray();
            damaged[index] ^= (byte)(1 << (index % 8));
            var error = await Record.ExceptionAsync(() => UnpackAsync(damaged));
            Assert.True(error is null or PcException, error?.ToString());
            if (error is null) Directory.Delete(_folder["out"], recursive: true);
        }
    }

    [Fact]
    public void A_file_that_grew_since_the_scan_is_noticed()
    {
        _folder.With("bot.py").With("log", "a");
        var scanned = new FolderScanner(BundleLimits.Default).Scan(_folder.Path);
        File.AppendAllText(_folder["log"], "b");
        Refused.With(ErrorCode.FileChanged, "log\" changed while it was packed", () => new TarStream(scanned).CopyTo(Stream.Null));
    }

    [Fact]
    public void A_file_that_changes_while_it_is_read_is_noticed()
    {
        _folder.With("data", new byte[100_000]);
        using var tar = new TarStream(new FolderScanner(BundleLimits.Default).Scan(_folder.Path));
        tar.ReadExactly(new byte[50_000]);
        File.WriteAllBytes(_folder["data"], new byte[70_000]);
        Refused.With(ErrorCode.FileChanged, "data\" changed while it was packed", () => tar.CopyTo(Stream.Null));
    }

    [Fact]
    public void A_file_that_is_overwritten_in_place_while_it_is_read_is_noticed()
    {
        _folder.With("data", new byte[100_000]);
        File.SetLastWriteTimeUtc(_folder["data"], DateTime.UnixEpoch);
        using var tar = new TarStream(new FolderScanner(BundleLimits.Default).Scan(_folder.Path));
        tar.ReadExactly(new byte[50_000]);
        using (var data = File.Open(_folder["data"], FileMode.Open, FileAccess.Write, FileShare.ReadWrite)) data.Write("other"u8);
        Refused.With(ErrorCode.FileChanged, "data\" changed while it was packed", () => tar.CopyTo(Stream.Null));
    }

    [Fact]
    public void A_file_that_is_gone_is_noticed()
    {
        _folder.With("data");
        var scanned = new FolderScanner(BundleLimits.Default).Scan(_folder.Path);
        File.Delete(_folder["data"]);
        Refused.With(ErrorCode.FileChanged, "data", () => new TarStream(scanned).CopyTo(Stream.Null));
    }

    [Fact]
    public void A_link_put_in_the_place_of_a_file_is_not_followed()
    {
        _folder.With("data", "abc").With("other", "abc");
        var scanned = new FolderScanner(BundleLimits.Default).Scan(_folder.Path);
        File.Delete(_folder["data"]);
        File.CreateSymbolicLink(_folder["data"], "/etc/hostname");
        Refused.With(ErrorCode.FileChanged, "data", () => new TarStream(scanned).CopyTo(Stream.Null));
    }

    public void Dispose() => _folder.Dispose();

    internal static byte[] TarOf(string folder)
    {
        using var tar = new TarStream(new FolderScanner(BundleLimits.Default).Scan(folder));
        using var bytes = new MemoryStream();
        tar.CopyTo(bytes);
        return bytes.ToArray();
    }

    private Task<UnpackedBundle> UnpackAsync(byte[] archive, string to = "out", BundleLimits? limits = null) =>
        new BundleUnpacker(limits ?? BundleLimits.Default).UnpackTarAsync(new MemoryStream(archive), _folder[to], TestContext.Current.CancellationToken);

    private static byte[] Archive(params byte[][] entries) => [.. entries.SelectMany(entry => entry), .. new byte[1024]];

    private static byte[] Patched(byte[] bytes, int index)
    {
        bytes[index] ^= 1;
        return bytes;
    }

    // An entry as any tar program could write it, with a right checksum.
    private static byte[] Raw(string path, char type, string content, string mode = "0000644", byte[]? name = null, Action<byte[]>? patch = null)
    {
        var block = new byte[512];
        (name ?? Encoding.UTF8.GetBytes(path)).CopyTo(block, 0);
        Encoding.ASCII.GetBytes(type == '5' ? "0000755" : mode).CopyTo(block, 100);
        "0000000"u8.CopyTo(block.AsSpan(108));
        "0000000"u8.CopyTo(block.AsSpan(116));
        Encoding.ASCII.GetBytes(Convert.ToString(content.Length, 8).PadLeft(11, '0')).CopyTo(block, 124);
        "00000000000"u8.CopyTo(block.AsSpan(136));
        block[156] = (byte)type;
        "ustar\000"u8.CopyTo(block.AsSpan(257));
        "00"u8.CopyTo(block.AsSpan(263));
        "0000000"u8.CopyTo(block.AsSpan(329));
        "0000000"u8.CopyTo(block.AsSpan(337));
        patch?.Invoke(block);
        block.AsSpan(148, 8).Fill((byte)' ');
        Encoding.ASCII.GetBytes(Convert.ToString(block.Sum(value => value), 8).PadLeft(6, '0')).CopyTo(block, 148);
        block[154] = 0;
        return [.. block, .. Encoding.UTF8.GetBytes(content), .. new byte[TarFormat.PaddingOf(content.Length)]];
    }

    private static Arbitrary<(string Path, byte[] Bytes)[]> Folders()
    {
        var name = Gen.Elements("a", "b", "a-b", "bot.py", "é", "..x", "x..", " ", "日本語", new string('n', 60), "A");
        var path = Gen.Choose(1, 5).SelectMany(depth => name.ArrayOf(depth)).Select(names => string.Join('/', names));
        var bytes = Gen.OneOf(Gen.Choose(0, 3), Gen.Choose(510, 514), Gen.Choose(65_000, 66_000)).Select(length => Enumerable.Range(0, length).Select(i => (byte)(i * 31)).ToArray());
        return path.SelectMany(p => bytes.Select(b => (p, b))).ArrayOf().Where(entries => entries.Length <= 30).ToArbitrary();
    }
}
