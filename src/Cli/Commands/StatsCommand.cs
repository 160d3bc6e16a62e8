using System.CommandLine;
using System.Globalization;
using PeoplesCloud.Base;
using PeoplesCloud.Cli.Api;
using PeoplesCloud.Cli.Output;
using PeoplesCloud.Daemon.Api;

namespace PeoplesCloud.Cli.Commands;

/// <summary>pc stats: what programs take now, of what they may.</summary>
internal static class StatsCommand
{
    private static readonly Argument<string[]> WordsGiven = new("words")
    {
        Description = "The swarm, and one of its programs. One word that is no swarm of this node is a program. Default: all programs of all swarms.",
        HelpName = "[SWARM] [PROGRAM]",
        Arity = new ArgumentArity(0, 2),
    };

    private static readonly Option<bool> FollowOption = new("--follow", "-f") { Description = "Look again and again, until Ctrl-C." };

    private static readonly Option<double> Interval = new("--interval") { Description = "Seconds between two looks. Default: 2.", HelpName = "SECONDS", DefaultValueFactory = _ => 2 };

    public static PcCommand Create()
    {
        var command = new PcCommand("stats", "Show what programs take now: processor, memory, disk.")
        {
            Synopsis = "[-f] [--interval SECONDS] [SWARM] [PROGRAM]",
            Details = """
                Asks the hosts and shows for each program what it takes now and what it may take: processors (1 is one core, over the last 0.3 seconds), memory, processes and threads, disk (the fuller of its folder and its /tmp), what it sent and received since it came to its host with the network that it may see (tunnels to its ports count too), and its log. - is what the host cannot tell, or a program that does not run at this moment.

                With --follow the table is written again at each look; with --json each look is one line.
                """,
            Examples = [("pc stats", "All programs, once."), ("pc stats -f friends my-bot", "One program, on and on.")],
        };
        command.Arguments.Add(WordsGiven);
        command.Options.Add(FollowOption);
        command.Options.Add(Interval);
        return command.Runs(Run);
    }

    private static int Run(Invocation invocation)
    {
        var interval = invocation.Value(Interval);
        if (interval is not (>= 0.5 and <= 3600)) throw new PcException(ErrorCode.Usage, $"--interval is 0.5 to 3600 seconds, not {interval.ToString(CultureInfo.InvariantCulture)}");
        var paths = Paths(invocation);
        var lines = 0;
        while (true)
        {
            var programs = new List<ProgramUse>();
            foreach (var path in paths) programs.AddRange(invocation.Client.Get(path, RunningApiJson.Default.StatsReply).Programs);
            if (invocation.Json) invocation.WriteJson(new StatsReply(programs), RunningApiJson.Default.StatsReply);
            else lines = Write(programs, invocation.Terminal, lines);
            if (!invocation.Value(FollowOption)) return 0;
            invocation.Terminal.Out.Flush();
            Task.Delay(TimeSpan.FromSeconds(interval), TimeProvider.System).GetAwaiter().GetResult();
        }
    }

    private static List<string> Paths(Invocation invocation)
    {
        var words = invocation.Parsed.GetValue(WordsGiven) ?? [];
        if (words.Length == 2) return [PathOf(words[0], words[1])];
        var swarms = invocation.Client.Get("/v1/list", LocalApiJson.Default.ListReply).Swarms;
        if (words.Length == 0) return [.. swarms.Select(swarm => PathOf(swarm.Name, null))];
        return swarms.Any(swarm => string.Equals(swarm.Name, words[0], StringComparison.Ordinal)) ? [PathOf(words[0], null)] : [PathOf(invocation.SwarmOr(null), words[0])];
    }

    private static string PathOf(string swarm, string? program) => Invocation.SwarmPath(swarm, program is null ? "stats" : $"stats?program={DaemonClient.Escape(program)}");

    // Answers how many lines were written; on a terminal they take the place of those before.
    private static int Write(List<ProgramUse> programs, Terminal terminal, int before)
    {
        if (before > 0 && terminal.IsTerminal) terminal.Out.Write($"\e[{before}A\e[J");
        else if (before > 0) terminal.Line();
        if (programs.Count == 0)
        {
            terminal.Line("no programs");
            return 1;
        }

        var table = new Table("PROGRAM", "HOST", "STATE", "UP", "CPU", "MEMORY", "PROCESSES", "DISK", "NETWORK", "LOG", "");
        foreach (var program in programs)
            table.Add(
                terminal.Safe(program.Program), terminal.Safe(program.Host ?? "-"), program.State, Up(program.UpSeconds), Of(Cores(program.Cores), Cores(program.CoresAllowed)),
                Of(Bytes(program.MemoryBytes), Bytes(program.MemoryBytesAllowed)), Of(Number(program.Pids), Number(program.PidsAllowed)),
                Of(Bytes(program.DiskBytes), Bytes(program.DiskBytesAllowed)), program.NetworkBytes is { } bytes ? $"{Words.Bytes(bytes)} ({terminal.Safe(program.Network)})" : terminal.Safe(program.Network), Of(Bytes(program.LogBytes), Bytes(program.LogBytesAllowed)), terminal.Safe(program.Problem ?? program.Detail ?? ""));
        table.Write(terminal);
        return programs.Count + 1;
    }

    private static string Of(string used, string allowed) => allowed == "-" ? used : $"{used} / {allowed}";

    private static string Cores(double? cores) => cores?.ToString("0.00", CultureInfo.InvariantCulture) ?? "-";

    private static string Bytes(long? bytes) => bytes is { } known ? Words.Bytes(known) : "-";

    private static string Number(int? number) => number?.ToString(CultureInfo.InvariantCulture) ?? "-";

    private static string Up(double? seconds) => seconds switch
    {
        null => "-",
        < 60 => string.Create(CultureInfo.InvariantCulture, $"{seconds:0} s"),
        < 3600 => string.Create(CultureInfo.InvariantCulture, $"{seconds / 60:0} min"),
        < 172800 => string.Create(CultureInfo.InvariantCulture, $"{seconds / 3600:0} h"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{seconds / 86400:0} d"),
    };
}
