using System.Text;
using PeoplesCloud.Base;
using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Base.Files;
using PeoplesCloud.Content;
using PeoplesCloud.Daemon.Home;
using PeoplesCloud.Daemon.Storage;
using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Daemon.Exports;

/// <summary>
/// Makes a home of an export: beside its place first, checked and opened as a daemon would, and renamed into its place as a whole. A
/// daemon that starts on it asks the other members for its own last entry before it writes (docs/protocols/feeds.md), so an older
/// copy forks no feed.
/// </summary>
internal sealed class HomeImporter(string file, string home, IDisk disk)
{
    /// <summary>Makes the home; it is durable and whole when this returns.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.HomeNotEmpty"/>, <see cref="ErrorCode.ExportDamaged"/>, <see cref="ErrorCode.ExportNewer"/>,
    /// <see cref="ErrorCode.HomeNewer"/>, <see cref="ErrorCode.PathNotFound"/>, codes of the disk. The home is as it was then.</exception>
    public ImportReport Import()
    {
        if (!File.Exists(file)) throw new PcException(ErrorCode.PathNotFound, Directory.Exists(file) ? $"{file} is a folder, no file that pc export wrote" : $"{file} does not exist");
        RequireEmpty();
        if (Encoding.UTF8.GetByteCount(new HomePaths(home).Socket) > HomePaths.MaxSocketPathBytes)
            throw new PcException(ErrorCode.HomeUnusable, $"the path {home} is too long: a Unix socket's path has at most {HomePaths.MaxSocketPathBytes} bytes", "name a shorter folder with --home or PC_HOME");
        var parent = Path.GetDirectoryName(Path.TrimEndingDirectorySeparator(home)) ?? throw new PcException(ErrorCode.HomeUnusable, $"{home} cannot be a home");
        var work = Path.Combine(parent, $".{Path.GetFileName(Path.TrimEndingDirectorySeparator(home))}.{Path.GetRandomFileName()}");
        try
        {
            disk.MakeFolder(parent);
            disk.CreateFolder(work, DurableWrites.OwnerFolder);
            try
            {
                var content = Unpack(work);
                Verify(work, content.Manifest);
                FlushFolders(work);
                RequireEmpty();
                if (Directory.Exists(home)) Directory.Delete(home);
                disk.Move(work, home);
                disk.FlushFolder(parent);
                return new ImportReport(content.Manifest.PeerId, content.Manifest.Created, content.Blocks, new PinSet(new HomePaths(home).Pins, disk).List().Count, home);
            }
            finally
            {
                if (Directory.Exists(work)) Directory.Delete(work, recursive: true);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new PcException(DiskErrors.IsFull(e) ? ErrorCode.DiskFull : ErrorCode.InputOutput, $"{file} could not be imported: {e.Message}", inner: e);
        }
    }

    private void RequireEmpty()
    {
        if (File.Exists(home) || (Directory.Exists(home) && Directory.EnumerateFileSystemEntries(home).Any()))
            throw new PcException(ErrorCode.HomeNotEmpty, $"{home} is there already and holds something");
    }

    private ExportReader.Content Unpack(string work)
    {
        using var archive = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 128 << 10);
        return new ExportReader(archive, name => Create(work, name)).Read();
    }

    private DurableFileStream Create(string work, string name)
    {
        var path = Path.Combine(work, name);
        MakeFolder(Path.GetDirectoryName(path)!);
        return new DurableFileStream(disk, path);
    }

    // Its name is flushed when all of them are there.
    private void MakeFolder(string folder)
    {
        if (Directory.Exists(folder)) return;
        MakeFolder(Path.GetDirectoryName(folder)!);
        disk.CreateFolder(folder, DurableWrites.OwnerFolder);
    }

    // As a daemon opens it, so that what is put into place can be started.
    private void Verify(string work, ExportManifest manifest)
    {
        var paths = new HomePaths(work);
        using (var identity = new Ed25519Key(IdentityFile.LoadOrCreate(paths.Identity, disk)))
            if (PeerId.FromEd25519(identity.PublicKey.Span).ToString() != manifest.PeerId) throw ExportFormat.Damaged("its key is another than its manifest says");
        using (var database = Database.Open(paths.Database))
        {
            _ = new SwarmTable(database).All();
        }
        _ = new PinSet(paths.Pins, disk).List();
        _ = new PinSet(paths.Public, disk).List();
    }

    private void FlushFolders(string work)
    {
        foreach (var folder in Directory.EnumerateDirectories(work, "*", SearchOption.AllDirectories)) disk.FlushFolder(folder);
        disk.FlushFolder(work);
    }
}
