using System.CommandLine;
using PeoplesCloud.Cli.Api;
using PeoplesCloud.Cli.Output;
using PeoplesCloud.Daemon.Api;

namespace PeoplesCloud.Cli.Commands;

/// <summary>pc secret set, list and remove: secret environment variables of one's own programs.</summary>
internal static class ProgramSecretCommands
{
    private static readonly Argument<string[]> SetWords = new("words") { Description = "The swarm (may be left out when this node is in one only), the program's name, the variable's name, and - or @FILE.", HelpName = "[SWARM] PROGRAM NAME -|@FILE", Arity = new ArgumentArity(3, 4) };

    private static readonly Argument<string[]> ListWords = new("words") { Description = "The swarm (may be left out when this node is in one only) and the program's name.", HelpName = "[SWARM] PROGRAM", Arity = new ArgumentArity(1, 2) };

    private static readonly Argument<string[]> RemoveWords = new("words") { Description = "The swarm (may be left out when this node is in one only), the program's name and the variable's name.", HelpName = "[SWARM] PROGRAM NAME", Arity = new ArgumentArity(2, 3) };

    /// <summary>The three commands.</summary>
    public static IEnumerable<PcCommand> Create()
    {
        var set = new PcCommand("set", "Give a program a secret environment variable.")
        {
            Synopsis = "<SWARM> <PROGRAM> <NAME> -|@FILE",
            Details = "The value is encrypted for the hosts that keep the program and for this node, and for nobody else; no log, list or process list has it. It belongs to the name: later deploys of it get it too, and it can be set before the first one. A program that runs gets it when it is started again. Setting it anew replaces it; who was a keeper before may have kept the old one.\n\nThe value itself in place of - works, with a warning: every user of this machine can see it in the process list.",
            Examples =
            [
                ("pc secret set friends my-bot TOKEN -", "Ask for the value; what is typed is not shown."),
                ("pc secret set friends my-bot TLS_KEY @key.pem", "A file's content."),
                ("pass show bot | pc secret set friends my-bot TOKEN -", "What another program prints."),
            ],
        };
        set.Arguments.Add(SetWords);
        var list = new PcCommand("list", "Show the names of a program's secrets; never their values.") { Synopsis = "<SWARM> <PROGRAM>", Examples = [("pc secret list friends my-bot", "One name a line.")] };
        list.Arguments.Add(ListWords);
        var remove = new PcCommand("remove", "Take a secret environment variable back.") { Synopsis = "<SWARM> <PROGRAM> <NAME>", Examples = [("pc secret remove friends my-bot TOKEN", "The next start is without it.")] };
        remove.Arguments.Add(RemoveWords);
        return [set.Runs(Set), list.Runs(List), remove.Runs(Remove)];
    }

    private static int Set(Invocation invocation)
    {
        var words = invocation.Value(SetWords);
        var (program, name) = (words[^3], words[^2]);
        var value = SecretValues.Read(name, words[^1], invocation.Terminal);
        var swarm = invocation.SwarmOr(words.Length == 4 ? words[0] : null);
        var request = new SetSecretsRequest(new Dictionary<string, string>(StringComparer.Ordinal) { [name] = value });
        return Show(invocation, swarm, invocation.Client.Post(PathOf(swarm, program), request, SecretApiJson.Default.SetSecretsRequest, SecretApiJson.Default.SecretNamesReply), $"set {name}");
    }

    private static int List(Invocation invocation)
    {
        var words = invocation.Value(ListWords);
        var swarm = invocation.SwarmOr(words.Length == 2 ? words[0] : null);
        var reply = invocation.Client.Get(PathOf(swarm, words[^1]), SecretApiJson.Default.SecretNamesReply);
        if (invocation.Json) invocation.WriteJson(reply, SecretApiJson.Default.SecretNamesReply);
        else foreach (var name in reply.Names) invocation.Terminal.Line(invocation.Terminal.Safe(name));
        return 0;
    }

    private static int Remove(Invocation invocation)
    {
        var words = invocation.Value(RemoveWords);
        var swarm = invocation.SwarmOr(words.Length == 3 ? words[0] : null);
        return Show(invocation, swarm, invocation.Client.Send("DELETE", $"{PathOf(swarm, words[^2])}/{DaemonClient.Escape(words[^1])}", SecretApiJson.Default.SecretNamesReply), $"removed {words[^1]}");
    }

    private static int Show(Invocation invocation, string swarm, SecretNamesReply reply, string done)
    {
        var terminal = invocation.Terminal;
        if (invocation.Json)
        {
            invocation.WriteJson(reply, SecretApiJson.Default.SecretNamesReply);
            return 0;
        }
        terminal.Line(terminal.Safe($"{done} for {reply.Program}: {(reply.Names.Count == 0 ? "it has no secrets now" : $"it has {string.Join(", ", reply.Names)}")}"));
        if (reply.Running) terminal.Line($"  it runs without the change until it is started again: {Launcher.Line(invocation.Home, $"restart {Launcher.Quote(swarm)} {Launcher.Quote(reply.Program)}")}");
        return 0;
    }

    private static string PathOf(string swarm, string program) => Invocation.SwarmPath(swarm, $"secrets/{DaemonClient.Escape(program)}");
}
