using PeoplesCloud.Base;
using PeoplesCloud.Programs.Hosting;
using PeoplesCloud.Programs.Languages;
using PeoplesCloud.Programs.Packages;
using PeoplesCloud.Programs.Policy;
using PeoplesCloud.Programs.Tests.Support;
using PeoplesCloud.Runtimes;

namespace PeoplesCloud.Programs.Tests.Packages;

/// <summary>What is kept of installations, with a runtime in which the test is the installer.</summary>
public sealed class PackageCacheTests : IDisposable
{
    private readonly TestFolder _folder = new();
    private readonly FakeRuntime _runtime = new();
    private readonly List<string> _said = [];
    private HostPolicy _policy = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task One_list_is_installed_once_for_all_that_ask_at_the_same_time()
    {
        var cache = NewCache();
        var asking = Enumerable.Range(0, 5).Select(_ => RequireAsync(cache, "requests\n")).ToList();
        var installer = await _runtime.NextAsync();
        Assert.DoesNotContain(asking, task => task.IsCompleted);
        await InstallAsync(installer, "requests/__init__.py", "1");
        var all = await Task.WhenAll(asking);
        Assert.Single(all.Select(installed => installed.Folder).Distinct());
        Assert.Equal("1", await File.ReadAllTextAsync(Path.Combine(all[0].Folder, "requests/__init__.py"), Token));
        Assert.False(_runtime.HasMore);
        // Also for the next daemon; and another list is another installation.
        await RequireAsync(NewCache(), "requests\n");
        Assert.False(_runtime.HasMore);
        var other = RequireAsync(cache, "flask\n");
        await InstallAsync(await _runtime.NextAsync(), "flask.py", "2");
        Assert.NotEqual(all[0].Folder, (await other).Folder);
    }

    // Goal: nobody gets something into the packages of another member's program that has the same list. Method: a folder with files that
    // pip or Python would pick up, and packages made ready where the installer leaves its own.
    [Fact]
    public async Task The_installer_sees_the_list_and_nothing_else_of_the_program()
    {
        _folder.With("app/pip.py", "raise SystemExit('mine')\n").With("app/data/packages/requests.py", "mine").With("app/sitecustomize.py", "mine");
        var asking = RequireAsync(NewCache(), "requests\n");
        var installer = await _runtime.NextAsync();
        Assert.StartsWith("requirements.txt ", installer.Files, StringComparison.Ordinal);
        Assert.DoesNotContain("\n", installer.Files, StringComparison.Ordinal);
        Assert.Equal(NetworkMode.Internet, installer.Spec.Network);
        await InstallAsync(installer, "requests.py", "theirs");
        Assert.Equal("theirs", await File.ReadAllTextAsync(Path.Combine((await asking).Folder, "requests.py"), Token));
    }

    [Fact]
    public async Task The_host_s_owner_decides_about_network_and_memory_of_installers_too()
    {
        var cache = NewCache();
        _policy = new HostPolicy { Most = new RunLimits { MemoryBytes = 300L << 20, Pids = 150 } };
        var asking = RequireAsync(cache, "requests\n");
        var installer = await _runtime.NextAsync();
        Assert.Equal((300L << 20, 150), (installer.Spec.Limits.MemoryBytes, installer.Spec.Limits.Pids));
        await InstallAsync(installer, "requests.py", "");
        (await asking).Dispose();

        _policy = new HostPolicy { Network = NetworkMode.None };
        await Refused.WithAsync(ErrorCode.HostRefuses, "allows programs no network", () => RequireAsync(cache, "flask\n"));
        // What is here already needs no network.
        (await RequireAsync(cache, "requests\n")).Dispose();
    }

    [Theory]
    [InlineData("requests.py", "other")]
    [InlineData("added.py", "new")]
    [InlineData("requests.py", null)]
    [InlineData("../digest", "0")]
    [InlineData("../digest", null)]
    public async Task What_is_damaged_on_the_disk_is_installed_again(string file, string? text)
    {
        var first = RequireAsync(NewCache(), "requests\n");
        await InstallAsync(await _runtime.NextAsync(), "requests.py", "right");
        var path = Path.Combine((await first).Folder, file);
        if (text is null) File.Delete(path);
        else await File.WriteAllTextAsync(path, text, Token);

        var second = RequireAsync(NewCache(), "requests\n");
        await InstallAsync(await _runtime.NextAsync(), "requests.py", "right again");
        Assert.Equal(["requests.py"], Directory.EnumerateFiles((await second).Folder).Select(Path.GetFileName));
        Assert.Equal("right again", await File.ReadAllTextAsync(Path.Combine((await second).Folder, "requests.py"), Token));
    }

    [Fact]
    public async Task An_installer_that_fails_leaves_nothing_and_its_words_are_told()
    {
        var cache = NewCache();
        var asking = RequireAsync(cache, "nosuch\n");
        var installer = await _runtime.NextAsync();
        await installer.PrintAsync("Looking in indexes\n");
        await installer.PrintAsync("ERROR: no versions\nERROR: No matching distribution found for nosuch", OutputKind.Err);
        installer.Exit(1);
        await Refused.WithAsync(ErrorCode.PackagesFailed, "pip ended with exit code 1: ERROR: no versions | ERROR: No matching distribution found for nosuch", () => asking);
        Assert.Equal(["installing what requirements.txt lists, by pip", "Looking in indexes", "ERROR: no versions", "ERROR: No matching distribution found for nosuch"], _said);
        Assert.Empty(Directory.EnumerateFileSystemEntries(_folder["packages"]));

        // And the next one tries again.
        asking = RequireAsync(cache, "nosuch\n");
        (await _runtime.NextAsync()).Exit(PackageInstaller.NotFound);
        var error = await Refused.WithAsync(ErrorCode.PackagesToolMissing, "this host has no pip", () => asking);
        Assert.Contains("apt-get install python3-pip", error.Hint, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Packages_that_take_too_much_are_refused_while_they_grow()
    {
        var cache = NewCache(new PackageLimits { MaxBytes = 1 << 20, MaxEntries = 50, WatchInterval = TimeSpan.FromMilliseconds(1) });
        var asking = RequireAsync(cache, "large\n");
        var installer = await _runtime.NextAsync();
        await File.WriteAllBytesAsync(Path.Combine(installer.Spec.DataFolder!, "archive"), new byte[3 << 20], Token);
        await Refused.WithAsync(ErrorCode.PackagesRefused, "take more than 1 MiB", () => asking);
        Assert.Equal(0, _runtime.Running);

        // Seen at the end, since nobody stops this test's hand from writing after the refusal.
        var atTheEnd = NewCache(new PackageLimits { MaxBytes = 1 << 20, MaxEntries = 50, WatchInterval = TimeSpan.FromHours(1) });
        asking = RequireAsync(atTheEnd, "many\n");
        await InstallAsync(await _runtime.NextAsync(), Enumerable.Range(0, 60).Select(number => ($"file{number}", "")));
        await Refused.WithAsync(ErrorCode.PackagesRefused, "more than 50 files", () => asking);
        Assert.Empty(Directory.EnumerateFileSystemEntries(_folder["packages"]));
    }

    [Fact]
    public async Task Links_are_kept_and_never_followed_and_pipes_are_refused()
    {
        var outside = _folder.With("outside", "secret\n")["outside"];
        File.SetUnixFileMode(outside, UnixFileMode.UserRead);
        var asking = RequireAsync(NewCache(), "links\n");
        var installer = await _runtime.NextAsync();
        var packages = Directory.CreateDirectory(Path.Combine(installer.Spec.DataFolder!, "packages")).FullName;
        File.CreateSymbolicLink(Path.Combine(packages, "link"), outside);
        Directory.CreateSymbolicLink(Path.Combine(packages, "folder"), "/");
        installer.Exit(0);
        Assert.Equal(outside, new FileInfo(Path.Combine((await asking).Folder, "link")).LinkTarget);
        Assert.Equal(UnixFileMode.UserRead, File.GetUnixFileMode(outside));

        asking = RequireAsync(NewCache(), "pipes\n");
        installer = await _runtime.NextAsync();
        packages = Directory.CreateDirectory(Path.Combine(installer.Spec.DataFolder!, "packages")).FullName;
        Bundles.FolderScannerTests.Shell($"mkfifo {packages}/pipe");
        installer.Exit(0);
        await Refused.WithAsync(ErrorCode.PackagesRefused, "neither file, folder nor link", () => asking);
    }

    // As an ordinary user; root looks into everything.
    [Fact]
    public async Task A_folder_that_was_closed_hides_nothing_and_goes()
    {
        var asking = RequireAsync(NewCache(), "closed\n");
        var installer = await _runtime.NextAsync();
        var closed = Directory.CreateDirectory(Path.Combine(installer.Spec.DataFolder!, "packages", "closed")).FullName;
        await File.WriteAllTextAsync(Path.Combine(closed, "inside.py"), "", Token);
        File.SetUnixFileMode(closed, UnixFileMode.None);
        installer.Exit(0);
        if (Environment.IsPrivilegedProcess) Assert.True(File.Exists(Path.Combine((await asking).Folder, "closed", "inside.py")));
        else await Refused.WithAsync(ErrorCode.PackagesRefused, "cannot be looked into", () => asking);
        Assert.Empty(Directory.EnumerateDirectories(_folder["packages"], "new-*"));
    }

    // The measure of an installer that exchanged a folder for a link to the host goes on no longer than the limit.
    [Fact]
    public void Counting_ends_at_the_limit()
    {
        for (var number = 0; number < 20; number++) _folder.With($"many/{number}");
        Assert.Equal(11, PackageTree.Measure(_folder["many"], 10).Entries);
        Assert.Equal(20, PackageTree.Measure(_folder["many"], 100).Entries);
    }

    [Fact]
    public async Task The_longest_unused_go_first_and_what_a_program_uses_stays()
    {
        // Each takes a block of 4 KiB, and the digest beside it another.
        var cache = NewCache(new PackageLimits { MaxCacheBytes = 20 << 10 });
        using var used = await InstalledAsync(cache, "a\n");
        (await InstalledAsync(cache, "b\n")).Dispose();
        foreach (var old in Directory.EnumerateDirectories(_folder["packages"])) Directory.SetLastWriteTimeUtc(old, new DateTime(2020, 1, 1, 0, 0, 0, DateTimeKind.Utc));
        (await InstalledAsync(cache, "c\n")).Dispose();
        (await InstalledAsync(cache, "d\n")).Dispose();
        Assert.True(Directory.Exists(used.Folder));
        Assert.Equal(["a.py", "d.py"], Directory.EnumerateFiles(_folder["packages"], "*.py", SearchOption.AllDirectories).Select(Path.GetFileName).Order().Where(name => name != "c.py"));
        // What went is installed again when it is asked for.
        (await InstalledAsync(cache, "b\n")).Dispose();
    }

    [Fact]
    public async Task What_a_daemon_that_died_left_is_removed()
    {
        _folder.With("packages/new-0123-1/data/half.py");
        var cache = NewCache();
        cache.Collect();
        Assert.Empty(Directory.EnumerateFileSystemEntries(_folder["packages"]));
        (await InstalledAsync(cache, "a\n")).Dispose();
    }

    [Fact]
    public async Task Commands_of_packages_are_found_and_the_owner_s_own_path_stays()
    {
        var installer = PackageInstaller.Pip;
        var environment = new Dictionary<string, string> { ["PYTHONPATH"] = "/app/lib" };
        installer.AddTo(environment);
        Assert.Equal("/app/lib:/opt/packages", environment["PYTHONPATH"]);
        using var found = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo("/bin/sh", installer.Finding(["/bin/sh", "-c", "echo $PATH $0"]).Skip(1)) { UseShellExecute = false, RedirectStandardOutput = true })!;
        Assert.StartsWith("/opt/packages/bin:/", await found.StandardOutput.ReadToEndAsync(Token), StringComparison.Ordinal);
        await found.WaitForExitAsync(Token);
    }

    [Fact]
    public async Task What_nobody_waits_for_gets_what_nobody_else_wants()
    {
        _folder.With("app/requirements.txt", "requests\n");
        var list = PackageList.Of(_folder["app"], Language.Python3)!;
        var asking = NewCache().RequireAsync(list, _folder["app"], Language.Python3, new RunPlace(_runtime), InstallBudget.Of(new RunLimits(), _policy) with { IsAhead = true }, _said.Add, Token);
        var installer = await _runtime.NextAsync();
        Assert.Equal(["nice", "-n", "19", "/bin/sh"], installer.Spec.Command.Take(4));
        await InstallAsync(installer, "requests.py", "");
        (await asking).Dispose();
    }

    [Fact]
    public async Task Why_pip_gave_up_stands_in_the_error_and_not_each_of_its_tries()
    {
        var lines = new InstallerLines(_said.Add, 5);
        await lines.WriteAsync(OutputKind.Err, "WARNING: Retrying (Retry(total=1)) after connection broken\n"u8.ToArray());
        Assert.Equal(": WARNING: Retrying (Retry(total=1)) after connection broken", lines.Last);
        await lines.WriteAsync(OutputKind.Err, "WARNING: Retrying (Retry(total=0))\nERROR: Could not find a version\nERROR: No matching distribution\n"u8.ToArray());
        Assert.Equal(": ERROR: Could not find a version | ERROR: No matching distribution", lines.Last);
        Assert.Equal(4, _said.Count); // all of it is told while it happens
    }

    [Fact]
    public async Task What_npm_fetches_is_told_by_name_and_is_no_error()
    {
        var lines = new InstallerLines(_said.Add, 5);
        const string Said = "npm http fetch GET 200 http://index/left-pad 3ms (cache miss)\nnpm http fetch GET 200 http://index/left-pad/-/left-pad-1.3.0.tgz 5ms (cache miss)\nnpm http cache left-pad 1ms (cache hit)\n"
            + "npm http fetch GET 404 http://index/nosuch 2ms\nnpm error 404 Not Found\n";
        await lines.WriteAsync(OutputKind.Err, System.Text.Encoding.UTF8.GetBytes(Said));
        lines.Complete();
        Assert.Equal(["fetched left-pad-1.3.0.tgz", "npm http fetch GET 404 http://index/nosuch 2ms", "npm error 404 Not Found"], _said);
        Assert.Equal(": npm http fetch GET 404 http://index/nosuch 2ms | npm error 404 Not Found", lines.Last);
    }

    public void Dispose() => _folder.Dispose();

    private PackageCache NewCache(PackageLimits? limits = null) => new(_folder["packages"], limits ?? new PackageLimits(), TimeProvider.System);

    private Task<InstalledPackages> RequireAsync(PackageCache cache, string requirements)
    {
        _folder.With("app/requirements.txt", requirements);
        var list = PackageList.Of(_folder["app"], Language.Python3)!;
        return cache.RequireAsync(list, _folder["app"], Language.Python3, new RunPlace(_runtime), InstallBudget.Of(new RunLimits(), _policy), _said.Add, Token);
    }

    private async Task<InstalledPackages> InstalledAsync(PackageCache cache, string requirements)
    {
        var asking = RequireAsync(cache, requirements);
        await InstallAsync(await _runtime.NextAsync(), $"{requirements.Trim()}.py", "");
        return await asking;
    }

    private static Task InstallAsync(FakeRun installer, string file, string text) => InstallAsync(installer, [(file, text)]);

    private static async Task InstallAsync(FakeRun installer, IEnumerable<(string Name, string Text)> files)
    {
        foreach (var (name, text) in files)
        {
            var path = Path.Combine(installer.Spec.DataFolder!, "packages", name);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            await File.WriteAllTextAsync(path, text, Token);
        }
        installer.Exit(0);
    }
}
