using System.Globalization;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Microsoft.Extensions.Logging;
using PeoplesCloud.Base;
using PeoplesCloud.Sessions.Channels;
using PeoplesCloud.Sessions.Redis;
using PeoplesCloud.Sessions.Tests.Support;

namespace PeoplesCloud.Sessions.Tests.Redis;

/// <summary>Our client with Debian's redis-server: killed, frozen, started again, full, with TLS and with passwords.</summary>
public sealed class RealRedisTests
{
    private static readonly RedisLimits Quick = RedisLimits.Default with { PingInterval = TimeSpan.FromMilliseconds(300), AnswerTimeout = TimeSpan.FromMilliseconds(700), LongestPause = TimeSpan.FromMilliseconds(200), Patience = TimeSpan.FromSeconds(30) };

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Messages_come_and_go_also_after_the_server_was_killed_and_started_again()
    {
        await using var redis = await RedisServer.StartAsync();
        await using var one = new Peer(redis);
        await using var other = new Peer(redis);
        var heard = new Heard(one.Channels, "news");
        var matched = new Heard(one.Channels, "n?ws*");
        await one.Channels.WaitUntilSubscribedAsync(Stop);
        Assert.Equal(2, await other.Channels.PublishAsync("news", "one"u8.ToArray(), Stop));
        await heard.UntilAsync("one");
        await matched.UntilAsync("one");
        await redis.KillAsync();
        await TestVillage.UntilAsync(() => !one.Channels.IsConnected && !other.Client.IsConnected);
        await redis.RunAsync();
        await one.WaitUntilHeardAsync(other, "news", "two");
        await heard.UntilAsync("two");
        Assert.Equal("one", heard.All[0]);
        await matched.UntilAsync("two");
    }

    [Fact]
    public async Task A_server_that_hangs_is_left_and_used_again_when_it_goes_on()
    {
        await using var redis = await RedisServer.StartAsync();
        await using var peer = new Peer(redis, Quick with { Patience = TimeSpan.FromMilliseconds(200) });
        var heard = new Heard(peer.Channels, "news");
        await peer.Channels.WaitUntilSubscribedAsync(Stop);
        redis.Freeze();
        try
        {
            var error = await Assert.ThrowsAsync<PcException>(async () => await peer.Channels.PublishAsync("news", default, Stop));
            Assert.Equal(ErrorCode.RedisAway, error.Code);
            await TestVillage.UntilAsync(() => !peer.Channels.IsConnected && !peer.Client.IsConnected);
        }
        finally
        {
            redis.Thaw();
        }
        await peer.WaitUntilHeardAsync(peer, "news", "again");
        await heard.UntilAsync("again");
    }

    [Fact]
    public async Task Who_is_cut_off_for_being_slow_hears_again()
    {
        await using var redis = await RedisServer.StartAsync("--client-output-buffer-limit", "pubsub 256kb 128kb 1");
        await using var slow = new Peer(redis, RedisLimits.Default);
        await using var publisher = new Peer(redis, RedisLimits.Default);
        using var goOn = new ManualResetEventSlim();
        var heard = 0;
        using var subscription = slow.Channels.Subscribe("news", message =>
        {
            goOn.Wait(RedisServer.Patience, CancellationToken.None); // what nobody should do
            Interlocked.Increment(ref heard);
        });
        await slow.Channels.WaitUntilSubscribedAsync(Stop);
        var payload = new byte[60_000];
        var sent = 0;
        for (; await publisher.Channels.PublishAsync("news", payload, Stop) > 0; sent++) Assert.True(sent < 10_000, "it was never cut off");
        goOn.Set();
        await slow.WaitUntilHeardAsync(publisher, "news", "again");
        Assert.True(heard < sent, "nothing was lost: it was not cut off");
    }

    [Fact]
    public async Task A_wrong_password_is_said_without_it_and_the_right_one_works()
    {
        await using var redis = await RedisServer.StartAsync("--requirepass", "correct horse");
        var log = new LogLines();
        foreach (var (password, why) in new[] { ("hunter2", "WRONGPASS"), ("", "NOAUTH") })
        {
            await using var wrong = new Peer(redis, Quick with { Patience = TimeSpan.FromMilliseconds(500) }, password, logger: log);
            await TestVillage.UntilAsync(() => wrong.Client.Problem.Contains(why, StringComparison.Ordinal));
            var error = await Assert.ThrowsAsync<PcException>(() => wrong.Client.PingAsync(Stop));
            Assert.Equal(ErrorCode.RedisAway, error.Code);
            Assert.Contains(why, error.Message, StringComparison.Ordinal);
            Assert.DoesNotContain("hunter2", error.ToString(), StringComparison.Ordinal);
        }
        Assert.DoesNotContain("hunter2", log.Text, StringComparison.Ordinal);
        Assert.Contains("WRONGPASS", log.Text, StringComparison.Ordinal);
        await using var right = new Peer(redis, password: "correct horse");
        await right.Client.PingAsync(Stop);
    }

    [Fact]
    public async Task What_the_server_refuses_is_an_error_with_its_words()
    {
        await using var redis = await RedisServer.StartAsync("--user", "default", "on", "nopass", "~*", "&*", "+@all", "-eval");
        await using var peer = new Peer(redis);
        var error = await Assert.ThrowsAsync<PcException>(async () => await new RedisClaims(peer.Client).RenewAsync("key", "value", TimeSpan.FromSeconds(1), Stop));
        Assert.Equal(ErrorCode.RedisRefused, error.Code);
        Assert.Contains("EVAL: NOPERM", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_claim_is_had_by_one_and_renewed_replaced_and_released_by_nobody_else()
    {
        await using var redis = await RedisServer.StartAsync();
        await using var peer = new Peer(redis);
        var claims = new RedisClaims(peer.Client);
        await peer.Client.PingAsync(Stop); // a claim does not wait for a connection
        var hour = TimeSpan.FromHours(1);
        var won = await Task.WhenAll(Enumerable.Range(0, 20).Select(i => claims.ClaimAsync("key", $"{i}", hour, Stop).AsTask()));
        Assert.Single(won, one => one);
        var winner = Array.IndexOf(won, true).ToString(CultureInfo.InvariantCulture);
        Assert.Equal(winner, await claims.GetAsync("key", Stop));
        Assert.False(await claims.RenewAsync("key", "another", hour, Stop));
        Assert.False(await claims.ReplaceAsync("key", "another", "x", hour, Stop));
        Assert.False(await claims.ReleaseAsync("key", "another", Stop));
        Assert.True(await claims.RenewAsync("key", winner, hour * 2, Stop));
        Assert.InRange((await peer.Client.RunAsync(Stop, "PTTL", "key")).Number, 3_600_001, 7_200_000);
        Assert.True(await claims.ReplaceAsync("key", winner, "the answer", hour, Stop));
        Assert.Equal("the answer", await claims.GetAsync("key", Stop));
        Assert.True(await claims.ReleaseAsync("key", "the answer", Stop));
        Assert.Null(await claims.GetAsync("key", Stop));
        Assert.True(await claims.ClaimAsync("short", "x", TimeSpan.FromMilliseconds(1), Stop));
        while (await claims.GetAsync("short", Stop) is not null) await Task.Yield();
        Assert.False(await claims.RenewAsync("short", "x", hour, Stop));
    }

    [Fact]
    public async Task An_answer_is_published_once_with_the_key_that_says_so()
    {
        await using var redis = await RedisServer.StartAsync();
        await using var peer = new Peer(redis);
        var claims = new RedisClaims(peer.Client);
        var heard = new Heard(peer.Channels, "create.1");
        await peer.Channels.WaitUntilSubscribedAsync(Stop);
        var hour = TimeSpan.FromHours(1);
        Assert.True(await claims.ClaimAsync("key", "mine", hour, Stop));
        Assert.Equal("mine", await claims.PublishOnceAsync("key", "another's", "answer", hour, "create.1", "wrong"u8.ToArray(), Stop));
        Assert.Null(await claims.PublishOnceAsync("key", "mine", "answer", hour, "create.1", "first"u8.ToArray(), Stop));
        Assert.Equal("answer", await claims.PublishOnceAsync("key", "mine", "answer", hour, "create.1", "second"u8.ToArray(), Stop));
        Assert.Null(await claims.PublishOnceAsync("free", "nobody's", "answer", hour, "create.1", "last"u8.ToArray(), Stop));
        await heard.UntilAsync("last");
        Assert.Equal(["first", "last"], heard.All);
        Assert.Equal("answer", await claims.GetAsync("key", Stop));
    }

    [Fact]
    public async Task With_TLS_the_certificate_must_be_of_whom_we_trust()
    {
        var folder = Directory.CreateTempSubdirectory("pc-redis-tls-").FullName;
        try
        {
            using var certificate = SelfSigned();
            await File.WriteAllTextAsync(Path.Combine(folder, "cert.pem"), certificate.ExportCertificatePem(), Stop);
            await File.WriteAllTextAsync(Path.Combine(folder, "key.pem"), certificate.GetECDsaPrivateKey()!.ExportPkcs8PrivateKeyPem(), Stop);
            var tls = RedisServer.FreePort();
            await using var redis = await RedisServer.StartAsync("--tls-port", $"{tls}", "--tls-cert-file", Path.Combine(folder, "cert.pem"), "--tls-key-file", Path.Combine(folder, "key.pem"), "--tls-auth-clients", "no");
            var authorities = new X509Certificate2Collection();
            authorities.ImportFromPemFile(Path.Combine(folder, "cert.pem"));
            await using (var trusting = new Peer(redis, port: tls, authorities: authorities)) await trusting.Client.PingAsync(Stop);
            await using var wary = new Peer(redis, Quick with { Patience = TimeSpan.FromMilliseconds(500) }, port: tls);
            await TestVillage.UntilAsync(() => wary.Client.Problem.Contains("certificate", StringComparison.Ordinal));
            await Assert.ThrowsAsync<PcException>(() => wary.Client.PingAsync(Stop));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static X509Certificate2 SelfSigned()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(System.Net.IPAddress.Loopback);
        names.AddDnsName("localhost");
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, hasPathLengthConstraint: false, 0, critical: true));
        return request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(2));
    }

    private sealed class Peer : IAsyncDisposable
    {
        public Peer(RedisServer redis, RedisLimits? limits = null, string? password = null, int? port = null, X509Certificate2Collection? authorities = null, ILogger? logger = null)
        {
            Assert.True(RedisAddress.TryParse($"{(port is null ? "redis" : "rediss")}://{(string.IsNullOrEmpty(password) ? "" : $":{Uri.EscapeDataString(password)}@")}127.0.0.1:{port ?? redis.Port}", out var address));
            var options = new RedisOptions { Address = address, Authorities = authorities, Limits = limits ?? Quick, Time = TimeProvider.System, Random = () => 0.5, Logger = logger ?? Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance };
            Client = new RedisClient(options);
            Channels = new RedisChannels(options, Client);
        }

        public RedisClient Client { get; }

        public RedisChannels Channels { get; }

        /// <summary>Publishes until it is heard here: until then this may not be subscribed again.</summary>
        public async Task WaitUntilHeardAsync(Peer publisher, string channel, string text)
        {
            var heard = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            using var subscription = Channels.Subscribe(channel, message =>
            {
                if (Encoding.UTF8.GetString(message.Payload.Span) == text) heard.TrySetResult();
            });
            var clock = System.Diagnostics.Stopwatch.StartNew();
            while (!heard.Task.IsCompleted)
            {
                Assert.True(clock.Elapsed < RedisServer.Patience, "it never heard again");
                try
                {
                    await publisher.Channels.PublishAsync(channel, Encoding.UTF8.GetBytes(text), Stop);
                }
                catch (PcException)
                {
                    // Not there yet.
                }
                await Task.WhenAny(heard.Task, Task.Delay(20));
            }
        }

        public async ValueTask DisposeAsync()
        {
            await Channels.DisposeAsync();
            await Client.DisposeAsync();
        }
    }

    private sealed class Heard
    {
        private readonly List<string> _all = [];

        public Heard(RedisChannels channels, string name) => channels.Subscribe(name, message =>
        {
            lock (_all) _all.Add(Encoding.UTF8.GetString(message.Payload.Span));
        });

        public List<string> All
        {
            get
            {
                lock (_all) return [.. _all];
            }
        }

        public Task UntilAsync(string text) => TestVillage.UntilAsync(() => All.Contains(text));
    }

    private sealed class LogLines : ILogger
    {
        private readonly StringBuilder _text = new();

        public string Text
        {
            get
            {
                lock (_text) return _text.ToString();
            }
        }

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            lock (_text) _text.AppendLine(formatter(state, exception) + exception);
        }
    }
}
