using System.Diagnostics;
using Microsoft.Extensions.Logging;
using PeoplesCloud.Base;
using PeoplesCloud.Runtimes.Sandbox;

namespace PeoplesCloud.Runtimes.Tests.Sandbox;

/// <summary>As root a network is served from its first packet on, and again when what serves it has ended.</summary>
[Collection(nameof(FarNetwork))]
public sealed class WakingNetworkTests(FarNetwork far) : SandboxTestBase
{
    // At each TERM one datagram goes out, once: nobody says it again when it is lost. Before it, those that must not go out.
    private const string Program = """
        import signal, socket, sys
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        port = int(sys.argv[1])
        u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.settimeout(60)
        print('ready', flush=True)
        for turn in range(9):
          signal.sigwait([signal.SIGTERM])
          for target in sys.argv[2:]: u.sendto(f'refused-{turn}'.encode(), (target, port))
          u.sendto(f'waking-{turn}'.encode(), ('203.0.113.77', port))
          print(u.recv(100).decode(), turn, flush=True)
        """;

    [Fact]
    public async Task A_network_is_served_from_its_first_packet_on_which_is_not_lost_and_again_when_its_server_was_killed()
    {
        Assert.SkipUnless(Host.IsRoot, "an ordinary user's networks are served from the start");
        far.Need();
        var host = Runtime.Host();
        // The first network of a daemon shows that there can be any.
        await using (var first = await SandboxSlot.PrepareAsync(host, NetworkMode.Internet, Token)) Assert.NotNull(first.SlirpId);
        int last;
        await using (var slot = await SandboxSlot.PrepareAsync(host, NetworkMode.Internet, Token))
        {
            var output = await StartAsync(slot);
            Assert.Null(slot.SlirpId);

            slot.Shell.Terminate();
            await output.WaitForAsync("hello 0");
            var slirp = slot.SlirpId!.Value;
            // What it takes is the program's, but no process of it.
            if (host.Cgroups is not null) Assert.Contains($"{host.Owner}/{slot.Number}\n", await File.ReadAllTextAsync($"/proc/{slirp}/cgroup", Token), StringComparison.Ordinal);
            Assert.Equal(1, slot.Usage().Pids);

            Assert.Equal(0, LibC.kill(slirp, LibC.Kill));
            await Eventually.TrueAsync(() => slot.SlirpId is null, "slirp4netns is gone");
            Assert.Equal(1, slot.Usage().Pids);
            slot.Shell.Terminate();
            await output.WaitForAsync("hello 1");
            Assert.NotEqual(slirp, slot.SlirpId);

            // Several datagrams of 9 bytes, with their headers, and what was kept not twice.
            Assert.InRange(slot.Usage().NetworkBytes, 4 * 40, 2000);
            last = slot.SlirpId!.Value;
        }
        await Processes.WaitForEndAsync(last, Token);
    }

    [Fact]
    public async Task What_was_kept_before_meets_the_same_rules()
    {
        Assert.SkipUnless(Host.IsRoot, "an ordinary user's networks are served from the start");
        far.Need();
        var host = Runtime.Host();
        await (await SandboxSlot.PrepareAsync(host, NetworkMode.Internet, Token)).DisposeAsync();
        await using var slot = await SandboxSlot.PrepareAsync(host, NetworkMode.Internet, Token);
        string[] refused = [FarNetwork.Lan10, FarNetwork.Metadata, FarNetwork.HostEnd];
        var output = await StartAsync(slot, refused);
        // The program's own refusals are taken away, so that these reach the router and are kept.
        foreach (var target in refused) Host.Run("nsenter", "--net", "--target", $"{slot.Shell.InitPid}", "ip", "route", "replace", target, "via", "10.0.2.1", "dev", "eth0", "onlink");

        slot.Shell.Terminate();
        await output.WaitForAsync("hello 0");
        slot.Shell.Terminate();
        await output.WaitForAsync("hello 1");

        Assert.Contains("waking-1", far.Datagrams(), StringComparison.Ordinal);
        Assert.DoesNotContain("refused", far.Datagrams(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_network_that_could_not_be_served_tries_again_and_the_next_one_says_why()
    {
        Assert.SkipUnless(Host.IsRoot, "an ordinary user's networks are served from the start");
        far.Need();
        var (broken, fake) = (Path.Combine(Folder, "broken"), Path.Combine(Folder, "slirp4netns"));
        var real = Runtime.Host().Tools.Network.Slirp!.Path;
        await File.WriteAllTextAsync(fake, $"#!/bin/sh\n[ ! -e {broken} ] || {{ echo cannot serve the tap >&2; exit 1; }}\nexec {real} \"$@\"\n", Token);
        File.SetUnixFileMode(fake, (UnixFileMode)0b111_101_101);
        var log = new Log();
        var host = Runtime.Host() with { Logger = log };
        host = host with { Tools = host.Tools with { Network = host.Tools.Network with { Slirp = new Tool(fake, null) } } };
        await (await SandboxSlot.PrepareAsync(host, NetworkMode.Internet, Token)).DisposeAsync();
        await using var slot = await SandboxSlot.PrepareAsync(host, NetworkMode.Internet, Token);
        var output = await StartAsync(slot);

        await File.WriteAllTextAsync(broken, "", Token);
        slot.Shell.Terminate();
        var failed = await log.Failed.Task.WaitAsync(Patience, Token);
        Assert.Contains("cannot serve the tap", failed.Message, StringComparison.Ordinal);
        await Eventually.TrueAsync(() => !host.ServesNetworks, "the host knows that it serves no networks");
        var error = await Assert.ThrowsAsync<PcException>(() => SandboxSlot.PrepareAsync(host, NetworkMode.Internet, Token));
        Assert.Equal(ErrorCode.SandboxNetworkFailed, error.Code);

        File.Delete(broken);
        await output.WaitForAsync("hello 0");
    }

    private async Task<Recorder> StartAsync(SandboxSlot slot, params string[] refused)
    {
        var output = new Recorder();
        await slot.StartAsync(Spec(["python3", "-c", Program, $"{far.Port}", .. refused]) with { Network = NetworkMode.Internet }, output.Receive, Token);
        await output.WaitForAsync("ready");
        return output;
    }

    /// <summary>Hears that a network could not be served.</summary>
    private sealed class Log : ILogger
    {
        public TaskCompletionSource<Exception> Failed { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        void ILogger.Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (eventId.Id == 5008) Failed.TrySetResult(exception!);
        }
    }
}
