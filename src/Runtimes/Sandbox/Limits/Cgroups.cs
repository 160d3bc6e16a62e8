using System.Globalization;

namespace PeoplesCloud.Runtimes.Sandbox.Limits;

/// <summary>The control groups of one runtime: one group a sandbox, all below a group with the owner's name.</summary>
internal abstract class Cgroups
{
    /// <summary>What the owner's groups are called: this, a dot and the <see cref="SandboxOwner"/>.</summary>
    protected const string Prefix = "peoples-cloud.";

    /// <summary>How the limits are held, for people: cgroup v1 or cgroup v2.</summary>
    public abstract string Name { get; }

    /// <summary>Whether memory of all processes together is limited.</summary>
    public abstract bool HasMemory { get; }

    /// <summary>Whether processor time is limited.</summary>
    public abstract bool HasCpu { get; }

    /// <summary>Whether the number of processes is limited.</summary>
    public abstract bool HasPids { get; }

    /// <summary>Finds what this host offers: v2, else v1, null when neither can be written to.</summary>
    public static Cgroups? Find(SandboxOwner owner)
    {
        try
        {
            var layout = CgroupLayout.Read();
            return (Cgroups?)CgroupsV2.TryCreate(layout, owner) ?? CgroupsV1.TryCreate(layout, owner);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Makes a group for a sandbox.</summary>
    public abstract Cgroup Create(string name);

    /// <summary>Ends and removes the groups of owners that have died.</summary>
    public abstract void Collect();

    /// <summary>Removes the owner's own group; its sandboxes have ended.</summary>
    public abstract void Remove();

    /// <summary>Ends and removes the groups of dead owners in one folder of groups.</summary>
    protected static void CollectIn(string parent)
    {
        foreach (var folder in Directory.EnumerateDirectories(parent, Prefix + "*"))
        {
            if (SandboxOwner.Parse(Path.GetFileName(folder)[Prefix.Length..]) is not { IsAlive: false }) continue;
            try
            {
                foreach (var group in Directory.EnumerateDirectories(folder))
                {
                    Kill(group);
                    _ = TryRemove(group);
                }
            }
            catch (DirectoryNotFoundException)
            {
                // Another daemon that starts now removes the same.
            }
            _ = TryRemove(folder);
        }
    }

    /// <summary>Sends KILL to every process of a group, again while it still has some (they may be forking).</summary>
    protected internal static void Kill(string folder)
    {
        // A killed process leaves its group when it is collected by its parent, so a few rounds see the same ones; a thousand is a fork bomb that won.
        for (var round = 0; round < 1000; round++)
        {
            string[] pids;
            try
            {
                pids = File.ReadAllLines(Path.Combine(folder, "cgroup.procs"));
            }
            catch (IOException)
            {
                return;
            }
            if (pids.Length == 0) return;
            foreach (var pid in pids) _ = LibC.kill(int.Parse(pid, CultureInfo.InvariantCulture), LibC.Kill);
            _ = Thread.Yield();
        }
    }

    /// <summary>Removes a group; false while it has processes.</summary>
    protected internal static bool TryRemove(string folder)
    {
        try
        {
            Directory.Delete(folder);
            return true;
        }
        catch (DirectoryNotFoundException)
        {
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}

/// <summary>The group of one sandbox.</summary>
internal abstract class Cgroup : IDisposable
{
    /// <summary>Files that a process writes 0 to in order to join.</summary>
    public abstract IReadOnlyList<string> JoinFiles { get; }

    /// <summary>Sets the limits; may be called once it has processes.</summary>
    public abstract void Limit(RunLimits limits, int overheadPids);

    /// <summary>Whether the kernel ended a process of it because of its memory limit.</summary>
    public abstract bool RanOutOfMemory();

    /// <summary>What it uses now.</summary>
    public abstract RunUsage Usage();

    /// <summary>Lets its processes run no more, or again; false when the host has no freezer for it.</summary>
    public abstract bool Freeze(bool frozen);

    /// <summary>Whether all of its processes stand still.</summary>
    public abstract bool IsFrozen();

    /// <summary>Ends all of its processes.</summary>
    public abstract void Kill();

    /// <summary>Removes it; false while it has processes.</summary>
    public abstract bool TryRemove();

    /// <summary>Closes what it holds open; the group itself stays or was removed before.</summary>
    public abstract void Dispose();

    /// <summary>Writes one value to one file of a group.</summary>
    protected static void Set(string folder, string file, string value) => File.WriteAllText(Path.Combine(folder, file), value);

    /// <summary>A number in a file of a group; null when there is none.</summary>
    protected static long? Get(string folder, string file)
    {
        try
        {
            return long.TryParse(File.ReadAllText(Path.Combine(folder, file)).AsSpan().Trim(), CultureInfo.InvariantCulture, out var value) ? value : null;
        }
        catch (IOException)
        {
            return null;
        }
    }

    /// <summary>A number behind a word in a file of lines <c>word number</c>; null when there is none.</summary>
    protected static long? Get(string folder, string file, string word)
    {
        try
        {
            foreach (var line in File.ReadLines(Path.Combine(folder, file)))
                if (line.StartsWith(word, StringComparison.Ordinal) && line.Length > word.Length && line[word.Length] == ' ')
                    return long.Parse(line.AsSpan(word.Length + 1), CultureInfo.InvariantCulture);
        }
        catch (IOException)
        {
            // The group is gone, and with it its numbers.
        }
        return null;
    }
}
