using System.Text.Json;
using PeoplesCloud.Base;
using PeoplesCloud.Programs.Bundles;

namespace PeoplesCloud.Programs.Languages;

/// <summary>
/// What of a Node.js program's package.json matters here: which file starts it, and whether it needs packages. A host reads what
/// another member wrote: size and depth are bounded, and a main file outside of the folder is none.
/// </summary>
/// <param name="Main">The main file as it is written there; null when none is named.</param>
/// <param name="FirstDependency">The first package that it needs to run; null when it needs none.</param>
internal sealed record PackageJson(string? Main, string? FirstDependency)
{
    /// <summary>The file's name.</summary>
    public const string FileName = "package.json";

    /// <summary>The most of it that is read, in bytes: a thousand times what people write.</summary>
    private const int MaxBytes = 1 << 20;

    /// <summary>Objects within each other; npm's own use four.</summary>
    private const int MaxDepth = 32;

    // What is needed to run. Tools of the developer (devDependencies) are not.
    private static readonly string[] DependencyLists = ["dependencies", "optionalDependencies", "peerDependencies"];

    // As Node itself completes a main file that is named without an ending, or that is a folder.
    private static readonly string[] Endings = ["", ".js", "/index.js"];

    /// <summary>Reads the file at the top of a folder; null when there is none.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.PackageJsonInvalid"/>, <see cref="ErrorCode.FileUnreadable"/>.</exception>
    public static PackageJson? Read(string folder)
    {
        var path = Path.Combine(folder, FileName);
        // A link or a pipe is not read: packing refuses it.
        if (!FileStatus.TryRead(path, out var status, out _) || status.Kind != FileKind.File) return null;
        if (status.Bytes > MaxBytes) throw Invalid($"it is larger than {MaxBytes >> 20} MiB");
        try
        {
            return Parse(File.ReadAllBytes(path));
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
        {
            throw new PcException(ErrorCode.FileUnreadable, $"{Quoted.Text(path)} could not be read: {unreadable.Message}", inner: unreadable);
        }
    }

    /// <summary>Reads the file's bytes.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.PackageJsonInvalid"/>.</exception>
    public static PackageJson Parse(ReadOnlyMemory<byte> utf8)
    {
        try
        {
            using var document = JsonDocument.Parse(utf8, new JsonDocumentOptions { MaxDepth = MaxDepth });
            var root = document.RootElement;
            if (root.ValueKind != JsonValueKind.Object) throw Invalid("it is no object");
            return new PackageJson(MainOf(root), DependencyLists.Select(list => FirstIn(root, list)).FirstOrDefault(first => first is not null));
        }
        catch (JsonException malformed)
        {
            throw Invalid($"it is no JSON (line {malformed.LineNumber + 1})", malformed);
        }
        catch (InvalidOperationException malformed)
        {
            throw Invalid("a text in it is no Unicode", malformed); // only seen when the text is asked for
        }
    }

    /// <summary>The main file, relative to the folder; null when none is named or there is no such file in the folder.</summary>
    public string? EntryIn(string folder)
    {
        if (Main is null || Main.Contains('\0', StringComparison.Ordinal) || Path.IsPathRooted(Main)) return null;
        var parts = Main.Split('/', StringSplitOptions.RemoveEmptyEntries).Where(part => part != ".").ToList();
        if (parts.Count == 0 || parts.Contains("..")) return null;
        var main = string.Join('/', parts);
        var ending = Endings.FirstOrDefault(ending => FileStatus.TryRead(Path.Combine(folder, main + ending), out var status, out _) && status.Kind == FileKind.File);
        // The interpreter would take a name that begins like one for an option.
        return ending is null ? null : main[0] == '-' ? $"./{main}{ending}" : main + ending;
    }

    private static string? MainOf(JsonElement root) =>
        !root.TryGetProperty("main", out var main) || main.ValueKind == JsonValueKind.Null ? null
        : main.ValueKind == JsonValueKind.String ? main.GetString()
        : throw Invalid("\"main\" is no text");

    private static string? FirstIn(JsonElement root, string list)
    {
        if (!root.TryGetProperty(list, out var packages) || packages.ValueKind != JsonValueKind.Object) return null;
        return packages.EnumerateObject().Select(package => package.Name).FirstOrDefault();
    }

    private static PcException Invalid(string why, Exception? inner = null) => new(ErrorCode.PackageJsonInvalid, $"{FileName} cannot be understood: {why}", inner: inner);
}
