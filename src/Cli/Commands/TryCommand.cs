using System.CommandLine;
using PeoplesCloud.Base;
using PeoplesCloud.Cli.Api;
using PeoplesCloud.Cli.Output;
using PeoplesCloud.Cli.Processes;
using PeoplesCloud.Daemon.Api;

namespace PeoplesCloud.Cli.Commands;

/// <summary>pc try: three nodes on this machine, a swarm, a bot that one deploys and another runs.</summary>
internal static class TryCommand
{
    /// <summary>How many lines of the bot's log prove that it works.</summary>
    private const int LinesThatProve = 3;

    private const string Swarm = "friends";

    // A slow machine that builds something else beside this needs a few seconds; a bot that says nothing for so long never will.
    private static readonly TimeSpan LogPatience = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan EndPatience = TimeSpan.FromSeconds(20);

    // A daemon's connections end a moment before its process does.
    private static readonly TimeSpan DeathPatience = TimeSpan.FromSeconds(2);

    private static readonly Option<bool> Once = new("--once") { Description = "End once the bot's third log line was seen, instead of waiting for Ctrl-C." };

    private static readonly Option<int> Nodes = new("--nodes") { Description = "How many nodes to start, 2 to 20. Default: 3.", HelpName = "N", DefaultValueFactory = _ => 3, Hidden = true };

    private static readonly string[] Names = ["oak", "elm", "fir", "ash", "yew", "bay", "fig", "gum", "tea", "nut", "box", "may", "asp", "sal", "koa", "sago", "pine", "lime", "rose", "sloe"];

    public static PcCommand Create()
    {
        var command = new PcCommand("try", "See it work: three nodes on this machine run a bot.")
        {
            Synopsis = "[--once]",
            Details = """
                Starts three nodes with homes of their own on loopback: oak, elm and fir. oak makes a swarm and does not host; elm and fir join it by ticket. Then oak deploys samples/hello-bot, which runs on elm or fir, and its log is shown as it appears on oak.

                Nothing outside of a temporary folder is changed, and Ctrl-C removes that too.
                """,
            Examples = [("pc try", "Start, look around, end with Ctrl-C."), ("pc try --once", "Prove that it works here; exit code 0 or a reason.")],
        };
        command.Options.Add(Once);
        command.Options.Add(Nodes);
        return command.Runs(RunAsync);
    }

    private static async Task<int> RunAsync(Invocation invocation)
    {
        var count = Math.Clamp(invocation.Value(Nodes), 2, Names.Length);
        var terminal = invocation.Terminal;
        terminal.Out.Flush();
        using var stop = new StopSignals();
        var folder = Directory.CreateTempSubdirectory("pc-try-").FullName;
        var nodes = Names.Take(count).Select(name => new TrialNode(name, Path.Combine(folder, name))).ToArray();
        try
        {
            var work = Task.Run(() => Prove(invocation, nodes, stop.Token), CancellationToken.None);
            var stopped = Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, stop.Token);
            if (await Task.WhenAny(work, stopped) == work) return await work;
            Say(terminal, "");
            return invocation.Value(Once) ? Failure.Interrupted : 0;
        }
        finally
        {
            Say(terminal, terminal.Dim($"stopping {string.Join(", ", nodes.Select(node => node.Name))} and removing {folder}"));
            await Task.WhenAll(nodes.Select(node => node.EndAsync(EndPatience)));
            Directory.Delete(folder, recursive: true);
        }
    }

    // Whoever tries this has no daemon of their own: one of ours that ended is a trial that failed.
    private static int Prove(Invocation invocation, TrialNode[] nodes, CancellationToken cancellationToken)
    {
        try
        {
            return Show(invocation, nodes, cancellationToken);
        }
        catch (PcException exception) when (exception.Code is ErrorCode.NoDaemon or ErrorCode.DaemonWentAway)
        {
            throw Failed(nodes[0].EndsWithin(DeathPatience) ? $"the daemon of {nodes[0].Name} ended" : exception.Message, exception);
        }
    }

    private static PcException Failed(string message, Exception? inner = null) => new(ErrorCode.TryFailed, message, $"{Launcher.Name} doctor says what this machine lacks", inner);

    /// <summary>The whole demonstration; returns when the proof was seen (--once), else when the log ends.</summary>
    private static int Show(Invocation invocation, TrialNode[] nodes, CancellationToken cancellationToken)
    {
        var terminal = invocation.Terminal;
        var once = invocation.Value(Once);
        var json = LocalApiJson.Default;
        var (oak, others) = (nodes[0], nodes[1..]);

        // 1. The nodes, at the same time.
        Say(terminal, $"starting {nodes.Length} nodes on this machine: {string.Join(", ", nodes.Select(node => node.Name))}");
        Parallel.ForEach(nodes, node => node.Start(hosts: node != oak));
        cancellationToken.ThrowIfCancellationRequested();
        foreach (var node in nodes) Say(terminal, $"  {terminal.Bold(node.Name)}  {Words.Short(node.Ready!.PeerId)}{(node == oak ? terminal.Dim("  does not host") : "")}");

        // 2. The swarm.
        var ticket = oak.Client.Post("/v1/swarms", new CreateRequest(Swarm), json.CreateRequest, json.SwarmReply).Ticket
            ?? throw new PcException(ErrorCode.DaemonAnswer, "create answered without a ticket");
        Parallel.ForEach(others, node => node.Client.Post("/v1/swarms/join", new JoinRequest(ticket, null), json.JoinRequest, json.SwarmReply));
        cancellationToken.ThrowIfCancellationRequested();
        Say(terminal, $"oak made the swarm {terminal.Bold(Swarm)}; {string.Join(" and ", others.Select(node => node.Name))} joined by ticket");

        // 3. The bot.
        var sample = Sample();
        Say(terminal, $"oak deploys {Launcher.Quote(Path.GetRelativePath(Directory.GetCurrentDirectory(), sample))}");
        var events = oak.Client.PostForEvents(Invocation.SwarmPath(Swarm, "deploy"), new DeployRequest(sample, null, null, null), json.DeployRequest, json.EventDeployReply);
        var reply = ProgressView.Follow(events, "packing", terminal, quiet: true, _ => { });
        cancellationToken.ThrowIfCancellationRequested();
        Say(terminal, $"{terminal.Bold(reply.Program)} runs on {terminal.Bold(reply.Host)}, because");
        DeployCommand.WriteCandidates(reply.Candidates, terminal, "  ");

        // 4. Its log, as oak sees it. A timer breaks the connection when nothing comes, so that --once ends with a reason.
        Say(terminal, $"its log, as it appears on oak{(once ? "" : " (Ctrl-C ends everything)")}:");
        using var body = oak.Client.Open("GET", LogsCommand.PathOf(Swarm, reply.Program, follow: true, tail: 100), null);
        using var impatient = new Timer(_ => body.Dispose(), null, once ? LogPatience : Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        var seen = 0;
        try
        {
            foreach (var happened in DaemonClient.Events(body, json.EventLogLine))
            {
                if (cancellationToken.IsCancellationRequested) return 0;
                if (happened.Result is not { } line) continue;
                Say(terminal, $"  {terminal.Dim("│")} {LogsCommand.Text(line, terminal)}");
                if (line.Stream == "pc" || ++seen != LinesThatProve) continue;
                if (once)
                {
                    Say(terminal, $"{terminal.Good("it works")}: oak saw {LinesThatProve} lines of a bot that others run");
                    return 0;
                }
                SayWhatNext(terminal, oak, reply);
            }
        }
        catch (Exception exception) when (exception is IOException or ObjectDisposedException or DaemonErrorException || (exception is PcException { Code: ErrorCode.DaemonWentAway } && !oak.EndsWithin(DeathPatience)))
        {
            // Reported below, with what was seen.
        }
        if (cancellationToken.IsCancellationRequested) return 0;
        throw Failed($"the log of {reply.Program} on {reply.Host} ended after {Words.Count(seen, "line")}");
    }

    private static void SayWhatNext(Terminal terminal, TrialNode oak, DeployReply reply)
    {
        var table = new Table();
        table.Add(Launcher.Line(oak.Home, "list"), "who is here, what runs where");
        table.Add(Launcher.Line(oak.Home, $"logs -f {Swarm} {reply.Program}"), "the log");
        table.Add(Launcher.Line(oak.Home, "network"), "who is connected, how fast");
        table.Add(Launcher.Line(oak.Home, $"stop {Swarm} {reply.Program}"), "stop the bot");
        table.Add($"{Launcher.Name} up", "start a node of your own, for real");
        Say(terminal, "");
        Say(terminal, "try in another terminal:");
        table.Write(terminal, "  ");
        Say(terminal, "");
    }

    /// <summary>The bot: the repository's, else the copy beside the program.</summary>
    private static string Sample()
    {
        var beside = Path.Combine(AppContext.BaseDirectory, "samples", "hello-bot");
        var checkedOut = Launcher.Script is { } script ? Path.Combine(Path.GetDirectoryName(script)!, "samples", "hello-bot") : beside;
        return Directory.Exists(checkedOut) ? checkedOut : beside;
    }

    // Each line at once, through a pipe too.
    private static void Say(Terminal terminal, string line)
    {
        terminal.Line(line);
        terminal.Out.Flush();
    }

    /// <summary>One of the nodes; ends with this process, however that ends.</summary>
    private sealed class TrialNode(string name, string home)
    {
        private readonly Lock _gate = new();
        private DaemonProcess? _process;
        private bool _ended;

        public string Name { get; } = name;

        public string Home { get; } = home;

        public DaemonClient Client { get; } = new(home);

        public ReadyLine? Ready { get; private set; }

        public void Start(bool hosts)
        {
            DaemonProcess process;
            lock (_gate)
            {
                if (_ended) throw new OperationCanceledException();
                List<string> arguments = [$"--name={Name}", "--port=0", "--listen=127.0.0.1"];
                if (!hosts) arguments.Add("--no-host");
                process = _process = DaemonProcess.Start(Home, arguments, inBackground: false);
            }
            Ready = process.WaitUntilReady();
        }

        public bool EndsWithin(TimeSpan patience) => _process?.EndsWithin(patience) == true;

        public async Task EndAsync(TimeSpan patience)
        {
            lock (_gate) _ended = true;
            if (_process is null) return;
            await _process.EndAsync(patience, CancellationToken.None);
            _process.Dispose();
        }
    }
}
