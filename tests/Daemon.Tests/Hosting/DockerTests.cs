using System.Net.Http.Json;
using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Api;
using PeoplesCloud.Runtimes.Tests.Docker;

namespace PeoplesCloud.Daemon.Tests.Hosting;

/// <summary>A node with a real engine: what is deployed to it runs in containers, and what goes wrong is told to whoever deploys.</summary>
public sealed class DockerTests
{
    private static readonly Dictionary<string, IReadOnlyList<string>> NoNetwork = new() { ["network"] = ["none"] };

    [Fact]
    public async Task Images_Dockerfiles_and_languages_of_images_are_deployed()
    {
        Assert.SkipWhen(Dockerd.Obstacle is not null, Dockerd.Obstacle ?? "");
        await using var engine = await Dockerd.StartAsync();
        await using var node = await TestNode.StartAsync("elm", hosts: true, configure: config => config with { Docker = $"unix://{engine.Socket}" });
        await node.CreateAsync("friends");
        // What pc doctor says of it, open to programs and not.
        var found = new Dictionary<string, string?> { ["DOCKER_HOST"] = $"unix://{engine.Socket}" };
        var reports = await EngineCheck.ProbeAsync(node.Home, "auto", found, path => path == engine.Socket, TestContext.Current.CancellationToken);
        Assert.Matches($"^Docker [0-9.]+.* at {engine.Socket}$", reports[0].How);
        Assert.Contains(reports, report => report is { Name: "memory", Holds: true });
        var closed = Assert.Single(await EngineCheck.ProbeAsync(node.Home, "off", found, path => path == engine.Socket, TestContext.Current.CancellationToken));
        Assert.False(closed.Holds);
        Assert.EndsWith($"is not open to programs; to open it, set docker = \"unix://{engine.Socket}\" under [host] in the configuration", closed.How, StringComparison.Ordinal);
        using var bot = new ProgramFolder("import sys\nprint('run by', ' '.join(sys.orig_argv), flush=True)\n");

        // Python 2: nobody has it, and that is said when it is deployed.
        var refused = await Assert.ThrowsAsync<ApiException>(() => DeployAsync(node, bot.Path, "py2"));
        Assert.Equal(ErrorCode.NoHost, CodeOf(refused));
        Assert.Contains("neither python2 nor the Docker image python:2 is there", refused.Reply.Message, StringComparison.Ordinal);

        // An image of that name, whose python2 is a stand-in: there is no other for Debian 12.
        using var folder = new ProgramFolder("");
        await WriteAsync(folder, $"FROM {Dockerd.Image}\nRUN [\"cp\", \"/usr/bin/python3\", \"/usr/bin/python2\"]\n");
        await engine.RunAsync("build", "--quiet", "--network", "none", "--tag", "python:2", folder.Path);
        await node.StopAsync();
        await node.StartAgainAsync(hosts: true); // it looks at the images when it starts, and every 15 s
        await DeployAsync(node, bot.Path, "py2");
        Assert.Equal("run by python2 -u bot.py", await FirstLineAsync(node, "test-bot"));

        // A Dockerfile that fails: what its step said is read by who deploys.
        await WriteAsync(folder, $"FROM {Dockerd.Image}\nRUN [\"sh\", \"-c\", \"echo no such wheel >&2; echo in line two >&2; exit 9\"]\n");
        var steps = new List<string?>();
        refused = await Assert.ThrowsAsync<ApiException>(() => DeployAsync(node, folder.Path, "docker", "failing", steps: steps));
        Assert.Equal(ErrorCode.StartFailed, CodeOf(refused));
        Assert.Contains("no such wheel | in line two", refused.Reply.Message, StringComparison.Ordinal);
        Assert.Contains("docker: no such wheel", steps);
        Assert.Contains("docker: in line two", steps);
        Assert.Contains("non-zero code: 9", refused.Reply.Message, StringComparison.Ordinal);

        Assert.Equal("correct the Dockerfile by what its step said, then deploy again", refused.Reply.Hint);

        // One that does not, and an image by its name.
        await WriteAsync(folder, $"FROM {Dockerd.Image}\nCMD [\"echo\", \"built and run\"]\n");
        await DeployAsync(node, folder.Path, "docker", "built");
        Assert.Equal("built and run", await FirstLineAsync(node, "built"));
        await DeployAsync(node, bot.Path, "py3", "by-image", new Dictionary<string, IReadOnlyList<string>>(NoNetwork) { ["image"] = [Dockerd.Image] });
        Assert.Equal("run by python3 -u bot.py", await FirstLineAsync(node, "by-image"));

        // An image and no files, called as the image is.
        await DeployAsync(node, "", null, settings: new Dictionary<string, IReadOnlyList<string>>(NoNetwork) { ["image"] = [Dockerd.Image] });
        Assert.Equal("its own command", await FirstLineAsync(node, "pc-tests"));
        var images = (await node.Client.GetAsync("/v1/host", HostApiJson.Default.HostReply)).Images;
        Assert.Equal((1, 0L, 2L << 30), (images!.Count, images.KeptBytes, images.KeptAllowed));
    }

    // A web program in containers: two versions serve the same port beside each other until the newer one answers, each from an image of its own.
    [Fact]
    public async Task Versions_in_containers_take_over_when_they_answer_make_room_when_they_do_not_and_come_again()
    {
        Assert.SkipWhen(Dockerd.Obstacle is not null, Dockerd.Obstacle ?? "");
        await using var engine = await Dockerd.StartAsync();
        await using var node = await TestNode.StartAsync("elm", hosts: true, configure: config => config with { Docker = $"unix://{engine.Socket}" });
        await node.CreateAsync("friends");
        using var folder = new ProgramFolder("");
        await File.WriteAllTextAsync(Path.Combine(folder.Path, "pc.toml"), "ports = [\"8080/http\"]\n", TestContext.Current.CancellationToken);
        await WriteAsync(folder, Serving("one"));
        await DeployAsync(node, folder.Path, "docker", "web");
        var url = new Uri(node.Node.Web!.UrlOf("friends", "web")!);
        using var browser = new HttpClient(Tunnels.WebTests.Handler(url.Port));
        Assert.Equal("one", await browser.GetStringAsync(url, TestContext.Current.CancellationToken));

        // One that is not up.
        await WriteAsync(folder, $"FROM {Dockerd.Image}\nCMD [\"sh\", \"-c\", \"exit 3\"]\n");
        var failed = await Assert.ThrowsAsync<ApiException>(() => ChangeAsync("update"));
        Assert.Equal(ErrorCode.UpdateRolledBack, CodeOf(failed));
        Assert.Contains("crashed with exit code 3", failed.Reply.Message, StringComparison.Ordinal);
        Assert.Equal("one", await browser.GetStringAsync(url, TestContext.Current.CancellationToken));

        // One that is, and back: its image is there still, or built again.
        await WriteAsync(folder, Serving("two"));
        Assert.Equal(3, await ChangeAsync("update"));
        Assert.Equal("two", await browser.GetStringAsync(url, TestContext.Current.CancellationToken));
        Assert.Equal(4, await ChangeAsync("rollback"));
        Assert.Equal("one", await browser.GetStringAsync(url, TestContext.Current.CancellationToken));
        await node.WaitForAsync("friends", swarm => swarm.Programs is [{ State: "running", Restarts: 0 }]);

        async Task<int?> ChangeAsync(string what)
        {
            HttpContent content = what == "update"
                ? JsonContent.Create(new DeployRequest(folder.Path, "docker", null, null, NoNetwork), TestNode.Json.DeployRequest)
                : JsonContent.Create(new RollbackRequest(null), RunningApiJson.Default.RollbackRequest);
            int? version = null;
            await foreach (var happened in node.Client.EventsAsync(HttpMethod.Post, $"/v1/swarms/friends/programs/web/{what}", content, RunningApiJson.Default.EventUpdateReply)) version = happened.Result?.Version ?? version;
            return version;
        }

        static string Serving(string text) =>
            $"FROM {Dockerd.Image}\nRUN [\"sh\", \"-c\", \"mkdir /site && printf {text} > /site/index.html\"]\nWORKDIR /site\nCMD [\"python3\", \"-m\", \"http.server\", \"8080\"]\n";
    }

    [Theory]
    [InlineData("/usr/sbin/dockerd", "systemctl start docker")]
    [InlineData("/opt/bin/podman", "podman.socket")]
    [InlineData("/usr/bin/other", "apt-get install docker.io")]
    public async Task Where_no_engine_answers_it_is_said_what_to_try(string installed, string advice)
    {
        var environment = new Dictionary<string, string?> { ["PATH"] = "/opt/bin:/bin" };

        var report = Assert.Single(await EngineCheck.ProbeAsync("/home", "auto", environment, path => path == installed, TestContext.Current.CancellationToken));

        Assert.False(report.Holds);
        Assert.Contains(advice, report.How, StringComparison.Ordinal);
    }

    private static ErrorCode CodeOf(ApiException refused) => Enum.Parse<ErrorCode>(refused.Reply.Code["PC".Length..]);

    private static Task WriteAsync(ProgramFolder folder, string dockerfile) => File.WriteAllTextAsync(Path.Combine(folder.Path, "Dockerfile"), dockerfile, TestContext.Current.CancellationToken);

    private static async Task DeployAsync(TestNode node, string path, string? language, string? name = null, IReadOnlyDictionary<string, IReadOnlyList<string>>? settings = null, List<string?>? steps = null)
    {
        var request = new DeployRequest(path, language, name, null, settings ?? NoNetwork);
        // Until it runs, or is refused.
        await foreach (var happened in node.Client.EventsAsync(HttpMethod.Post, "/v1/swarms/friends/deploy", JsonContent.Create(request, TestNode.Json.DeployRequest), TestNode.Json.EventDeployReply))
            steps?.Add(happened.Text);
    }

    private static async Task<string> FirstLineAsync(TestNode node, string program)
    {
        await foreach (var line in node.LogsAsync("friends", program))
            if (line.Stream == "out") return line.Text;
        return "";
    }
}
