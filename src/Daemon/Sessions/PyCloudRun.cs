using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using PeoplesCloud.Base.Files;

namespace PeoplesCloud.Daemon.Sessions;

/// <summary>
/// The file pycloud/run in a home: which process runs the nodes of <c>pc sessions</c>, and what it was told. A process id alone may belong to another
/// process by now; with the time at which its process began and the boot of the machine it belongs to one.
/// </summary>
/// <param name="Pid">The process.</param>
/// <param name="Began">When it began, in the kernel's ticks since the boot.</param>
/// <param name="Boot">The kernel's id of that boot.</param>
/// <param name="Since">Since when it runs, by the clock on the wall.</param>
public sealed record PyCloudRun(int Pid, long Began, string Boot, DateTimeOffset Since)
{
    private const int MaxFileBytes = 16 << 10;

    /// <summary>Its settings.yml.</summary>
    public string Settings { get; init; } = "";

    /// <summary>How many nodes it runs.</summary>
    public int Nodes { get; init; }

    /// <summary>The Redis, without its password.</summary>
    public string Redis { get; init; } = "";

    /// <summary>The group of its channels.</summary>
    public string Group { get; init; } = "";

    /// <summary>What settings.yml calls the region; null: nothing.</summary>
    public string? Region { get; init; }

    /// <summary>Whether that process runs, and not another one with its number.</summary>
    [JsonIgnore]
    public bool IsAlive => Nodes is > 0 and <= PyCloudNodes.MaxNodes && Pid > 0 && BeganOf(Pid) == Began && BootOf() == Boot;

    /// <summary>What the file says of a process that runs; null when there is none.</summary>
    public static PyCloudRun? Read(string home)
    {
        try
        {
            var file = new FileInfo(FileOf(home));
            if (!file.Exists || file.Length > MaxFileBytes) return null;
            return JsonSerializer.Deserialize(File.ReadAllBytes(file.FullName), PyCloudRunJson.Default.PyCloudRun) is { IsAlive: true } run ? run : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            return null; // it is being written, or was cut off: nobody can be told apart by it
        }
    }

    internal static PyCloudRun OfThisProcess(TimeProvider time) => new(Environment.ProcessId, BeganOf(Environment.ProcessId) ?? 0, BootOf(), time.GetUtcNow());

    internal void Write(string home) => SystemDisk.Instance.Replace(FileOf(home), JsonSerializer.SerializeToUtf8Bytes(this, PyCloudRunJson.Default.PyCloudRun));

    internal static void Remove(string home) => File.Delete(FileOf(home));

    private static string FileOf(string home) => Path.Combine(PyCloudNodes.FolderOf(home), "run");

    // proc(5), /proc/PID/stat: the 22nd field, the 20th after the name in brackets, which may hold anything.
    private static long? BeganOf(int pid)
    {
        try
        {
            var stat = File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/stat"));
            var fields = stat[(stat.LastIndexOf(')') + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries);
            return fields is ["Z", ..] or ["X", ..] || fields.Length < 20 ? null : long.Parse(fields[19], CultureInfo.InvariantCulture);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null; // there is no such process
        }
    }

    private static string BootOf() => File.ReadAllText("/proc/sys/kernel/random/boot_id").Trim();
}

/// <summary>Serialization of that file.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(PyCloudRun))]
internal sealed partial class PyCloudRunJson : JsonSerializerContext;
