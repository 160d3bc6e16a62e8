using System.CommandLine;
using PeoplesCloud.Base;
using PeoplesCloud.Cli.Output;
using PeoplesCloud.Daemon.Api;

namespace PeoplesCloud.Cli.Commands;

/// <summary>pc secret: the secret with which others join.</summary>
internal static class SecretCommand
{
    private static readonly Argument<string?> Swarm = new("swarm") { Description = "The swarm; may be left out when this node is in one only.", HelpName = "SWARM", Arity = ArgumentArity.ZeroOrOne };

    private static readonly Option<string?> Secret = new("--secret") { Description = SecretText.Help, HelpName = "-|@FILE|TEXT" };

    private static readonly Option<bool> None = new("--none") { Description = "Take the secret back: nobody joins with it any more. Tickets stay good." };

    private static readonly Option<string?> Role = new("--role") { Description = "What the new members may do: guest, member or admin. Default: member.", HelpName = "ROLE" };

    public static PcCommand Create()
    {
        var command = new PcCommand("secret", "Secrets of a program, or the secret with which others join a swarm.")
        {
            Synopsis = "set|list|remove ... | [SWARM] (--secret -|@FILE|TEXT [--role ROLE] | --none)",
            Details = "With set, list or remove: secret environment variables of a program (pc secret set --help). Without: the secret of a swarm. "
                + "Whoever knows the swarm's name, the secret and the address of one of its admins can join, until the secret is set anew or taken back, or a member is removed, who may know it. "
                + "The secret itself is kept nowhere: the admins keep a number that was made of it, and whoever steals that has to guess. Choose a sentence of a few random words. Wrong guesses are limited. Only admins can set it.",
            Examples =
            [
                ("pc secret friends --secret -", "Ask for the new secret of the swarm friends; what is typed is not shown."),
                ("pc secret friends --secret @secret.txt --role guest", "The first line of a file; who joins with it becomes a guest."),
                ("pc secret set friends my-bot TOKEN -", "Ask for a secret of the program my-bot."),
                ("pc secret friends --none", "Nobody joins friends by a secret any more."),
            ],
        };
        foreach (var ofPrograms in ProgramSecretCommands.Create()) command.Subcommands.Add(ofPrograms);
        command.Arguments.Add(Swarm);
        command.Options.Add(Secret);
        command.Options.Add(None);
        command.Options.Add(Role);
        return command.Runs(Run);
    }

    private static int Run(Invocation invocation)
    {
        var json = LocalApiJson.Default;
        var (given, none) = (invocation.Value(Secret), invocation.Value(None));
        if (given is null != none) throw new PcException(ErrorCode.Usage, "secret needs either --secret or --none", "pc secret --help");
        var secret = given is null ? null : SecretText.Read(given, invocation.Terminal, twice: true);
        var swarm = invocation.SwarmOr(invocation.Parsed.GetValue(Swarm));
        var reply = invocation.Client.Post(Invocation.SwarmPath(swarm, "secret"), new SecretRequest(secret, invocation.Value(Role)), json.SecretRequest, json.SecretReply);
        if (invocation.Json) invocation.WriteJson(reply, json.SecretReply);
        else if (!reply.IsSet) invocation.Terminal.Line($"nobody joins swarm {invocation.Terminal.Safe(reply.Swarm)} by a secret any more");
        else SecretView.Show(invocation, reply.Swarm, $"Whoever knows the secret can join {invocation.Terminal.Safe(reply.Swarm)} as {reply.Role}:");
        return 0;
    }
}

/// <summary>How others join this node by name and secret, or by words.</summary>
internal static class SecretView
{
    /// <summary>The command that others type.</summary>
    public static void Show(Invocation invocation, string swarm, string sentence)
    {
        var terminal = invocation.Terminal;
        terminal.Line();
        terminal.Line(sentence);
        terminal.Line();
        terminal.Line($"  pc join {terminal.Safe(swarm)} --peer {Peer(invocation)} --secret -");
        terminal.Line();
    }

    /// <summary>HOST:PORT of this node, as far as it knows; the words themselves where it has none.</summary>
    public static string Peer(Invocation invocation) =>
        invocation.Client.Get("/v1/status", LocalApiJson.Default.StatusReply).Addresses.Select(Plain).FirstOrDefault(text => text is not null) ?? "HOST:PORT";

    /// <summary>HOST:PORT of /ip4/HOST/tcp/PORT/...; null for addresses of another kind and of this machine only.</summary>
    internal static string? Plain(string multiaddr) => multiaddr.Split('/') switch
    {
        ["", "ip4", var host, "tcp", var port, "p2p", _] when !host.StartsWith("127.", StringComparison.Ordinal) => $"{host}:{port}",
        ["", "ip6", var host, "tcp", var port, "p2p", _] when host != "::1" => $"[{host}]:{port}",
        _ => null,
    };
}
