namespace PeoplesCloud.Runtimes.Tests.Sandbox;

/// <summary>The processes of the host.</summary>
internal static class Processes
{
    /// <summary>Those whose arguments hold a text.</summary>
    public static IReadOnlyList<int> With(string text)
    {
        var found = new List<int>();
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
        {
            if (!int.TryParse(Path.GetFileName(folder), out var pid)) continue;
            try
            {
                if (File.ReadAllText(Path.Combine(folder, "cmdline")).Contains(text, StringComparison.Ordinal)) found.Add(pid);
            }
            catch (IOException)
            {
                // It has ended.
            }
        }
        return found;
    }

    /// <summary>What a process is called, which is the file that it began with.</summary>
    public static string NameOf(int pid) => File.ReadAllText($"/proc/{pid}/comm").Trim();

    /// <summary>Waits until a process has ended; a zombie has.</summary>
    public static async Task WaitForEndAsync(int pid, CancellationToken cancellationToken)
    {
        var patience = System.Diagnostics.Stopwatch.StartNew();
        while (IsAlive(pid))
        {
            Assert.True(patience.Elapsed < RuntimeConformance.Patience, $"process {pid} lives on");
            await Task.Delay(10, cancellationToken);
        }
    }

    private static bool IsAlive(int pid)
    {
        try
        {
            var stat = File.ReadAllText($"/proc/{pid}/stat");
            return stat[stat.LastIndexOf(')') + 2] is not ('Z' or 'X');
        }
        catch (IOException)
        {
            return false;
        }
    }
}
