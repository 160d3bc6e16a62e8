namespace PeoplesCloud.Libp2p.Tests.Hosts;

/// <summary>Tests that measure the whole process, so that nothing else may run beside them.</summary>
[CollectionDefinition(nameof(Alone), DisableParallelization = true)]
public sealed class Alone;

[Collection(nameof(Alone))]
public sealed class RefusalTests
{
    [Fact]
    public async Task A_thousand_connections_over_the_limit_are_refused_and_cost_no_memory()
    {
        // Goal: refusing is free. Method: fill the table with one real connection, then compare memory after 200 and after 1,200 refusals.
        await using var oak = await TestHost.StartAsync(Libp2pLimits.Default with { MaxConnections = 1 });
        await using var elm = (await TestHost.StartAsync(listen: false)).Knows(oak);
        await using var fir = (await TestHost.StartAsync(Libp2pLimits.Default with { DialBackoff = TimeSpan.FromMilliseconds(1) }, listen: false)).Knows(oak);
        _ = await elm.Host.ConnectAsync(oak.Self);
        await Eventually.TrueAsync(() => oak.Host.Connections.Count == 1, "elm is in");
        await KnockAsync(200);
        var before = GC.GetTotalMemory(forceFullCollection: true);
        await KnockAsync(1000);
        var growth = GC.GetTotalMemory(forceFullCollection: true) - before;
        Assert.True(oak.Host.RefusedCount >= 1200, $"{oak.Host.RefusedCount} were refused");
        Assert.True(growth < 1024 * 1024, $"memory grew by {growth} bytes");

        // The one inside is unaffected, the next one is refused while it stays, and let in when it leaves.
        Assert.True(await elm.Host.PingAsync(oak.Self) > TimeSpan.Zero);
        await Assert.ThrowsAsync<Libp2pException>(async () => await fir.Host.ConnectAsync(oak.Self));
        elm.Host.Disconnect(oak.Self);
        await Eventually.TrueAsync(() => oak.Host.Connections.Count == 0, "elm left");
        await Eventually.TrueAsync(() => fir.Host.ConnectAsync(oak.Self).AsTask().ContinueWith(t => t.IsCompletedSuccessfully, TaskScheduler.Default).Result, "fir is in");

        async Task KnockAsync(int times)
        {
            for (var i = 0; i < times; i++)
            {
                using var socket = await AttackTests.ConnectAsync(oak);
                await AttackTests.EndsAsync(socket);
            }
        }
    }
}
