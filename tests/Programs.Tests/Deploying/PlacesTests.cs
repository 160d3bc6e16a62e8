using PeoplesCloud.Base;
using PeoplesCloud.Programs.Deploying;
using PeoplesCloud.Programs.Hosting;
using PeoplesCloud.Programs.Placing;
using PeoplesCloud.Programs.Policy;
using PeoplesCloud.Programs.Tests.Support;
using PeoplesCloud.Runtimes;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Programs.Tests.Deploying;

/// <summary>Which hosts may run what, and in which of their runtimes.</summary>
public sealed class PlacesTests : IAsyncDisposable
{
    private readonly TestSwarm _swarm = new();
    private readonly TestNode _owner;
    private readonly FakeRuntime _elm = new();
    private readonly FakeImages _docker = new();
    private readonly TestNode _plain;
    private readonly TestNode _fir;

    public PlacesTests()
    {
        _owner = _swarm.Add("oak", new FakeRuntime(), new ProgramHostOptions { Folder = "", Hosts = false });
        _plain = _swarm.Add("elm", _elm);
        _fir = _swarm.Add("fir", new FakeRuntime(), images: _docker);
        _plain.Lacks.Add("py2");
        _fir.Lacks.Add("py2");
        _swarm.Folder.With("bot/bot.py", "print 'hello'\n");
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    // Goal: who deploys Python 2 hears at once why no host runs it, and what would help; with the image, it runs in it.
    [Fact]
    public async Task Python_2_is_refused_when_it_is_deployed_unless_a_host_has_it()
    {
        var error = await Refused.WithAsync(ErrorCode.NoHost, "elm: cannot run py2: neither python2 nor the Docker image python:2 is there", () => DeployAsync("bot", "py2"));
        Assert.Contains("fir: cannot run py2", error.Message, StringComparison.Ordinal);
        Assert.Contains("docker pull python:2", error.Hint, StringComparison.Ordinal);
        Assert.Empty(_owner.State.Programs);

        _docker.Here.Add("python:2");
        var result = await DeployAsync("bot", "py2");
        Assert.Equal(_fir.Self, result.Host);
        var spec = (await _docker.Containers.NextAsync()).Spec;
        Assert.Equal(("python:2", "python2 -u bot.py"), (spec.Image, string.Join(' ', spec.Command)));

        // A host that has the interpreter itself needs no Docker.
        _plain.Lacks.Clear();
        await DeployAsync("bot", "py2", host: _plain);
        Assert.Null((await _elm.NextAsync()).Spec.Image);
    }

    [Fact]
    public async Task A_Dockerfile_is_built_and_run_on_a_host_with_Docker_only()
    {
        _swarm.Folder.With("image/Dockerfile", "FROM python:3\n").With("image/main.py");
        var result = await DeployAsync("image");
        Assert.Equal((_fir.Self, "docker"), (result.Host, result.Program.Deployed.Language));
        Assert.Equal("cannot run docker: no Docker is there", result.Candidates.Single(candidate => candidate.Peer == _plain.Self).Why);
        var spec = (await _docker.Containers.NextAsync()).Spec;
        Assert.Equal($"{spec.Image} from Dockerfile, main.py", Assert.Single(_docker.Built));
        Assert.Empty(spec.Command);
        // The steps have what installers have: more memory than the program, and a network for this alone.
        Assert.Equal((512L << 20, NetworkMode.Internet), (_docker.BuiltWith.Limits.MemoryBytes, _docker.BuiltWith.Network));
        Assert.Null(spec.SourceFolder); // the image has the files
        Assert.Contains(await LinesAsync(result), line => line == "docker: Step 1/1 : FROM python:3");

        _docker.Build = () => throw new PcException(ErrorCode.StartFailed, "the Dockerfile could not be built: no such file");
        await Refused.WithAsync(ErrorCode.StartFailed, "fir: the Dockerfile could not be built: no such file", () => DeployAsync("image"));
    }

    // Goal: what a step of a build said on its host is read by who deploys, every line of it.
    [Fact]
    public async Task What_a_failing_build_said_reaches_whoever_deploys()
    {
        const string said = "the Dockerfile could not be built: The command '/bin/sh -c make' returned a non-zero code: 2: Step 2/2 : RUN make | main.c:1:10: fatal error: nothing.h: No such file";
        _swarm.Folder.With("image/Dockerfile", "FROM gcc:12\nRUN make\n");
        _docker.Build = () => throw new PcException(ErrorCode.DockerBuildFailed, said);

        var error = await Assert.ThrowsAsync<PcException>(() => DeployAsync("image"));

        Assert.Contains(said, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_host_without_network_for_programs_has_none_for_builds()
    {
        await using var swarm = new TestSwarm();
        var owner = swarm.Add("oak", new FakeRuntime(), new ProgramHostOptions { Folder = "", Hosts = false });
        var docker = new FakeImages();
        _ = swarm.Add("ash", new FakeRuntime(), new ProgramHostOptions { Folder = "", Policy = () => new HostPolicy { Network = NetworkMode.None } }, images: docker);
        swarm.Folder.With("image/Dockerfile", "FROM python:3\n");

        _ = await owner.Deployer.DeployAsync(owner, new DeployOrder(swarm.Folder["image"], null) { Network = NetworkMode.None }, null, Token);

        Assert.Equal(NetworkMode.None, docker.BuiltWith.Network);
    }

    [Fact]
    public async Task An_image_is_run_where_it_is_or_may_be_fetched()
    {
        var image = new ProgramManifest { Image = "example.org/base:1" };
        var error = await Refused.WithAsync(ErrorCode.NoHost, "elm: has no Docker", () => DeployAsync("bot", null, image));
        Assert.Contains("fir: its Docker has no image example.org/base:1", error.Message, StringComparison.Ordinal);
        _docker.Fetches = true;
        Assert.Equal(_fir.Self, (await DeployAsync("bot", null, image)).Host);
        var spec = (await _docker.Containers.NextAsync()).Spec;
        Assert.Equal(("example.org/base:1", "python3 -u bot.py"), (spec.Image, string.Join(' ', spec.Command)));
        Assert.NotNull(spec.SourceFolder);
    }

    [Fact]
    public async Task The_sandbox_is_first_and_a_named_runtime_wins()
    {
        _docker.Here.Add("python:3");
        await DeployAsync("bot", host: _fir);
        Assert.False(_docker.Containers.HasMore);
        await DeployAsync("bot", "py3", new ProgramManifest { Runtime = "docker" });
        Assert.Equal("python:3", (await _docker.Containers.NextAsync()).Spec.Image);
        await Refused.WithAsync(ErrorCode.NoHost, "fir: does not know the runtime \"wasm\"", () => DeployAsync("bot", null, new ProgramManifest { Runtime = "wasm" }));
        await Refused.WithAsync(ErrorCode.NoHost, "fir: its sandbox runs no container images", () => DeployAsync("bot", null, new ProgramManifest { Runtime = "sandbox", Image = "python:3" }));
    }

    public ValueTask DisposeAsync() => _swarm.DisposeAsync();

    private Task<DeployResult> DeployAsync(string folder, string? language = null, ProgramManifest? manifest = null, TestNode? host = null) =>
        _owner.Deployer.DeployAsync(_owner, new DeployOrder(_swarm.Folder[folder], language, Host: host?.Self) { Manifest = manifest ?? ProgramManifest.Empty }, null, Token);

    private async Task<List<string>> LinesAsync(DeployResult result)
    {
        var lines = new List<string>();
        await foreach (var line in _owner.LogsAsync(result.Host, result.Program.Swarm, result.Program.Id, -1, follow: false, Token)) lines.Add(line.Text);
        return lines;
    }
}
