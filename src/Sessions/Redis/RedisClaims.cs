using System.Globalization;
using System.Text;
using PeoplesCloud.Sessions.Channels;

namespace PeoplesCloud.Sessions.Redis;

/// <summary>Claims by keys of a Redis: <c>SET NX PX</c>; what depends on the value runs as a script there, so that nothing comes between. Thread-safe.</summary>
/// <param name="client">Sends the commands.</param>
/// <param name="channels">What hears beside it; null where nothing does.</param>
public sealed class RedisClaims(RedisClient client, RedisChannels? channels = null) : IAnswerKeys
{
    private const string Renew = "if redis.call('get',KEYS[1])==ARGV[1] then return redis.call('pexpire',KEYS[1],ARGV[2]) else return 0 end";
    private const string Replace = "if redis.call('get',KEYS[1])==ARGV[1] then redis.call('set',KEYS[1],ARGV[2],'px',ARGV[3]) return 1 else return 0 end";
    private const string Release = "if redis.call('get',KEYS[1])==ARGV[1] then return redis.call('del',KEYS[1]) else return 0 end";

    // Nil is a false of Lua: done.
    private const string PublishOnce = "local v=redis.call('get',KEYS[1]) if v==false or v==ARGV[1] then redis.call('set',KEYS[1],ARGV[2],'px',ARGV[3]) redis.call('publish',ARGV[4],ARGV[5]) return false end return v";

    /// <inheritdoc/>
    public event Action? InDoubt
    {
        add
        {
            client.ConnectedAgain += value;
            if (channels is not null) channels.ConnectedAgain += value;
        }

        remove
        {
            client.ConnectedAgain -= value;
            if (channels is not null) channels.ConnectedAgain -= value;
        }
    }

    /// <inheritdoc/>
    public bool IsReachable => client.IsConnected;

    /// <inheritdoc/>
    public async ValueTask<bool> ClaimAsync(string key, string value, TimeSpan life, CancellationToken cancellationToken) =>
        (await client.RunNowAsync(cancellationToken, "SET", key, value, "NX", "PX", Milliseconds(life))).Kind == RespKind.Text;

    /// <inheritdoc/>
    public async ValueTask<string?> GetAsync(string key, CancellationToken cancellationToken) =>
        await client.RunAsync(cancellationToken, "GET", key) is { Kind: RespKind.Bytes } value ? value.Text : null;

    /// <inheritdoc/>
    public async ValueTask<bool> RenewAsync(string key, string value, TimeSpan life, CancellationToken cancellationToken) =>
        (await client.RunAsync(cancellationToken, "EVAL", Renew, "1", key, value, Milliseconds(life))).Number == 1;

    /// <inheritdoc/>
    public async ValueTask<bool> ReplaceAsync(string key, string value, string next, TimeSpan life, CancellationToken cancellationToken) =>
        (await client.RunAsync(cancellationToken, "EVAL", Replace, "1", key, value, next, Milliseconds(life))).Number == 1;

    /// <inheritdoc/>
    public async ValueTask<bool> ReleaseAsync(string key, string value, CancellationToken cancellationToken) =>
        (await client.RunAsync(cancellationToken, "EVAL", Release, "1", key, value)).Number == 1;

    /// <inheritdoc/>
    public async ValueTask<string?> PublishOnceAsync(string key, string claim, string next, TimeSpan life, string channel, ReadOnlyMemory<byte> payload, CancellationToken cancellationToken)
    {
        string[] texts = ["EVAL", PublishOnce, "1", key, claim, next, Milliseconds(life), channel];
        return await client.RunNowAsync([.. texts.Select(text => new ReadOnlyMemory<byte>(Encoding.UTF8.GetBytes(text))), payload], cancellationToken) is { Kind: RespKind.Bytes } value ? value.Text : null;
    }

    private static string Milliseconds(TimeSpan life) => Math.Max(1, (long)life.TotalMilliseconds).ToString(CultureInfo.InvariantCulture);
}
