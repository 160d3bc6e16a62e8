using System.Formats.Tar;
using PeoplesCloud.Base;
using PeoplesCloud.Runtimes.Docker.Init;
using PeoplesCloud.Runtimes.Sandbox;

namespace PeoplesCloud.Runtimes.Docker;

/// <summary>
/// A folder's files, looked at before anything is started: the way into a container and into a build, with which the engine need not
/// share a file system. Links are written as links, never followed.
/// </summary>
internal sealed class SourceFiles
{
    private readonly string _folder;
    private readonly List<FileSystemInfo> _entries = [];

    private SourceFiles(string folder) => _folder = folder;

    /// <summary>Looks at a folder.</summary>
    /// <exception cref="PcException">It is missing, too large, or holds what is no file, folder or link.</exception>
    public static SourceFiles In(string folder, long maxBytes)
    {
        if (!Directory.Exists(folder)) throw new PcException(ErrorCode.RunSourceRefused, $"the program's folder {folder} does not exist");
        var files = new SourceFiles(folder);
        var left = maxBytes;
        files.Walk(new DirectoryInfo(folder), ref left);
        return files;
    }

    /// <summary>Has them made inside of a container.</summary>
    /// <param name="inside">Makes them.</param>
    /// <param name="withoutData">Leaves out what is below data/ at the top.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public async Task MakeAsync(InitFiles inside, bool withoutData, CancellationToken cancellationToken)
    {
        foreach (var file in _entries)
        {
            var name = Path.GetRelativePath(_folder, file.FullName);
            if (withoutData && (name is "data" || name.StartsWith("data/", StringComparison.Ordinal))) continue;
            if (file.LinkTarget is { } link)
            {
                await inside.LinkAsync(name, link, cancellationToken);
            }
            else if (file is DirectoryInfo)
            {
                await inside.FolderAsync(name, file.UnixFileMode, cancellationToken);
            }
            else
            {
                await using var content = Open(file);
                await inside.FileAsync(name, file.UnixFileMode, new DateTimeOffset(file.LastWriteTimeUtc), content, cancellationToken);
            }
        }
        await inside.FinishAsync(cancellationToken);
    }

    /// <summary>Writes them as a tar, all owned by root: the context of a build.</summary>
    /// <param name="output">Receives it; stays open.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public async Task WriteTarAsync(Stream output, CancellationToken cancellationToken)
    {
        await using var tar = new TarWriter(output, TarEntryFormat.Gnu, leaveOpen: true);
        foreach (var file in _entries)
        {
            var name = Path.GetRelativePath(_folder, file.FullName);
            var entry = file.LinkTarget is { } link
                ? new GnuTarEntry(TarEntryType.SymbolicLink, name) { LinkName = link }
                : new GnuTarEntry(file is DirectoryInfo ? TarEntryType.Directory : TarEntryType.RegularFile, name) { Mode = file.UnixFileMode };
            entry.ModificationTime = new DateTimeOffset(file.LastWriteTimeUtc);
            await using var data = entry.EntryType == TarEntryType.RegularFile ? Open(file) : null;
            if (data is not null) entry.DataStream = data;
            await tar.WriteEntryAsync(entry, cancellationToken);
        }
    }

    private static FileStream Open(FileSystemInfo file) => new(file.FullName, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);

    private void Walk(DirectoryInfo folder, ref long left)
    {
        foreach (var entry in folder.EnumerateFileSystemInfos())
        {
            if (_entries.Count == DockerLimits.SourceFiles) throw new PcException(ErrorCode.RunSourceTooLarge, $"{_folder} holds more than {DockerLimits.SourceFiles} files");
            _entries.Add(entry);
            if (entry.LinkTarget is not null) continue;
            if (entry is DirectoryInfo inner)
            {
                Walk(inner, ref left);
                continue;
            }
            if (!LibC.IsRegularFile(entry.FullName)) throw new PcException(ErrorCode.RunSourceRefused, $"{entry.FullName} is no file, folder or link");
            left -= ((FileInfo)entry).Length;
            if (left < 0) throw new PcException(ErrorCode.RunSourceTooLarge, $"the files in {_folder} are larger than the disk limit");
        }
    }
}
