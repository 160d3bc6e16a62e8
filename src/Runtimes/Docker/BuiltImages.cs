using System.Globalization;

namespace PeoplesCloud.Runtimes.Docker;

/// <summary>What the images that were built here take.</summary>
/// <param name="Count">How many there are.</param>
/// <param name="Bytes">What they take beside the images that they are based on; what two share is counted twice.</param>
/// <param name="Kept">How many of them no program here needs.</param>
/// <param name="KeptBytes">What those take.</param>
public sealed record BuiltImagesUse(int Count, long Bytes, int Kept, long KeptBytes);

/// <summary>
/// The images that this daemon built, each with a note in its folder: <c>image-NAME</c>, which holds the image's id and its bytes; its time is when a program last needed
/// it. One without a note, or whose name is another image by now, is not ours to remove.
/// </summary>
internal sealed class BuiltImages(DockerClient client, DockerImages images, DockerOptions options, TimeProvider time)
{
    private const string Prefix = "image-";
    private const int MaxNoteBytes = 256;

    /// <summary>Notes that an image was built, before anybody uses it.</summary>
    public void Note(string name, string id, long bytes)
    {
        var file = FileOf(name);
        File.WriteAllText(file + ".new", string.Create(CultureInfo.InvariantCulture, $"{id} {bytes}"));
        File.Move(file + ".new", file, overwrite: true);
    }

    /// <summary>Removes what no program needs for too long, and of the rest the longest unneeded as long as it is too much.</summary>
    /// <param name="needed">The names of images that programs here need.</param>
    /// <param name="mostBytes">What images that nobody needs may take; null only looks.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public async Task<BuiltImagesUse> CollectAsync(IReadOnlySet<string> needed, long? mostBytes, CancellationToken cancellationToken)
    {
        var (count, bytes) = (0, 0L);
        var unneeded = new List<(string Name, string File, long Bytes, DateTime Needed)>();
        if (!Directory.Exists(options.Folder)) return new BuiltImagesUse(0, 0, 0, 0);
        foreach (var file in Directory.EnumerateFiles(options.Folder, Prefix + "*"))
        {
            var name = Uri.UnescapeDataString(Path.GetFileName(file)[Prefix.Length..]);
            if (Read(file) is not { } note || (await images.FindAsync(name, cancellationToken))?.Id != note.Id)
            {
                File.Delete(file);
                continue;
            }
            (count, bytes) = (count + 1, bytes + note.Bytes);
            if (needed.Contains(name)) File.SetLastWriteTimeUtc(file, time.GetUtcNow().UtcDateTime);
            else unneeded.Add((name, file, note.Bytes, File.GetLastWriteTimeUtc(file)));
        }
        var (kept, keptBytes) = (0, 0L);
        foreach (var image in unneeded.OrderByDescending(image => image.Needed))
        {
            if (mostBytes is not { } most || (time.GetUtcNow().UtcDateTime - image.Needed <= options.ImagesKeptFor && keptBytes + image.Bytes <= most))
            {
                (kept, keptBytes) = (kept + 1, keptBytes + image.Bytes);
                continue;
            }
            // The note goes when the image has: a container may still be made of it.
            await BuildDisk.RemoveAsync(client, image.Name);
            if (await images.FindAsync(image.Name, cancellationToken) is not null) continue;
            File.Delete(image.File);
            (count, bytes) = (count - 1, bytes - image.Bytes);
        }
        return new BuiltImagesUse(count, bytes, kept, keptBytes);
    }

    private string FileOf(string name) => Path.Combine(options.Folder, Prefix + Uri.EscapeDataString(name));

    private static (string Id, long Bytes)? Read(string file) =>
        new FileInfo(file).Length <= MaxNoteBytes && File.ReadAllText(file).Split(' ') is [var id, var bytes] && long.TryParse(bytes, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? (id, number) : null;
}
