using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using PeoplesCloud.Base;
using PeoplesCloud.Cli.Api;
using PeoplesCloud.Daemon.Api;

namespace PeoplesCloud.Cli.Commands;

/// <summary>pc open: a program's port on this machine.</summary>
internal static class OpenCommand
{
    private static readonly Argument<string[]> WordsGiven = new("words")
    {
        Description = "The swarm (may be left out when this node is in one only), the program's name or hash, and which of its ports when it has several.",
        HelpName = "[SWARM] PROGRAM [PORT]",
        Arity = new ArgumentArity(1, 3),
    };

    private static readonly Option<int?> Local = new("--local", "-l") { Description = "The port on this machine; 0 takes any free one. Default: the program's own number when it is free, else any.", HelpName = "PORT" };

    public static PcCommand Create()
    {
        var command = new PcCommand("open", "Reach a program's port from this machine.")
        {
            Synopsis = "[--local PORT] <SWARM> <PROGRAM> [PORT]",
            Details = """
                Listens on a port of 127.0.0.1 and carries each connection through the mesh to the program, wherever it runs; when it has moved or was replaced by a new version, new connections go there. Runs until Ctrl-C; then the connections end.

                A port that the program names as PORT/udp is opened for datagrams. Each program on this machine that sends some has an address of its own there, and gets the answers; datagrams go to wherever the program runs at the time.

                Only ports that the program names (pc deploy --port, ports in pc.toml) are reached, by its owner and by admins, or by every member when it was deployed with --open members. While this command runs, every user of this machine can connect.

                Web programs (PORT/http) need no command: a browser on this machine finds them at http://PROGRAM.SWARM.localhost:4281.
                """,
            Examples =
            [
                ("pc open friends my-web", "Reach the first port of my-web; says where."),
                ("pc open friends my-db 5432 --local 15432", "Reach its port 5432 at 127.0.0.1:15432."),
                ("pc open friends my-game 27015", "Reach a game server's port, which is 27015/udp in its pc.toml."),
            ],
        };
        command.Arguments.Add(WordsGiven);
        command.Options.Add(Local);
        return command.Runs(Run);
    }

    /// <summary>What the words mean: SWARM PROGRAM PORT, SWARM PROGRAM, PROGRAM PORT or PROGRAM.</summary>
    /// <exception cref="PcException">A port is no number.</exception>
    public static (string? Swarm, string Program, int? Port) Split(string[] words) => words switch
    {
        [var program] => (null, program, null),
        [var program, var port] when PortOf(port) is { } number => (null, program, number),
        [var swarm, var program] => (swarm, program, null),
        _ => (words[0], words[1], PortOf(words[2]) ?? throw new PcException(ErrorCode.Usage, $"'{words[2]}' is no port", "a number from 1 to 65535")),
    };

    private static int? PortOf(string text) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var port) && port is > 0 and <= 65535 ? port : null;

    private static int Run(Invocation invocation)
    {
        var json = TunnelApiJson.Default;
        var (named, program, port) = Split(invocation.Value(WordsGiven));
        var swarm = invocation.SwarmOr(named);
        var terminal = invocation.Terminal;
        var request = JsonSerializer.SerializeToUtf8Bytes(new OpenRequest(port, invocation.Value(Local)), json.OpenRequest);
        using var body = invocation.Client.Open("POST", Invocation.SwarmPath(swarm, $"programs/{DaemonClient.Escape(program)}/open"), request);
        foreach (var happened in DaemonClient.Events(body, json.EventOpenReply))
        {
            if (invocation.Json) invocation.WriteJson(happened, json.EventOpenReply);
            else if (happened.Result is { } opened) terminal.Line(Text(opened, terminal));
            else if (happened.Text is { } text) terminal.Line(terminal.Dim(terminal.Safe(text)));
            terminal.Out.Flush();
        }
        return 0;
    }

    private static string Text(OpenReply opened, Output.Terminal terminal)
    {
        var line = $"{terminal.Bold($"{opened.Address}:{opened.Local}")} leads to {(opened.Protocol == "udp" ? "UDP port" : "port")} {opened.Port} of {terminal.Safe(opened.Program)}{(opened.Host is { } host ? $" on {terminal.Safe(host)}" : "")}, until Ctrl-C";
        return opened.Url is { } url ? $"{line}\nin a browser: {terminal.Safe(url)}" : line;
    }
}
