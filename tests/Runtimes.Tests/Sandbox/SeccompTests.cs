using PeoplesCloud.Runtimes.Sandbox;

namespace PeoplesCloud.Runtimes.Tests.Sandbox;

/// <summary>
/// Every refusal of the filter, tried by a C program inside a sandbox. As root the same program also runs on the host without a filter: there a
/// call must answer otherwise, or the refusal would be the kernel's and prove nothing about the filter.
/// </summary>
public sealed class SeccompTests : SandboxTestBase
{
    private const int NotPermitted = 1;
    private const int NotImplemented = 38;

    /// <summary>What must be on the list whatever else is.</summary>
    private static readonly string[] AtLeast =
    [
        "mount", "umount2", "pivot_root", "chroot", "move_mount", "open_tree", "fsopen", "fsmount", "mount_setattr", "unshare", "setns", "open_by_handle_at",
        "ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd", "bpf", "perf_event_open", "userfaultfd",
        "io_uring_setup", "io_uring_enter", "io_uring_register", "add_key", "request_key", "keyctl", "kexec_load", "kexec_file_load",
        "init_module", "finit_module", "delete_module", "reboot", "swapon", "swapoff", "acct", "quotactl", "syslog", "personality",
        "sethostname", "setdomainname", "settimeofday", "clock_settime", "fanotify_init", "name_to_handle_at", "vhangup",
    ];

    [Fact]
    public async Task Every_call_on_the_list_is_refused()
    {
        var inside = await ProbeAsync();

        foreach (var name in Known().Union(AtLeast)) Assert.Equal((name, NotPermitted), (name, inside[name]));
    }

    [Fact]
    public async Task No_call_makes_a_namespace()
    {
        var inside = await ProbeAsync();

        foreach (var name in new[] { "newns", "newcgroup", "newuts", "newipc", "newuser", "newpid", "newnet" }) Assert.Equal((name, NotPermitted), (name, inside[$"clone-{name}"]));
        Assert.Equal(NotImplemented, inside["clone3"]);
    }

    [Fact]
    public async Task Nothing_is_typed_into_a_terminal()
    {
        var inside = await ProbeAsync();

        foreach (var name in new[] { "ioctl-tiocsti", "ioctl-tiocsti-high-bits", "ioctl-tioclinux" }) Assert.Equal((name, NotPermitted), (name, inside[name]));
    }

    [Fact]
    public async Task Only_unix_internet_and_route_sockets_are_made()
    {
        var inside = await ProbeAsync();

        int[] allowed = [1, 2, 10, 16];
        for (var family = 0; family < 60; family++)
        {
            if (allowed.Contains(family)) continue;
            Assert.Equal((family, NotPermitted), (family, inside[$"socket-{family}"]));
            Assert.Equal((family, NotPermitted), (family, inside[$"socketpair-{family}"]));
        }
        foreach (var name in new[] { "socket-negative", "socket-packet-high-bits", "netlink-netfilter", "inet-sctp", "inet-dccp", "inet-raw" })
            Assert.Equal((name, NotPermitted), (name, inside[name]));
    }

    [Fact]
    public async Task What_programs_need_goes_through()
    {
        var inside = await ProbeAsync();

        foreach (var (name, error) in inside.Where(pair => pair.Key.StartsWith("allowed-", StringComparison.Ordinal))) Assert.Equal((name, 0), (name, error));
    }

    [Fact]
    public async Task Other_ABIs_are_killed()
    {
        Assert.SkipUnless(System.Runtime.InteropServices.RuntimeInformation.ProcessArchitecture == System.Runtime.InteropServices.Architecture.X64, "the foreign ABIs of x86-64");
        const int badSystemCall = -31;

        var inside = await ProbeAsync();

        Assert.Equal(badSystemCall, inside["abi-i386"]);
        Assert.Equal(badSystemCall, inside["abi-x32"]);
    }

    [Fact]
    public async Task Without_the_filter_the_host_answers_otherwise()
    {
        Assert.SkipUnless(Host.IsRoot, "an ordinary user is refused by the kernel in the same words");
        var outside = Parse(Host.Run(await CompileAsync(), Calls()));

        foreach (var name in Known()) Assert.NotEqual((name, NotPermitted), (name, outside[name]));
        foreach (var name in new[] { "clone-newuser", "clone-newnet" }) Assert.Equal((name, 0), (name, outside[name]));
        Assert.NotEqual(NotImplemented, outside["clone3"]);
        Assert.NotEqual(NotPermitted, outside["ioctl-tiocsti"]);
        Assert.Equal(0, outside["socket-17"]);
    }

    [Theory]
    [InlineData(SeccompFilter.X64)]
    [InlineData(SeccompFilter.Arm64)]
    public void The_filter_is_made_for_both_architectures(uint architecture)
    {
        var file = Path.Combine(Folder, "filter.bpf");

        SeccompFilter.Write(file, [], architecture);

        var program = File.ReadAllBytes(file);
        Assert.True(program.Length > 100 * 8 && program.Length % 8 == 0);
        // The first instructions load the architecture and compare it: struct sock_filter is code 2, jumps 1 + 1, constant 4.
        Assert.Contains(architecture, Enumerable.Range(0, 4).Select(i => BitConverter.ToUInt32(program, i * 8 + 4)));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
    }

    /// <summary>The listed calls that this machine has, with their numbers.</summary>
    private static IEnumerable<string> Known() => SeccompFilter.Refused.Where(name => SeccompFilter.NumberOf(name, []) >= 0);

    private static IEnumerable<string> Calls() => Known().Select(name => $"{name}={SeccompFilter.NumberOf(name, [])}");

    private async Task<Dictionary<string, int>> ProbeAsync()
    {
        var program = await CompileAsync();
        return Parse(await OutputAsync(Spec(["./refused", .. Calls()]) with { SourceFolder = Path.GetDirectoryName(program) }));
    }

    /// <summary>"name errno", or "name signal number", which becomes negative.</summary>
    private static Dictionary<string, int> Parse(string output) =>
        output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Split(' '))
            .ToDictionary(words => words[0], words => words.Length == 3 ? -int.Parse(words[2]) : int.Parse(words[1]), StringComparer.Ordinal);

    private async Task<string> CompileAsync()
    {
        var folder = Directory.CreateDirectory(Path.Combine(Folder, "probe")).FullName;
        var program = Path.Combine(folder, "refused");
        await Task.Run(() => Host.Run("gcc", "-O1", "-o", program, Path.Combine(AppContext.BaseDirectory, "probes", "refused.c")), Token);
        return program;
    }
}
