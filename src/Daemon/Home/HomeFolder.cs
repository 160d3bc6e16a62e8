using System.Text;
using PeoplesCloud.Base;
using PeoplesCloud.Base.Files;
using PeoplesCloud.Daemon.Storage;

namespace PeoplesCloud.Daemon.Home;

/// <summary>An open home: locked, with its identity and its database. Disposing closes the database, then releases the lock.</summary>
internal sealed class HomeFolder : IDisposable
{
    private readonly HomeLock _lock;

    private HomeFolder(HomePaths paths, HomeLock homeLock, byte[] seed, Database database)
    {
        Paths = paths;
        _lock = homeLock;
        Seed = seed;
        Database = database;
    }

    /// <summary>Where things are.</summary>
    public HomePaths Paths { get; }

    /// <summary>The private key's seed, 32 bytes.</summary>
    public byte[] Seed { get; }

    /// <summary>The open database.</summary>
    public Database Database { get; }

    /// <summary>Opens a home, making what is missing; what it made is durable when this returns.</summary>
    /// <exception cref="PcException">Codes 1201 to 1209: in use, damaged, of a newer version, full, or not writable.</exception>
    public static HomeFolder Open(string home, IDisk disk)
    {
        var paths = new HomePaths(home);
        if (Encoding.UTF8.GetByteCount(paths.Socket) > HomePaths.MaxSocketPathBytes)
            throw new PcException(ErrorCode.HomeUnusable, $"the path {home} is too long: a Unix socket's path has at most {HomePaths.MaxSocketPathBytes} bytes", "name a shorter folder with --home or PC_HOME");
        HomeLock? homeLock = null;
        try
        {
            disk.MakeFolder(home);
            homeLock = HomeLock.Take(paths);
            Directory.CreateDirectory(paths.Logs, DurableWrites.OwnerFolder);
            var database = Database.Open(paths.Database); // before the identity: a home of a newer version is left untouched
            try
            {
                var seed = IdentityFile.LoadOrCreate(paths.Identity, disk);
                File.Delete(paths.Socket); // left by a daemon that was killed; we hold the lock, so nobody listens on it
                return new HomeFolder(paths, homeLock, seed, database);
            }
            catch
            {
                database.Dispose();
                throw;
            }
        }
        catch (Exception e)
        {
            homeLock?.Dispose();
            var explained = e is PcException ? e : DiskErrors.Explain(e, home);
            if (ReferenceEquals(explained, e)) throw;
            throw explained;
        }
    }

    /// <summary>Closes the database, then releases the lock.</summary>
    public void Dispose()
    {
        Database.Dispose();
        _lock.Dispose();
    }
}
