using PeoplesCloud.Base;
using PeoplesCloud.Programs.Bundles;
using PeoplesCloud.Programs.Deploying;
using PeoplesCloud.Programs.Languages;

namespace PeoplesCloud.Programs.Manifests;

/// <summary>A program that is one file, or the name of an image: it is written into a folder of its own, which is deployed and then removed.</summary>
public sealed class SingleFile : IDisposable
{
    private readonly string _file;
    private readonly bool _isImage;

    private SingleFile(string folder, string file, bool isImage = false) => (Folder, _file, _isImage) = (folder, file, isImage);

    /// <summary>The folder that holds the copy and nothing else.</summary>
    public string Folder { get; }

    /// <summary>What the program is called when nobody says otherwise: the file's name without its ending.</summary>
    public string Name => ProgramName.Choose(null, Path.GetFileNameWithoutExtension(_file));

    /// <summary>The copy of a path that is a file; null when it is none, for whoever says what it is then.</summary>
    /// <param name="path">An absolute path; a link to a file is followed.</param>
    /// <param name="limits">What a bundle may hold.</param>
    /// <exception cref="PcException"><see cref="ErrorCode.BundleTooLarge"/>, <see cref="ErrorCode.FileUnreadable"/>.</exception>
    public static SingleFile? Stage(string path, BundleLimits limits)
    {
        if (path.Contains('\0', StringComparison.Ordinal)) return null;
        var target = TargetOf(path);
        if (!FileStatus.TryRead(target, out var status, out _) || status.Kind != FileKind.File) return null;
        if (status.Bytes > limits.MaxBytes) throw new PcException(ErrorCode.BundleTooLarge, $"{Quoted.Text(path)} has {Size.Text(status.Bytes)}; a bundle holds at most {Size.Text(limits.MaxBytes)}");
        var folder = Directory.CreateTempSubdirectory("pc-file-").FullName;
        try
        {
            // With its mode: whether it may be executed tells how it is started.
            File.Copy(target, Path.Combine(folder, Path.GetFileName(path)));
            return new SingleFile(folder, Path.GetFileName(path));
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
        {
            Directory.Delete(folder, recursive: true);
            throw new PcException(ErrorCode.FileUnreadable, $"{Quoted.Text(path)} could not be read: {unreadable.Message}", inner: unreadable);
        }
    }

    /// <summary>A program that is an image and no files: a pc.toml that names it. It is called as the image is, without its registry and tag.</summary>
    /// <param name="image">The image's reference.</param>
    public static SingleFile OfImage(string image)
    {
        var folder = Directory.CreateTempSubdirectory("pc-file-").FullName;
        // What a reference may hold is looked at where pc.toml is read; here it must only stay a text.
        File.WriteAllText(Path.Combine(folder, "pc.toml"), $"image = \"{string.Concat(image.Where(c => !char.IsControl(c) && c is not ('\"' or '\\')))}\"\n");
        return new SingleFile(folder, image.Split('@')[0].Split('/')[^1].Split(':')[0], isImage: true);
    }

    /// <summary>The order with what starts the file, by its ending: .py and .js by their languages, .sh by itself or a shell, anything else by itself.</summary>
    /// <param name="order">An order for <see cref="Folder"/>.</param>
    /// <exception cref="PcException"><see cref="ErrorCode.LanguageNotDetected"/>: nothing says how it is started; <see cref="ErrorCode.ScriptLineEnds"/>.</exception>
    public DeployOrder Started(DeployOrder order)
    {
        if (_isImage || order.Manifest.Command is not null) return order;
        var file = $"./{_file}";
        IReadOnlyList<string> command = Path.GetExtension(_file) switch
        {
            ".py" => [order.Language == "py2" ? "python2" : "python3", "-u", file],
            ".js" or ".mjs" or ".cjs" => ["node", file],
            ".sh" => Script(),
            _ when FileStatus.TryRead(Path.Combine(Folder, _file), out var status, out _) && status.Executable => Script(),
            _ => throw new PcException(ErrorCode.LanguageNotDetected, $"{Quoted.Text(_file)} is no program: it may not be executed, and its name ends neither in .py, .js nor .sh", $"chmod +x {Quoted.Text(_file)}, or say how it is started: --run"),
        };
        return order with { Manifest = order.Manifest with { Command = command } };

        IReadOnlyList<string> Script()
        {
            ExecutableFile.RequireStartable(Folder, _file);
            return ExecutableFile.CommandOf(Folder, _file);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => Directory.Delete(Folder, recursive: true);

    private static string TargetOf(string path)
    {
        try
        {
            return new FileInfo(path).ResolveLinkTarget(returnFinalTarget: true)?.FullName ?? path;
        }
        catch (IOException)
        {
            return path; // not there, or links in a circle
        }
    }
}
