using PeoplesCloud.Sessions.Redis;

namespace PeoplesCloud.Sessions.Tests.Redis;

public sealed class RedisAddressTests
{
    [Theory]
    [InlineData("redis://localhost", "redis://localhost:6379")]
    [InlineData("redis://127.0.0.1:6380/3", "redis://127.0.0.1:6380/3")]
    [InlineData("rediss://:pass@games.example", "rediss://games.example:6379")]
    [InlineData("redis://user:pa%20ss@[::1]:6381", "redis://[::1]:6381")]
    public void An_address_is_shown_without_its_password(string text, string shown)
    {
        Assert.True(RedisAddress.TryParse(text, out var address));
        Assert.Equal(shown, address.ToString());
    }

    [Theory]
    [InlineData("")]
    [InlineData("localhost:6379")]
    [InlineData("http://localhost")]
    [InlineData("redis://")]
    [InlineData("rediss://.")] // a dot alone is no name
    [InlineData("redis://localhost/zero")]
    [InlineData("redis://secret@localhost")] // meant as a password, and it would be shown as a user
    [InlineData("redis://localhost?password=secret")]
    public void What_is_no_address_is_refused(string text) => Assert.False(RedisAddress.TryParse(text, out _));
}
