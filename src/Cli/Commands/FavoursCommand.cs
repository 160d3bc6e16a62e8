using System.CommandLine;
using System.Globalization;
using PeoplesCloud.Cli.Output;
using PeoplesCloud.Daemon.Api;

namespace PeoplesCloud.Cli.Commands;

/// <summary>pc favours: who gave whom how much.</summary>
internal static class FavoursCommand
{
    private static readonly Argument<string?> SwarmGiven = new("swarm") { Description = "The swarm. Default: the only one of this node.", HelpName = "SWARM", Arity = ArgumentArity.ZeroOrOne };

    public static PcCommand Create()
    {
        var command = new PcCommand("favours", "Show who ran whose programs, and what that took.")
        {
            Synopsis = "[SWARM]",
            Details = """
                A host writes a receipt for each day on which it ran a program of another member: processor hours, gibibyte hours of memory, and bytes that it sent and received. The program's owner countersigns it, by itself, when its node is awake and the numbers are possible. There is no coin: this only shows it.

                SIGNED is how many of the receipts the owner agreed to. The balance counts those only.
                """,
            Examples = [("pc favours", "What members of your swarm did for each other."), ("pc favours friends --json", "The same, for a program.")],
        };
        command.Arguments.Add(SwarmGiven);
        return command.Runs(Run);
    }

    /// <summary>Writes the tables.</summary>
    public static void Write(FavoursReply reply, Terminal terminal)
    {
        if (reply.Favours.Count == 0)
        {
            terminal.Line($"no receipts in {terminal.Safe(reply.Swarm)} yet: a host writes one the day after it ran a program of another member");
            return;
        }
        var favours = new Table("HOST", "FOR", "RECEIPTS", "SIGNED", "PROCESSOR", "MEMORY", "TRAFFIC");
        foreach (var favour in reply.Favours)
            favours.Add(terminal.Safe(favour.Host), terminal.Safe(favour.Owner), Count(favour.Receipts), Count(favour.Countersigned), Hours(favour.ProcessorSeconds), GibibyteHours(favour.MemoryMebibyteSeconds), Words.Bytes(favour.Bytes));
        favours.Write(terminal);
        terminal.Line();
        var balances = new Table("MEMBER", "GAVE", "TOOK", "BALANCE");
        foreach (var balance in reply.Balances)
            balances.Add(terminal.Safe(balance.Name), Hours(balance.GivenProcessorSeconds), Hours(balance.TakenProcessorSeconds), Hours(balance.GivenProcessorSeconds - balance.TakenProcessorSeconds, signed: true));
        balances.Write(terminal);
    }

    private static int Run(Invocation invocation)
    {
        var reply = invocation.Client.Get(Invocation.SwarmPath(invocation.SwarmOr(invocation.Parsed.GetValue(SwarmGiven)), "favours"), FavoursApiJson.Default.FavoursReply);
        if (invocation.Json) invocation.WriteJson(reply, FavoursApiJson.Default.FavoursReply);
        else Write(reply, invocation.Terminal);
        return 0;
    }

    private static string Count(int number) => number.ToString(CultureInfo.InvariantCulture);

    private static string Hours(double seconds, bool signed = false) => string.Create(CultureInfo.InvariantCulture, $"{(signed && seconds > 0 ? "+" : "")}{seconds / 3600:0.00} h");

    private static string GibibyteHours(long mebibyteSeconds) => string.Create(CultureInfo.InvariantCulture, $"{mebibyteSeconds / 1024.0 / 3600:0.00} GiB h");
}
