using System.CommandLine;
using PeoplesCloud.Base;
using PeoplesCloud.Cli.Output;
using PeoplesCloud.Cli.Processes;

namespace PeoplesCloud.Cli.Commands;

/// <summary>pc up: the daemon in the background.</summary>
internal static class UpCommand
{
    private static readonly Option<bool> Boot = new("--boot") { Description = "Start it again whenever this machine starts (a systemd unit of this user)." };

    private static readonly Option<FileInfo?> Config = new("--config") { Description = "A configuration file.", HelpName = "FILE" };

    private static readonly Option<bool> NoRestart = new("--no-restart") { Description = "Leave it down when it crashes or is killed. Default: it is started again a second later." };

    public static PcCommand Create()
    {
        var command = new PcCommand("up", "Start this node in the background.")
        {
            Synopsis = "[--boot] [--no-host] [--name NAME] [--port PORT]",
            Details = "Starts the daemon, waits until it serves and returns. What it says goes to logs/daemon.log in the node's home. A node that is up already stays as it is. One that crashes or is killed is started again; pc down ends it for good.",
            Examples =
            [
                ("pc up", "Start this node; it hosts programs of its swarms."),
                ("pc up --no-host --name laptop", "Take part without running programs of others."),
                ("PC_HOME=/srv/second pc up", "A second node on this machine, with a home of its own."),
            ],
        };
        command.Options.Add(Boot);
        command.Options.Add(Config);
        command.Options.Add(NoRestart);
        DaemonOptions.AddTo(command);
        return command.Runs(Up);
    }

    private static int Up(Invocation invocation)
    {
        var terminal = invocation.Terminal;
        if (invocation.Value(Boot)) return UpAtBoot(invocation);
        if (invocation.Client.Answers(out var running))
        {
            Report(invocation, running!.PeerId, running.Addresses, running.Pid, wasRunning: true);
            return 0;
        }

        using var daemon = DaemonProcess.Start(invocation.Home, Arguments(invocation), inBackground: true, isKept: !invocation.Value(NoRestart));
        var ready = daemon.WaitUntilReady();
        if (!invocation.Client.Answers(out var status)) throw new PcException(ErrorCode.DaemonStartFailed, "the daemon said that it was ready, then did not answer");
        Report(invocation, ready.PeerId, status!.Addresses, status.Pid, wasRunning: false);
        if (!invocation.Json && status.Swarms == 0)
        {
            terminal.Line();
            terminal.Line($"  make a swarm:  {Launcher.Line(invocation.Home, "create --name friends")}");
            terminal.Line($"  or join one:   {Launcher.Line(invocation.Home, "join TICKET")}");
        }

        return 0;
    }

    private static List<string> Arguments(Invocation invocation) =>
        [.. invocation.Value(Config) is { } config ? (string[])[config.FullName] : [], .. DaemonOptions.Arguments(invocation)];

    private static int UpAtBoot(Invocation invocation)
    {
        BootUnit.Install(invocation.Home, Arguments(invocation));
        if (invocation.Json) invocation.WriteJson(new DoneReply("boot"), CliJson.Default.DoneReply);
        else invocation.Terminal.Line($"this node is up and starts with this machine  (systemctl --user status {BootUnit.NameOf(invocation.Home)})");
        return 0;
    }

    private static void Report(Invocation invocation, string peerId, IReadOnlyList<string> addresses, int pid, bool wasRunning)
    {
        var terminal = invocation.Terminal;
        if (invocation.Json)
        {
            invocation.WriteJson(new UpReply(peerId, addresses, pid, wasRunning), CliJson.Default.UpReply);
            return;
        }

        terminal.Line(wasRunning ? "this node is up already" : "this node is up");
        var facts = new Table();
        facts.Add("  peer id", peerId);
        foreach (var (address, index) in addresses.Select((address, index) => (address, index))) facts.Add(index == 0 ? "  address" : "", address);
        facts.Add("  home", invocation.Home);
        facts.Write(terminal);
    }
}
