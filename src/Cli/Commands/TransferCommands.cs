using System.CommandLine;
using PeoplesCloud.Cli.Output;
using PeoplesCloud.Daemon.Exports;

namespace PeoplesCloud.Cli.Commands;

/// <summary>pc export and pc import: a backup of this node, and its move to another machine.</summary>
internal static class TransferCommands
{
    private static readonly Argument<string> To = new("file") { Description = "The file to write; nothing may be there yet.", HelpName = "FILE" };

    private static readonly Argument<string> From = new("file") { Description = "A file that pc export wrote.", HelpName = "FILE" };

    private static readonly Option<bool> WithBlocks = new("--with-blocks") { Description = "Take along the content that this node keeps. Without it, pinned content is fetched again from members that have it." };

    public static PcCommand Export()
    {
        var command = new PcCommand("export", "Write this node into a file, as a backup or for another machine.")
        {
            Synopsis = "<FILE> [--with-blocks]",
            Details = """
                Writes the node's identity, its swarms and all it knows of them, its pins, its configuration file, its rules for programs of others (pc host), and the logs of programs that it hosts into one file: a tar, checked when it is imported. The node may be up or down; its state is that of one moment.

                Whoever has the file is this node: it holds the private key, unencrypted, and only you may read it (mode 0600). Keep it as you keep a password. To encrypt it, use for example gpg -c FILE.

                Data of programs is not in it: the members that guard a program have it and give it again. What nobody else has, save first: pc data get SWARM PROGRAM.

                To move a node: pc down, pc export FILE, copy the file, pc import FILE on the other machine, and delete the home here. Two machines must never run one node.
                """,
            Examples = [("pc export oak.tar", "A backup without content."), ("pc export --with-blocks oak.tar", "With its content, for a machine that is given away.")],
        };
        command.Arguments.Add(To);
        command.Options.Add(WithBlocks);
        return command.Runs(RunExport);
    }

    public static PcCommand Import()
    {
        var command = new PcCommand("import", "Make a home of a file that pc export wrote.")
        {
            Synopsis = "<FILE>",
            Details = """
                Checks the whole file, then makes the home of it, which must not exist or be empty: this node becomes the one that was exported. A file that is damaged or cut off changes nothing.

                An older backup is fine. When the node starts it asks the other members for its own last entries before it writes anything, so wait until one of them is awake. Never start the old home again.
                """,
            Examples = [("pc import oak.tar", "Become the node of oak.tar."), ("pc --home /srv/oak import oak.tar", "The same in a home of its own.")],
        };
        command.Arguments.Add(From);
        return command.Runs(RunImport);
    }

    private static int RunExport(Invocation invocation)
    {
        var file = invocation.Value(To);
        var report = HomeTransfer.Export(invocation.Home, file, invocation.Value(WithBlocks));
        if (invocation.Json)
        {
            invocation.WriteJson(report, CliJson.Default.ExportReport);
            return 0;
        }

        var terminal = invocation.Terminal;
        terminal.Line($"wrote {Words.Bytes(report.Bytes)} to {terminal.Safe(file)}{(invocation.Value(WithBlocks) ? $", with {Words.Count(Clamp(report.Blocks), "block")}" : "")}");
        terminal.Line(terminal.Warn("whoever has this file is this node: it holds its private key, unencrypted"));
        if (!invocation.Value(WithBlocks) && report.Pins > 0) terminal.Line($"the content of {Words.Count(report.Pins, "pin")} is not in it (--with-blocks); it is fetched again from members that have it");
        if (report.WasRunning) terminal.Line("this node is up; to move it to another machine, stop it first: " + Launcher.Line(invocation.Home, "down"));
        return 0;
    }

    private static int RunImport(Invocation invocation)
    {
        var report = HomeTransfer.Import(invocation.Value(From), invocation.Home);
        if (invocation.Json)
        {
            invocation.WriteJson(report, CliJson.Default.ImportReport);
            return 0;
        }

        var terminal = invocation.Terminal;
        terminal.Line($"{report.Home} is the home of {report.PeerId}, as it was on {report.Created:yyyy-MM-dd HH:mm} UTC");
        terminal.Line(terminal.Warn("never start the home that it was exported from again: two machines must not run one node"));
        terminal.Line($"  start it:   {Launcher.Line(invocation.Home, "up")}");
        return 0;
    }

    private static int Clamp(long count) => (int)Math.Min(count, int.MaxValue);
}
