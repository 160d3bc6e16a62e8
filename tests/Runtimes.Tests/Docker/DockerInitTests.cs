using System.Diagnostics;
using System.Runtime.InteropServices;
using PeoplesCloud.Base;
using PeoplesCloud.Runtimes.Docker;
using PeoplesCloud.Runtimes.Docker.Init;
using PeoplesCloud.Runtimes.Sandbox;

namespace PeoplesCloud.Runtimes.Tests.Docker;

/// <summary>How a container begins: with nothing of its program in the engine's files, in any image, and with a keeper inside.</summary>
public sealed class DockerInitTests(SharedDockerd docker) : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("docker-init-").FullName;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task What_a_program_is_told_is_in_no_file_of_the_engines()
    {
        const string variable = "hush-variable-51", word = "hush-argument-52", file = "hush-file-53";
        var engine = await docker.StartedAsync();
        var runtime = await docker.RuntimeAsync();
        await File.WriteAllTextAsync(Path.Combine(_folder, "note"), file, Token);
        var output = new Recorder();
        var spec = DockerIsolationTests.Spec("python3", "-c", "import os, signal, sys\nprint(os.environ['TOKEN'], sys.argv[1], open('note').read(), flush=True)\nsignal.pause()", word);
        await using var run = await runtime.StartAsync(spec with { SourceFolder = _folder, Environment = new Dictionary<string, string> { ["TOKEN"] = variable } }, output.Receive, Token);
        await output.WaitForAsync($"{variable} {word} {file}\n");
        var further = new Recorder();
        Assert.Equal(0, await run.ExecAsync(["sh", "-c", "echo $TOKEN"], Stream.Null, further.Receive, Token));
        Assert.Equal(variable + "\n", further.Out);

        var inspected = await engine.RunAsync("inspect", ((DockerRun)run).Container);
        Assert.Contains(InitImage.Inside, inspected, StringComparison.Ordinal);
        foreach (var secret in new[] { variable, word, file }) Assert.DoesNotContain(secret, inspected, StringComparison.Ordinal);
        Assert.Empty(Found(engine.Folder, variable, word, file));
        // What is searched does hold what the engine was told.
        Assert.NotEmpty(Found(engine.Folder, ((DockerRun)run).Container));
    }

    [Fact]
    public async Task An_image_without_a_shell_runs_with_files_and_environment()
    {
        var engine = await docker.StartedAsync();
        var runtime = await docker.RuntimeAsync();
        await File.WriteAllTextAsync(Path.Combine(_folder, "hello.c"), """
            #include <stdio.h>
            #include <stdlib.h>
            int main(int count, char **words) {
                char text[64] = "no file";
                FILE *file = fopen("note", "r");
                if (file) fgets(text, sizeof text, file);
                printf("%s %s %s\n", getenv("TOKEN"), text, count > 1 ? words[1] : "alone");
                return 0;
            }
            """, Token);
        MachineCode.Run("gcc", "-static", "-o", Path.Combine(_folder, "hello"), Path.Combine(_folder, "hello.c"));
        MachineCode.Run("tar", "-cf", Path.Combine(_folder, "image.tar"), "-C", _folder, "hello");
        await engine.RunAsync("import", "--change", "CMD [\"/hello\"]", Path.Combine(_folder, "image.tar"), "pc-bare:1");
        var source = Directory.CreateDirectory(Path.Combine(_folder, "source")).FullName;
        await File.WriteAllTextAsync(Path.Combine(source, "note"), "from a file", Token);
        var spec = DockerIsolationTests.Spec() with { Image = "pc-bare:1", Environment = new Dictionary<string, string> { ["TOKEN"] = "a token" } };

        Assert.Equal((0, "a token no file alone\n"), await RunAsync(runtime, spec));
        Assert.Equal((0, "a token from a file word\n"), await RunAsync(runtime, spec with { Command = ["/hello", "word"], SourceFolder = source }));
    }

    [Fact]
    public async Task Files_arrive_as_they_are()
    {
        var runtime = await docker.RuntimeAsync();
        var large = new byte[3 << 20];
        new Random(1).NextBytes(large);
        await File.WriteAllBytesAsync(Path.Combine(_folder, "large"), large, Token);
        await File.WriteAllTextAsync(Path.Combine(_folder, "run"), "#!/bin/sh\necho ran\n", Token);
        File.SetUnixFileMode(Path.Combine(_folder, "run"), UnixFileMode.UserRead | UnixFileMode.UserExecute);
        File.SetLastWriteTimeUtc(Path.Combine(_folder, "run"), DateTime.UnixEpoch.AddSeconds(1_000_000_000));
        var closed = Directory.CreateDirectory(Path.Combine(_folder, "closed")).FullName;
        await File.WriteAllTextAsync(Path.Combine(closed, "é漢 with blanks"), "kept", Token);
        File.SetUnixFileMode(closed, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        File.CreateSymbolicLink(Path.Combine(_folder, "link"), "/etc/hostname");
        for (var i = 0; i < 3000; i++) await File.WriteAllTextAsync(Path.Combine(_folder, $"small-{i}"), $"{i}", Token);

        var (_, output) = await RunAsync(runtime, DockerIsolationTests.Spec("python3", "-c", """
            import hashlib, os, subprocess
            print(hashlib.sha256(open('large', 'rb').read()).hexdigest())
            print(oct(os.stat('run').st_mode), int(os.stat('run').st_mtime), subprocess.check_output(['./run']).decode().strip())
            print(oct(os.stat('closed').st_mode), open('closed/é漢 with blanks').read(), os.readlink('link'))
            print(sum(int(open(name).read()) for name in os.listdir() if name.startswith('small-')), open('/proc/self/fd/0').read() == '')
            """) with { SourceFolder = _folder });

        Assert.Equal($"{Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(large))}\n0o100500 1000000000 ran\n0o40500 kept /etc/hostname\n{3000 * 2999 / 2} True\n", output);
    }

    [Fact]
    public async Task A_volume_of_an_image_is_limited_as_all_that_it_writes()
    {
        var runtime = await docker.RuntimeAsync();
        await File.WriteAllTextAsync(Path.Combine(_folder, "Dockerfile"), $"FROM {Dockerd.Image}\nVOLUME /store\n", Token);
        await runtime.BuildAsync(_folder, "pc-volume:test", new RunLimits(), NetworkMode.None, _ => ValueTask.CompletedTask, Token);

        var (_, output) = await RunAsync(runtime, DockerIsolationTests.Spec("python3", "-c", """
            try:
              with open('/store/fill', 'wb', buffering=0) as f:
                while True: f.write(bytes(65536))
            except OSError as e: print(e.strerror)
            """) with { Image = "pc-volume:test", Limits = new RunLimits { DiskBytes = 8 << 20 } });

        Assert.Equal("No space left on device\n", output);
    }

    [Fact]
    public async Task Until_when_it_may_run_is_asked_before_it_starts()
    {
        var runtime = await docker.RuntimeAsync();
        var until = BootTime.Now + TimeSpan.FromSeconds(1);

        await using var run = await runtime.StartAsync(DockerIsolationTests.Spec("sleep", "1000") with { RunsUntil = () => until }, (_, _) => ValueTask.CompletedTask, Token);

        Assert.Equal(new RunExit(137, RunExitReason.Signalled), await run.Exited.WaitAsync(RuntimeConformance.Patience, Token));
        Assert.True(BootTime.Now >= until);
    }

    [Fact]
    public async Task An_image_without_a_command_says_so()
    {
        var engine = await docker.StartedAsync();
        MachineCode.Run("tar", "-cf", Path.Combine(_folder, "image.tar"), "-T", "/dev/null");
        await engine.RunAsync("import", Path.Combine(_folder, "image.tar"), "pc-empty:1");

        var error = await Assert.ThrowsAsync<PcException>(async () => await (await docker.RuntimeAsync()).StartAsync(DockerIsolationTests.Spec() with { Image = "pc-empty:1" }, (_, _) => ValueTask.CompletedTask, Token));

        Assert.Equal(ErrorCode.DockerRefused, error.Code);
        Assert.Contains("no command", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_code_of_the_init_is_what_its_source_assembles_to()
    {
        // The assembler at hand is that of this machine.
        var (source, code) = RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? ("init-aarch64.S", InitImage.Arm64.ToArray()) : ("init-x86_64.S", InitImage.X64.ToArray());
        Assert.Equal(MachineCode.Assembled(_folder, source), Convert.ToHexStringLower(code));
    }

    [Theory]
    [InlineData(Architecture.X64)]
    [InlineData(Architecture.Arm64)]
    public void The_init_is_a_program_that_needs_nothing(Architecture architecture) =>
        MachineCode.NeedsNothing(_folder, InitImage.Bytes(architecture));

    private static async Task<(int Code, string Output)> RunAsync(DockerRuntime runtime, RunSpec spec)
    {
        var output = new Recorder();
        await using var run = await runtime.StartAsync(spec, output.Receive, Token);
        var exit = await run.Exited.WaitAsync(RuntimeConformance.Patience, Token);
        return (exit.ExitCode, output.Out + output.Err);
    }

    // The files that hold one of these texts. Other tests' containers come and go meanwhile.
    private static List<string> Found(string folder, params string[] texts)
    {
        var patterns = texts.Select(System.Text.Encoding.UTF8.GetBytes).ToList();
        var options = new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.ReparsePoint };
        var found = new List<string>();
        foreach (var path in Directory.EnumerateFiles(folder, "*", options))
        {
            try
            {
                if (!LibC.IsRegularFile(path)) continue;
                var bytes = File.ReadAllBytes(path);
                if (patterns.Any(pattern => bytes.AsSpan().IndexOf(pattern) >= 0)) found.Add(path);
            }
            catch (IOException)
            {
                // It has gone, or is a namespace.
            }
        }
        return found;
    }
}
