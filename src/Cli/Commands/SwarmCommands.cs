using System.CommandLine;
using PeoplesCloud.Base;
using PeoplesCloud.Cli.Output;
using PeoplesCloud.Daemon.Api;

namespace PeoplesCloud.Cli.Commands;

/// <summary>pc create: a swarm of one's own.</summary>
internal static class CreateCommand
{
    private static readonly Option<string?> Name = new("--name", "-n") { Description = "What the swarm is called. Default: a name is made up.", HelpName = "NAME" };

    private static readonly Option<string?> Secret = new("--secret") { Description = SecretText.Help, HelpName = "-|@FILE|TEXT" };

    public static PcCommand Create()
    {
        var command = new PcCommand("create", "Create a swarm.")
        {
            Synopsis = "[-n | --name NAME] [--secret -|@FILE|TEXT]",
            Details = "Creates a swarm with this node as its first member and admin, and prints a ticket with which others join it for the next seven days. With a secret others can also join by the swarm's name, this node's address and the secret; see pc secret.",
            Examples =
            [
                ("pc create --name friends", "A swarm called friends."),
                ("pc create --name friends --secret -", "Others can join friends with a secret too; it is asked for and not shown."),
                ("pc create --json", "The ticket for a script: field ticket."),
            ],
        };
        command.Options.Add(Name);
        command.Options.Add(Secret);
        return command.Runs(Run);
    }

    private static int Run(Invocation invocation)
    {
        var json = LocalApiJson.Default;
        var secret = invocation.Value(Secret) is { } given ? SecretText.Read(given, invocation.Terminal, twice: true) : null;
        var swarm = invocation.Client.Post("/v1/swarms", new CreateRequest(invocation.Value(Name), secret), json.CreateRequest, json.SwarmReply);
        if (invocation.Json)
        {
            invocation.WriteJson(swarm, json.SwarmReply);
            return 0;
        }

        invocation.Terminal.Line($"created swarm {invocation.Terminal.Bold(invocation.Terminal.Safe(swarm.Name))}");
        if (swarm.Ticket is not null) TicketView.Show(invocation.Terminal, swarm.Ticket, "Whoever has this ticket can join within 7 days:");
        if (secret is not null) SecretView.Show(invocation, swarm.Name, "Whoever knows the secret can join too:");
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

    private static readonly Option<bool> Words = new("--words") { Description = "Three words to tell somebody instead of a ticket: good once, for ten minutes, and for five tries." };

    public static PcCommand Create()
    {
        var command = new PcCommand("invite", "Make a ticket with which others join.")
        {
            Synopsis = "[SWARM] [--role ROLE] [--uses NUMBER] [--hours HOURS]\n  pc invite [SWARM] --words [--role ROLE]",
            Details = "Prints a ticket: one line that starts with pc1, on a terminal also as a QR code. Whoever has it can join, so send it where only the invited read it. With --words it prints three words instead, to be told over the telephone or across the table. Only admins can invite.",
            Examples =
            [
                ("pc invite friends --words", "Three words for one person, good for ten minutes."),
                ("pc invite friends", "A ticket for one person, good for a day."),
                ("pc invite friends --uses 0 --hours 168", "A ticket for any number of people, good for a week."),
            ],
        };
        command.Arguments.Add(Swarm);
        command.Options.Add(Role);
        command.Options.Add(Uses);
        command.Options.Add(Hours);
        command.Options.Add(Words);
        return command.Runs(Run);
    }

    private static int Run(Invocation invocation)
    {
        var json = LocalApiJson.Default;
        var swarm = invocation.SwarmOr(invocation.Parsed.GetValue(Swarm));
        if (invocation.Value(Words)) return Tell(invocation, swarm);
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

    private static int Tell(Invocation invocation, string swarm)
    {
        var json = LocalApiJson.Default;
        if (invocation.Value(Uses) is not null || invocation.Value(Hours) is not null) throw new PcException(ErrorCode.Usage, "words are good once and for ten minutes; --uses and --hours are for tickets", "pc invite --help");
        var words = invocation.Client.Post(Invocation.SwarmPath(swarm, "words"), new WordsRequest(invocation.Value(Role)), json.WordsRequest, json.WordsReply);
        var terminal = invocation.Terminal;
        if (invocation.Json) invocation.WriteJson(words, json.WordsReply);
        else if (!terminal.IsTerminal) terminal.Line(words.Words);
        else
        {
            terminal.Line();
            terminal.Line($"Tell one person these words; they are good until {words.Expires.ToLocalTime():HH:mm}:");
            terminal.Line();
            terminal.Line($"  {terminal.Bold(words.Words)}");
            terminal.Line();
            terminal.Line($"Who hears them joins {terminal.Safe(words.Swarm)} as {words.Role}; on your local network with the first line, from elsewhere with the second:");
            terminal.Line();
            terminal.Line($"  pc join {words.Words}");
            terminal.Line($"  pc join {words.Words} --peer {SecretView.Peer(invocation)}");
            terminal.Line();
        }
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
    private static readonly Argument<string[]> WordsGiven = new("words")
    {
        Description = "A ticket of pc create or pc invite, which starts with pc1; or the three words of pc invite --words; or, with --secret, the swarm's name.",
        HelpName = "TICKET|WORDS|SWARM",
        Arity = new ArgumentArity(1, 3),
    };

    private static readonly Option<string?> Name = new("--name", "-n") { Description = "What the swarm is called on this machine. Default: its own name.", HelpName = "NAME" };

    private static readonly Option<string?> Peer = new("--peer") { Description = "Where the node is that lets this one in. The port may be left out when it is 4242.", HelpName = "HOST:PORT" };

    private static readonly Option<string?> Secret = new("--secret") { Description = SecretText.Help, HelpName = "-|@FILE|TEXT" };

    public static PcCommand Create()
    {
        var command = new PcCommand("join", "Join a swarm with a ticket, with three words, or with its secret.")
        {
            Synopsis = "TICKET [-n | --name NAME]\n  pc join WORDS [--peer HOST:PORT] [-n | --name NAME]\n  pc join SWARM --peer HOST:PORT --secret -|@FILE|TEXT [-n | --name NAME]",
            Details = "Asks a member to let this node in: with a ticket the one who made it, with words the one who told them, who is found on the local network without --peer, with the swarm's secret any of its admins. That member's node must be up. "
                + "Words and secret are never sent: both sides prove to each other that they know them, and one who listens or stands in between learns nothing.",
            Examples =
            [
                ("pc join pc1...", "Become a member of the ticket's swarm."),
                ("pc join blue-otter-lamp", "Join with the words that somebody on the same network has just told."),
                ("pc join blue-otter-lamp --peer 192.0.2.7", "The same, from another network."),
                ("pc join friends --peer oak.example:4242 --secret -", "Join friends at one of its admins; the secret is asked for and not shown."),
            ],
        };
        command.Arguments.Add(WordsGiven);
        command.Options.Add(Name);
        command.Options.Add(Peer);
        command.Options.Add(Secret);
        return command.Runs(Run);
    }

    private static int Run(Invocation invocation)
    {
        var json = LocalApiJson.Default;
        var swarm = Join(invocation, string.Join(' ', invocation.Value(WordsGiven)).Trim(), invocation.Value(Name), invocation.Value(Peer));
        if (invocation.Json) invocation.WriteJson(swarm, json.SwarmReply);
        else invocation.Terminal.Line($"joined swarm {invocation.Terminal.Bold(invocation.Terminal.Safe(swarm.Name))} as {swarm.Role}; it has {Words.Count(swarm.Members, "member")}");
        return 0;
    }

    private static SwarmReply Join(Invocation invocation, string words, string? name, string? peer)
    {
        var json = LocalApiJson.Default;
        if (invocation.Value(Secret) is { } given)
        {
            if (peer is null) throw new PcException(ErrorCode.Usage, "joining with a secret needs the address of one of the swarm's admins", $"pc join {words} --peer HOST:PORT --secret -");
            var request = new JoinSecretRequest(words, peer, SecretText.Read(given, invocation.Terminal, twice: false), name);
            return invocation.Client.Post("/v1/swarms/join-secret", request, json.JoinSecretRequest, json.SwarmReply);
        }
        return AreWords(words)
            ? invocation.Client.Post("/v1/swarms/join-code", new JoinCodeRequest(words, peer, name), json.JoinCodeRequest, json.SwarmReply)
            : invocation.Client.Post("/v1/swarms/join", new JoinRequest(words, name), json.JoinRequest, json.SwarmReply);
    }

    /// <summary>Whether it looks like three spoken words; whether they are right is the daemon's to say.</summary>
    internal static bool AreWords(string text) =>
        text.Split(['-', ' ', '.', ','], StringSplitOptions.RemoveEmptyEntries) is { Length: 3 } parts && parts.All(part => part.All(char.IsAsciiLetter));
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
