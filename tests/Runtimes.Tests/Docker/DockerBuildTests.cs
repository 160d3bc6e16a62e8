using PeoplesCloud.Base;
using PeoplesCloud.Runtimes.Docker;

namespace PeoplesCloud.Runtimes.Tests.Docker;

/// <summary>What a build may take of the disk and the time, and what stays of it.</summary>
public sealed class DockerBuildTests(SharedDockerd docker) : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("docker-build-").FullName;
    private readonly string _context = Directory.CreateTempSubdirectory("docker-context-").FullName;
    private readonly List<string> _said = [];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private static RunLimits Little => new() { DiskBytes = 64L << 20 };

    [Theory]
    [InlineData("RUN [\"python3\", \"-c\", \"f = open('/large', 'wb')\\nwhile True: f.write(bytes(1 << 20)); f.flush()\"]", "large-step")]
    [InlineData("COPY part /a\nCOPY part /b\nCOPY part /c\nCOPY part /d", "many-layers")]
    public async Task A_build_that_takes_too_much_of_the_disk_is_ended_and_leaves_nothing(string steps, string name)
    {
        var engine = await docker.StartedAsync();
        await using var runtime = await StartAsync();
        await File.WriteAllBytesAsync(Path.Combine(_context, "part"), new byte[20 << 20], Token);
        await File.WriteAllTextAsync(Path.Combine(_context, "Dockerfile"), $"FROM {Dockerd.Image}\nLABEL test={name}\n{steps}\n", Token);

        var error = await Assert.ThrowsAsync<PcException>(() => BuildAsync(runtime, "pc-large:test", Little));

        Assert.Equal(ErrorCode.DockerBuildFailed, error.Code);
        Assert.Contains("more than the 64 MiB of disk", error.Message, StringComparison.Ordinal);
        // The step that was ended is a moment in ending.
        var patience = System.Diagnostics.Stopwatch.StartNew();
        while (await LayersAsync(engine, name) > 0)
        {
            Assert.True(patience.Elapsed < RuntimeConformance.Patience, "layers of the build are left");
            await Task.Delay(50, Token);
        }
        Assert.DoesNotContain("pc-large:test", await runtime.ImagesAsync(Token));
    }

    [Fact]
    public async Task A_build_that_takes_too_long_is_ended()
    {
        var socket = (await docker.StartedAsync()).Socket;
        await using var runtime = await DockerTestBase.StartAsync(DockerTestBase.Options(socket, _folder) with { BuildTimeout = TimeSpan.FromSeconds(2) });
        await File.WriteAllTextAsync(Path.Combine(_context, "Dockerfile"), $"FROM {Dockerd.Image}\nRUN [\"sleep\", \"1000\"]\n", Token);

        var error = await Assert.ThrowsAsync<PcException>(() => BuildAsync(runtime, "pc-late:test", Little));

        Assert.Contains("it was not done after", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Layers_of_a_build_that_failed_and_of_stages_are_removed_and_those_of_an_image_stay()
    {
        var engine = await docker.StartedAsync();
        await using var runtime = await StartAsync();
        var first = $"FROM {Dockerd.Image} AS first\nLABEL test=stages\nRUN [\"sh\", \"-c\", \"echo one > /one\"]\n";

        await File.WriteAllTextAsync(Path.Combine(_context, "Dockerfile"), $"{first}RUN [\"sh\", \"-c\", \"exit 3\"]\n", Token);
        await Assert.ThrowsAsync<PcException>(() => BuildAsync(runtime, "pc-stages:test", Little));
        Assert.Equal(0, await LayersAsync(engine, "stages"));

        await File.WriteAllTextAsync(Path.Combine(_context, "Dockerfile"), $"{first}FROM {Dockerd.Image}\nCOPY --from=first /one /two\n", Token);
        await BuildAsync(runtime, "pc-stages:test", Little);
        Assert.Equal(0, await LayersAsync(engine, "stages"));
        Assert.Contains("pc-stages:test", await runtime.ImagesAsync(Token));
    }

    // Goal: what we built goes when nobody needs it, and nothing else ever. Method: an image of an administrator is made of one of ours, and a container runs of another.
    [Fact]
    public async Task Images_that_no_program_needs_are_kept_for_a_while_and_others_are_never_touched()
    {
        var engine = await docker.StartedAsync();
        await using var runtime = await StartAsync();
        foreach (var name in new[] { "needed", "gone", "base", "running" })
        {
            await File.WriteAllTextAsync(Path.Combine(_context, "Dockerfile"), $"FROM {Dockerd.Image}\nENV NAME={name}\nRUN [\"python3\", \"-c\", \"open('/data', 'wb').write(bytes(1 << 20))\"]\nCMD [\"sleep\", \"1000\"]\n", Token);
            await BuildAsync(runtime, $"pc-kept-{name}:test", Little);
        }
        _ = await engine.RunAsync("tag", "pc-kept-base:test", "somebody-elses:1");
        _ = await engine.RunAsync("run", "--detach", "--network", "none", "--name", "somebody-elses", "pc-kept-running:test");
        var needed = new HashSet<string> { "pc-kept-needed:test" };

        // 1. For a while, as long as they are not too many; the longest unneeded goes first.
        var use = await runtime.CollectImagesAsync(needed, 64L << 20, Token);
        Assert.Equal((4, 3), (use.Count, use.Kept));
        Assert.InRange(use.KeptBytes, 3L << 20, 4L << 20);
        File.SetLastWriteTimeUtc(NoteOf("gone"), DateTime.UtcNow.AddDays(-6));
        use = await runtime.CollectImagesAsync(needed, use.KeptBytes - 1, Token);
        Assert.Equal((3, 2), (use.Count, use.Kept));
        Assert.DoesNotContain("pc-kept-gone:test", await runtime.ImagesAsync(Token));

        // 2. Not for ever.
        foreach (var name in new[] { "needed", "base", "running" }) File.SetLastWriteTimeUtc(NoteOf(name), DateTime.UtcNow.AddDays(-8));
        _ = await runtime.CollectImagesAsync(needed, null, Token); // a look
        use = await runtime.CollectImagesAsync(needed, 64L << 20, Token);
        var names = await runtime.ImagesAsync(Token);
        Assert.Equal((2, 0), (use.Count, use.Kept));
        Assert.Contains("pc-kept-needed:test", names);
        Assert.DoesNotContain("pc-kept-base:test", names);
        Assert.Contains("somebody-elses:1", names);
        Assert.Contains("pc-kept-running:test", names);

        // 3. A daemon that starts ends its own containers, and not one that runs of an image of ours.
        await runtime.CollectAsync(Token);
        Assert.Equal("true", await engine.RunAsync("inspect", "--format", "{{.State.Running}}", "somebody-elses"));
        _ = await engine.RunAsync("rm", "--force", "somebody-elses");
        use = await runtime.CollectImagesAsync(needed, 64L << 20, Token);
        Assert.Equal((1, 0), (use.Count, use.Kept));
    }

    public void Dispose()
    {
        Directory.Delete(_folder, recursive: true);
        Directory.Delete(_context, recursive: true);
    }

    private async Task<DockerRuntime> StartAsync() => await DockerTestBase.StartAsync(DockerTestBase.Options((await docker.StartedAsync()).Socket, _folder));

    private Task BuildAsync(DockerRuntime runtime, string tag, RunLimits limits) =>
        runtime.BuildAsync(_context, tag, limits, NetworkMode.None, line => { _said.Add(line); return ValueTask.CompletedTask; }, Token);

    private string NoteOf(string name) => Path.Combine(_folder, "docker", "image-" + Uri.EscapeDataString($"pc-kept-{name}:test"));

    private static async Task<int> LayersAsync(Dockerd engine, string label) => (await engine.RunAsync("images", "--all", "--quiet", "--filter", $"label=test={label}")).Split('\n', StringSplitOptions.RemoveEmptyEntries).Length;
}
