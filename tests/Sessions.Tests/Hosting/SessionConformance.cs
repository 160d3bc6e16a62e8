using System.Globalization;
using System.Net;
using System.Net.Sockets;
using PeoplesCloud.Base;
using PeoplesCloud.Sessions.Engine;
using PeoplesCloud.Sessions.Messages;

namespace PeoplesCloud.Sessions.Tests.Hosting;

/// <summary>What every kind of session does.</summary>
public abstract class SessionConformance
{
    private static readonly string Mark = $"9{Environment.ProcessId.ToString("000000", CultureInfo.InvariantCulture)}";

    private protected abstract Task<SessionBed> OpenAsync();

    // Of the processes of two kinds at a time none is taken for another.
    private protected abstract string Kind { get; }

    [Fact]
    public async Task A_session_is_reached_by_tcp_and_udp_on_one_port()
    {
        await using var bed = await OpenAsync();
        var port = await bed.StartAsync("aa", bed.Echo());
        Assert.Equal("tcp hello", await SessionBed.TcpAsync(port, "hello"));
        Assert.Equal("udp hello", await SessionBed.UdpAsync(port, "hello"));
        Assert.StartsWith("ready ", bed.LogOf("aa"), StringComparison.Ordinal);
        var view = Assert.Single(bed.Host.Sessions);
        Assert.Equal((SessionState.Running, port), (view.State, view.Port));
    }

    [Fact]
    public async Task One_that_ends_at_once_was_started_and_says_how_it_ended()
    {
        await using var bed = await OpenAsync();
        var port = await bed.StartAsync("aa", bed.Shell("echo out; echo err >&2; exit 7"));
        Assert.Equal(7, (await bed.NextAsync<SessionInput.Exited>()).ExitCode);
        Assert.Equal((SessionState.Exited, 7), (bed.Host.Sessions[0].State, bed.Host.Sessions[0].ExitCode));
        Assert.Equal(["err", "out"], bed.LogOf("aa").Split('\n', StringSplitOptions.RemoveEmptyEntries).Order());
        using var socket = new TcpClient();
        await Assert.ThrowsAsync<SocketException>(() => socket.ConnectAsync(IPAddress.Loopback, port, SessionBed.Token).AsTask()); // its port is free again
        Assert.Equal(0, await bed.LeftAsync());
        bed.Host.Stop("aa");
        await bed.NextAsync<SessionInput.Stopped>();
        Assert.Empty(bed.Host.Sessions);
    }

    [Fact]
    public async Task Removing_a_session_ends_all_that_it_started_before_it_is_said()
    {
        await using var bed = await OpenAsync();
        await bed.StartAsync("aa", bed.Shell(Scripts.Stubborn(Mark + Kind + "1")));
        await SessionBed.UntilAsync(() => SessionBed.ProcessesWith(Mark + Kind + "1") >= 3);
        bed.Host.Stop("aa");
        Assert.Equal("aa", (await bed.NextAsync<SessionInput.Stopped>()).Session);
        Assert.Equal(0, SessionBed.ProcessesWith(Mark + Kind + "1"));
        Assert.Equal(0, await bed.LeftAsync());
        Assert.Empty(bed.Host.Sessions);
        Assert.DoesNotContain(Directory.EnumerateFileSystemEntries(bed.Sessions), entry => Path.GetFileName(entry) == "aa");
        Assert.Equal(ErrorCode.SessionNotFound, Assert.Throws<PcException>(() => bed.Host.Log("aa")).Code);
    }

    [Fact]
    public async Task A_session_sleeps_when_nobody_is_connected_and_wakes_for_the_first_bytes()
    {
        await using var bed = await OpenAsync();
        var port = await bed.StartAsync("aa", bed.Echo(), idle: TimeSpan.FromSeconds(1));
        for (var round = 0; round < 2; round++)
        {
            Assert.True((await bed.NextAsync<SessionInput.Slept>()).Asleep);
            Assert.Equal(SessionState.Asleep, bed.Host.Sessions[0].State);
            var word = round == 0 ? await SessionBed.TcpAsync(port, "wake") : await SessionBed.UdpAsync(port, "wake");
            Assert.Equal(round == 0 ? "tcp wake" : "udp wake", word);
            Assert.False((await bed.NextAsync<SessionInput.Slept>()).Asleep);
        }
        bed.Host.Stop("aa");
        await bed.NextAsync<SessionInput.Stopped>();
        Assert.Equal(0, await bed.LeftAsync());
    }
}

public sealed class SandboxSessionTests : SessionConformance
{
    private protected override string Kind => "1";

    private protected override Task<SessionBed> OpenAsync() => Task.FromResult<SessionBed>(new SandboxFolder());
}

public sealed class DockerSessionTests(SharedEngine engine) : SessionConformance
{
    private protected override string Kind => "2";

    private protected override async Task<SessionBed> OpenAsync() => new DockerFolder(await engine.StartedAsync());
}
