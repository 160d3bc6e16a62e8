using System.Collections.Concurrent;
using System.Globalization;
using PeoplesCloud.Base;
using PeoplesCloud.Programs.Hosting;
using PeoplesCloud.Programs.Languages;
using PeoplesCloud.Programs.Policy;
using PeoplesCloud.Runtimes;

namespace PeoplesCloud.Programs.Packages;

/// <summary>Packages that are there for a program; they stay until this is disposed.</summary>
internal sealed class InstalledPackages(PackageInstaller installer, string folder, Action done) : IDisposable
{
    private Action? _done = done;

    /// <summary>Who installed them.</summary>
    public PackageInstaller Installer => installer;

    /// <summary>Where they are on this host.</summary>
    public string Folder => folder;

    /// <inheritdoc/>
    public void Dispose() => Interlocked.Exchange(ref _done, null)?.Invoke();
}

/// <summary>What an installer may use: what the program may, or what installers need if that is more and the host's owner allows it.</summary>
/// <param name="Own">The program's limits.</param>
/// <param name="Most">The most that the host's owner gives to one program.</param>
/// <param name="Refusal">Why nothing is installed here at all; null when it is.</param>
internal sealed record InstallBudget(RunLimits Own, RunLimits Most, string? Refusal = null)
{
    /// <summary>The budget of a program on a host whose owner's rules are these.</summary>
    public static InstallBudget Of(RunLimits own, HostPolicy policy) =>
        new(own, policy.Most, policy.Network == NetworkMode.None ? "allows programs no network, by which the packages that the program lists would come" : null);

    /// <summary>Whether nobody waits for it: it gets what no other process wants.</summary>
    public bool IsAhead { get; init; }

    /// <summary>The limits of an installation.</summary>
    public RunLimits With(PackageLimits least) => Own with
    {
        MemoryBytes = Math.Max(Own.MemoryBytes, Math.Min(least.MemoryBytes, Most.MemoryBytes)),
        Pids = Math.Max(Own.Pids, Math.Min(least.Pids, Most.Pids)),
    };
}

/// <summary>
/// Installs packages once for each list, and keeps them; docs/layouts/packages.md. What a power cut or a failing disk leaves is found by its
/// hash and installed again. Thread-safe; two programs with one list wait for one installation.
/// <code>
/// packages/KEY/packages   what was installed
/// packages/KEY/digest     the hash of all that; written last, before the folder gets its name
/// packages/new-...        an installation that is not at its end; removed at the start
/// </code>
/// </summary>
/// <param name="folder">The folder of all packages of this host.</param>
/// <param name="limits">What they may take.</param>
/// <param name="time">The clock.</param>
internal sealed class PackageCache(string folder, PackageLimits limits, TimeProvider time)
{
    private const string Unfinished = "new-";

    private readonly ConcurrentDictionary<string, SemaphoreSlim> _gates = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int> _used = new(StringComparer.Ordinal);
    private readonly HashSet<string> _verified = new(StringComparer.Ordinal);
    private readonly Lock _lock = new();
    private int _number;

    /// <summary>Packages of a program: those that are here, else installed now.</summary>
    /// <param name="list">What it asks for.</param>
    /// <param name="app">Its unpacked folder.</param>
    /// <param name="language">Its language.</param>
    /// <param name="place">Where it runs; the installer runs there too.</param>
    /// <param name="budget">What the installer may use.</param>
    /// <param name="said">Hears each line that the installer says, as it is.</param>
    /// <param name="cancellationToken">Ends the installation.</param>
    /// <exception cref="PcException"><see cref="ErrorCode.PackagesFailed"/> with the end of what the installer said, <see cref="ErrorCode.PackagesToolMissing"/>,
    /// <see cref="ErrorCode.PackagesRefused"/>, and what the runtime throws.</exception>
    public async Task<InstalledPackages> RequireAsync(PackageList list, string app, Language language, RunPlace place, InstallBudget budget, Action<string> said, CancellationToken cancellationToken)
    {
        var key = list.KeyIn(app, place.Runtime.Name, place.Image, place.Image is null ? InterpreterOf(language) : null);
        // Counted before anything is looked at: what is counted is not removed for another program's packages.
        var installed = Use(key, list.Installer);
        var gate = _gates.GetOrAdd(key, _ => new SemaphoreSlim(1, 1));
        try
        {
            await gate.WaitAsync(cancellationToken);
            try
            {
                if (!await IsWholeAsync(key, cancellationToken)) await InstallAsync(key, list, app, language, place, budget, said, cancellationToken);
                Directory.SetLastWriteTimeUtc(Path.Combine(folder, key), time.GetUtcNow().UtcDateTime);
                return installed;
            }
            finally
            {
                gate.Release();
            }
        }
        catch
        {
            installed.Dispose();
            throw;
        }
    }

    /// <summary>Removes what installations of a daemon that died left; called once at start.</summary>
    public void Collect()
    {
        if (!Directory.Exists(folder)) return;
        foreach (var left in Directory.EnumerateDirectories(folder, Unfinished + "*")) PackageTree.Remove(left);
    }

    /// <summary>A folder of that name for something unfinished, which is not there yet; removed at the next start if it is left.</summary>
    public string UnfinishedFolder(string name)
    {
        Directory.CreateDirectory(folder);
        var path = Path.Combine(folder, Unfinished + name);
        if (Directory.Exists(path)) PackageTree.Remove(path);
        return path;
    }

    private InstalledPackages Use(string key, PackageInstaller installer)
    {
        lock (_lock) _used[key] = _used.GetValueOrDefault(key) + 1;
        return new InstalledPackages(installer, PackagesOf(Path.Combine(folder, key)), () =>
        {
            lock (_lock) if (--_used[key] == 0) _used.Remove(key);
        });
    }

    // Read whole once by each daemon: what was there before it started may be what a power cut left.
    private async Task<bool> IsWholeAsync(string key, CancellationToken cancellationToken)
    {
        var kept = Path.Combine(folder, key);
        if (!Directory.Exists(kept)) return false;
        lock (_lock) if (_verified.Contains(key)) return true;
        try
        {
            if (await File.ReadAllTextAsync(DigestOf(kept), cancellationToken) == await PackageTree.DigestAsync(PackagesOf(kept), cancellationToken))
            {
                lock (_lock) _verified.Add(key);
                return true;
            }
        }
        catch (Exception damaged) when (damaged is IOException or UnauthorizedAccessException)
        {
            // Installed again below.
        }
        PackageTree.Remove(kept);
        return false;
    }

    private async Task InstallAsync(string key, PackageList list, string app, Language language, RunPlace place, InstallBudget budget, Action<string> said, CancellationToken cancellationToken)
    {
        if (budget.Refusal is { } refusal) throw new PcException(ErrorCode.HostRefuses, refusal);
        said($"installing what {list.File} lists, by {list.Installer.Name}{(list is { LockFile: null } && list.Installer == PackageInstaller.Npm ? "; without a lock file, the newest that fits" : "")}");
        var fresh = Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $"{Unfinished}{key[..16]}-{Interlocked.Increment(ref _number)}"));
        var data = Path.Combine(fresh, "data");
        var source = Path.Combine(fresh, "source");
        Directory.CreateDirectory(data);
        try
        {
            // 1. The installer runs like a program: same runtime, same limits or a little more, and network for this step alone.
            list.StageInto(app, source);
            await RunAsync(Path.GetFileName(fresh), list, source, language, place, budget, data, said, cancellationToken);

            // 2. What it made is looked at, made readable, and written down.
            var packages = PackagesOf(data);
            if (!Directory.Exists(packages)) Directory.CreateDirectory(packages);
            if (TooMuch(packages) is { } tooMuch) throw tooMuch;
            PackageTree.Settle(packages);
            Directory.Move(packages, PackagesOf(fresh));
            PackageTree.Remove(data);
            PackageTree.Remove(source);
            var digest = await PackageTree.DigestAsync(PackagesOf(fresh), cancellationToken);
            await File.WriteAllTextAsync(DigestOf(fresh), digest, cancellationToken);

            // 3. It gets its name, and others go for it.
            Directory.Move(fresh, Path.Combine(folder, key));
            lock (_lock) _verified.Add(key);
            Evict(key);
        }
        finally
        {
            if (Directory.Exists(fresh)) PackageTree.Remove(fresh);
        }
    }

    private async Task RunAsync(string name, PackageList list, string source, Language language, RunPlace place, InstallBudget budget, string data, Action<string> said, CancellationToken cancellationToken)
    {
        var runLimits = budget.With(limits);
        var command = list.Installer.CommandFor(list, language);
        var spec = new RunSpec(name, budget.IsAhead ? ["nice", "-n", "19", .. command] : command, source, language.Environment, runLimits, NetworkMode.Internet) { DataFolder = data, Image = place.Image };
        var lines = new InstallerLines(said, limits.ErrorLines);
        using var timeout = new CancellationTokenSource(limits.Timeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        await using var run = await place.Runtime.StartAsync(spec, lines.WriteAsync, cancellationToken);
        PcException? tooMuch = null;
        try
        {
            while (await Task.WhenAny(run.Exited, Task.Delay(limits.WatchInterval, time, either.Token)) != run.Exited)
            {
                either.Token.ThrowIfCancellationRequested();
                if ((tooMuch = TooMuch(data)) is not null) break;
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new PcException(ErrorCode.PackagesFailed, $"{list.Installer.Name} was not at its end after {limits.Timeout.TotalMinutes:0} minutes{lines.Last}");
        }
        if (tooMuch is not null) throw tooMuch; // disposing the run ends it
        var exit = await run.Exited;
        lines.Complete();
        if (exit is { ExitCode: 0, Reason: RunExitReason.Exited }) return;
        if (exit.ExitCode == PackageInstaller.NotFound) throw new PcException(ErrorCode.PackagesToolMissing, $"{list.File} lists packages, and this host has no {list.Installer.Name} to install them", $"on that host: apt-get install {list.Installer.Package}, then deploy again");
        var why = exit.Reason == RunExitReason.OutOfMemory ? $"used more than {Size.Text(runLimits.MemoryBytes)} of memory" : string.Create(CultureInfo.InvariantCulture, $"ended with exit code {exit.ExitCode}");
        throw new PcException(ErrorCode.PackagesFailed, $"{list.Installer.Name} {why}{lines.Last}");
    }

    private PcException? TooMuch(string data)
    {
        var (bytes, entries) = PackageTree.Measure(data, limits.MaxEntries + 1);
        // While packages are installed, archives and what was unpacked from them lie side by side.
        if (bytes > 2 * limits.MaxBytes || (Path.GetFileName(data) == "packages" && bytes > limits.MaxBytes)) return new PcException(ErrorCode.PackagesRefused, $"the packages take more than {Size.Text(limits.MaxBytes)}, this host's limit");
        return entries > limits.MaxEntries ? new PcException(ErrorCode.PackagesRefused, $"the packages have more than {limits.MaxEntries} files, this host's limit") : null;
    }

    private void Evict(string kept)
    {
        lock (_lock)
        {
            var all = new DirectoryInfo(folder).EnumerateDirectories().Where(entry => !entry.Name.StartsWith(Unfinished, StringComparison.Ordinal)).OrderByDescending(entry => entry.LastWriteTimeUtc).ToList();
            var total = 0L;
            foreach (var entry in all)
            {
                total += PackageTree.Measure(entry.FullName, limits.MaxEntries + 2).Bytes;
                if (total <= limits.MaxCacheBytes || entry.Name == kept || _used.GetValueOrDefault(entry.Name) > 0) continue;
                _verified.Remove(entry.Name);
                PackageTree.Remove(entry.FullName);
            }
        }
    }

    // Its version and age: after an upgrade, what was compiled for the one before is installed again.
    private static string InterpreterOf(Language language)
    {
        foreach (var bin in new[] { "/usr/local/bin", "/usr/bin" })
        {
            var file = new FileInfo(Path.Combine(bin, language.Interpreter[0]));
            if (!file.Exists) continue;
            var target = file.ResolveLinkTarget(returnFinalTarget: true) ?? file;
            return string.Create(CultureInfo.InvariantCulture, $"{target.FullName} {target.LastWriteTimeUtc.Ticks}");
        }
        return "";
    }

    private static string PackagesOf(string entry) => Path.Combine(entry, "packages");

    private static string DigestOf(string entry) => Path.Combine(entry, "digest");
}
