using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Configuration;

namespace PeoplesCloud.Daemon.Tests.Configuration;

public sealed class SessionsConfigTests : IDisposable
{
    private readonly string _folder = TestNode.NewHome();

    [Fact]
    public void Sessions_are_off_and_local_unless_somebody_says_otherwise()
    {
        var config = Load("");
        Assert.False(config.IsOn);
        Assert.Equal("127.0.0.1:6380", config.Listen.ToString());
        config = Load("swarm = \"friends\"\nmode = \"docker\"\nread-only = [\"/opt/games\", \"/srv\"]\nhostname = \"games.example.org\"");
        Assert.True(config.IsOn);
        Assert.Equal(("friends", "docker", "games.example.org"), (config.Swarm, config.Mode, config.Hostname));
        Assert.Equal(["/opt/games", "/srv"], config.ReadOnly);
        Assert.Empty(config.Volumes);
        Assert.False(config.HostNetwork);
        config = Load("swarm = \"friends\"\nvolumes = [\"/srv/world\"]\nhost-network = true");
        Assert.Equal(["/srv/world"], config.Volumes);
        Assert.True(config.HostNetwork);
    }

    [Fact]
    public void Passwords_come_from_the_file_or_a_file_of_their_own_and_are_not_shown()
    {
        var file = Path.Combine(_folder, "password");
        File.WriteAllText(file, "a pass/word\n");
        var config = Load($"swarm = \"friends\"\nlisten = \"0.0.0.0:6380\"\npassword-file = \"{file}\"");
        Assert.Equal("a pass/word", config.Password!.Reveal());
        config = Load($"redis = \"rediss://games@redis.example.org/2\"\nredis-password-file = \"{file}\"".Replace("games@", "", StringComparison.Ordinal));
        Assert.Equal(("rediss://redis.example.org:6379/2", "a pass/word"), (config.Redis!.ToString(), config.Redis.Password!.Reveal()));
        config = Load("redis = \"redis://:s%40cret@localhost:7000\"");
        Assert.Equal("s@cret", config.Redis!.Password!.Reveal());
        Assert.DoesNotContain("cret", config.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("swarm = \"friends\"\nlisten = \"0.0.0.0:6380\"", "set sessions.password-file")]
    [InlineData("listen = \"6380\"", "an IP address with a port")]
    [InlineData("redis = \"http://:hunter2@localhost\"", "redis://:password@host:6379")]
    [InlineData("redis = \"redis://hunter2@localhost\"", "redis://:password@host:6379")]
    [InlineData("redis-password-file = \"/nowhere\"", "sessions.redis is not")]
    [InlineData("redis = \"redis://localhost\"\nredis-password-file = \"/nowhere\"", "cannot be read")]
    [InlineData("password = \"hunter2\"\npassword-file = \"/nowhere\"", "only one of them")]
    [InlineData("mode = \"vm\"", "sandbox or docker")]
    [InlineData("read-only = [\"games\"]", "a path from the root")]
    [InlineData("hostname = \"a b\"", "games.example.org")]
    [InlineData("readonly = \"/srv\"", "did you mean sessions.read-only?")]
    public void What_is_wrong_is_said_with_what_to_write_and_never_with_a_password(string lines, string expected)
    {
        var error = Assert.Throws<PcException>(() => Load(lines));
        Assert.Equal(ErrorCode.ConfigInvalid, error.Code);
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("hunter2", error.Message, StringComparison.Ordinal);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private SessionsConfig Load(string lines)
    {
        var file = Path.Combine(_folder, "config.toml");
        File.WriteAllText(file, $"[sessions]\n{lines}\n");
        return DaemonConfig.Load(file, new Dictionary<string, string?> { ["home"] = _folder }, new Dictionary<string, string?>()).Sessions;
    }
}
