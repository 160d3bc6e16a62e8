using System.CommandLine;
using PeoplesCloud.Cli.Output;
using PeoplesCloud.Daemon.Api;

namespace PeoplesCloud.Cli.Commands;

/// <summary>pc create: a swarm of one's own.</summary>
internal static class CreateCommand
{
    private static readonly Option<string?> Name = new("--name", "-n") { Description = "What the swarm is called. Default: a name is made up.", HelpName = "NAME" };

    public static PcCommand Create()
    {
        var command = new PcCommand("create", "Create a swarm.")
        {
            Synopsis = "[-n | --name NAME]",
            Details = "Creates a swarm with this node as its first member and admin, and prints a ticket with which others join it for the next seven days.",
            Examples = [("pc create --name friends", "A swarm called friends."), ("pc create --json", "The ticket for a script: field ticket.")],
        };
        command.Options.Add(Name);
        return command.Runs(Run);
    }

    private static int Run(Invocation invocation)
    {
        var json = LocalApiJson.Default;
        var swarm = invocation.Client.Post("/v1/swarms", new CreateRequest(invocation.Value(Name)), json.CreateRequest, json.SwarmReply);
        if (invocation.Json)
        {
            invocation.WriteJson(swarm, json.SwarmReply);
            return 0;
        }

        invocation.Terminal.Line($"created swarm {invocation.Terminal.Bold(invocation.Terminal.Safe(swarm.Name))}");
        if (swarm.Ticket is not null) TicketView.Show(invocation.Terminal, swarm.Ticket, "Whoever has this ticket can join within 7 days:");
        return 0;
    }
}

/// <summary>pc invite: a ticket.</summary>
internal static class InviteCommand
{
    private static readonly Argument<string?> Swarm = new("swarm") { Description = "The swarm; may be left out when this node is in one only.", HelpName = "SWARM", Arity = ArgumentArity.ZeroOrOne };

    private static readonly Option<string?> Role = new("--role") { Description = "What the new member may do: guest, member or admin. Default: member.", HelpName = "ROLE" };

    private static readonly Option<int?> Uses = new("--uses") { Description = "How many may join with it; 0 is any number. Default: 1.", HelpName = "NUMBER" };

    private static readonly Option<double?> Hours = new("--hours") { Description = "How long it is good, in hours. Default: 24.", HelpName = "HOURS" };

    public static PcCommand Create()
    {
        var command = new PcCommand("invite", "Make a ticket with which others join.")
        {
            Synopsis = "[SWARM] [--role ROLE] [--uses NUMBER] [--hours HOURS]",
            Details = "Prints a ticket: one line that starts with pc1, on a terminal also as a QR code. Whoever has it can join, so send it where only the invited read it. Only admins can invite.",
            Examples =
            [
                ("pc invite friends", "A ticket for one person, good for a day."),
                ("pc invite friends --uses 0 --hours 168", "A ticket for any number of people, good for a week."),
            ],
        };
        command.Arguments.Add(Swarm);
        command.Options.Add(Role);
        command.Options.Add(Uses);
        command.Options.Add(Hours);
        return command.Runs(Run);
    }

    private static int Run(Invocation invocation)
    {
        var json = LocalApiJson.Default;
        var swarm = invocation.SwarmOr(invocation.Parsed.GetValue(Swarm));
        var request = new InviteRequest(invocation.Value(Role) ?? "member", invocation.Value(Uses) ?? 1, invocation.Value(Hours) ?? 24);
        var invite = invocation.Client.Post(Invocation.SwarmPath(swarm, "invite"), request, json.InviteRequest, json.InviteReply);
        if (invocation.Json)
        {
            invocation.WriteJson(invite, json.InviteReply);
            return 0;
        }

        var terminal = invocation.Terminal;
        if (!terminal.IsTerminal)
        {
            terminal.Line(invite.Ticket);
            return 0;
        }

        var who = invite.Uses switch { 0 => "Whoever has this ticket", 1 => "One who has this ticket", _ => $"{invite.Uses} who have this ticket" };
        TicketView.Show(terminal, invite.Ticket, $"{who} can join {terminal.Safe(invite.Swarm)} as {invite.Role} until {invite.Expires.ToLocalTime():yyyy-MM-dd HH:mm}:");
        QrView.Write(terminal, invite.Ticket);
        return 0;
    }
}

/// <summary>How a ticket is shown.</summary>
internal static class TicketView
{
    public static void Show(Terminal terminal, string ticket, string sentence)
    {
        terminal.Line();
        terminal.Line(sentence);
        terminal.Line();
        terminal.Line($"  pc join {ticket}");
        terminal.Line();
    }
}

/// <summary>pc join.</summary>
internal static class JoinCommand
{
    private static readonly Argument<string> Ticket = new("ticket") { Description = "A ticket of pc create or pc invite; it starts with pc1.", HelpName = "TICKET" };

    private static readonly Option<string?> Name = new("--name", "-n") { Description = "What the swarm is called on this machine. Default: its own name.", HelpName = "NAME" };

    public static PcCommand Create()
    {
        var command = new PcCommand("join", "Join a swarm with a ticket.")
        {
            Synopsis = "TICKET [-n | --name NAME]",
            Details = "Asks the member who made the ticket to let this node in. That member's node must be up.",
            Examples = [("pc join pc1...", "Become a member of the ticket's swarm.")],
        };
        command.Arguments.Add(Ticket);
        command.Options.Add(Name);
        return command.Runs(Run);
    }

    private static int Run(Invocation invocation)
    {
        var json = LocalApiJson.Default;
        var swarm = invocation.Client.Post("/v1/swarms/join", new JoinRequest(invocation.Value(Ticket).Trim(), invocation.Value(Name)), json.JoinRequest, json.SwarmReply);
        if (invocation.Json) invocation.WriteJson(swarm, json.SwarmReply);
        else invocation.Terminal.Line($"joined swarm {invocation.Terminal.Bold(invocation.Terminal.Safe(swarm.Name))} as {swarm.Role}; it has {Words.Count(swarm.Members, "member")}");
        return 0;
    }
}

/// <summary>pc leave.</summary>
internal static class LeaveCommand
{
    private static readonly Argument<string?> Swarm = new("swarm") { Description = "The swarm; may be left out when this node is in one only.", HelpName = "SWARM", Arity = ArgumentArity.ZeroOrOne };

    public static PcCommand Create()
    {
        var command = new PcCommand("leave", "Leave a swarm.")
        {
            Synopsis = "[SWARM]",
            Details = "Tells the others that this node is no member any more and forgets the swarm. Programs that this node hosts for it are stopped.",
            Examples = [("pc leave friends", "Leave the swarm friends.")],
        };
        command.Arguments.Add(Swarm);
        return command.Runs(Run);
    }

    private static int Run(Invocation invocation)
    {
        var swarm = invocation.SwarmOr(invocation.Parsed.GetValue(Swarm));
        invocation.Client.Send("POST", Invocation.SwarmPath(swarm, "leave"));
        if (invocation.Json) invocation.WriteJson(new DoneReply("left"), CliJson.Default.DoneReply);
        else invocation.Terminal.Line($"left swarm {invocation.Terminal.Safe(swarm)}");
        return 0;
    }
}

/// <summary>pc remove.</summary>
internal static class RemoveCommand
{
    private static readonly Argument<string[]> WordsGiven = new("words") { Description = "The member's name or peer id, or the start of one; the swarm before it when this node is in several.", HelpName = "[SWARM] MEMBER", Arity = new ArgumentArity(1, 2) };

    public static PcCommand Create()
    {
        var command = new PcCommand("remove", "Remove a member from a swarm.")
        {
            Synopsis = "[SWARM] MEMBER",
            Details = """
                What the member wrote until now stays; what it writes from now on does not count, and nobody in the swarm talks to it: its connections end within a second wherever this is known. Programs that it owned stop, tickets that were not used yet are void, and the swarm gets a new key. Only admins can remove.

                What it hosted it could read. Every running program whose key it held is named: its owner deploys it again, and changes the passwords and tokens that are in it.
                """,            Examples = [("pc remove friends fir", "Remove the member fir from the swarm friends.")],
        };
        command.Arguments.Add(WordsGiven);
        return command.Runs(Run);
    }

    private static int Run(Invocation invocation)
    {
        var words = invocation.Value(WordsGiven);
        var swarm = invocation.SwarmOr(words.Length == 2 ? words[0] : null);
        var json = LocalApiJson.Default;
        var removed = invocation.Client.Post(Invocation.SwarmPath(swarm, "remove"), new RemoveRequest(words[^1]), json.RemoveRequest, json.RemoveReply);
        if (invocation.Json)
        {
            invocation.WriteJson(removed, json.RemoveReply);
            return 0;
        }

        var terminal = invocation.Terminal;
        terminal.Line($"removed {terminal.Safe(removed.Member)} from swarm {terminal.Safe(swarm)}");
        foreach (var program in removed.Exposed) terminal.Line(FormerKeys.Line(terminal, [removed.Member], program.Program, program.Yours ? null : program.Owner));
        return 0;
    }
}
