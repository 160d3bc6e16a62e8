using System.Text;
using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Configuration;

namespace PeoplesCloud.Daemon.Tests.Configuration;

public sealed class PyCloudSettingsTests : IDisposable
{
    private readonly string _folder = TestNode.NewHome();

    [Fact]
    public void The_file_of_PyCloud_is_read_as_it_was_meant()
    {
        var settings = Load("# PyCloud Settings\n\nregion: \"eu\"\nhostname: games.example.org\nredis:\n  host: \"redis.example.org\"\n  port: 7000\n  password: 1234\n");
        Assert.Equal(("eu", "games.example.org", "redis://redis.example.org:7000", "1234"), (settings.Region, settings.Hostname, settings.Redis.ToString(), settings.Redis.Password!.Reveal()));
        Assert.DoesNotContain("1234", settings.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("region: pycloud\nhostname:\nredis:\n  host:\n  port:\n  password:\n")]
    [InlineData("region: pycloud\nredis:\n")]
    [InlineData("region: pycloud\nredis: {host: localhost, port: \"6379\", password: ~}\n")]
    [InlineData("---\nregion: pycloud\n...\n")]
    public void What_is_blank_is_this_machine(string text)
    {
        var settings = Load(text);
        Assert.Equal(("pycloud", null, "redis://localhost:6379", null), (settings.Region, settings.Hostname, settings.Redis.ToString(), settings.Redis.Password));
        Assert.False(settings.ShowsPassword);
    }

    [Fact]
    public void A_password_that_others_may_read_is_noticed_and_odd_ones_are_kept()
    {
        Assert.True(Load("redis: {password: 'a: #\"b'}").ShowsPassword);
        File.SetUnixFileMode(FileName, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        var settings = PyCloudSettings.Load(FileName);
        Assert.False(settings.ShowsPassword);
        Assert.Equal("a: #\"b", settings.Redis.Password!.Reveal());
        Assert.Equal("redis://[::1]:6379", Load("redis:\n  host: '::1'").Redis.ToString());
    }

    [Theory]
    [InlineData("", "it has no settings")]
    [InlineData("just words", "line 1: settings are lines of key: value")]
    [InlineData("- a\n- b\n", "line 1: settings are lines of key: value")]
    [InlineData("regoin: eu", "line 1: unknown key regoin (did you mean region?)")]
    [InlineData("redis:\n  host: a\n  databse: 3", "line 3: unknown key redis.databse (known: region, hostname, redis.host, redis.port, redis.password)")]
    [InlineData("extra:\n  deep: {deeper: [1, 2]}", "unknown key extra")]
    [InlineData("region: a\nregion: b", "line 2: region is there twice")]
    [InlineData("redis: localhost:6379", "redis has settings of its own below it")]
    [InlineData("redis: [a]", "redis has settings of its own below it, such as redis.host")]
    [InlineData("region: {a: b}", "region is one value")]
    [InlineData("redis: &r\n  host: a\nregion: *r", "tags and anchors are not read")]
    [InlineData("region: &r eu\nhostname: *r", "tags and anchors are not read")]
    [InlineData("hostname: *r", "line 1")]
    [InlineData("region: !!python/object:os.system eu", "tags and anchors are not read")]
    [InlineData("<<: {a: b}", "unknown key <<")]
    [InlineData("region: eu\n---\nregion: us", "more than one document")]
    [InlineData("region: \"eu\nredis:\n", "this is no YAML")]
    [InlineData("region:\teu\n\tredis: x", "line 2 begins with a tab")]
    [InlineData("redis:\n  host: a\n \tport: 1", "line 3 begins with a tab")]
    [InlineData("hostname: a b", "hostname: 'a b' is no name or address")]
    [InlineData("redis:\n  port: 70000", "redis.port: '70000' is no port, 1 to 65535")]
    [InlineData("redis:\n  port: 0x50", "redis.port: '0x50' is no port")]
    [InlineData("redis:\n  host: a/b", "redis.host: 'a/b' is no name or address")]
    [InlineData("redis:\n  password: \"hunter2\\n\"", "redis.password: 1 to 512 characters")]
    [InlineData("redis:\n  password: \"hunter2\\q\"", "this is no YAML")]
    [InlineData("redis:\n  password: hunter2: x", "this is no YAML")]
    public void What_is_wrong_is_said_with_its_place_and_never_with_a_password(string text, string expected)
    {
        var error = Assert.Throws<PcException>(() => Load(text));
        Assert.Equal(ErrorCode.SessionSettingsInvalid, error.Code);
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
        Assert.StartsWith($"{FileName}: ", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("hunter2", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_large_or_no_text_is_not_parsed()
    {
        Assert.Contains("more than 16384 bytes", Assert.Throws<PcException>(() => Load("# " + new string('x', 20_000))).Message, StringComparison.Ordinal);
        File.WriteAllBytes(FileName, [0x72, 0x3a, 0x20, 0xff, 0xfe]);
        Assert.Contains("no text in UTF-8", Assert.Throws<PcException>(() => PyCloudSettings.Load(FileName)).Message, StringComparison.Ordinal);
        // As deep as such a file can be.
        var error = Assert.Throws<PcException>(() => Load("region: " + new string('[', 16_000)));
        Assert.InRange(error.Message.Length, 1, 400 + FileName.Length);
    }

    [Fact]
    public void A_file_that_is_not_there_is_an_error_that_says_what_to_write()
    {
        var error = Assert.Throws<PcException>(() => PyCloudSettings.Find(null, _folder));
        Assert.Equal((ErrorCode.SessionSettingsMissing, true, true), (error.Code, error.Message.Contains(FileName, StringComparison.Ordinal), error.Message.Contains("/etc/year4000/pycloud/settings.yml", StringComparison.Ordinal)));
        Assert.Contains("redis:", error.Hint, StringComparison.Ordinal);
        Assert.Contains("/nowhere/x.yml", Assert.Throws<PcException>(() => PyCloudSettings.Find("/nowhere/x.yml", _folder)).Message, StringComparison.Ordinal);
        File.WriteAllText(FileName, "");
        Assert.Equal(FileName, PyCloudSettings.Find(null, _folder));
        Assert.Equal(FileName, PyCloudSettings.Find("settings.yml", _folder));
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private string FileName => Path.Combine(_folder, "settings.yml");

    private PyCloudSettings Load(string text)
    {
        File.WriteAllText(FileName, text, new UTF8Encoding(false));
        File.SetUnixFileMode(FileName, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
        return PyCloudSettings.Load(FileName);
    }
}
