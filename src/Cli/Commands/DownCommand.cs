using System.Diagnostics;
using PeoplesCloud.Base;

namespace PeoplesCloud.Cli.Commands;

/// <summary>pc down: ends the daemon in order.</summary>
internal static class DownCommand
{
    // Stopping programs takes their grace time; a daemon that needs longer is stuck.
    private static readonly TimeSpan MaxWait = TimeSpan.FromSeconds(60);

    public static PcCommand Create() => new PcCommand("down", "Stop this node.")
    {
        Details = "Stops the programs that this node hosts, then the daemon, and returns when it has ended. A node that is not up is left as it is.",
        Examples = [("pc down", "Stop this node."), ("PC_HOME=/srv/second pc down", "Stop the node of another home.")],
    }.Runs(Down);

    private static int Down(Invocation invocation)
    {
        var wasRunning = invocation.Client.Answers(out var status);
        if (wasRunning)
        {
            using var daemon = Find(status!.Pid);
            invocation.Client.Send("POST", "/v1/shutdown");
            if (daemon is not null && !daemon.WaitForExit(MaxWait))
                throw new PcException(ErrorCode.Internal, $"the daemon (process {status.Pid}) was asked to stop and still runs after {MaxWait.TotalSeconds:0} s", $"read logs/daemon.log, then end it: kill {status.Pid}");
        }

        if (invocation.Json) invocation.WriteJson(new DownReply(wasRunning), CliJson.Default.DownReply);
        else invocation.Terminal.Line(wasRunning ? "this node is down" : "this node was not up");
        return 0;
    }

    private static Process? Find(int pid)
    {
        try
        {
            return Process.GetProcessById(pid);
        }
        catch (ArgumentException)
        {
            return null;
        }
    }
}
