using System.Diagnostics;
using System.Runtime.InteropServices;
using PeoplesCloud.Base;
using PeoplesCloud.Cli.Api;
using PeoplesCloud.Daemon.Api;
using PeoplesCloud.Daemon.Sessions;

namespace PeoplesCloud.Cli.Processes;

/// <summary>The nodes that <c>pc sessions</c> runs in another process: who they are, how they are, and how they end.</summary>
internal static partial class SessionNodes
{
    private const int Terminate = 15;
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(50);

    // Sessions get a second to end, all at once; what needs longer is stuck.
    private static readonly TimeSpan MaxWait = TimeSpan.FromSeconds(60);

    /// <summary>The local APIs of the nodes that a home has: those of pc sessions while they run, else the home's own.</summary>
    public static IReadOnlyList<DaemonClient> ClientsOf(Invocation invocation) =>
        PyCloudRun.Read(invocation.Home) is { } run ? [.. HomesOf(invocation.Home, run).Select(home => new DaemonClient(home))] : [invocation.Client];

    /// <summary>How they are.</summary>
    public static PyCloudStatus StatusOf(string home)
    {
        if (PyCloudRun.Read(home) is not { } run) return new PyCloudStatus(Running: false);
        var nodes = new List<PyCloudNodeStatus>();
        SessionNodeReply? last = null;
        foreach (var node in HomesOf(home, run))
        {
            var reply = Ask(node);
            nodes.Add(new PyCloudNodeStatus(node, reply is not null, reply?.Cloud, reply?.Sessions, reply?.Refusal));
            // One that is away is what to look at.
            if (reply is not null && last is not { Connected: false }) last = reply;
        }
        return new PyCloudStatus(Running: true, run.Pid, run.Since, run.Redis, last?.Connected, last?.Problem, run.Group, run.Region, run.Settings, nodes.Sum(node => node.Sessions ?? 0), nodes);
    }

    /// <summary>Asks them to end, and waits until they have. False: there were none.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.Internal"/>: they do not end.</exception>
    public static bool Stop(string home)
    {
        if (PyCloudRun.Read(home) is not { } run) return false;
        try
        {
            using var process = Process.GetProcessById(run.Pid);
            _ = Kill(run.Pid, Terminate); // fails when it has just ended
            // In steps: one that ended may keep its number until its parent looked.
            for (var waited = TimeSpan.Zero; run.IsAlive && !process.WaitForExit(Look); waited += Look)
            {
                if (waited > MaxWait) throw new PcException(ErrorCode.Internal, $"process {run.Pid} was asked to end and still runs after {MaxWait.TotalSeconds:0} s", $"read logs/daemon.log in {PyCloudNodes.HomeOf(home, 1)}, then end it: kill -9 {run.Pid}");
            }
        }
        catch (ArgumentException)
        {
            // It has just ended.
        }
        return true;
    }

    private static IEnumerable<string> HomesOf(string home, PyCloudRun run) => Enumerable.Range(1, run.Nodes).Select(node => PyCloudNodes.HomeOf(home, node));

    private static SessionNodeReply? Ask(string home)
    {
        try
        {
            return new DaemonClient(home).Get("/v1/sessions/node", SessionsApiJson.Default.SessionNodeReply);
        }
        catch (PcException e) when (e.Code is ErrorCode.NoDaemon or ErrorCode.DaemonWentAway or ErrorCode.AccessDenied)
        {
            return null; // it is just starting or ending, or belongs to another user
        }
    }

    [LibraryImport("libc.so.6", EntryPoint = "kill", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Kill(int pid, int signal);
}
