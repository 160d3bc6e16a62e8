using System.Diagnostics;
using Microsoft.Extensions.Logging.Abstractions;
using PeoplesCloud.Programs.Deploying;
using PeoplesCloud.Programs.Hosting;
using PeoplesCloud.Programs.Logs;
using PeoplesCloud.Programs.Placing;
using PeoplesCloud.Programs.Tests.Support;
using PeoplesCloud.Runtimes;
using PeoplesCloud.Runtimes.Sandbox;

namespace PeoplesCloud.Programs.Tests.Deploying;

/// <summary>The whole way with everything real but the wire: block stores on disk, bubblewrap, Python.</summary>
public sealed class HelloBotTests : IAsyncDisposable
{
    private static readonly string Samples = Path.GetFullPath(Path.Combine(Vector.Folder, "..", "..", "..", "..", "samples"));

    private readonly TestSwarm _swarm = new() { OnDisk = true };
    private readonly TestNode _oak;
    private readonly TestNode _elm;

    public HelloBotTests()
    {
        // As root each sandbox has a user of its own, which must be able to pass through the folder.
        File.SetUnixFileMode(_swarm.Folder.Path, (UnixFileMode)0x1C9);
        var sandbox = new SandboxRuntime(new SandboxOptions { Folder = _swarm.Folder["sandboxes"] }, TimeProvider.System, NullLogger.Instance);
        _swarm.Runtime = sandbox;
        _oak = _swarm.Add("oak", sandbox, new ProgramHostOptions { Folder = "", Hosts = false });
        _elm = _swarm.Add("elm", sandbox);
    }

    [Fact]
    public async Task Hello_bot_runs_on_another_node_and_its_log_comes_back()
    {
        var started = Stopwatch.GetTimestamp();
        var result = await DeployAsync(Path.Combine(Samples, "hello-bot"));
        Assert.Equal((_elm.Self, Verdict.Chosen), (result.Host, result.Candidates.Single(candidate => candidate.Peer == _elm.Self).Verdict));
        var texts = new List<string>();
        await foreach (var line in LogsAsync(result))
        {
            if (line.Source == LogSource.Out && texts.Count == 0) TestContext.Current.SendDiagnosticMessage($"first line after {Stopwatch.GetElapsedTime(started).TotalMilliseconds:0} ms");
            texts.Add($"{line.Source} {line.Text}");
            if (texts.Count == 4) break;
        }
        Assert.Equal("Pc starting", texts[0]);
        Assert.All(Enumerable.Range(1, 3), i => Assert.StartsWith($"Out hello number {i} from ", texts[i], StringComparison.Ordinal));

        await _oak.StopAsync(result.Program);
        Assert.Empty(_elm.Host.Programs);
    }

    [Fact]
    public async Task A_bot_that_crashes_is_started_again_and_one_that_ends_is_done()
    {
        _swarm.Folder.With("crash/bot.py", "import sys\nprint('about to fail')\nprint('half a line', end='')\nraise SystemExit(7)\n");
        _swarm.Folder.With("once/bot.py", "print('done')\n");
        var crash = await DeployAsync(_swarm.Folder["crash"], NetworkMode.None);
        var once = await DeployAsync(_swarm.Folder["once"], NetworkMode.None);

        var seen = new List<string>();
        await foreach (var line in LogsAsync(crash))
        {
            seen.Add(line.Text);
            if (line.Text.StartsWith("starting again", StringComparison.Ordinal)) break;
        }
        Assert.Equal(["starting", "about to fail", "half a line"], seen.Take(3));
        Assert.StartsWith("crashed with exit code 7; starts again in ", seen[3], StringComparison.Ordinal);

        var lines = new List<string>();
        await foreach (var line in LogsAsync(once)) lines.Add(line.Text);
        Assert.Equal(["starting", "done", "finished by itself with exit code 0"], lines);
    }

    public async ValueTask DisposeAsync() => await _swarm.DisposeAsync();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private Task<DeployResult> DeployAsync(string folder, NetworkMode network = NetworkMode.Internet) =>
        _oak.Deployer.DeployAsync(_oak, new DeployOrder(folder) { Network = network }, null, Token).WaitAsync(Patience.Limit, Token);

    private async IAsyncEnumerable<LogLine> LogsAsync(DeployResult result)
    {
        using var limit = new CancellationTokenSource(Patience.Limit);
        await foreach (var line in _oak.LogsAsync(result.Host, result.Program.Swarm, result.Program.Id, -1, follow: true, limit.Token)) yield return line;
    }
}
