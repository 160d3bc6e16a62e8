using System.CommandLine;
using System.Globalization;
using PeoplesCloud.Base;
using PeoplesCloud.Cli.Output;
using PeoplesCloud.Daemon.Api;

namespace PeoplesCloud.Cli.Commands;

/// <summary>pc deploy: a folder becomes a running program.</summary>
internal static class DeployCommand
{
    private static readonly Argument<string[]> WordsGiven = new("words")
    {
        Description = "The swarm (may be left out when this node is in one only), the program's folder or its only file (none with --image), and its language when it cannot be detected.",
        HelpName = "[SWARM] PATH [LANGUAGE]",
        Arity = new ArgumentArity(0, 3),
    };

    private static readonly Option<string?> Name = new("--name", "-n") { Description = "What the program is called. Default: the folder's name.", HelpName = "NAME" };

    private static readonly Option<string?> Host = new("--host") { Description = "The member that runs it. Default: the host with the lowest rank.", HelpName = "MEMBER" };

    private static readonly Option<string?> Language = new("--language") { Description = "Its language: py3, nodejs, docker, exec or py2. Default: it is detected.", HelpName = "LANGUAGE" };

    // The keys of pc.toml; a flag wins over the file.
    private static readonly (string Key, Option<string[]> Option)[] Settings =
    [
        Setting("run", "COMMAND", "What runs, as a line for the shell. Default: the language's entry file.", "--run"),
        Setting("ports", "[NAME=]PORT[/PROTOCOL]", "A port that the program listens on; tcp, udp or http. May be given more than once.", "--port", "-p"),
        Setting("open", "owner|members", "Who may connect to its ports: its owner and admins, or every member. Default: owner.", "--open"),
        Setting("memory", "SIZE", "Memory of all its processes together. Default: 256MiB.", "--memory"),
        Setting("cpus", "NUMBER", "Processors; 0.5 is half of one. Default: 1.", "--cpus"),
        Setting("pids", "NUMBER", "Processes and threads together. Default: 128.", "--pids"),
        Setting("disk", "SIZE", "What it may write to its own folder and to /tmp, each. Default: 256MiB.", "--disk"),
        Setting("network", "none|internet|lan", "What network it sees. Default: internet, without the host's LAN.", "--network"),
        Setting("schedule", "CRON", "When it is started: minute hour day month weekday, as cron has them, or @hourly, @daily, @weekly, @monthly, @yearly; by UTC, or by a zone: \"TZ=Europe/Berlin 0 9 * * mon-fri\". Default: it runs all the time.", "--schedule"),
        Setting("when-alone", "run|stop", "What its host does that reaches no majority of the hosts that keep it. Default: run with one or two of them, else stop.", "--when-alone"),
        Setting("runtime", "sandbox|docker", "What it runs in. Default: the host's choice.", "--runtime"),
        Setting("image", "REFERENCE", "The container image that it runs in, on hosts with Docker.", "--image"),
    ];

    private static readonly Option<bool> Data = new("--data") { Description = "Keep its folder data/ beyond its runs, and move it along with the program." };

    public static PcCommand Create()
    {
        var command = new PcCommand("deploy", "Run a program on a member of a swarm.")
        {
            Synopsis = "<SWARM> <PATH> [LANGUAGE]",
            Details = """
                Packs the folder (or a single file: a script or an executable), encrypts it, asks the swarm's hosts and starts it on the one with the lowest rank. Only the owner and the hosts that keep it can read it. It runs in a sandbox with limits on memory, processor, processes and disk, and sees the internet but neither the host nor its LAN.

                A file pc.toml in the folder says the same as the options, and is read first: run = "python3 main.py", memory = "512MiB", ports = ["8080/http"], env = { MODE = "calm" }. A key or value that is not known is refused, with what was probably meant.

                With --schedule it runs at times instead: each time once in the whole swarm, on the host that keeps its place then. A time is claimed at a majority of the hosts that keep the program before it runs; what was missed while none was awake runs once if it is no later than 12 hours, and no later than half the way to the next time, else it is skipped; a time that comes while the run before still goes is skipped. With --when-alone run (the default with one or two such hosts) times run at least once, and may run twice while the hosts cannot reach each other; with stop they run at most once. pc list shows the next time and the last one, pc history the last 16.

                Languages: py3 (bot.py), nodejs (bot.js, else the main file of package.json, else index.js), docker (a Dockerfile, or --image, on hosts with Docker), exec (run.sh, or the only executable file) and py2 (bot.py, only by name and only where a host has it). A Procfile's web or worker process, or --run, runs instead of an entry file. What requirements.txt or package.json and its lock file list is installed on the host, once for each list. A host that lacks the language is passed over, and the list of hosts says so.
                """,
            Examples =
            [
                ("pc deploy friends ./my-bot", "Run ./my-bot on a member of friends; its language is detected."),
                ("pc deploy friends ./my-bot py3 --host elm", "Run it on the member elm, as Python 3."),
                ("pc deploy friends ./my-bot --env TOKEN=- --env-file .env", "With secrets: one is asked for, others are in a file."),
                ("pc deploy friends ./backup --schedule \"30 3 * * *\"", "Run it every night at 03:30 UTC, on one of the hosts."),
                ("pc deploy friends --image redis:7 --port 6379", "Run an image and nothing else, on a host with Docker."),
                ("pc deploy friends ./web --port web=8080/http --memory 512MiB", "Run a web program with more memory."),
            ],
        };
        command.Arguments.Add(WordsGiven);
        command.Options.Add(Name);
        AddOptions(command);
        var image = Settings.First(setting => setting.Key == "image").Option;
        command.Validators.Add(result =>
        {
            if (result.GetResult(WordsGiven) is null or { Tokens.Count: 0 } && result.GetResult(image) is null) result.AddError("Required argument missing: a path, or --image");
        });
        return command.Runs(Run);
    }

    /// <summary>Adds the options that say what a program asks for.</summary>
    public static void AddOptions(Command command)
    {
        command.Options.Add(Language);
        command.Options.Add(Host);
        foreach (var (_, option) in Settings) command.Options.Add(option);
        command.Options.Add(Data);
        command.Options.Add(SecretValues.EnvOption);
        command.Options.Add(SecretValues.FileOption);
    }

    /// <summary>What is to be deployed: a folder and the options' values.</summary>
    /// <param name="invocation">The command line.</param>
    /// <param name="path">The folder; null for an image and nothing else.</param>
    /// <param name="language">The language by a word, which --language says too.</param>
    /// <param name="name">What it is to be called.</param>
    public static DeployRequest RequestOf(Invocation invocation, string? path, string? language, string? name)
    {
        if (path is "") throw new PcException(ErrorCode.Usage, "the path is empty", "pc deploy SWARM ./my-bot");
        if (invocation.Value(Language) is { } option)
        {
            if (language is not null && language != option) throw new PcException(ErrorCode.Usage, $"two languages are named: {language} and {option}", "name one of them");
            language = option;
        }
        return new DeployRequest(path is null ? "" : Path.GetFullPath(path), language, name, invocation.Value(Host), SettingsOf(invocation), SecretValues.Of(invocation));
    }

    /// <summary>What the words mean: SWARM PATH LANGUAGE, SWARM PATH, PATH LANGUAGE or PATH; of an image also SWARM, or nothing.</summary>
    public static (string? Swarm, string? Path, string? Language) Split(string[] words, Func<string, bool> exists, bool isImage = false) => words switch
    {
        [] => (null, null, null),
        // An image needs no files: one word is a path then only if it is there.
        [var swarm] when isImage && !exists(swarm) => (swarm, null, null),
        [var path] => (null, path, null),
        // Two words name a swarm and a path, unless only the first is there on disk.
        [var path, var language] when exists(path) && !exists(language) && !language.Contains('/', StringComparison.Ordinal) => (null, path, language),
        [var swarm, var path] => (swarm, path, null),
        _ => (words[0], words[1], words[2]),
    };

    private static int Run(Invocation invocation)
    {
        var json = LocalApiJson.Default;
        var terminal = invocation.Terminal;
        var words = invocation.Value(WordsGiven) ?? [];
        var isImage = Settings.Any(setting => setting.Key == "image" && invocation.Value(setting.Option) is { Length: > 0 });
        var (named, path, language) = Split(words, Path.Exists, isImage);
        var swarm = invocation.SwarmOr(named);
        var request = RequestOf(invocation, path, language, invocation.Value(Name));
        var events = invocation.Client.PostForEvents(Invocation.SwarmPath(swarm, "deploy"), request, json.DeployRequest, json.EventDeployReply);
        var installing = new InstallView(terminal, invocation.Json);
        var reply = installing.During(() => ProgressView.Follow(events, "packing", terminal, invocation.Json, happened => ShowStep(happened, terminal, installing, invocation.Json)));
        if (invocation.Json)
        {
            invocation.WriteJson(reply, json.DeployReply);
            return 0;
        }

        terminal.Line($"{terminal.Bold(terminal.Safe(reply.Program))} ({reply.Language}) {(reply.Next is null ? "runs" : "waits")} on {terminal.Bold(terminal.Safe(reply.Host))}{(reply.Next is { } next ? $" until {next.ToLocalTime().ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture)}" : "")}");
        WriteCandidates(reply.Candidates, terminal, "  ");
        terminal.Line($"  hash  {reply.Hash}");
        if (reply.Url is { } url) terminal.Line($"  web   {terminal.Safe(url)}");
        terminal.Line($"  log   {Launcher.Line(invocation.Home, $"logs -f {Launcher.Quote(swarm)} {Launcher.Quote(reply.Program)}")}");
        return 0;
    }

    private static (string Key, Option<string[]> Option) Setting(string key, string value, string description, string name, params string[] aliases) =>
        (key, new Option<string[]>(name, aliases) { Description = description, HelpName = value, AllowMultipleArgumentsPerToken = false });

    private static Dictionary<string, IReadOnlyList<string>>? SettingsOf(Invocation invocation)
    {
        var settings = new Dictionary<string, IReadOnlyList<string>>(StringComparer.Ordinal);
        foreach (var (key, option) in Settings)
        {
            if (invocation.Value(option) is { Length: > 0 } values) settings[key] = values;
        }
        if (invocation.Value(Data)) settings["data"] = ["true"];
        return settings.Count == 0 ? null : settings;
    }

    /// <summary>Writes who was asked, with ranks, and who was chosen.</summary>
    public static void WriteCandidates(IReadOnlyList<Candidate> candidates, Terminal terminal, string indent)
    {
        var table = new Table();
        foreach (var candidate in candidates.OrderByDescending(candidate => candidate.Chosen).ThenBy(candidate => candidate.Rank ?? double.MaxValue))
        {
            Func<string, string> style = candidate.Chosen ? terminal.Good : terminal.Dim;
            table.AddStyled(style, candidate.Chosen ? "→" : " ", terminal.Safe(candidate.Name), candidate.Rank is { } rank ? $"rank {rank:0.00}" : "", terminal.Safe(candidate.Why));
        }

        table.Write(terminal, indent);
    }

    private static void ShowStep(Event<DeployReply> happened, Terminal terminal, InstallView installing, bool json)
    {
        if (happened.Kind == "step" && happened.Text is { } text && !installing.Takes(text) && !json) terminal.Line(terminal.Dim(terminal.Safe(text)));
    }
}
