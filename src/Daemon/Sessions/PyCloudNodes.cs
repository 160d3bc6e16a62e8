using System.Globalization;
using PeoplesCloud.Base;
using PeoplesCloud.Base.Files;
using PeoplesCloud.Daemon.Api;
using PeoplesCloud.Daemon.Configuration;
using PeoplesCloud.Sessions.Engine;

namespace PeoplesCloud.Daemon.Sessions;

/// <summary>
/// Nodes that only run sessions, as <c>pc sessions --settings settings.yml</c> has them: ordinary nodes in homes of their own below pycloud/ in a home, in no
/// swarm and reachable by nobody, so that the policy of their host, sandboxes and what survives a restart are those of every node. All in this process.
/// </summary>
public static class PyCloudNodes
{
    /// <summary>The most nodes of one process: they are for trials, each beyond the first gains nothing.</summary>
    public const int MaxNodes = 16;

    /// <summary>How long a start waits for the Redis before it says that it is not there; it is tried further.</summary>
    private static readonly TimeSpan FirstPatience = TimeSpan.FromSeconds(3);

    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(250);

    /// <summary>The folder of all of it in a home.</summary>
    public static string FolderOf(string home) => Path.Combine(home, "pycloud");

    /// <summary>The home of a node; the first is 1.</summary>
    public static string HomeOf(string home, int node) => Path.Combine(FolderOf(home), node.ToString(CultureInfo.InvariantCulture));

    /// <summary>Runs nodes until it is cancelled, one of them is asked to stop or fails; their sessions have ended when this returns.</summary>
    /// <param name="home">The home in which they live, whose configuration says what this host allows and how sessions are run.</param>
    /// <param name="file">The absolute path of settings.yml.</param>
    /// <param name="nodes">How many, 1 to <see cref="MaxNodes"/>.</param>
    /// <param name="view">Is told what happens, on any thread, one thing after the other.</param>
    /// <param name="time">The clock.</param>
    /// <param name="cancellationToken">Ends it in order.</param>
    /// <returns>0 after an orderly end, 1 when a node failed.</returns>
    /// <exception cref="PcException">What stands in the way; nothing was left running. <see cref="ErrorCode.SessionNodesUp"/>: they run already.</exception>
    public static async Task<int> RunAsync(string home, string file, int nodes, Action<PyCloudEvent> view, TimeProvider time, CancellationToken cancellationToken)
    {
        var settings = PyCloudSettings.Load(file);
        var environment = DaemonConfig.ProcessEnvironment();
        var config = DaemonConfig.Load(null, new Dictionary<string, string?>(StringComparer.Ordinal) { ["home"] = home }, environment);
        var events = new Events(view, time);
        var running = new List<DaemonNode>();
        var isSaid = false;
        try
        {
            // 1. All nodes, or none.
            await StartAsync(running, Enumerable.Range(1, nodes).Select(node => ConfigOf(config, settings, home, node)), time, cancellationToken);
            foreach (var node in running) node.Sessions!.Happened += happened => events.Say(node.Sessions.Cloud, happened);
            // 2. Whether the Redis is there is said either way.
            var connection = running[0].Redis!;
            await UntilAsync(() => connection.IsConnected, FirstPatience, time, cancellationToken);
            var run = PyCloudRun.OfThisProcess(time) with { Settings = file, Nodes = nodes, Redis = settings.Redis.ToString(), Group = config.Sessions.Group, Region = settings.Region };
            run.Write(home);
            isSaid = true;
            if (settings.ShowsPassword) events.Say(new("warning", Why: $"others may read the password in {file}; try: chmod 600 {file}"));
            foreach (var node in running) events.Say(new("up", node.Sessions!.Cloud, Why: node.Sessions.Refusal?.Message));
            // 3. Until the end.
            using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            var watching = WatchAsync(connection, settings.Redis.ToString(), events, time, ended.Token);
            var first = await Task.WhenAny([watching, .. running.Select(node => node.StopRequested), .. running.Select(node => node.Failed)]);
            await ended.CancelAsync();
            await watching;
            var sessions = running.Sum(node => node.Sessions!.Count);
            // In Docker they go on without this process.
            var (one, many) = config.Sessions.Mode == "docker" ? ("1 session goes on in Docker", "sessions go on in Docker") : ("1 session is ended", "sessions are ended");
            events.Say(new("ending", Why: sessions == 1 ? one : string.Create(CultureInfo.InvariantCulture, $"{sessions} {many}")));
            return running.Any(node => first == node.Failed) ? (int)ExitCode.Failed : (int)ExitCode.Done;
        }
        catch (PcException e) when (e.Code == ErrorCode.HomeInUse)
        {
            throw new PcException(ErrorCode.SessionNodesUp, $"nodes of pc sessions are up already in {FolderOf(home)}{(PyCloudRun.Read(home) is { } run ? $" (process {run.Pid})" : "")}", inner: e);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return (int)ExitCode.Done;
        }
        finally
        {
            await Task.WhenAll(running.Select(node => node.DisposeAsync().AsTask()));
            // Where others are up the file is theirs.
            if (isSaid)
            {
                PyCloudRun.Remove(home);
                events.Say(new("ended"));
            }
        }
    }

    /// <summary>The configuration of a node: what the home's says of this host and of sessions, the messages as settings.yml has them, and nothing of a swarm.</summary>
    internal static DaemonConfig ConfigOf(DaemonConfig home, PyCloudSettings settings, string folder, int node) => home with
    {
        Home = HomeOf(folder, node),
        HostRulesAbove = new Home.HomePaths(folder).HostPolicy,
        Port = 0,
        WebSocketPort = null,
        Listen = ["127.0.0.1"],
        Mdns = false,
        Relay = new DaemonRelay { Serve = false, Use = false },
        Gateway = new GatewayConfig(),
        Web = new WebConfig { Serve = false },
        Sessions = home.Sessions with { Swarm = null, Redis = settings.Redis, RedisCaFile = null, Hostname = settings.Hostname ?? home.Sessions.Hostname },
    };

    private static async Task StartAsync(List<DaemonNode> running, IEnumerable<DaemonConfig> configs, TimeProvider time, CancellationToken cancellationToken)
    {
        var starting = configs.Select(config => DaemonNode.StartAsync(config, time, SystemDisk.Instance, cancellationToken)).ToList();
        try
        {
            await Task.WhenAll(starting);
        }
        finally
        {
            running.AddRange(starting.Where(start => start.IsCompletedSuccessfully).Select(start => start.Result));
        }
    }

    // Ends by the token alone.
    private static async Task WatchAsync(RedisService redis, string address, Events events, TimeProvider time, CancellationToken cancellationToken)
    {
        bool? said = null;
        try
        {
            while (true)
            {
                if (redis.IsConnected != said)
                {
                    said = redis.IsConnected;
                    events.Say(said.Value ? new("redis", Why: $"{address} answers") : new("redis away", Why: $"{address} cannot be reached: {redis.Client.Problem?.TrimEnd('.')}; it is tried until it is there"));
                }
                await Task.Delay(Look, time, cancellationToken);
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // It ends.
        }
    }

    private static async Task UntilAsync(Func<bool> holds, TimeSpan patience, TimeProvider time, CancellationToken cancellationToken)
    {
        var began = time.GetTimestamp();
        while (!holds() && time.GetElapsedTime(began) < patience) await Task.Delay(TimeSpan.FromMilliseconds(20), time, cancellationToken);
    }

    private sealed class Events(Action<PyCloudEvent> view, TimeProvider time)
    {
        private readonly Lock _lock = new();

        public void Say(PyCloudEvent happened)
        {
            lock (_lock) view(happened with { At = time.GetUtcNow() });
        }

        public void Say(string node, SessionInput happened)
        {
            PyCloudEvent? said = happened switch
            {
                SessionInput.Started started => new("started", node, started.Session, started.Port),
                SessionInput.StartFailed failed => new("not started", node, failed.Session, Why: failed.Error.Message),
                SessionInput.Exited exited => new("exited", node, exited.Session, Exit: exited.ExitCode),
                SessionInput.Slept slept => new(slept.Asleep ? "asleep" : "awake", node, slept.Session),
                SessionInput.Stopped stopped => new("removed", node, stopped.Session),
                _ => null,
            };
            if (said is not null) Say(said);
        }
    }
}
