using System.Security.Cryptography;
using System.Text;
using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Exports;
using PeoplesCloud.Programs.Bundles;

namespace PeoplesCloud.Daemon.Tests.Exports;

/// <summary>Exports that somebody else made: everything that is not as ours are is refused, and no byte leaves its place.</summary>
public sealed class ExportReaderTests
{
    private static readonly (string Name, byte[] Bytes)[] Home = [("identity.key", "key"u8.ToArray()), ("pc.db", new byte[700]), ("pins", "pins"u8.ToArray()), ("programs/abcdefghijklmnopqrstuvwxyz/log", "said\n"u8.ToArray())];

    private static readonly byte[][] Blocks = [.. new[] { "one", "two", "three" }.Select(Encoding.ASCII.GetBytes).OrderBy(Digest, StringComparer.Ordinal)];

    private static readonly byte[] Whole = Archive();

    [Fact]
    public void A_whole_export_is_read_to_the_places_of_a_home()
    {
        var places = new List<string>();
        var content = Read(Whole, places.Add);
        Assert.Equal(3, content.Blocks);
        Assert.Equal([.. Home.Select(file => file.Name), .. Blocks.Select(block => ExportFormat.BlockOf(Digest(block)))], places);
    }

    [Fact]
    public void Every_truncation_is_refused()
    {
        for (var length = 0; length < Whole.Length; length++) Refused(Whole[..length]);
        Refused([.. Whole, 0]);
    }

    [Fact]
    public void Every_flipped_bit_is_refused()
    {
        for (var at = 0; at < Whole.Length; at++)
        {
            var damaged = Whole.ToArray();
            damaged[at] ^= (byte)(1 << (at % 8));
            // The version is a byte too.
            Assert.Contains(Assert.Throws<PcException>(() => Read(damaged, _ => { })).Code, new[] { ErrorCode.ExportDamaged, ErrorCode.ExportNewer });
        }
    }

    [Theory]
    [InlineData("../identity.key")]
    [InlineData("/etc/cron.d/x")]
    [InlineData("programs/../pc.db")]
    [InlineData("programs/abcdefghijklmnopqrstuvwxyz/app")]
    [InlineData("programs/abcdefghijklmnopqrstuvwxy./log")]
    [InlineData("programs/ABCDEFGHIJKLMNOPQRSTUVWXYZ/log")]
    [InlineData("logs/daemon.log")]
    [InlineData("pc.sock")]
    [InlineData("")]
    [InlineData("pc.db")] // twice
    public void A_manifest_names_only_files_of_a_home(string name) => Refused(Archive(files: [.. Home, (name, [1])]));

    [Theory]
    [InlineData("blocks/../../x")]
    [InlineData("blocks/0/short")]
    [InlineData("identity.key")]
    public void What_follows_the_files_are_blocks(string name) => Refused(Archive(blocks: [(name, [1])]));

    [Fact]
    public void A_block_is_what_its_name_says_and_comes_once_and_in_order()
    {
        var (one, two) = (Blocks[0], Blocks[1]);
        Refused(Archive(blocks: [(ExportFormat.BlockOf(Digest(one)), two)]));
        Refused(Archive(blocks: [(ExportFormat.BlockOf(Digest(one)), one), (ExportFormat.BlockOf(Digest(one)), one)]));
        Refused(Archive(blocks: [(ExportFormat.BlockOf(Digest(two)), two), (ExportFormat.BlockOf(Digest(one)), one)]));
        Refused(Archive(blocks: [($"blocks/{(Digest(one)[0] == '0' ? '1' : '0')}/{Digest(one)}", one)]));
        Refused(Archive(count: 2));
        var large = new byte[ExportFormat.MaxBlockBytes + 1];
        Refused(Archive(blocks: [(ExportFormat.BlockOf(Digest(large)), large)]));
        Refused(Archive(withBlocks: false));
    }

    [Fact]
    public void A_home_without_a_key_is_none() => Refused(Archive(files: [.. Home.Skip(1)]));

    [Fact]
    public void A_newer_export_says_so() =>
        Assert.Equal(ErrorCode.ExportNewer, Assert.Throws<PcException>(() => Read(Archive(version: ExportManifest.CurrentVersion + 1), _ => { })).Code);

    [Fact]
    public void A_length_that_nobody_has_allocates_nothing()
    {
        // The header claims 8 GiB less a byte; the reader finds out before it makes room.
        var header = TarFormat.Write(new TarEntry(ExportFormat.Manifest, (1L << 33) - 1, Executable: false));
        var before = GC.GetAllocatedBytesForCurrentThread();
        Refused(header);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
    }

    [Fact]
    public void Links_and_folders_are_refused()
    {
        foreach (var type in "125xLKg")
        {
            var archive = Whole.ToArray();
            archive[156] = (byte)type;
            Refused(archive);
        }
        Refused([.. TarFormat.Write(new TarEntry("blocks/", 0, Executable: false)), .. Whole]);
    }

    private static byte[] Archive(IReadOnlyList<(string Name, byte[] Bytes)>? files = null, IReadOnlyList<(string Name, byte[] Bytes)>? blocks = null, int? count = null, int version = 1, bool withBlocks = true)
    {
        files ??= Home;
        blocks ??= [.. Blocks.Select(block => (ExportFormat.BlockOf(Digest(block)), block))];
        var manifest = new ExportManifest(ExportManifest.FormatName, version, "12D3", new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero), withBlocks, [.. files.Select(file => new ExportedFile(file.Name, file.Bytes.Length, Digest(file.Bytes)))]).Encode();
        var archive = new MemoryStream();
        foreach (var (name, bytes) in (IEnumerable<(string Name, byte[] Bytes)>)[(ExportFormat.Manifest, manifest), .. files, .. blocks, (ExportFormat.End, ExportFormat.EndOf(manifest, count ?? blocks.Count))])
        {
            archive.Write(TarFormat.Write(new TarEntry(name, bytes.Length, Executable: false)));
            archive.Write(bytes);
            archive.Write(new byte[TarFormat.PaddingOf(bytes.Length)]);
        }
        archive.Write(new byte[2 * TarFormat.BlockBytes]);
        return archive.ToArray();
    }

    private static string Digest(byte[] bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes));

    private static ExportReader.Content Read(byte[] archive, Action<string> opened) => new ExportReader(new MemoryStream(archive), name =>
    {
        opened(name);
        return new MemoryStream();
    }).Read();

    // Whatever was opened before the refusal has a name of a home.
    private static void Refused(byte[] archive) =>
        Assert.Equal(ErrorCode.ExportDamaged, Assert.Throws<PcException>(() => Read(archive, name => Assert.True(ExportFormat.IsFile(name) || ExportFormat.DigestOf(name) is not null, name))).Code);
}
