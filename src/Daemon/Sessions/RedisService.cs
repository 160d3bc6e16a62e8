using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.Logging;
using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Configuration;
using PeoplesCloud.Sessions.Redis;

namespace PeoplesCloud.Daemon.Sessions;

/// <summary>A real Redis or Valkey that carries the messages of sessions, and on which nodes agree who answers.</summary>
internal sealed class RedisService : IAsyncDisposable
{
    /// <summary>Begins to connect; a Redis that is away is tried until it is there.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.ConfigInvalid"/>: the file of authorities cannot be read.</exception>
    public RedisService(SessionsConfig config, TimeProvider time, ILogger logger)
    {
        var random = new Random(RandomNumberGenerator.GetInt32(int.MaxValue));
        var options = new RedisOptions
        {
            Address = config.Redis!,
            Authorities = config.RedisCaFile is { } file ? Authorities(file) : null,
            Time = time,
            Logger = logger,
            Random = () =>
            {
                lock (random) return random.NextDouble();
            },
        };
        Client = new RedisClient(options);
        Channels = new RedisChannels(options, Client);
        Claims = new RedisClaims(Client, Channels);
    }

    /// <summary>Commands.</summary>
    public RedisClient Client { get; }

    /// <summary>Messages.</summary>
    public RedisChannels Channels { get; }

    /// <summary>Who answers.</summary>
    public RedisClaims Claims { get; }

    /// <summary>Whether messages are carried now.</summary>
    public bool IsConnected => Client.IsConnected && Channels.IsConnected;

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await Channels.DisposeAsync();
        await Client.DisposeAsync();
    }

    private static X509Certificate2Collection Authorities(string file)
    {
        try
        {
            var authorities = new X509Certificate2Collection();
            authorities.ImportFromPemFile(file);
            if (authorities.Count > 0) return authorities;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException)
        {
            throw new PcException(ErrorCode.ConfigInvalid, $"sessions.redis-ca-file = '{file}' cannot be read: {e.Message}", "name a file of certificates in PEM", e);
        }
        throw new PcException(ErrorCode.ConfigInvalid, $"sessions.redis-ca-file = '{file}' has no certificate", "name a file of certificates in PEM");
    }
}
