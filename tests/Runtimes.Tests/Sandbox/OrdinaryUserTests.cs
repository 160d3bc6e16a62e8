using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;

namespace PeoplesCloud.Runtimes.Tests.Sandbox;

/// <summary>
/// When the tests run as root they run a second time as a user without rights, all of them but those that need root. When they do not run as
/// root they are that user's already.
/// </summary>
[Collection(nameof(FarNetwork))]
public sealed class OrdinaryUserTests(FarNetwork far)
{
    private const uint User = 65534;

    [Fact]
    public async Task Everything_holds_for_an_ordinary_user_too()
    {
        Assert.SkipUnless(Host.IsRoot, "these tests run as an ordinary user already");
        var folder = Directory.CreateTempSubdirectory("runtimes-user-");
        try
        {
            // The tests and the runtime may be below a home that the user may not enter: they are mounted where it may, in a mount namespace of its own.
            // There the tap device is what udev makes of it on ordinary hosts: everybody's.
            var runtime = Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", ".."));
            var script = $"""
                set -e
                cd {folder.FullName}
                mkdir runtime tests home
                mount --bind {runtime} runtime
                mount --bind {AppContext.BaseDirectory} tests
                mknod tun c 10 200
                chmod 666 tun
                mount --bind tun /dev/net/tun
                chown {User}:{User} home
                chmod 711 .
                cd home
                exec setpriv --reuid={User} --regid={User} --clear-groups --inh-caps=-all --bounding-set=-all ../tests/{Path.GetFileName(Environment.ProcessPath)} --no-progress --results-directory {folder.FullName}/home
                """;
            using var tests = Process.Start(new ProcessStartInfo("unshare", ["--mount", "/bin/sh", "-c", script])
            {
                Environment =
                {
                    ["DOTNET_ROOT"] = $"{folder.FullName}/runtime", ["HOME"] = $"{folder.FullName}/home", ["TMPDIR"] = $"{folder.FullName}/home",
                    [FarNetwork.Variable] = $"{far.Port}",
                },
                RedirectStandardOutput = true,
                RedirectStandardError = true,
                UseShellExecute = false,
            })!;
            var errors = tests.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
            var output = await tests.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
            await tests.WaitForExitAsync(TestContext.Current.CancellationToken);

            Assert.True(tests.ExitCode == 0, $"{tests.ExitCode}\n{output}\n{await errors}");
            Assert.True(int.Parse(Regex.Match(output, "succeeded: (?<count>[0-9]+)", RegexOptions.ExplicitCapture, TimeSpan.FromSeconds(1)).Groups["count"].Value) > 40, output);
            TestContext.Current.TestOutputHelper?.WriteLine(output);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }
}
