using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using PeoplesCloud.Simulation.Disk;

namespace PeoplesCloud.Daemon.Tests.PowerCuts;

/// <summary>What one node did to its disk and told people; the home is the folder <c>home</c> below the trace's root.</summary>
internal sealed class Recording : IDisposable
{
    // How many mixtures of what may be left are tried after each step, besides the extremes.
    private static readonly int Mixtures = int.Parse(Environment.GetEnvironmentVariable("PC_CUT_MIXTURES") ?? "2", CultureInfo.InvariantCulture);

    private readonly HashSet<string> _seen = new(StringComparer.Ordinal);
    private PowerCut? _cut;
    private IReadOnlyList<DiskStep>? _cutSteps;
    private int _cutAt;

    public Recording(string name)
    {
        Name = name;
        Folder = TestNode.NewHome();
        Trace = new DiskTrace(Directory.CreateDirectory(Path.Combine(Folder, "disk")).FullName);
        Disk = new RecordingDisk(Trace);
        RecordingVfs.Record(Trace);
        RecordingVfs.Unflushed(Folder);
    }

    public string Name { get; }

    public string Folder { get; }

    public DiskTrace Trace { get; }

    public RecordingDisk Disk { get; }

    public string Home => Path.Combine(Trace.Root, "home");

    public void Tell(params ReadOnlySpan<Expected> expected)
    {
        foreach (var one in expected) Trace.Acknowledge(one);
    }

    /// <summary>Who flushed something, each once.</summary>
    public IReadOnlyList<string> Flushes => [.. Trace.Steps.Select(FlushedBy).OfType<string>().Where(by => !by.StartsWith(nameof(Recordings), StringComparison.Ordinal) && !by.StartsWith(nameof(DataCuts), StringComparison.Ordinal)).Distinct(StringComparer.Ordinal)];

    /// <summary>Cuts the power after every step and looks at what may be left; answers the first that is wrong, or null.</summary>
    /// <param name="without">Leaves out the flushes of this one.</param>
    /// <param name="lastFirst">Begins with the last step, where what was not flushed has gathered.</param>
    public async Task<string?> FindLossAsync(string? without = null, bool lastFirst = false)
    {
        var steps = Trace.Steps.Where(step => without is null || FlushedBy(step) != without).ToList();
        var wrong = (string?)null;
        if (lastFirst) wrong = await LossAfterAsync(steps, steps.Count);
        for (var count = 1; wrong is null && count <= steps.Count; count++) wrong = await LossAfterAsync(steps, count);
        return wrong;
    }

    /// <summary>How many different states of the disk were looked at.</summary>
    public int Looked => _seen.Count;

    private async Task<string?> LossAfterAsync(List<DiskStep> steps, int count)
    {
        if (_cut is null || _cutSteps != steps || _cutAt > count) (_cut, _cutSteps, _cutAt) = (new PowerCut(Trace.Root), steps, 0);
        while (_cutAt < count) _cut.Apply(steps[_cutAt++]);
        foreach (var choice in CutChoice.Extremes.Concat(Enumerable.Range(0, Mixtures).Select(i => CutChoice.Mixed((count * Mixtures) + i))))
        {
            var outcome = _cut.Outcome(choice);
            if (!_seen.Add(Digest(outcome, _cut.Acknowledged.Count))) continue;
            var folder = Directory.CreateTempSubdirectory("cut-").FullName;
            RecordingVfs.Unflushed(folder);
            try
            {
                PowerCut.Restore(outcome, folder);
                await HomeCheck.RunAsync(Path.Combine(folder, "home"), _cut.Acknowledged.Cast<Expected>());
            }
            catch (Exception wrong)
            {
                return $"{Name}: cut after step {count} of {steps.Count} ({Said(steps[count - 1])}), {choice.Name}: {wrong.GetType().Name} {wrong.Message}";
            }
            finally
            {
                RecordingVfs.Flushed(folder);
                Directory.Delete(folder, recursive: true);
            }
        }
        return null;
    }

    /// <summary>What is left in a folder when the power is cut at the end.</summary>
    public void RestoreEnd(CutChoice choice, string folder)
    {
        var cut = new PowerCut(Trace.Root);
        foreach (var step in Trace.Steps) cut.Apply(step);
        PowerCut.Restore(cut.Outcome(choice), folder);
    }

    public void Dispose()
    {
        RecordingVfs.Forget(Trace);
        RecordingVfs.Flushed(Folder);
        Directory.Delete(Folder, recursive: true);
    }

    private static string? FlushedBy(DiskStep step) => step switch
    {
        DiskStep.Flushed flushed => flushed.By,
        DiskStep.FolderFlushed flushed => flushed.By,
        _ => null,
    };

    private string Said(DiskStep step) => step switch
    {
        DiskStep.Written written => $"wrote {written.Bytes.Length} bytes at {written.Offset} of file {written.File}",
        DiskStep.Acknowledged { What: Expected what } => $"told {what.GetType().Name}",
        _ => step.ToString().Replace(Trace.Root, "", StringComparison.Ordinal),
    };

    private static string Digest(SortedDictionary<string, byte[]?> outcome, int acknowledged)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var (name, bytes) in outcome)
        {
            hash.AppendData(Encoding.UTF8.GetBytes($"{name}\0{bytes?.Length ?? -1}\0"));
            hash.AppendData(bytes ?? []);
        }
        return $"{acknowledged} {Convert.ToHexString(hash.GetHashAndReset())}";
    }
}
