using PeoplesCloud.Base.Files;

namespace PeoplesCloud.Programs.Data;

/// <summary>
/// Writes a version's files into a new, empty folder that nobody else sees yet. Paths were checked when the version was read: names only,
/// each below a folder that came before it, so with an empty folder and no links in a version nothing can be written elsewhere.
/// </summary>
internal static class VersionWriter
{
    private const UnixFileMode ExecutableFile = DurableWrites.OwnerFile | UnixFileMode.UserExecute;
    private const int MaxOpenFiles = 64;

    /// <summary>Writes it; durable when this returns.</summary>
    /// <exception cref="IOException">The disk refuses, or a piece is missing or damaged.</exception>
    public static void Write(DataStore store, DataVersion version, string folder, IDisk disk)
    {
        var unflushed = new List<Microsoft.Win32.SafeHandles.SafeFileHandle>();
        try
        {
            foreach (var entry in version.Entries)
            {
                var path = Path.Combine(folder, entry.Path);
                if (entry.Kind == DataKind.Folder)
                {
                    disk.CreateFolder(path, DurableWrites.OwnerFolder);
                    continue;
                }
                var file = disk.Create(path, Piece(store, entry, 0), entry.Kind == DataKind.Executable ? ExecutableFile : DurableWrites.OwnerFile);
                unflushed.Add(file);
                for (var i = 1; i < entry.Chunks.Count; i++) disk.Write(file, Piece(store, entry, i), (long)i * DataLimits.ChunkBytes);
                if (unflushed.Count >= MaxOpenFiles) Flush(unflushed, disk);
            }
            Flush(unflushed, disk);
            foreach (var entry in version.Entries.Where(entry => entry.Kind == DataKind.Folder)) disk.FlushFolder(Path.Combine(folder, entry.Path));
            disk.FlushFolder(folder);
        }
        finally
        {
            foreach (var file in unflushed) file.Dispose();
        }
    }

    private static byte[] Piece(DataStore store, DataEntry entry, int number)
    {
        if (entry.Chunks.Count == 0) return [];
        return store.Read(entry.Chunks[number]) is { } bytes && bytes.Length == entry.BytesOf(number) ? bytes : throw new IOException($"a piece of {Quoted.Text(entry.Path)} is damaged");
    }

    private static void Flush(List<Microsoft.Win32.SafeHandles.SafeFileHandle> files, IDisk disk)
    {
        Parallel.ForEach(files, file => disk.Flush(file));
        foreach (var file in files) file.Dispose();
        files.Clear();
    }
}
