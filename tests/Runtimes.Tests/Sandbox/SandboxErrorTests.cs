using Microsoft.Extensions.Logging.Abstractions;
using PeoplesCloud.Base;
using PeoplesCloud.Runtimes.Sandbox;

namespace PeoplesCloud.Runtimes.Tests.Sandbox;

/// <summary>Hosts and sources that a sandbox cannot work with: one clear error each, naming what to do.</summary>
[Collection(nameof(Alone))]
public sealed class SandboxErrorTests : SandboxTestBase
{
    [Fact]
    public void A_missing_tool_is_named_with_the_line_that_installs_it()
    {
        var box = new ToolBox([]);

        var error = Assert.Throws<PcException>(() => box.Require("no-such-tool"));
        Assert.Equal(ErrorCode.SandboxToolMissing, error.Code);
        Assert.Contains("no-such-tool", error.Message, StringComparison.Ordinal);

        Assert.Equal("apt-get install -y bubblewrap, then try again", ToolBox.Missing("bwrap").Hint);
    }

    [Fact]
    public void Tools_are_found_below_folders_of_unpacked_packages()
    {
        var bin = Directory.CreateDirectory(Path.Combine(Folder, "unpacked", "usr", "bin")).FullName;
        var lib = Directory.CreateDirectory(Path.Combine(Folder, "unpacked", "usr", "lib", "x86_64-linux-gnu")).FullName;
        File.WriteAllText(Path.Combine(bin, "only-there"), "");

        var tool = new ToolBox([Path.Combine(Folder, "unpacked")]).Find("only-there");

        Assert.Equal(Path.Combine(bin, "only-there"), tool!.Path);
        Assert.StartsWith(lib, tool.LibraryPath, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Tools_of_unpacked_packages_start_with_their_own_libraries()
    {
        // A bubblewrap that says where its libraries come from, in a folder that no system has.
        var bin = Directory.CreateDirectory(Path.Combine(Folder, "unpacked", "usr", "bin")).FullName;
        _ = Directory.CreateDirectory(Path.Combine(Folder, "unpacked", "usr", "lib", "x86_64-linux-gnu"));
        var fake = Path.Combine(bin, "bwrap");
        await File.WriteAllTextAsync(fake, "#!/bin/sh\necho \"libraries $LD_LIBRARY_PATH\" >&2\nexit 9\n", Token);
        File.SetUnixFileMode(fake, (UnixFileMode)0b111_101_101);
        foreach (var folder in new[] { Folder, Path.Combine(Folder, "unpacked"), Path.Combine(Folder, "unpacked", "usr"), bin }) File.SetUnixFileMode(folder, (UnixFileMode)0b111_101_101);
        var tools = new SandboxTools(new Tool(fake, Path.Combine(Folder, "unpacked", "usr", "lib", "x86_64-linux-gnu")), Host.IsRoot ? new ToolBox([]).Find("setpriv") : null, null, NetworkTools.Find(new ToolBox([])), new UnpackedFolders([]));
        var host = Runtime.Host() with { Tools = tools };
        await using var slot = await SandboxSlot.PrepareAsync(host, NetworkMode.None, Token);

        var error = await Assert.ThrowsAsync<PcException>(() => slot.StartAsync(Spec("true"), (_, _) => ValueTask.CompletedTask, Token));

        Assert.Equal(ErrorCode.SandboxFailed, error.Code);
        Assert.Contains("exit code 9", error.Message, StringComparison.Ordinal);
        Assert.Contains($"libraries {Folder}/unpacked/usr/lib/x86_64-linux-gnu", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_program_sees_the_interpreter_that_a_user_unpacked_and_cannot_change_it()
    {
        var unpacked = Path.Combine(Folder, "unpacked");
        var bin = Directory.CreateDirectory(Path.Combine(unpacked, "usr", "bin")).FullName;
        _ = Directory.CreateDirectory(Path.Combine(unpacked, "usr", "lib", "x86_64-linux-gnu"));
        var interpreter = Path.Combine(bin, "only-unpacked");
        await File.WriteAllTextAsync(interpreter, "#!/bin/sh\necho \"$0 $LD_LIBRARY_PATH\"; echo x 2> /dev/null >> \"$0\" || echo read-only\n", Token);
        foreach (var folder in Directory.GetDirectories(unpacked, "*", SearchOption.AllDirectories).Append(unpacked).Append(Folder).Append(interpreter)) File.SetUnixFileMode(folder, (UnixFileMode)0b111_101_101);
        await using var runtime = new SandboxRuntime(new SandboxOptions { Folder = Path.Combine(Folder, "sandbox"), Standby = [], ToolFolders = [unpacked] }, TimeProvider.System, NullLogger.Instance);

        Assert.True(runtime.Sees("only-unpacked"));
        Assert.False(runtime.Sees("nowhere-at-all"));
        var output = new Recorder();
        await using var run = await runtime.StartAsync(Spec("only-unpacked"), output.Receive, Token);
        await run.Exited.WaitAsync(Patience, Token);
        Assert.Equal("/opt/pc-tools/0/usr/bin/only-unpacked /opt/pc-tools/0/usr/lib/x86_64-linux-gnu\nread-only\n", output.Out);
    }

    [Fact]
    public async Task Without_the_tools_of_networks_only_no_network_is_possible()
    {
        var host = Runtime.Host();
        host = host with { Tools = host.Tools with { Network = host.Tools.Network with { Slirp = null } } };

        var error = await Assert.ThrowsAsync<PcException>(() => SandboxSlot.PrepareAsync(host, NetworkMode.Internet, Token));

        Assert.Equal(ErrorCode.SandboxNetworkFailed, error.Code);
        Assert.Contains("apt-get install -y slirp4netns", error.Hint, StringComparison.Ordinal);
        await (await SandboxSlot.PrepareAsync(host, NetworkMode.None, Token)).DisposeAsync();
    }

    [Fact]
    public async Task A_network_that_cannot_be_attached_says_why_and_leaves_nothing()
    {
        Assert.SkipUnless(SandboxNetwork.Obstacle(Runtime.Host().Tools.Network) is null, "no networks on this host");
        var fake = Path.Combine(Folder, "slirp4netns");
        await File.WriteAllTextAsync(fake, "#!/bin/sh\necho cannot serve the tap >&2\nexit 1\n", Token);
        File.SetUnixFileMode(fake, (UnixFileMode)0b111_101_101);
        var host = Runtime.Host();
        host = host with { Tools = host.Tools with { Network = host.Tools.Network with { Slirp = new Tool(fake, null) } } };

        var error = await Assert.ThrowsAsync<PcException>(() => SandboxSlot.PrepareAsync(host, NetworkMode.Internet, Token));

        Assert.Equal(ErrorCode.SandboxNetworkFailed, error.Code);
        Assert.Contains("cannot serve the tap", error.Message, StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(Folder, "sandbox", "uids")));
    }

    [Fact]
    public async Task As_root_a_folder_that_others_cannot_pass_through_is_refused()
    {
        Assert.SkipUnless(Host.IsRoot, "an ordinary user's sandboxes are that user's");
        var home = Directory.CreateDirectory(Path.Combine(Folder, "home")).FullName;
        File.SetUnixFileMode(home, (UnixFileMode)0b111_000_000);
        await using var runtime = new SandboxRuntime(new SandboxOptions { Folder = Path.Combine(home, "sandbox") }, TimeProvider.System, NullLogger.Instance);

        var error = await Assert.ThrowsAsync<PcException>(async () => await runtime.StartAsync(Spec("true"), (_, _) => ValueTask.CompletedTask, Token));

        Assert.Equal(ErrorCode.SandboxFolderUnusable, error.Code);
        Assert.Contains(home, error.Message, StringComparison.Ordinal);
        Assert.False((await runtime.ProbeAsync(Token)).Single().Holds);
        // The daemon starts all the same.
        await runtime.CollectAsync(Token);
    }

    [Fact]
    public async Task A_folder_that_is_a_file_is_refused()
    {
        var file = Path.Combine(Folder, "file");
        await File.WriteAllTextAsync(file, "", Token);
        await using var runtime = new SandboxRuntime(new SandboxOptions { Folder = file }, TimeProvider.System, NullLogger.Instance);

        var error = await Assert.ThrowsAsync<PcException>(async () => await runtime.StartAsync(Spec("true"), (_, _) => ValueTask.CompletedTask, Token));

        Assert.Equal(ErrorCode.SandboxFolderUnusable, error.Code);
    }

    [Fact]
    public async Task A_source_with_a_pipe_is_refused_without_waiting_for_its_other_side()
    {
        var source = Directory.CreateDirectory(Path.Combine(Folder, "source")).FullName;
        Host.Run("mkfifo", Path.Combine(source, "pipe"));

        var error = await Assert.ThrowsAsync<PcException>(async () => await RunAsync(Spec("true") with { SourceFolder = source }));

        Assert.Equal(ErrorCode.RunSourceRefused, error.Code);
        Assert.Contains("pipe", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_link_out_of_the_source_stays_a_link_and_leads_nowhere()
    {
        var source = Directory.CreateDirectory(Path.Combine(Folder, "source")).FullName;
        var secret = Path.Combine(Folder, "secret");
        await File.WriteAllTextAsync(secret, "of the host", Token);
        File.CreateSymbolicLink(Path.Combine(source, "link"), secret);

        var output = await OutputAsync(Python("import os; print(os.readlink('link'), os.path.exists('link'))") with { SourceFolder = source });

        Assert.Equal($"{secret} False\n", output);
    }

    [Theory]
    [InlineData("")]
    [InlineData("../up")]
    [InlineData("with blank")]
    [InlineData("with\nnewline")]
    public async Task A_name_that_is_none_is_a_bug_of_the_caller(string id) =>
        await Assert.ThrowsAsync<ArgumentException>(async () => await Runtime.StartAsync(Spec("true") with { Id = id }, (_, _) => ValueTask.CompletedTask, Token));

    [Theory]
    [InlineData("A=B", "x")]
    [InlineData("", "x")]
    [InlineData("A", "nul\0")]
    public async Task An_environment_that_is_none_is_a_bug_of_the_caller(string name, string value) =>
        await Assert.ThrowsAsync<ArgumentException>(
            async () => await Runtime.StartAsync(Spec("true") with { Environment = new Dictionary<string, string> { [name] = value } }, (_, _) => ValueTask.CompletedTask, Token));

    [Fact]
    public async Task A_receiver_that_fails_stops_the_output_and_not_the_command()
    {
        await using var run = await Runtime.StartAsync(
            Python("for i in range(100000): print('x' * 100)"), (_, _) => throw new IOException("disk full"), Token);

        Assert.Equal(0, (await run.Exited.WaitAsync(Patience, Token)).ExitCode);
    }

    [Fact]
    public async Task A_start_that_takes_too_long_is_given_up()
    {
        // A bubblewrap that never gets ready.
        var fake = Path.Combine(Folder, "bwrap");
        await File.WriteAllTextAsync(fake, "#!/bin/sh\necho waiting >&2\nexec sleep 1000\n", Token);
        File.SetUnixFileMode(fake, (UnixFileMode)0b111_101_101);
        var path = Environment.GetEnvironmentVariable("PATH");
        Environment.SetEnvironmentVariable("PATH", $"{Folder}:{path}");
        try
        {
            await using var runtime = new SandboxRuntime(
                new SandboxOptions { Folder = Path.Combine(Folder, "slow"), Standby = [], StartTimeout = TimeSpan.FromMilliseconds(300) }, TimeProvider.System, NullLogger.Instance);

            var error = await Assert.ThrowsAsync<PcException>(async () => await runtime.StartAsync(Spec("true"), (_, _) => ValueTask.CompletedTask, Token));

            Assert.Equal(ErrorCode.SandboxFailed, error.Code);
            Assert.Contains("not ready after 0.3 s", error.Message, StringComparison.Ordinal);
            Assert.Empty(ProcessTreeOf(fake));
        }
        finally
        {
            Environment.SetEnvironmentVariable("PATH", path);
        }
    }

    private static IReadOnlyList<int> ProcessTreeOf(string program) => Processes.With(program);
}

/// <summary>Tests that change the environment of this process run beside no others.</summary>
[CollectionDefinition(nameof(Alone), DisableParallelization = true)]
public sealed class Alone;
