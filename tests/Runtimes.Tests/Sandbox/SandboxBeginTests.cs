using System.Runtime.InteropServices;
using PeoplesCloud.Base;
using PeoplesCloud.Runtimes.Sandbox.Begin;

namespace PeoplesCloud.Runtimes.Tests.Sandbox;

/// <summary>Commands whose start is known to have succeeded before anybody is told.</summary>
public sealed class SandboxBeginTests : SandboxTestBase
{
    [Fact]
    public async Task What_the_kernel_cannot_begin_fails_the_start_and_no_shell_runs_it_instead()
    {
        var output = new Recorder();
        foreach (var (script, why) in new[] { ("#!/no/such/interpreter\necho ran\n", "No such file"), ("echo ran\n", "Exec format error") })
        {
            var source = Directory.CreateTempSubdirectory("begin-");
            await File.WriteAllTextAsync(Path.Combine(source.FullName, "run"), script, Token);
            File.SetUnixFileMode(Path.Combine(source.FullName, "run"), (UnixFileMode)0b111_101_101);
            var spec = Spec("/app/run") with { SourceFolder = source.FullName, MustBegin = true };
            var error = await Assert.ThrowsAsync<PcException>(async () => await Runtime.StartAsync(spec, output.Receive, Token));
            source.Delete(recursive: true);
            Assert.Equal(ErrorCode.RunCommandRefused, error.Code);
            Assert.Contains(why, error.Message, StringComparison.Ordinal);
        }
        Assert.Equal("", output.Out + output.Err);
        await Assert.ThrowsAsync<ArgumentException>(async () => await Runtime.StartAsync(Spec("true") with { MustBegin = true }, output.Receive, Token));
    }

    [Fact]
    public async Task A_command_that_was_begun_sees_what_any_other_sees()
    {
        const string look = "echo $0 $1; env | sort; ls -l /proc/self/fd | wc -l; cat; exit 7";
        var (plain, begun) = (new Recorder(), new Recorder());
        var spec = Spec("/bin/sh", "-c", look, "a name", "a word") with { Environment = new Dictionary<string, string> { ["TOKEN"] = "a token" } };
        await using (var run = await Runtime.StartAsync(spec, plain.Receive, Token)) Assert.Equal(7, (await run.Exited.WaitAsync(Patience, Token)).ExitCode);
        await using (var run = await Runtime.StartAsync(spec with { MustBegin = true }, begun.Receive, Token)) Assert.Equal(7, (await run.Exited.WaitAsync(Patience, Token)).ExitCode);
        Assert.StartsWith("a name a word\n", plain.Out, StringComparison.Ordinal);
        Assert.Equal(plain.Out + plain.Err, begun.Out + begun.Err);
    }

    [Theory]
    [InlineData(Architecture.X64, "begin-x86_64.S")]
    [InlineData(Architecture.Arm64, "begin-aarch64.S")]
    public void The_code_is_what_its_source_assembles_to_and_needs_nothing(Architecture architecture, string source)
    {
        // The assembler at hand is that of this machine.
        if (architecture == RuntimeInformation.ProcessArchitecture)
            Assert.Equal(MachineCode.Assembled(Folder, source), Convert.ToHexStringLower(architecture == Architecture.X64 ? BeginImage.X64 : BeginImage.Arm64));
        MachineCode.NeedsNothing(Folder, BeginImage.Bytes(architecture));
    }
}
