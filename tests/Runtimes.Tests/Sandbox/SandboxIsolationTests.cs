using PeoplesCloud.Runtimes.Sandbox;

namespace PeoplesCloud.Runtimes.Tests.Sandbox;

/// <summary>What a sandboxed command sees of the host: nothing but the system's programs.</summary>
public sealed class SandboxIsolationTests : SandboxTestBase
{
    [Fact]
    public async Task There_are_no_files_of_the_host_but_the_system()
    {
        var output = await OutputAsync(Python("import os; print(sorted(os.listdir('/'))); print(sorted(os.listdir('/etc'))); print(os.listdir('/app'), os.listdir('/tmp')); print(sorted(os.listdir('/run')))"));

        var lines = output.Split('\n');
        Assert.Equal("['app', 'bin', 'dev', 'etc', 'lib', 'lib64', 'proc', 'run', 'sbin', 'tmp', 'usr']", lines[0]);
        var known = new[] { "alternatives", "group", "hosts", "ld.so.cache", "nsswitch.conf", "passwd", "ssl" };
        Assert.Empty(lines[1].Trim('[', ']').Split(", ").Select(name => name.Trim('\'')).Except(known));
        Assert.Equal("[] []", lines[2]);
        Assert.Equal("['exec']", lines[3]); // where further commands come in
    }

    [Fact]
    public async Task Only_its_folder_and_the_temporary_ones_can_be_written_to()
    {
        var output = await OutputAsync(Python("""
            import os
            for folder in ('/', '/usr', '/etc', '/dev', '/usr/bin', '/proc', '/app', '/tmp', '/dev/shm'):
              try:
                open(os.path.join(folder, 'new'), 'w').close(); print(folder)
              except OSError: pass
            """));

        Assert.Equal("/app\n/tmp\n/dev/shm\n", output);
    }

    [Theory]
    [InlineData(NetworkMode.None)]
    [InlineData(NetworkMode.Internet)]
    public async Task Settings_of_the_kernel_can_be_read_only(NetworkMode network)
    {
        Assert.SkipUnless(network == NetworkMode.None || SandboxNetwork.Obstacle(Runtime.Host().Tools.Network) is null, "no networks on this host");

        var output = await OutputAsync(Python("""
            import os
            print(open('/proc/sys/net/ipv4/ip_forward').read().strip())
            for folder, _, files in os.walk('/proc/sys'):
              for file in files:
                try:
                  os.close(os.open(os.path.join(folder, file), os.O_WRONLY)); print(folder, file)
                except OSError: pass
            """) with { Network = network });

        Assert.Equal("0\n", output);
    }

    [Fact]
    public async Task Shared_memory_is_limited_too()
    {
        var output = await OutputAsync(Python("""
            try:
              with open('/dev/shm/fill', 'wb', buffering=0) as f:
                while True: f.write(bytes(65536))
            except OSError as e: print(e.strerror)
            """) with { Limits = new RunLimits { DiskBytes = 4 << 20 } });

        Assert.Equal("No space left on device\n", output);
    }

    [Fact]
    public async Task It_has_no_rights_and_cannot_get_any()
    {
        var status = await OutputAsync(Spec("cat", "/proc/self/status"));

        foreach (var line in new[] { "CapInh:\t0000000000000000", "CapPrm:\t0000000000000000", "CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "CapAmb:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2" })
            Assert.Contains(line, status, StringComparison.Ordinal);
        Assert.Contains("Uid:\t1000\t1000\t1000\t1000", status, StringComparison.Ordinal);
    }

    [Fact]
    public async Task It_sees_no_processes_but_its_own()
    {
        var output = await OutputAsync(Python("import os; print([p for p in os.listdir('/proc') if p.isdigit()], os.getpid(), os.getsid(0) == os.getpid() or os.getsid(0) == 0)"));

        // The third takes orders for further commands (docs/protocols/exec.md).
        Assert.Matches(@"^\['1', '2'(, '[0-9]+')?\] 2 ", output);
    }

    [Fact]
    public async Task As_root_each_has_a_user_of_its_own_that_no_other_has()
    {
        Assert.SkipUnless(Host.IsRoot, "an ordinary user has one user number");
        var users = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < 3; i++)
        {
            var marker = $"marker-{Environment.ProcessId}-{i}";
            var output = new Recorder();
            await using var run = await Runtime.StartAsync(Python($"import signal\nprint('ready', flush=True)\nsignal.pause() # {marker}"), output.Receive, Token);
            await output.WaitForAsync("ready");
            var uid = Processes.With(marker).SelectMany(pid => File.ReadLines($"/proc/{pid}/status")).Where(line => line.StartsWith("Uid:", StringComparison.Ordinal))
                .Select(line => line.Split('\t')[1]).Distinct(StringComparer.Ordinal).Single();
            Assert.InRange(uint.Parse(uid), 1_900_000_000u, 1_900_065_535u);
            // Given back at the end, but not to the next one.
            Assert.True(users.Add(uid));
        }
    }

    [Fact]
    public async Task The_arguments_on_the_host_hold_no_value_of_the_environment()
    {
        var secret = $"secret-{Environment.ProcessId}";
        var output = new Recorder();
        await using var run = await Runtime.StartAsync(
            Python("import os, signal\nprint(os.environ['TOKEN'], flush=True)\nsignal.pause()") with { Environment = new Dictionary<string, string> { ["TOKEN"] = secret } },
            output.Receive, Token);
        await output.WaitForAsync(secret);

        Assert.Empty(Processes.With(secret));
    }

    [Fact]
    public async Task An_environment_cannot_reach_the_tools_outside()
    {
        // LD_PRELOAD in the environment of bubblewrap would run the program's code on the host.
        var output = await OutputAsync(Python("import os; print(os.environ['LD_PRELOAD'], os.environ['LD_LIBRARY_PATH'])")
            with { Environment = new Dictionary<string, string> { ["LD_PRELOAD"] = "", ["LD_LIBRARY_PATH"] = "/app" } });

        Assert.Equal(" /app\n", output);
    }
}
