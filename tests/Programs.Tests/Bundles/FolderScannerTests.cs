using System.Diagnostics;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;
using PeoplesCloud.Base;
using PeoplesCloud.Programs.Bundles;
using PeoplesCloud.Programs.Tests.Support;

namespace PeoplesCloud.Programs.Tests.Bundles;

public sealed partial class FolderScannerTests : IDisposable
{
    private readonly TestFolder _folder = new();
    private readonly FolderScanner _scanner = new(BundleLimits.Default);

    [Fact]
    public void Entries_come_in_the_order_of_their_bytes_and_folders_before_what_they_hold()
    {
        _folder.With("b.py").With("a/z").With("a-b").With("é").With("z").With("a/b/c");
        Directory.CreateDirectory(_folder["empty"]);
        var scanned = _scanner.Scan(_folder.Path);
        Assert.Equal(["a-b", "a/", "a/b/", "a/b/c", "a/z", "b.py", "empty/", "z", "é"], scanned.Entries.Select(entry => entry.Path));
        Assert.Equal(6 * 15, scanned.TotalBytes);
    }

    [Fact]
    public void Version_control_byte_code_and_installed_packages_are_left_out()
    {
        _folder.With("bot.py").With("lib/util.py").With(".env", "TOKEN=x");
        foreach (var name in FolderScanner.Skipped) _folder.With($"{name}/x").With($"lib/{name}/x");
        Assert.Equal([".env", "bot.py", "lib/", "lib/util.py"], _scanner.Scan(_folder.Path).Entries.Select(entry => entry.Path));
    }

    [Fact]
    public void A_path_that_does_not_exist_is_said_so() =>
        Refused.With(ErrorCode.PathNotFound, "does not exist", () => _scanner.Scan(_folder["nothing\nhere"]));

    [Theory]
    [InlineData("")]
    [InlineData("/tmp\0/x")]
    public void What_is_no_path_is_said_so(string path) => Refused.With(ErrorCode.PathNotFound, "is no path", () => _scanner.Scan(path));

    [Fact]
    public void A_file_is_no_folder()
    {
        _folder.With("bot.py");
        Refused.With(ErrorCode.PathNotFolder, "is a file, not a folder", () => _scanner.Scan(_folder["bot.py"]));
    }

    [Fact]
    public void The_folder_itself_may_be_reached_by_a_link()
    {
        _folder.With("real/bot.py");
        File.CreateSymbolicLink(_folder["current"], "real");
        Assert.Equal(["bot.py"], _scanner.Scan(_folder["current"]).Entries.Select(entry => entry.Path));
    }

    [Fact]
    public void Links_in_a_circle_do_not_exist()
    {
        File.CreateSymbolicLink(_folder["a"], "b");
        File.CreateSymbolicLink(_folder["b"], "a");
        Refused.With(ErrorCode.PathNotFolder, "symbolic link", () => _scanner.Scan(_folder["a"]));
    }

    [Theory]
    [InlineData("/etc/passwd", "out of its folder to \"/etc/passwd\"")]
    [InlineData("../../secret", "out of its folder to \"../../secret\"")]
    [InlineData("bot.py", "is a symbolic link to \"bot.py\"")]
    [InlineData("/proc/self/root", "out of its folder")]
    public void A_link_is_refused_wherever_it_leads(string target, string words)
    {
        _folder.With("bot.py");
        File.CreateSymbolicLink(_folder["link"], target);
        Refused.With(ErrorCode.LinkRefused, words, () => _scanner.Scan(_folder.Path));
    }

    [Theory]
    [InlineData("a\nb")]
    [InlineData("a\u001b[31mb")]
    [InlineData("a\u007fb")]
    [InlineData("a\u202eb")]
    [InlineData("a\u2028b")]
    public void Names_that_could_forge_a_line_are_refused(string name)
    {
        _folder.With(name);
        Refused.With(ErrorCode.NameRefused, "control characters", () => _scanner.Scan(_folder.Path));
    }

    [Fact]
    public void Two_dots_inside_of_a_name_are_harmless()
    {
        _folder.With("a..b/..c/d..");
        Assert.Equal(["a..b/", "a..b/..c/", "a..b/..c/d.."], _scanner.Scan(_folder.Path).Entries.Select(entry => entry.Path));
    }

    [Fact]
    public void A_name_that_is_no_text_is_refused()
    {
        Shell($"cd {_folder.Path} && touch \"$(printf 'a\\377b')\"");
        Refused.With(ErrorCode.NameRefused, "is not UTF-8", () => _scanner.Scan(_folder.Path));
    }

    [Fact]
    public void A_socket_is_refused()
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(_folder["control"]));
        Refused.With(ErrorCode.FileKindRefused, "is a socket", () => _scanner.Scan(_folder.Path));
    }

    [Fact]
    public void A_pipe_is_refused_and_not_opened()
    {
        Shell($"mkfifo {_folder["queue"]}");
        Refused.With(ErrorCode.FileKindRefused, "is a pipe", () => _scanner.Scan(_folder.Path));
    }

    [Fact]
    public void A_device_is_known_by_its_kind()
    {
        Assert.True(FileStatus.TryRead("/dev/null", out var status, out _));
        Assert.Equal(FileKind.Device, status.Kind);
    }

    // A sparse file: 5 GB by its length, nothing on the disk. Reading it would take seconds; refusing takes a look at its length.
    [Fact]
    public void A_file_of_5_GB_is_refused_before_it_is_read()
    {
        _folder.With("bot.py");
        using (var file = File.Create(_folder["model.bin"])) file.SetLength(5_000_000_000);
        var read = BytesRead();
        Refused.With(ErrorCode.BundleTooLarge, "model.bin\" has 4.7 GiB; a bundle holds at most 256 MiB", () => _scanner.Scan(_folder.Path));
        Assert.True(BytesRead() - read < 1_000_000_000);
    }

    [Fact]
    public void Many_files_together_are_refused_by_their_sum()
    {
        for (var i = 0; i < 11; i++) _folder.With($"f{i}", new byte[100]);
        var scanner = new FolderScanner(new BundleLimits { MaxBytes = 1000 });
        Refused.With(ErrorCode.BundleTooLarge, "has more than 1000 bytes", () => scanner.Scan(_folder.Path));
    }

    [Fact]
    public void Too_many_files_are_refused()
    {
        for (var i = 0; i < 11; i++) _folder.With($"f{i}");
        Refused.With(ErrorCode.BundleTooLarge, "more than 10 files and folders", () => new FolderScanner(new BundleLimits { MaxEntries = 10 }).Scan(_folder.Path));
    }

    [Fact]
    public void Folders_too_deep_are_refused()
    {
        _folder.With(string.Join('/', Enumerable.Repeat("d", 32)) + "/f");
        Assert.Equal(33, _scanner.Scan(_folder.Path).Entries.Count);
        Directory.CreateDirectory(_folder[string.Join('/', Enumerable.Repeat("d", 33))]);
        Refused.With(ErrorCode.BundleTooLarge, "more than 32 folders deep", () => _scanner.Scan(_folder.Path));
    }

    [Fact]
    public void A_path_too_long_is_refused()
    {
        _folder.With(string.Join('/', Enumerable.Repeat(new string('d', 250), 5)) + "/f");
        Refused.With(ErrorCode.NameRefused, "longer than 1024 bytes", () => _scanner.Scan(_folder.Path));
    }

    // Root reads everything, so as root the thread takes another user's file system rights for the moment.
    [Fact]
    public void A_folder_that_may_not_be_read_is_said_so()
    {
        _folder.With("secret/x");
        Directory.CreateDirectory(_folder["secret"]);
        File.SetUnixFileMode(_folder.Path, (UnixFileMode)0x1ED);
        File.SetUnixFileMode(_folder["secret"], UnixFileMode.None);
        try
        {
            AsNobody(() => Refused.With(ErrorCode.FileUnreadable, "secret\" could not be read", () => _scanner.Scan(_folder.Path)));
        }
        finally
        {
            File.SetUnixFileMode(_folder.Path, (UnixFileMode)0x1C0);
            File.SetUnixFileMode(_folder["secret"], (UnixFileMode)0x1C0);
        }
    }

    [Fact]
    public void A_file_that_may_not_be_read_is_said_so()
    {
        _folder.With("secret");
        File.SetUnixFileMode(_folder.Path, (UnixFileMode)0x1ED);
        File.SetUnixFileMode(_folder["secret"], UnixFileMode.None);
        AsNobody(() => Refused.With(ErrorCode.FileUnreadable, "secret\" could not be read", () => new TarStream(_scanner.Scan(_folder.Path)).CopyTo(Stream.Null)));
    }

    public void Dispose() => _folder.Dispose();

    internal static void Shell(string command)
    {
        using var shell = Process.Start("/bin/sh", ["-c", command]);
        shell.WaitForExit();
        Assert.Equal(0, shell.ExitCode);
    }

    private static void AsNobody(Action act)
    {
        if (Environment.UserName != "root")
        {
            act();
            return;
        }
        Exception? failure = null;
        var thread = new Thread(() =>
        {
            // Only this thread's rights change, and the thread ends here.
            _ = setfsuid(65534);
            failure = Record.Exception(act);
        });
        thread.Start();
        thread.Join();
        Assert.Null(failure);
    }

    private static long BytesRead() => long.Parse(File.ReadLines("/proc/self/io").First(line => line.StartsWith("rchar: ", StringComparison.Ordinal))["rchar: ".Length..]);

    [LibraryImport("libc")]
    private static partial int setfsuid(int user);
}
