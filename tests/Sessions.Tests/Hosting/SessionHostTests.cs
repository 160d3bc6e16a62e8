using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using PeoplesCloud.Base;
using PeoplesCloud.Runtimes;
using PeoplesCloud.Runtimes.Docker;
using PeoplesCloud.Runtimes.Docker.Lasting;
using PeoplesCloud.Sessions.Containers;
using PeoplesCloud.Sessions.Engine;
using PeoplesCloud.Sessions.Hosting;
using PeoplesCloud.Sessions.Messages;

namespace PeoplesCloud.Sessions.Tests.Hosting;

public sealed class SessionHostTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private static readonly string Mark = $"9{Environment.ProcessId.ToString("000000", CultureInfo.InvariantCulture)}";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_host_that_still_looks_for_its_engine_ends_in_order()
    {
        var folder = Directory.CreateTempSubdirectory("sessions-").FullName;
        using var silent = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        silent.Bind(new UnixDomainSocketEndPoint(Path.Combine(folder, "silent.sock")));
        silent.Listen();
        await using var containers = new LastingContainers(new DockerOptions { Socket = Path.Combine(folder, "silent.sock"), Owner = "oak", Folder = folder, Guard = null }, TimeSpan.FromHours(1), TimeProvider.System, NullLogger.Instance);
        var host = new SessionHost(new SessionHostOptions { Folder = folder, Hostname = "localhost" }, new SessionLimits(), containers, () => new ContainerPolicy(new RunLimits(), NetworkMode.None), TimeProvider.System, NullLogger.Instance);
        host.Resume();
        await host.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task A_session_has_its_folder()
    {
        await using var host = new SandboxFolder();
        var port = await host.StartAsync("aa", Scripts.Echo);
        Assert.Equal("tcp hello", await SessionBed.TcpAsync(port, "hello"));
        Assert.Contains("ready /app ['pycloud.init', 'pycloud.json']", Encoding.UTF8.GetString(host.Host.Log("aa")), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_script_without_a_first_line_is_run_by_the_shell_with_its_settings_and_the_shared_folder()
    {
        var shared = Directory.CreateTempSubdirectory("games-");
        try
        {
            File.SetUnixFileMode(shared.FullName, (UnixFileMode)0b111_101_101);
            await File.WriteAllTextAsync(Path.Combine(shared.FullName, "world"), "the world", Token);
            await using var host = new SandboxFolder(new SessionHostOptions { Folder = "", Hostname = "play.example.org", ReadOnly = [shared.FullName] });
            var port = await host.StartAsync("aa", $"cat {shared.FullName}/world pycloud.json; ls -l pycloud.init; touch {shared.FullName}/x || exit 7");
            Assert.Equal(7, (await host.NextAsync<SessionInput.Exited>()).ExitCode);
            var log = Encoding.UTF8.GetString(host.Host.Log("aa"));
            Assert.Contains("the world", log, StringComparison.Ordinal);
            Assert.Contains("    \"hostname\": \"play.example.org\"", log, StringComparison.Ordinal);
            Assert.Contains($"    \"port\": {port}", log, StringComparison.Ordinal);
            Assert.Contains("-rwxrwxrwx", log, StringComparison.Ordinal);
            Assert.Equal((SessionState.Exited, 7), (host.Host.Sessions[0].State, host.Host.Sessions[0].ExitCode));
            using var socket = new TcpClient();
            await Assert.ThrowsAsync<SocketException>(() => socket.ConnectAsync(IPAddress.Loopback, port, Token).AsTask()); // its port is free again
        }
        finally
        {
            shared.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task Who_connects_before_the_script_listens_is_held_until_it_does()
    {
        var shared = Directory.CreateTempSubdirectory("games-");
        File.SetUnixFileMode(shared.FullName, (UnixFileMode)0b111_101_101);
        await using var host = new SandboxFolder(new SessionHostOptions { Folder = "", Hostname = "localhost", ReadOnly = [shared.FullName] });
        var port = await host.StartAsync("aa", $"while [ ! -e {shared.FullName}/go ]; do sleep 0.05; done\nexec python3 - <<'END'\n{Scripts.Echo}\nEND\n");
        var early = (Tcp: SessionBed.TcpAsync(port, "early"), Udp: SessionBed.UdpAsync(port, "early"));
        await SessionBed.UntilAsync(() => host.Host.Sessions[0].Connections == 1);
        Assert.False(early.Tcp.IsCompleted || early.Udp.IsCompleted);
        await File.WriteAllTextAsync(Path.Combine(shared.FullName, "go"), "", Token);
        Assert.Equal("tcp early", await early.Tcp);
        Assert.Equal("udp early", await early.Udp);
        shared.Delete(recursive: true);
    }

    [Fact]
    public async Task A_host_that_ends_leaves_no_process()
    {
        await using (var host = new SandboxFolder())
        {
            for (var i = 0; i < 4; i++) await host.StartAsync($"a{i}", Scripts.Stubborn(Mark + "2"));
            await SessionBed.UntilAsync(() => SessionBed.ProcessesWith(Mark + "2") >= 12);
        }
        Assert.Equal(0, SessionBed.ProcessesWith(Mark + "2"));
    }

    [Theory]
    [InlineData("#!/usr/bin/no-such-program\n")]
    [InlineData("#!/etc/passwd\n")]
    [InlineData("#!/bin/sh\r\necho\r\n")]
    [InlineData("#!\necho")]
    [InlineData("#!/usr/../etc/shadow")]
    [InlineData("#!python3\n")]
    public async Task A_script_whose_first_line_names_no_program_is_not_begun(string script)
    {
        await using var host = new SandboxFolder();
        var refused = await Assert.ThrowsAsync<PcException>(() => host.StartAsync("aa", script));
        Assert.Equal(ErrorCode.SessionScriptRefused, refused.Code);
        Assert.Empty(host.Host.Sessions);
        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(host.Path, "sessions")));
    }

    [Theory]
    [InlineData("of another processor", "Exec format error")]
    [InlineData("without its loader", "No such file or directory")]
    [InlineData("cut short", "Exec format error")]
    public async Task A_script_that_the_kernel_cannot_begin_is_an_error_and_leaves_nothing(string kind, string why)
    {
        // Goal: the answer to create says that the script runs, so what only the kernel finds out at the last moment has to be waited for. None of it may be run by the shell instead.
        var shared = Directory.CreateTempSubdirectory("games-");
        try
        {
            File.SetUnixFileMode(shared.FullName, (UnixFileMode)0b111_101_101);
            var program = Path.Combine(shared.FullName, "server");
            var bytes = await File.ReadAllBytesAsync("/bin/true", Token);
            switch (kind)
            {
                case "of another processor":
                    bytes[18] ^= 0x7f; // e_machine
                    break;
                case "without its loader":
                    var loader = bytes.AsSpan().IndexOf("/ld-"u8);
                    bytes[loader + 1] = (byte)'x';
                    break;
                default:
                    bytes = bytes[..100];
                    break;
            }
            await File.WriteAllBytesAsync(program, bytes, Token);
            File.SetUnixFileMode(program, (UnixFileMode)0b111_101_101);
            await using var host = new SandboxFolder(new SessionHostOptions { Folder = "", Hostname = "localhost", ReadOnly = [shared.FullName] });
            var refused = await Assert.ThrowsAsync<PcException>(() => host.StartAsync("aa", $"#!{program}\ntouch /tmp/x; sleep 1000\n"));
            Assert.Equal(ErrorCode.SessionScriptRefused, refused.Code);
            Assert.Contains($"'{program}'", refused.Message, StringComparison.Ordinal);
            Assert.Contains(why, refused.Message, StringComparison.Ordinal);
            Assert.Empty(host.Host.Sessions);
            Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(host.Path, "sessions")));
            await host.UntilNothingIsLeftAsync();
            // The same place begins what can be begun, with nothing of how it was begun to be seen.
            await host.StartAsync("bb", "#!/bin/sh\necho $0 $# $PORT; ls /proc/self/fd; exit 3");
            Assert.Equal(3, (await host.NextAsync<SessionInput.Exited>()).ExitCode);
        }
        finally
        {
            shared.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task When_no_port_is_free_or_the_sandbox_fails_that_is_said()
    {
        await using var host = new SandboxFolder(new SessionHostOptions { Folder = "", Hostname = "x", ReadOnly = ["/no/such/folder"] });
        Assert.Equal(ErrorCode.RunSourceRefused, (await Assert.ThrowsAsync<PcException>(() => host.StartAsync("aa", "true"))).Code);

        var elsewhere = new SessionHostOptions { Folder = Path.Combine(host.Path, "elsewhere"), Hostname = "x", Address = IPAddress.Parse("192.0.2.1") };
        await using var without = new SessionHost(elsewhere, new SessionLimits(), host.Runtime, TimeProvider.System, Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance);
        var said = new TaskCompletionSource<SessionInput>();
        without.Happened += input => said.TrySetResult(input);
        without.Start("aa", new SessionRequest(new(SessionVerb.Create, "a1"), "true", "", null));
        Assert.Equal(ErrorCode.SessionNoPort, Assert.IsType<SessionInput.StartFailed>(await said.Task.WaitAsync(Patience, Token)).Error.Code);
    }

    [Fact]
    public async Task What_nobody_foresaw_is_an_error_too_and_leaves_nothing()
    {
        await using var folder = new SandboxFolder();
        await using var host = new SessionHost(
            new SessionHostOptions { Folder = Path.Combine(folder.Path, "broken"), Hostname = "x", Address = IPAddress.Loopback }, new SessionLimits(), new BrokenRuntime(), TimeProvider.System, Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance);
        var said = new TaskCompletionSource<SessionInput>();
        host.Happened += input => said.TrySetResult(input);
        host.Start("aa", new SessionRequest(new(SessionVerb.Create, "a1"), "true", "", null));
        Assert.Equal(ErrorCode.SessionStartFailed, Assert.IsType<SessionInput.StartFailed>(await said.Task.WaitAsync(Patience, Token)).Error.Code);
        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(folder.Path, "broken")));
    }

    [Fact]
    public async Task Sessions_of_a_daemon_that_was_killed_are_told_as_ended()
    {
        await using var host = new SandboxFolder();
        var left = Directory.CreateDirectory(Path.Combine(host.Path, "sessions", "abc", "files"));
        await File.WriteAllTextAsync(Path.Combine(left.FullName, "pycloud.init"), "true", Token);
        await File.WriteAllTextAsync(Path.Combine(left.Parent!.FullName, "log"), "its last words\n", Token);
        host.Host.Resume();
        Assert.Equal(new SessionInput.Found("abc", SessionState.Ended), await host.NextAsync<SessionInput.Found>());
        Assert.Equal("its last words\n", Encoding.UTF8.GetString(host.Host.Log("abc")));
        host.Host.Stop("abc");
        await host.NextAsync<SessionInput.Stopped>();
        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(host.Path, "sessions")));
    }

    private sealed class BrokenRuntime : IRuntime
    {
        public string Name => "broken";

        public ValueTask<IReadOnlyList<RuntimeReport>> ProbeAsync(CancellationToken cancellationToken) => ValueTask.FromResult<IReadOnlyList<RuntimeReport>>([]);

        public ValueTask<IRun> StartAsync(RunSpec spec, Func<OutputKind, ReadOnlyMemory<byte>, ValueTask> output, CancellationToken cancellationToken) => throw new InvalidOperationException("out of luck");

        public ValueTask CollectAsync(CancellationToken cancellationToken) => ValueTask.CompletedTask;
    }
}
