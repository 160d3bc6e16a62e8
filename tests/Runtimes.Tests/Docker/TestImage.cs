using System.Diagnostics;
using System.Formats.Tar;

namespace PeoplesCloud.Runtimes.Tests.Docker;

/// <summary>The image of the tests, since there is no registry: this machine's own busybox, Python and Node.js with the libraries that they name.</summary>
internal static class TestImage
{
    /// <summary>Its settings, as <c>import</c> takes them.</summary>
    public static IReadOnlyList<string> Settings { get; } = ["--change", "ENV PATH=/usr/bin:/bin", "--change", "CMD [\"python3\", \"-c\", \"print('its own command')\"]"];

    /// <summary>Writes its files as a tar.</summary>
    /// <param name="output">Takes them.</param>
    /// <param name="busyboxOnly">Whether a shell is all that it holds.</param>
    public static async Task WriteAsync(Stream output, bool busyboxOnly)
    {
        await using var tar = new TarWriter(output, TarEntryFormat.Gnu, leaveOpen: true);
        foreach (var folder in new[] { "bin", "etc", "usr", "usr/bin", "tmp", "proc", "sys", "dev" }) await tar.WriteEntryAsync(new GnuTarEntry(TarEntryType.Directory, folder) { Mode = (UnixFileMode)0b111_101_101 });
        await AddAsync(tar, Find("busybox")!, "bin/busybox");
        foreach (var applet in new[] { "sh", "tar", "echo", "true", "sleep", "cat", "ls", "cp", "id", "stat", "grep", "printf", "readlink", "unshare", "setsid", "touch" }) await LinkAsync(tar, $"bin/{applet}", "busybox");
        if (busyboxOnly) return;
        var programs = new[] { "/usr/bin/python3", "/usr/bin/node", "/usr/bin/pgrep" };
        foreach (var program in programs) await AddAsync(tar, program, program[1..]);
        var python = Path.Combine("/usr/lib", Path.GetFileName(new FileInfo(programs[0]).ResolveLinkTarget(returnFinalTarget: true)?.FullName ?? programs[0]));
        foreach (var library in Libraries([.. programs, .. Directory.EnumerateFiles(Path.Combine(python, "lib-dynload"))])) await AddAsync(tar, library, library[1..]);
        foreach (var file in Directory.EnumerateFiles(python, "*", SearchOption.AllDirectories))
            if (!file.Contains("/test/", StringComparison.Ordinal) && !file.Contains("__pycache__", StringComparison.Ordinal)) await AddAsync(tar, file, file[1..]);
    }

    /// <summary>Where a program is on this machine; null when it is not.</summary>
    public static string? Find(string program) =>
        new[] { "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin" }.Select(folder => Path.Combine(folder, program)).FirstOrDefault(File.Exists);

    /// <summary>What a program says, when it ends well.</summary>
    public static string Output(string program, IEnumerable<string> words)
    {
        using var process = Process.Start(new ProcessStartInfo(program, words) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true })!;
        var errors = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0 ? output : throw new InvalidOperationException($"{program}: {errors.Result}");
    }

    private static async Task AddAsync(TarWriter tar, string source, string name)
    {
        var real = new FileInfo(source).ResolveLinkTarget(returnFinalTarget: true)?.FullName ?? source;
        await using var data = File.OpenRead(real);
        await tar.WriteEntryAsync(new GnuTarEntry(TarEntryType.RegularFile, name) { Mode = File.GetUnixFileMode(real), DataStream = data });
    }

    private static async Task LinkAsync(TarWriter tar, string name, string target) => await tar.WriteEntryAsync(new GnuTarEntry(TarEntryType.SymbolicLink, name) { LinkName = target });

    /// <summary>The files that programs are linked with, where the dynamic linker looks for them.</summary>
    private static IEnumerable<string> Libraries(IEnumerable<string> programs) =>
        Output("ldd", programs).Split('\n').Where(line => line.StartsWith('\t')).Select(line => line.Split(' ', '\t').FirstOrDefault(word => word.StartsWith('/'))).OfType<string>().Distinct();
}
