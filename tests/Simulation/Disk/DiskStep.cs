namespace PeoplesCloud.Simulation.Disk;

/// <summary>One thing that was done to a disk, or said to somebody who counts on it.</summary>
public abstract record DiskStep
{
    private DiskStep()
    {
    }

    /// <summary>A folder was made.</summary>
    public sealed record FolderMade(string Path) : DiskStep;

    /// <summary>An empty file was made; from here on it is known by its number, whatever it is called.</summary>
    public sealed record FileMade(int File, string Path) : DiskStep;

    /// <summary>Bytes were written into a file.</summary>
    public sealed record Written(int File, long Offset, byte[] Bytes) : DiskStep;

    /// <summary>A file was cut to a length.</summary>
    public sealed record Truncated(int File, long Length) : DiskStep;

    /// <summary>A file was flushed. <paramref name="By"/> says who did it: a test may ask what would be lost without.</summary>
    public sealed record Flushed(int File, string By) : DiskStep;

    /// <summary>The names in a folder were flushed.</summary>
    public sealed record FolderFlushed(string Folder, string By) : DiskStep;

    /// <summary>A file got another name, in place of whatever had it; or a folder, with all below it.</summary>
    public sealed record Renamed(string From, string To) : DiskStep;

    /// <summary>A file's name was removed.</summary>
    public sealed record Deleted(string Path) : DiskStep;

    /// <summary>Somebody was told that something is saved: after any later cut it must be there.</summary>
    public sealed record Acknowledged(object What) : DiskStep;
}
