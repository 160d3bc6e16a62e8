using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Configuration;
using PeoplesCloud.Daemon.Hosting;

namespace PeoplesCloud.Daemon.Tests.Configuration;

/// <summary>Which engine is used, and that none is unless the owner says so.</summary>
public sealed class DockerSocketTests
{
    private static readonly Dictionary<string, string?> Empty = new(StringComparer.Ordinal);

    [Fact]
    public void Without_a_word_of_the_owner_there_is_none() =>
        Assert.Null(DockerSocket.Find(Load(Empty).Docker, new Dictionary<string, string?> { ["DOCKER_HOST"] = "unix:///run/docker.sock" }, _ => true));

    [Fact]
    public void A_socket_that_is_named_is_taken_whether_it_is_there_or_not() => Assert.Equal("/srv/engine.sock", DockerSocket.Find("unix:///srv/engine.sock", Empty, _ => false));

    [Theory]
    [InlineData("unix:///named.sock", "/run/user/7", "/named.sock")]
    [InlineData("tcp://10.0.0.1:2375", "/run/user/7", "/run/user/7/podman/podman.sock")]
    [InlineData(null, null, "/run/docker.sock")]
    public void Auto_takes_the_first_that_is_there(string? dockerHost, string? runtimeFolder, string expected)
    {
        string[] there = ["/named.sock", "/run/user/7/podman/podman.sock", "/run/docker.sock"];
        var environment = new Dictionary<string, string?> { ["DOCKER_HOST"] = dockerHost, ["XDG_RUNTIME_DIR"] = runtimeFolder };

        Assert.Equal(expected, DockerSocket.Find(DockerSocket.Auto, environment, there.Contains));
        Assert.Null(DockerSocket.Find(DockerSocket.Auto, environment, _ => false));
    }

    [Theory]
    [InlineData("yes")]
    [InlineData("tcp://127.0.0.1:2375")]
    [InlineData("unix://relative.sock")]
    [InlineData("unix:///")]
    public void Other_values_are_refused(string value)
    {
        var error = Assert.Throws<PcException>(() => Load(new Dictionary<string, string?> { ["PC_HOST_DOCKER"] = value }));

        Assert.Equal(ErrorCode.ConfigInvalid, error.Code);
        Assert.Contains("host.docker", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("python:3", "python:3")]
    [InlineData("docker.io/library/python:3", "python:3")]
    [InlineData("busybox", "busybox:latest")]
    [InlineData("localhost/mine", "mine:latest")]
    [InlineData("example.org:5000/team/bot", "example.org:5000/team/bot:latest")]
    [InlineData("bot@sha256:12", "bot@sha256:12")]
    public void One_image_has_one_name(string image, string normal) => Assert.Equal(normal, DockerHost.Normal(image));

    private static DaemonConfig Load(Dictionary<string, string?> environment) =>
        DaemonConfig.Load(null, new Dictionary<string, string?> { ["home"] = "/nonexistent/home" }, environment);
}
