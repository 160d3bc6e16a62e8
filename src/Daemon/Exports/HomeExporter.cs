using System.Globalization;
using System.Security.Cryptography;
using PeoplesCloud.Base;
using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Base.Files;
using PeoplesCloud.Content;
using PeoplesCloud.Daemon.Home;
using PeoplesCloud.Daemon.Storage;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Programs.Bundles;

namespace PeoplesCloud.Daemon.Exports;

/// <summary>
/// Writes all of a home that another machine needs into one file, whether its daemon runs or not. What changes meanwhile is copied first,
/// in an order that keeps the copies consistent: pins before the database that says who may read what is pinned, blocks (which
/// never change) last.
/// </summary>
internal sealed class HomeExporter(string home, string file, bool withBlocks, TimeProvider time, IDisk disk)
{
    private readonly HomePaths _paths = new(home);

    /// <summary>Writes the file; it is durable and whole when this returns, and was not there before.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.HomeMissing"/>, <see cref="ErrorCode.ExportExists"/>, <see cref="ErrorCode.PathNotFound"/>, codes of the home and of the disk.</exception>
    public ExportReport Export()
    {
        if (!File.Exists(_paths.Identity) || !File.Exists(_paths.Database)) throw new PcException(ErrorCode.HomeMissing, $"{home} holds no node");
        if (Path.Exists(file)) throw new PcException(ErrorCode.ExportExists, $"{file} exists already");
        var folder = Path.GetDirectoryName(file)!;
        if (!Directory.Exists(folder)) throw new PcException(ErrorCode.PathNotFound, $"{folder} does not exist");
        // Beside the file, where its secrets will be anyway, and on the same disk, so that a rename finishes it.
        var work = Path.Combine(folder, $".{Path.GetFileName(file)}.{Path.GetRandomFileName()}");
        try
        {
            disk.CreateFolder(work, DurableWrites.OwnerFolder);
            try
            {
                return Write(work, folder);
            }
            finally
            {
                Directory.Delete(work, recursive: true);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new PcException(DiskErrors.IsFull(e) ? ErrorCode.DiskFull : ErrorCode.InputOutput, $"{file} could not be written: {e.Message}", inner: e);
        }
    }

    private ExportReport Write(string work, string folder)
    {
        // 1. No daemon starts while a stopped home is read; one that runs goes on.
        using var held = TryLock();

        // 2. Copies of what changes.
        var files = Stage(Path.Combine(work, "files"));
        using var identity = new Ed25519Key(IdentityFile.LoadOrCreate(_paths.Identity, disk));
        var peer = PeerId.FromEd25519(identity.PublicKey.Span);
        var manifest = new ExportManifest(ExportManifest.FormatName, ExportManifest.CurrentVersion, peer.ToString(), time.GetUtcNow(), withBlocks, [.. files.Select(staged => staged.Entry)]).Encode();
        Invariant.Check(manifest.Length <= ExportFormat.MaxManifestBytes, "the manifest is within its limit");

        // 3. The archive, durable before it gets its name.
        var archive = Path.Combine(work, "archive");
        var blocks = 0L;
        using (var output = new DurableFileStream(disk, archive))
        {
            Add(output, ExportFormat.Manifest, manifest);
            foreach (var (path, entry) in files) AddFile(output, path, entry.Name, entry.Bytes);
            if (withBlocks) blocks = AddBlocks(output);
            Add(output, ExportFormat.End, ExportFormat.EndOf(manifest, blocks));
            output.Write(new byte[2 * TarFormat.BlockBytes]);
        }
        try
        {
            disk.Move(archive, file); // never over another file
        }
        catch (IOException) when (Path.Exists(file))
        {
            throw new PcException(ErrorCode.ExportExists, $"{file} exists already");
        }
        disk.FlushFolder(folder);
        return new ExportReport(peer.ToString(), new FileInfo(file).Length, blocks, new PinSet(_paths.Pins, disk).List().Count, held is null);
    }

    private HomeLock? TryLock()
    {
        try
        {
            return HomeLock.Take(_paths);
        }
        catch (PcException inUse) when (inUse.Code == ErrorCode.HomeInUse)
        {
            return null;
        }
    }

    private List<(string Path, ExportedFile Entry)> Stage(string folder)
    {
        Directory.CreateDirectory(folder, DurableWrites.OwnerFolder);
        var staged = new Dictionary<string, (string, ExportedFile)>(StringComparer.Ordinal);
        void Take(string name, Action<string> copyTo)
        {
            var path = Path.Combine(folder, staged.Count.ToString(CultureInfo.InvariantCulture));
            copyTo(path);
            if (!File.Exists(path)) return;
            using var copy = File.OpenRead(path);
            staged[name] = (path, new ExportedFile(name, copy.Length, Convert.ToHexStringLower(SHA256.HashData(copy))));
        }

        Take("pins", path => CopyIfThere(_paths.Pins, path));
        Take("public", path => CopyIfThere(_paths.Public, path));
        Take("pc.db", path => Database.CopyTo(_paths.Database, path));
        Take("identity.key", path => File.Copy(_paths.Identity, path));
        Take("config.toml", path => CopyIfThere(Path.Combine(home, "config.toml"), path));
        Take("host.toml", path => CopyIfThere(_paths.HostPolicy, path));
        var names = new List<string>(ExportFormat.TopFiles);
        foreach (var program in Programs())
        {
            foreach (var part in ExportFormat.ProgramFiles)
            {
                var name = ExportFormat.ProgramFile(program, part);
                names.Add(name);
                Take(name, path => CopyIfThere(Path.Combine(_paths.Programs, program, part), path));
            }
        }
        return [.. names.Where(staged.ContainsKey).Select(name => staged[name])];
    }

    private IEnumerable<string> Programs() =>
        Directory.Exists(_paths.Programs) ? new DirectoryInfo(_paths.Programs).EnumerateDirectories().Select(program => program.Name).Where(ExportFormat.IsProgram).Order(StringComparer.Ordinal) : [];

    private static void CopyIfThere(string from, string to)
    {
        try
        {
            File.Copy(from, to);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            // Not every home has it, and a program's files may go while this looks.
        }
    }

    private long AddBlocks(Stream output)
    {
        var count = 0L;
        for (var shard = 0; shard < 16; shard++)
        {
            var folder = Path.Combine(_paths.Blocks, shard.ToString("x", CultureInfo.InvariantCulture));
            if (!Directory.Exists(folder)) continue;
            foreach (var digest in Directory.EnumerateFiles(folder).Select(Path.GetFileName).OfType<string>().Where(ExportFormat.IsDigest).Order(StringComparer.Ordinal))
            {
                byte[] block;
                try
                {
                    block = File.ReadAllBytes(Path.Combine(folder, digest));
                }
                catch (FileNotFoundException)
                {
                    continue; // collected meanwhile: nothing needs it
                }
                // A damaged one is left out; whoever reads it fetches it anew.
                if (block.Length > ExportFormat.MaxBlockBytes || Convert.ToHexStringLower(SHA256.HashData(block)) != digest) continue;
                Add(output, ExportFormat.BlockOf(digest), block);
                count++;
            }
        }
        return count;
    }

    private static void Add(Stream output, string name, ReadOnlySpan<byte> bytes)
    {
        output.Write(TarFormat.Write(new TarEntry(name, bytes.Length, Executable: false)));
        output.Write(bytes);
        output.Write(new byte[TarFormat.PaddingOf(bytes.Length)]);
    }

    private static void AddFile(Stream output, string path, string name, long bytes)
    {
        output.Write(TarFormat.Write(new TarEntry(name, bytes, Executable: false)));
        using (var input = File.OpenRead(path)) input.CopyTo(output);
        output.Write(new byte[TarFormat.PaddingOf(bytes)]);
    }
}
