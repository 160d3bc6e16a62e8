using System.Globalization;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Programs.Hosting;

/// <summary>What a host noted last of a run, so that one that died can say until when it ran, and what that took.</summary>
/// <param name="Swarm">The swarm.</param>
/// <param name="Program">The program.</param>
/// <param name="Epoch">The lease's epoch.</param>
/// <param name="Last">When it was noted: it ran then.</param>
/// <param name="Use">What it had taken by then.</param>
internal sealed record RunJournal(SwarmId Swarm, EntryHash Program, ulong Epoch, DateTimeOffset Last, RunUse Use)
{
    /// <summary>The file in a program's folder.</summary>
    public const string FileName = "run";

    private const string Version = "1";
    private const int MaxBytes = 512;

    /// <summary>Writes it; whole or not at all. A power cut may lose it: what it says is worth a few seconds, and no fsync.</summary>
    public void Write(string folder)
    {
        var path = Path.Combine(folder, FileName);
        var line = string.Create(
            CultureInfo.InvariantCulture,
            $"{Version} {Swarm} {Program} {Epoch} {Last.ToUnixTimeMilliseconds()} {(long)Use.Processor.TotalMilliseconds} {Use.MemoryMebibyteSeconds} {Use.Bytes}\n");
        File.WriteAllText(path + ".new", line);
        File.Move(path + ".new", path, overwrite: true);
    }

    /// <summary>Reads what an earlier daemon wrote; null when there is nothing, or nothing that can be read.</summary>
    public static RunJournal? Read(string folder)
    {
        var file = new FileInfo(Path.Combine(folder, FileName));
        if (!file.Exists || file.Length > MaxBytes) return null;
        var words = File.ReadAllText(file.FullName).TrimEnd('\n').Split(' ');
        return words is [Version, var swarm, var program, var epoch, var last, var processor, var memory, var bytes]
            && SwarmId.TryParse(swarm, out var swarmId) && EntryHash.TryParse(program, out var programId)
            && ulong.TryParse(epoch, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            && long.TryParse(last, NumberStyles.None, CultureInfo.InvariantCulture, out var lastMs) && lastMs < 253_402_300_800_000
            && long.TryParse(processor, NumberStyles.None, CultureInfo.InvariantCulture, out var processorMs) && processorMs < 1L << 50
            && long.TryParse(memory, NumberStyles.None, CultureInfo.InvariantCulture, out var mebibyteSeconds)
            && long.TryParse(bytes, NumberStyles.None, CultureInfo.InvariantCulture, out var transferred)
            ? new RunJournal(swarmId, programId, number, DateTimeOffset.FromUnixTimeMilliseconds(lastMs), new RunUse(TimeSpan.FromMilliseconds(processorMs), mebibyteSeconds, transferred))
            : null;
    }
}
