using System.CommandLine;
using System.Globalization;
using PeoplesCloud.Base;
using PeoplesCloud.Cli.Output;
using PeoplesCloud.Daemon.Api;

namespace PeoplesCloud.Cli.Commands;

/// <summary>pc data list, get and drop: the copies of what a program keeps in its data/.</summary>
internal static class DataCommand
{
    private static readonly Argument<string[]> ListWords = ProgramWords.Argument();

    private static readonly Argument<string[]> GetWords = ProgramWords.Argument();

    private static readonly Argument<string[]> DropWords = ProgramWords.Argument();

    private static readonly Option<string?> Output = new("--output", "-o") { Description = "The folder to write; must not exist. Default: PROGRAM-data, or the conflict's name.", HelpName = "FOLDER" };

    private static readonly Option<string?> GetConflict = new("--conflict") { Description = "A conflict, by its name in pc data list, instead of the newest copy.", HelpName = "NAME" };

    private static readonly Option<string?> GetOn = new("--on") { Description = "The copy of this member. Default: the newest that can be reached.", HelpName = "MEMBER" };

    private static readonly Option<string?> DropConflict = new("--conflict") { Description = "Remove this conflict only, by its name in pc data list.", HelpName = "NAME" };

    private static readonly Option<string?> DropOn = new("--on") { Description = "Remove the copy of this member only.", HelpName = "MEMBER" };

    private static readonly Option<bool> Yes = new("--yes") { Description = "Remove all data of a program that has ended: every copy that can be reached. It cannot be undone." };

    public static PcCommand Create()
    {
        var list = new PcCommand("list", "Show what copies of a program's data there are.")
        {
            Synopsis = "<SWARM> <PROGRAM>",
            Details = """
                One line for each member that has a copy, the newest first: whose run it is of (VERSION is the epoch of that run and the number of the copy within it; the higher is newer), when it was taken, how many files it has, and how many of them are otherwise in the newest copy. A host that runs the program and has no other member as a guardian makes no copies: the folder itself is all there is.

                A conflict is what a former host had written and nobody took over, because that host was cut off or died first. It stays on the member that found it until it is removed; four are kept.

                Members that sleep are named: they may have a newer copy. For the program's owner and admins of the swarm.
                """,
            Examples = [("pc data list friends my-bot", "Who has a copy, and how old it is.")],
        };
        list.Arguments.Add(ListWords);
        var get = new PcCommand("get", "Write a copy of a program's data into a folder.")
        {
            Synopsis = "[-o FOLDER] [--conflict NAME] [--on MEMBER] <SWARM> <PROGRAM>",
            Details = "Fetches the newest copy that can be reached, or the one that is named, checks every piece against the host's signature, and writes it into a new folder that appears when it is whole. A copy is the state of one moment while the program runs; what it wrote since is in a later one. The program goes on.",
            Examples =
            [
                ("pc data get friends my-bot -o backup", "The newest copy, into ./backup."),
                ("pc data get friends my-bot --conflict data.conflict-elm-3", "What the host elm had written in the run 3 and nobody took over."),
            ],
        };
        get.Arguments.Add(GetWords);
        foreach (var option in new Option[] { Output, GetConflict, GetOn }) get.Options.Add(option);
        var drop = new PcCommand("drop", "Remove a conflict, or the data of a program that has ended.")
        {
            Synopsis = "(--conflict NAME | --yes) [--on MEMBER] <SWARM> <PROGRAM>",
            Details = "With --conflict, the conflict of that name on all members that keep one. With --yes, every copy of the data of a program that was stopped or has finished, so that the next deploy of its name begins with what its folder has. A member that sleeps keeps its copy, and is named: ask again when it is awake, or let it go with time, 30 days after the stop.",
            Examples =
            [
                ("pc data drop friends my-bot --conflict data.conflict-elm-3", "After what it had was taken care of."),
                ("pc stop friends my-bot && pc data drop friends my-bot --yes", "Nothing of it stays."),
            ],
        };
        drop.Arguments.Add(DropWords);
        foreach (var option in new Option[] { DropConflict, Yes, DropOn }) drop.Options.Add(option);
        return new PcCommand("data", "Show, fetch or remove the copies of what a program keeps in data/.")
        {
            Synopsis = "list|get|drop ... <SWARM> <PROGRAM>",
            Details = "A program that is deployed with data (data = true in its pc.toml, or --data) keeps what it writes into its folder data/: while it runs, its guardians have copies that are seconds old, and the next host goes on with the newest.",
            Examples = [("pc data list friends my-bot", "Who has a copy."), ("pc data get friends my-bot -o backup", "A backup.")],
            Subcommands = { list.Runs(List), get.Runs(Get), drop.Runs(Drop) },
        };
    }

    private static int List(Invocation invocation)
    {
        var (swarm, program) = ProgramWords.Of(invocation, ListWords);
        var reply = invocation.Client.Get(ProgramWords.Path(swarm, program, "data"), DataApiJson.Default.DataReply);
        if (invocation.Json) invocation.WriteJson(reply, DataApiJson.Default.DataReply);
        else Write(reply, invocation.Terminal, TimeProvider.System.GetUtcNow());
        return 0;
    }

    /// <summary>Writes the list.</summary>
    public static void Write(DataReply reply, Terminal terminal, DateTimeOffset now)
    {
        if (reply.Copies.Count == 0) terminal.Line($"nobody who could be asked has data of {terminal.Safe(reply.Program)}");
        var copies = reply.Copies.Where(copy => copy.Conflict is null).ToList();
        if (copies.Count > 0)
        {
            var table = new Table("ON", "VERSION", "TAKEN", "FILES", "SIZE", "");
            foreach (var copy in copies) table.Add(terminal.Safe(copy.On), Version(copy, terminal), Words.Ago(copy.Taken, now), Number(copy.Files), Words.Bytes(copy.Bytes), copy.Newest ? copy.On == reply.RunsOn ? "newest, runs here" : "newest" : Words.Count(copy.Behind, "file") + " behind");
            table.Write(terminal);
        }
        var conflicts = reply.Copies.Where(copy => copy.Conflict is not null).ToList();
        if (conflicts.Count > 0)
        {
            terminal.Line();
            var table = new Table("CONFLICT", "ON", "VERSION", "TAKEN", "FILES", "SIZE", "");
            foreach (var copy in conflicts) table.Add(terminal.Safe(copy.Conflict!), terminal.Safe(copy.On), Version(copy, terminal), Words.Ago(copy.Taken, now), Number(copy.Files), Words.Bytes(copy.Bytes), $"{Words.Count(copy.Behind, "file")} otherwise than in the newest");
            table.Write(terminal);
        }
        foreach (var missing in reply.Missing) terminal.Line(terminal.Warn($"{terminal.Safe(missing.On)}: {terminal.Safe(missing.Problem)}"));
        if (reply.Stopped && copies.Count > 0) terminal.Line($"{terminal.Safe(reply.Program)} is stopped; its data waits 30 days for the next deploy of that name");
    }

    private static int Get(Invocation invocation)
    {
        var (swarm, program) = ProgramWords.Of(invocation, GetWords);
        var conflict = invocation.Value(GetConflict);
        var request = new DataGetRequest(Path.GetFullPath(invocation.Value(Output) ?? Path.GetFileName(conflict ?? $"{program}-data")), invocation.Value(GetOn), conflict);
        var events = invocation.Client.PostForEvents(ProgramWords.Path(swarm, program, "data/get"), request, DataApiJson.Default.DataGetRequest, DataApiJson.Default.EventDataGetReply);
        var reply = ProgressView.Follow(events, "fetching", invocation.Terminal, invocation.Json, _ => { });
        if (invocation.Json) invocation.WriteJson(reply, DataApiJson.Default.DataGetReply);
        else Write(reply, invocation.Terminal, TimeProvider.System.GetUtcNow());
        return 0;
    }

    /// <summary>Writes what was saved.</summary>
    public static void Write(DataGetReply reply, Terminal terminal, DateTimeOffset now) =>
        terminal.Line($"saved {Words.Count(reply.Copy.Files, "file")} ({Words.Bytes(reply.Copy.Bytes)}) to {terminal.Safe(reply.Output)}: version {Version(reply.Copy, terminal)} from {terminal.Safe(reply.Copy.On)}, taken {Words.Ago(reply.Copy.Taken, now)}");

    private static int Drop(Invocation invocation)
    {
        var conflict = invocation.Value(DropConflict);
        if (conflict is null && !invocation.Value(Yes)) throw new PcException(ErrorCode.Usage, "without --conflict, drop removes all data of the program, which cannot be undone", "name a conflict with --conflict, or add --yes");
        if (conflict is not null && invocation.Value(Yes)) throw new PcException(ErrorCode.Usage, "drop takes either --conflict or --yes", "pc data drop --help");
        var (swarm, program) = ProgramWords.Of(invocation, DropWords);
        var reply = invocation.Client.Post(ProgramWords.Path(swarm, program, "data/drop"), new DataDropRequest(conflict, invocation.Value(DropOn)), DataApiJson.Default.DataDropRequest, DataApiJson.Default.DataDropReply);
        if (invocation.Json) invocation.WriteJson(reply, DataApiJson.Default.DataDropReply);
        else Write(reply, invocation.Terminal);
        return reply.Dropped.Count > 0 ? 0 : (int)ExitCode.Failed;
    }

    /// <summary>Writes who removed it and who did not.</summary>
    public static void Write(DataDropReply reply, Terminal terminal)
    {
        if (reply.Dropped.Count > 0) terminal.Line($"removed {terminal.Safe(reply.Conflict ?? $"the data of {reply.Program}")} on {terminal.Safe(string.Join(", ", reply.Dropped))}");
        foreach (var missing in reply.Missing) terminal.Line(terminal.Warn($"{terminal.Safe(missing.On)}: {terminal.Safe(missing.Problem)}"));
    }

    private static string Version(DataCopyInfo copy, Terminal terminal) => string.Create(CultureInfo.InvariantCulture, $"{copy.Epoch}.{copy.Number} of {terminal.Safe(copy.Holder)}");

    private static string Number(int number) => number.ToString(CultureInfo.InvariantCulture);
}
