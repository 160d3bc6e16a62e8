using PeoplesCloud.Base;

namespace PeoplesCloud.Daemon.Home;

/// <summary>pc.lock: one daemon a home. The kernel releases it when the process ends, however it ends.</summary>
internal sealed class HomeLock : IDisposable
{
    private readonly FileStream _file;

    private HomeLock(FileStream file) => _file = file;

    /// <summary>Takes the lock at once or not at all.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.HomeInUse"/>: another daemon holds it.</exception>
    public static HomeLock Take(HomePaths paths)
    {
        try
        {
            // FileShare.None is flock(LOCK_EX | LOCK_NB) on Linux; the descriptor is closed on exec, so programs never keep the lock.
            return new HomeLock(new FileStream(paths.Lock, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None));
        }
        catch (IOException e) when (e.GetType() == typeof(IOException) && !DiskErrors.IsFull(e))
        {
            throw new PcException(ErrorCode.HomeInUse, $"another daemon uses the home {paths.Home}", $"pc down --home {paths.Home}, or name another home with --home", e);
        }
    }

    /// <summary>Releases the lock.</summary>
    public void Dispose() => _file.Dispose();
}
