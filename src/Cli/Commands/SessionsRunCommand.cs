using System.CommandLine;
using System.Globalization;
using PeoplesCloud.Base;
using PeoplesCloud.Cli.Output;
using PeoplesCloud.Cli.Processes;
using PeoplesCloud.Daemon.Api;
using PeoplesCloud.Daemon.Configuration;
using PeoplesCloud.Daemon.Sessions;

namespace PeoplesCloud.Cli.Commands;

/// <summary>pc sessions --settings, and start, stop, restart and status: this machine as a node that only runs sessions, as PyCloud does.</summary>
internal static class SessionsRunCommand
{
    private static readonly NodeOptions Here = new();

    private static readonly NodeOptions Started = new();

    private static readonly NodeOptions Restarted = new();

    private static readonly Option<bool> Daemon = new("--daemon") { Description = "Run them in the background, as pc sessions start does." };

    // The process that pc sessions start makes: one line when it is ready, and silence.
    private static readonly Option<bool> InBackground = new("--in-background") { Hidden = true };

    /// <summary>What pc sessions does by itself.</summary>
    public static PcCommand AddTo(PcCommand sessions)
    {
        Here.AddTo(sessions);
        sessions.Options.Add(Daemon);
        sessions.Options.Add(InBackground);
        return sessions.Runs(RunAsync);
    }

    public static PcCommand Start()
    {
        var command = new PcCommand("start", "Run sessions of a Redis in the background.")
        {
            Synopsis = "[--settings FILE] [--test-nodes N]",
            Details = "Starts the nodes of pc sessions, waits until they answer requests and returns. What they say goes to pycloud/N/logs/daemon.log in the home. When they are up already with the same settings, nothing happens.",
            Examples = [("pc sessions start --settings /etc/pc/settings.yml", "Answer requests on the Redis that the file names.")],
        };
        Started.AddTo(command);
        return command.Runs(invocation => StartInBackground(invocation, Started));
    }

    public static PcCommand Stop() => new PcCommand("stop", "End the nodes that pc sessions started.")
    {
        Details = "Asks them to end and returns when they have: each session is asked to end, and ended firmly a second later with everything that it started. The process is known by its number and the time at which it began, so that no other one is ever meant. Nodes that are not up are left as they are.",
        Examples = [("pc sessions stop", "No session runs here when this returns.")],
    }.Runs(invocation =>
    {
        var wasRunning = SessionNodes.Stop(invocation.Home);
        if (invocation.Json) invocation.WriteJson(new DownReply(wasRunning), CliJson.Default.DownReply);
        else invocation.Terminal.Line(wasRunning ? "the nodes have ended, and their sessions with them" : "the nodes were not up");
        return 0;
    });

    public static PcCommand Restart()
    {
        var command = new PcCommand("restart", "End the nodes that pc sessions started, and start them anew.")
        {
            Synopsis = "[--settings FILE] [--test-nodes N]",
            Details = "Their sessions end. What is not said is as before: the same settings.yml, read again, and as many nodes. Nodes that are not up are started.",
            Examples = [("pc sessions restart", "After a change of settings.yml.")],
        };
        Restarted.AddTo(command);
        return command.Runs(invocation =>
        {
            var before = PyCloudRun.Read(invocation.Home);
            var (file, count) = (Restarted.FileOf(invocation, before), Restarted.CountOf(invocation, before));
            _ = PyCloudSettings.Load(file); // what cannot be read ends nothing
            SessionNodes.Stop(invocation.Home);
            return StartInBackground(invocation, file, count, before: null);
        });
    }

    public static PcCommand Status() => new PcCommand("status", "Say whether the nodes that pc sessions started are up.")
    {
        Details = "Since when they run, how many sessions they have, and whether their Redis answers. Exit code 0 when they are up, 3 when they are not, as programs of /etc/init.d have it.",
        Examples = [("pc sessions status", "How it goes."), ("pc sessions status --json", "The same, for a program.")],
    }.Runs(invocation =>
    {
        var status = SessionNodes.StatusOf(invocation.Home);
        if (invocation.Json) invocation.WriteJson(status, SessionsApiJson.Default.PyCloudStatus);
        else Write(status, invocation.Terminal, Launcher.Line(invocation.Home, "sessions start --settings FILE"));
        return (int)(status.Running ? ExitCode.Done : ExitCode.NoDaemon);
    });

    /// <summary>Writes how the nodes are.</summary>
    public static void Write(PyCloudStatus status, Terminal terminal, string start)
    {
        if (!status.Running)
        {
            terminal.Line("the nodes are not up");
            terminal.Line($"  start them:  {start}");
            return;
        }
        terminal.Line($"{Counted(status.Nodes!.Count, "node")} with {Counted(status.Sessions ?? 0, "session")} since {status.Since!.Value.ToLocalTime().ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture)}");
        var facts = new Table();
        facts.Add("  redis", status.Connected switch
        {
            true => $"{terminal.Safe(status.Redis!)} answers",
            false => $"{terminal.Safe(status.Redis!)} cannot be reached: {terminal.Safe(status.Problem ?? "")}",
            null => $"{terminal.Safe(status.Redis!)}; no node says whether it answers",
        });
        facts.Add("  group", terminal.Safe(status.Group!));
        if (status.Region is { } region) facts.Add("  region", terminal.Safe(region));
        facts.Add("  settings", terminal.Safe(status.Settings!));
        facts.Add("  process", Number(status.Pid!.Value));
        facts.Write(terminal);
        var nodes = new Table("NODE", "SESSIONS", "HOME");
        foreach (var node in status.Nodes) nodes.Add(node.Cloud ?? "no answer", node.Sessions is { } sessions ? Number(sessions) : "", node.Home);
        nodes.Write(terminal);
        foreach (var node in status.Nodes.Where(node => node.Refusal is not null)) terminal.Line(terminal.Warn($"  node {node.Cloud} takes no sessions: {terminal.Safe(node.Refusal!)}"));
    }

    /// <summary>Writes what happened, in one line.</summary>
    public static void Write(PyCloudEvent happened, Terminal terminal)
    {
        var session = happened.Session is { } id ? $"session {id}" : "";
        var text = happened.What switch
        {
            "up" => happened.Why is { } refusal ? terminal.Warn($"node {happened.Node} is up and takes no sessions: {terminal.Safe(refusal)}") : $"node {happened.Node} is up",
            "started" => $"{session} runs on port {Number(happened.Port ?? 0)} (node {happened.Node})",
            "not started" => terminal.Warn($"{session} was not started: {terminal.Safe(happened.Why ?? "")} (node {happened.Node})"),
            "exited" => happened.Exit is { } code ? $"{session} ended by itself with {Number(code)}" : $"{session} ended by itself",
            "asleep" => $"{session} sleeps",
            "awake" => $"{session} woke",
            "removed" => $"{session} was removed",
            "warning" or "redis away" => terminal.Warn(terminal.Safe(happened.Why ?? "")),
            "ending" => $"ending: {happened.Why}",
            "ended" => "all has ended",
            _ => terminal.Safe(happened.Why ?? happened.What),
        };
        terminal.Line($"{terminal.Dim(happened.At.ToLocalTime().ToString("HH:mm:ss", CultureInfo.InvariantCulture))} {text}");
    }

    private static async Task<int> RunAsync(Invocation invocation)
    {
        if (invocation.Value(Daemon)) return StartInBackground(invocation, Here);
        var (file, count) = (Here.FileOf(invocation, null), Here.CountOf(invocation, null));
        using var stop = new StopSignals();
        var ready = new List<string>();
        return await PyCloudNodes.RunAsync(invocation.Home, file, count, Show, TimeProvider.System, stop.Token);

        void Show(PyCloudEvent happened)
        {
            try
            {
                Say(happened);
            }
            catch (IOException)
            {
                stop.Stop(); // whoever watched has gone (pc sessions | head)
            }
        }

        void Say(PyCloudEvent happened)
        {
            if (invocation.Value(InBackground))
            {
                if (happened.What != "up") return;
                ready.Add(happened.Node!);
                if (ready.Count == count) invocation.Terminal.Line($"ready {string.Join(',', ready)} {file}");
            }
            else if (invocation.Json)
            {
                invocation.WriteJson(happened, SessionsApiJson.Default.PyCloudEvent);
            }
            else
            {
                Write(happened, invocation.Terminal);
            }
            invocation.Terminal.Out.Flush();
        }
    }

    private static int StartInBackground(Invocation invocation, NodeOptions options)
    {
        var before = PyCloudRun.Read(invocation.Home);
        return StartInBackground(invocation, options.FileOf(invocation, before), options.CountOf(invocation, before), before);
    }

    private static int StartInBackground(Invocation invocation, string file, int count, PyCloudRun? before)
    {
        var home = invocation.Home;
        if (before is not null && (before.Settings != file || before.Nodes != count))
            throw new PcException(ErrorCode.SessionNodesUp, $"{Counted(before.Nodes, "node")} with {before.Settings} are up already (process {before.Pid})", $"{Launcher.Line(home, $"sessions restart --settings {Launcher.Quote(file)}")}, which ends their sessions");
        if (before is null)
        {
            using var process = DaemonProcess.StartSessions(PyCloudNodes.FolderOf(home), home, ["--in-background", "--settings", file, "--test-nodes", Number(count)]);
            _ = process.WaitUntilReady();
        }
        var status = SessionNodes.StatusOf(home);
        if (invocation.Json)
        {
            invocation.WriteJson(status, SessionsApiJson.Default.PyCloudStatus);
            return 0;
        }
        invocation.Terminal.Line(before is null ? "the nodes are up" : "the nodes are up already");
        Write(status, invocation.Terminal, "");
        return 0;
    }

    private static string Counted(int count, string noun) => $"{Number(count)} {noun}{(count == 1 ? "" : "s")}";

    private static string Number(int number) => number.ToString(CultureInfo.InvariantCulture);

    /// <summary>What the commands that start nodes are told; options belong to one command.</summary>
    private sealed class NodeOptions
    {
        private readonly Option<string?> _settings = new("--settings") { Description = $"The file that names the Redis. Default: settings.yml in this folder, else {PyCloudSettings.SystemFile}.", HelpName = "FILE" };

        private readonly Option<int?> _testNodes = new("--test-nodes") { Description = $"Run so many nodes instead of one, each with an id, a home and a policy of its own: to try out how requests are spread. 1 to {PyCloudNodes.MaxNodes}.", HelpName = "N" };

        public void AddTo(Command command)
        {
            command.Options.Add(_settings);
            command.Options.Add(_testNodes);
        }

        // What nobody says is as those that are up have it.
        public string FileOf(Invocation invocation, PyCloudRun? before) => PyCloudSettings.Find(invocation.Value(_settings) ?? before?.Settings, Directory.GetCurrentDirectory());

        public int CountOf(Invocation invocation, PyCloudRun? before)
        {
            var count = invocation.Value(_testNodes) ?? before?.Nodes ?? 1;
            return count is >= 1 and <= PyCloudNodes.MaxNodes ? count : throw new PcException(ErrorCode.Usage, $"--test-nodes is 1 to {PyCloudNodes.MaxNodes}, not {count}", "pc sessions --help");
        }
    }
}
