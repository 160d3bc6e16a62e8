using System.CommandLine;
using System.Globalization;
using System.Text;
using PeoplesCloud.Base;
using PeoplesCloud.Cli.Api;
using PeoplesCloud.Cli.Output;
using PeoplesCloud.Cli.Processes;
using PeoplesCloud.Daemon.Api;
using PeoplesCloud.Daemon.Sessions;

namespace PeoplesCloud.Cli.Commands;

/// <summary>pc sessions and what is below it; SessionsRunCommand has what runs nodes.</summary>
internal static class SessionsCommand
{
    private const int MaxScriptBytes = 1 << 20;

    private static readonly Argument<string> LogsId = Id();

    private static readonly Argument<string> RemoveId = Id();

    private static readonly Argument<string> Script = new("script") { Description = "The file of the script; - reads standard input.", HelpName = "FILE" };

    private static readonly Option<string?> Idle = new("--idle") { Description = "Let it sleep when nobody was connected to its port that long: 30s, 10m, 2h, 1d. Default: never.", HelpName = "TIME" };

    public static PcCommand Create()
    {
        var list = new PcCommand("list", "Show the sessions of this node.")
        {
            Details = "One line for each session that runs, sleeps or has ended here: its id, what became of it, its port on this machine, and how many are connected to it. Those of other nodes are shown by pc sessions list there.",
            Examples = [("pc sessions list", "What runs here."), ("pc sessions list --json", "The same, for a program.")],
        };
        var logs = new PcCommand("logs", "Show what a session wrote.")
        {
            Synopsis = "<ID>",
            Details = "The last one to two MiB of its output and errors, as it wrote them. It stays after the session has ended, until it is removed. Where a swarm carries the messages, a session on another member is read over the mesh; on a Redis, nodes need not know each other, and you are told which one has the log.",
            Examples = [("pc sessions logs 6b5e3c6900000001", "Its output.")],
        };
        logs.Arguments.Add(LogsId);
        var create = new PcCommand("create", "Start a session on the node that has most room.")
        {
            Synopsis = "[--idle TIME] <FILE>",
            Details = """
                Publishes the script as a request for a session, as any client of the channels may, and shows the answer: the node that runs it, and where it is reached.

                The script runs in a folder of its own as pycloud.init, beside pycloud.json with its hostname and port; the port is also in the environment as PORT. Connections and datagrams to that port of the host reach what listens on the same port inside. Without a first line such as #!/usr/bin/env python3 the shell runs it.

                A node with mode = "docker" under [sessions] takes scripts of another form: the first line is the name of an image, the rest a JSON object with the container's port and options of docker-py's run, such as {"port": 25565, "environment": {"EULA": "true"}, "mem_limit": "1g"}. Such a session goes on while the node's daemon is restarted.
                """,
            Examples =
            [
                ("pc sessions create ./server.sh", "Start it, and show where it is."),
                ("pc sessions create --idle 10m ./server.sh", "Let it sleep when nobody plays."),
            ],
        };
        create.Arguments.Add(Script);
        create.Options.Add(Idle);
        var remove = new PcCommand("remove", "End a session, wherever it runs.")
        {
            Synopsis = "<ID>",
            Details = "Asks the session to end, ends it firmly a second later with everything that it started, and says so when nothing is left of it. Its log is removed too.",
            Examples = [("pc sessions remove 6b5e3c6900000001", "It has ended when this returns.")],
        };
        remove.Arguments.Add(RemoveId);
        return SessionsRunCommand.AddTo(new PcCommand("sessions", "Run, start, show and end sessions: servers that messages ask for.")
        {
            Synopsis = "[--settings FILE] [--daemon] [--test-nodes N] | COMMAND ...",
            Details = """
                A session is something that runs because a message on a channel asked for it, on whichever node has most room. Nodes answer such messages when their configuration has [sessions] with swarm = NAME or redis = ADDRESS.

                Without a command, this machine becomes a node that only runs sessions, for the Redis that settings.yml names: in no swarm, reachable by nobody, and under what the home's configuration lets programs do on this host. It shows a line for each session that begins or ends until Ctrl-C, which ends them all. With --daemon it does so in the background; pc sessions list, logs, create and remove are then about its sessions.

                settings.yml is that of PyCloud:
                  region: "eu"
                  hostname: games.example.org
                  redis:
                    host: localhost
                    port: 6379
                    password:
                region is shown and decides nothing. hostname is what clients are told to connect to; without one it is this machine's name. PYCLOUD_USE_DOCKER, whatever it says, runs sessions in Docker. PYCLOUD_GROUP is shown by pc sessions status and told to scripts, and decides nothing, as with PyCloud: requests are on year4000.pycloud.create whatever it says.
                """,
            Examples =
            [
                ("pc sessions --settings settings.yml", "Answer requests here, and watch."),
                ("pc sessions --settings settings.yml --daemon", "The same in the background; pc sessions status, pc sessions stop."),
                ("pc sessions --test-nodes 3", "Three nodes, to see how requests are spread."),
                ("pc sessions create ./server.sh", "Start a session."),
                ("pc sessions list", "What runs here."),
            ],
            Subcommands = { SessionsRunCommand.Start(), SessionsRunCommand.Stop(), SessionsRunCommand.Restart(), SessionsRunCommand.Status(), list.Runs(Hinted(List)), logs.Runs(Hinted(Logs)), create.Runs(Hinted(Start)), remove.Runs(Hinted(Remove)) },
        });
    }

    /// <summary>Writes the lists of nodes; with more than one, each session is shown with its node.</summary>
    public static void Write(IReadOnlyList<SessionsReply> replies, Terminal terminal)
    {
        if (replies.All(reply => reply.Sessions.Count == 0))
        {
            terminal.Line("no session runs here");
            return;
        }
        var table = replies.Count == 1 ? new Table("SESSION", "STATE", "PORT", "CONNECTED") : new Table("SESSION", "STATE", "PORT", "CONNECTED", "NODE");
        foreach (var reply in replies)
        {
            foreach (var session in reply.Sessions)
            {
                var state = session.Exit is { } code ? $"{session.State} with {Number(code)}" : session.State;
                table.Add(terminal.Safe(session.Id), terminal.Safe(state), session.Port == 0 ? "" : Number(session.Port), session.Port == 0 ? "" : Number(session.Connections), replies.Count == 1 ? null : terminal.Safe(reply.Cloud));
            }
        }
        table.Write(terminal);
    }

    /// <summary>Writes where a new session is.</summary>
    public static void Write(SessionCreatedReply reply, Terminal terminal)
    {
        var where = reply is { Hostname: { } hostname, Port: { } port } ? $" at {terminal.Safe(hostname)}:{Number(port)}" : "";
        terminal.Line($"session {terminal.Safe(reply.Id)} runs on node {terminal.Safe(reply.Cloud)}{where}");
    }

    private static int List(Invocation invocation)
    {
        var replies = SessionNodes.ClientsOf(invocation).Select(client => client.Get("/v1/sessions", SessionsApiJson.Default.SessionsReply)).ToList();
        foreach (var reply in replies)
        {
            if (invocation.Json) invocation.WriteJson(reply, SessionsApiJson.Default.SessionsReply);
        }
        if (!invocation.Json) Write(replies, invocation.Terminal);
        return 0;
    }

    private static int Logs(Invocation invocation)
    {
        var id = invocation.Value(LogsId);
        var clients = SessionNodes.ClientsOf(invocation);
        // The node here that has it need not ask others, who may be out of reach; the last one says where it is else.
        var client = clients.SkipLast(1).FirstOrDefault(client => client.Get("/v1/sessions", SessionsApiJson.Default.SessionsReply).Sessions.Any(session => session.Id == id)) ?? clients[^1];
        var log = client.GetBytes($"/v1/sessions/{DaemonClient.Escape(id)}/log");
        foreach (var line in Encoding.UTF8.GetString(log).TrimEnd('\n').Split('\n')) invocation.Terminal.Line(invocation.Terminal.Safe(line));
        return 0;
    }

    // Whoever asks about sessions may want no more of this machine than those.
    private static Func<Invocation, int> Hinted(Func<Invocation, int> run) => invocation =>
    {
        try
        {
            return run(invocation);
        }
        catch (PcException e) when (e.Code == ErrorCode.NoDaemon && PyCloudRun.Read(invocation.Home) is null)
        {
            throw new PcException(e.Code, e.Message, $"{Launcher.Line(invocation.Home, "sessions start --settings FILE")}; or {e.Hint}, where the configuration has [sessions]", e);
        }
    };

    private static int Start(Invocation invocation)
    {
        var reply = SessionNodes.ClientsOf(invocation)[0].Post("/v1/sessions", new SessionCreateRequest(Read(invocation.Value(Script)), invocation.Value(Idle)), SessionsApiJson.Default.SessionCreateRequest, SessionsApiJson.Default.SessionCreatedReply);
        if (invocation.Json) invocation.WriteJson(reply, SessionsApiJson.Default.SessionCreatedReply);
        else Write(reply, invocation.Terminal);
        return 0;
    }

    private static int Remove(Invocation invocation)
    {
        var reply = SessionNodes.ClientsOf(invocation)[0].Send("POST", $"/v1/sessions/{DaemonClient.Escape(invocation.Value(RemoveId))}/remove", SessionsApiJson.Default.SessionRemovedReply);
        if (invocation.Json) invocation.WriteJson(reply, SessionsApiJson.Default.SessionRemovedReply);
        else invocation.Terminal.Line($"session {invocation.Terminal.Safe(reply.Id)} has ended");
        return 0;
    }

    private static string Read(string file)
    {
        using var input = file == "-" ? Console.OpenStandardInput() : File.OpenRead(file);
        var bytes = new byte[MaxScriptBytes + 1];
        var count = input.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
        if (count > MaxScriptBytes) throw new PcException(ErrorCode.SessionScriptRefused, $"the script is longer than {MaxScriptBytes} bytes");
        return Encoding.UTF8.GetString(bytes.AsSpan(0, count));
    }

    private static string Number(int number) => number.ToString(CultureInfo.InvariantCulture);

    private static Argument<string> Id() => new("id") { Description = "The session, by its id in pc sessions list.", HelpName = "ID" };
}
