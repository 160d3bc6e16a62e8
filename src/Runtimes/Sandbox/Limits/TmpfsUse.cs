namespace PeoplesCloud.Runtimes.Sandbox.Limits;

/// <summary>Measures what a sandbox has written, through /proc/PID/root (proc(5)): its places are file systems of their own, so nothing is walked.</summary>
internal static class TmpfsUse
{
    private static readonly string[] Places = ["app", "tmp"];

    /// <summary>Bytes in the fuller one of /app and /tmp; -1 when the process has gone or may not be looked into.</summary>
    public static long Measure(int pid)
    {
        var most = -1L;
        foreach (var place in Places)
        {
            try
            {
                var drive = new DriveInfo(Path.Combine($"/proc/{pid}", "root", place));
                most = Math.Max(most, drive.TotalSize - drive.TotalFreeSpace);
            }
            catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
            {
                return -1;
            }
        }
        return most;
    }
}
