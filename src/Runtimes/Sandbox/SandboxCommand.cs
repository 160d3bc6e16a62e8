using System.Globalization;
using System.Text;
using PeoplesCloud.Runtimes.Docker;
using PeoplesCloud.Runtimes.Sandbox.Begin;

namespace PeoplesCloud.Runtimes.Sandbox;

/// <summary>
/// The line that turns the prepared shell into the sandbox, and the arguments that bubblewrap reads after it from the same pipe: environment
/// values are secrets at times, and arguments of processes are public on a host.
/// </summary>
internal static class SandboxCommand
{
    /// <summary>Where the program's files are seen, read-only, before they are copied to its folder.</summary>
    private const string SourceInside = "/run/source";

    private const long MaxSharedMemoryBytes = 64L << 20;

    /// <summary>What runs as the first command inside: fill the folder, say that all is set (a NUL), become the command.</summary>
    private const string Say = "printf '\\0' && ";

    private const string Become = "exec \"$@\"";

    /// <summary>For all that is started after it: no core files, and so many open files. The shell does it itself: another program costs a millisecond.</summary>
    private static readonly string OwnLimits = string.Create(
        CultureInfo.InvariantCulture, $"ulimit -c 0 && ulimit -n {Math.Min(HostProcess.OwnLimit("Max open files") ?? RunLimits.OpenFiles, RunLimits.OpenFiles)} && ");

    private const string Copy = "cp -R --preserve=mode,timestamps,links";

    private const string CopyAll = $"{Copy} {SourceInside}/. /app/ && ";

    /// <summary>What the source has below data/ is for the first run only: later ones find their own.</summary>
    private const string CopyBesideData =
        $"if [ -z \"$(ls -A {SharedFolders.DataInside})\" ]; then {Copy} {SourceInside}/. /app/; else find {SourceInside} -mindepth 1 -maxdepth 1 ! -name data -exec {Copy} -t /app {{}} +; fi && ";

    /// <summary>As root: binds folders where the sandbox's user can reach them, in a mount namespace that ends with the sandbox.</summary>
    private const string BindAndBecome = "while [ \"$1\" != -- ]; do mount=\"$1\"; \"$mount\" --bind \"$2\" \"$3\" || exit 1; shift 3; done; shift; exec \"$@\"";

    /// <summary>
    /// The shell line; as root nsenter enters a network that is there already. Descriptors: 3 bubblewrap's arguments, 4 the filter, 5 its information, on
    /// the shell's standard output, 6 what begins a command whose start is waited for.
    /// </summary>
    public static string Line(SandboxTools tools, RunSpec spec, IReadOnlyList<SharedFolder> shown, uint? uid, string? network, string seccompFile, string beginFile, bool cgroupLimitsPids, bool cgroupLimitsMemory)
    {
        var words = new List<string>();
        if (shown.Any(folder => folder.Staged is not null))
        {
            words.AddRange([tools.Network.Unshare!.Path, "--mount", "--propagation", "private", "/bin/sh", "-c", BindAndBecome, "sh"]);
            foreach (var folder in shown) words.AddRange([tools.Mount!.Path, folder.Source, folder.Staged!]);
            words.Add("--");
        }
        if (uid is { } own && network is not null)
        {
            words.AddRange([tools.Network.Enter!.Path, $"--net={network}", $"--setuid={own}", $"--setgid={own}"]);
            // Bubblewrap gains nothing by being started but where its file says so, and lets nothing gain inside.
            if (tools.SetPriv is { } keep && File.GetUnixFileMode(tools.Bubblewrap.Path).HasFlag(UnixFileMode.SetUser)) words.AddRange([keep.Path, "--no-new-privs"]);
        }
        else if (uid is { } user && tools.SetPriv is { } setPriv)
            words.AddRange([setPriv.Path, $"--reuid={user}", $"--regid={user}", "--clear-groups", "--no-new-privs"]);
        words.AddRange([tools.Bubblewrap.Path, "--args", "3", "--seccomp", "4", "--info-fd", "5", "--"]);
        var copy = spec.SourceFolder is null ? "" : spec.DataFolder is null ? CopyAll : CopyBesideData;
        words.AddRange(["/bin/sh", "-c", OwnLimits + SandboxExec.Agent + copy + (spec.MustBegin ? "" : Say) + Become, "sh"]);
        words.AddRange(ResourceLimits(spec.Limits, cgroupLimitsPids, cgroupLimitsMemory));
        // It says by itself that all is set.
        if (spec.MustBegin) words.Add(BeginImage.Inside);
        words.AddRange(spec.Command);
        var libraries = tools.Bubblewrap.LibraryPath is { } path ? $"export LD_LIBRARY_PATH={ShellWords.Quote(path)}; " : "";
        return $"{libraries}exec {ShellWords.Line(words)} 3<&0 4<{ShellWords.Quote(seccompFile)} 5>&1{(spec.MustBegin ? $" 6<{ShellWords.Quote(beginFile)}" : "")} 0</dev/null";
    }

    /// <summary>Bubblewrap's arguments, each ended by a NUL.</summary>
    public static byte[] Arguments(RunSpec spec, string? sourceFolder, string etcFolder, string execFolder, IReadOnlyList<SharedFolder> shown, bool networkIsPrepared, UnpackedFolders unpacked)
    {
        var disk = spec.Limits.DiskBytes.ToString(CultureInfo.InvariantCulture);
        var shared = Math.Min(spec.Limits.DiskBytes, MaxSharedMemoryBytes).ToString(CultureInfo.InvariantCulture);
        List<string> arguments =
        [
            "--unshare-user", "--disable-userns", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try",
            "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--uid", "1000", "--gid", "1000", "--hostname", "sandbox",
            "--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin", "--symlink", "usr/sbin", "/sbin", "--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64",
            "--ro-bind-try", "/etc/alternatives", "/etc/alternatives", "--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache",
            "--ro-bind-try", "/etc/ssl/certs", "/etc/ssl/certs", "--ro-bind-try", "/etc/ssl/openssl.cnf", "/etc/ssl/openssl.cnf",
            // As an ordinary user the files of /proc/sys/net belong to who made the network, which inside is the program's user.
            "--proc", "/proc", "--ro-bind", "/proc/sys", "/proc/sys",
            "--dev", "/dev", "--perms", "1777", "--size", shared, "--tmpfs", "/dev/shm", "--remount-ro", "/dev",
            "--perms", "1777", "--size", disk, "--tmpfs", "/tmp",
            "--perms", "0755", "--size", disk, "--tmpfs", "/app",
        ];
        foreach (var name in new[] { "passwd", "group", "hosts", "nsswitch.conf" }) arguments.AddRange(["--ro-bind", Path.Combine(etcFolder, name), $"/etc/{name}"]);
        if (networkIsPrepared) arguments.AddRange(["--ro-bind", Path.Combine(etcFolder, "resolv.conf"), "/etc/resolv.conf"]);
        else arguments.Add("--unshare-net");
        if (sourceFolder is not null) arguments.AddRange(["--ro-bind", sourceFolder, SourceInside]);
        arguments.AddRange(["--ro-bind", execFolder, SandboxExec.Inside]);
        if (spec.MustBegin) arguments.AddRange(["--perms", "0555", "--file", "6", BeginImage.Inside]);
        arguments.AddRange(unpacked.Arguments());
        foreach (var folder in shown) arguments.AddRange([folder.IsWritable ? "--bind" : "--ro-bind", folder.Staged ?? folder.Source, folder.Inside]);
        arguments.AddRange(["--remount-ro", "/", "--chdir", "/app", "--clearenv"]);
        foreach (var (name, value) in Environment(spec, unpacked)) arguments.AddRange(["--setenv", name, value]);
        return [.. arguments.SelectMany(argument => Encoding.UTF8.GetBytes(argument).Append((byte)0))];
    }

    private static Dictionary<string, string> Environment(RunSpec spec, UnpackedFolders unpacked)
    {
        var all = new Dictionary<string, string>(spec.Environment, StringComparer.Ordinal);
        foreach (var (name, value) in new[] { ("PATH", $"/usr/local/bin:/usr/bin:/bin{unpacked.PathSuffix()}"), ("HOME", "/app"), ("LANG", "C.UTF-8"), ("TMPDIR", "/tmp") }) all[name] = value;
        if (unpacked.LibraryPath() is { } libraries) all["LD_LIBRARY_PATH"] = libraries;
        return all;
    }

    /// <summary>
    /// Limits of each process, set inside, where the kernel counts processes by the sandbox's own user namespace. Never --as: runtimes
    /// that reserve address space (.NET, Node) fail under it.
    /// </summary>
    public static IEnumerable<string> ResourceLimits(RunLimits limits, bool cgroupLimitsPids, bool cgroupLimitsMemory)
    {
        if (cgroupLimitsPids && cgroupLimitsMemory) yield break;
        yield return "prlimit";
        if (!cgroupLimitsPids) yield return $"--nproc={limits.Pids + 2}";
        if (!cgroupLimitsMemory) yield return $"--data={limits.MemoryBytes}";
        yield return "--";
    }
}
