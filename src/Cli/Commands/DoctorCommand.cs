using PeoplesCloud.Cli.Output;
using PeoplesCloud.Daemon;
using PeoplesCloud.Daemon.Sessions;
using PeoplesCloud.Programs.Languages;

namespace PeoplesCloud.Cli.Commands;

/// <summary>pc doctor: what is missing on this machine, and what holds a sandbox in.</summary>
internal static class DoctorCommand
{
    public static PcCommand Create() => new PcCommand("doctor", "Say what is missing on this machine.")
    {
        Details = "Looks for what a node needs, for what a host needs to run programs of others, and says which limits hold on this machine, in sandboxes and in the containers of a Docker or Podman that is open to programs; where none is, which engines there are and what opens them. Where sessions are set up, tries what carries their messages, and the Docker that they are to run in. Each line that is not well names the command that mends it. Exit code 1 when something that is needed is missing.",
        Examples = [("pc doctor", "Look at this machine."), ("pc doctor --json", "The same for a script.")],
    }.Runs(RunAsync);

    private static async Task<int> RunAsync(Invocation invocation)
    {
        List<Finding> findings =
        [
            Library("libsqlite3.so.0", "keeps what this node knows", "libsqlite3-0"),
            Library("libcrypto.so.3", "keys and encryption", "libssl3"),
            .. await InterpretersAsync(invocation.Home),
            Daemon(invocation),
        ];
        foreach (var report in await HostCheck.ProbeAsync(invocation.Home, CancellationToken.None))
            findings.Add(new Finding("sandbox", report.Name, report.Holds, Needed: false, report.How, null));
        foreach (var report in await HostCheck.ProbeDockerAsync(invocation.Home, CancellationToken.None))
            findings.Add(new Finding("docker", report.Name, report.Holds, Needed: false, report.How, null));
        var sessions = await SessionsCheck.ProbeAsync(invocation.Home, CancellationToken.None);
        findings.Add(new Finding("sessions", sessions.Name, sessions.Holds, Needed: false, sessions.How, null));
        if (await SessionsCheck.ProbeDockerAsync(invocation.Home, CancellationToken.None) is { } docker)
            findings.Add(new Finding("sessions", docker.Name, docker.Holds, Needed: false, docker.How, null));
        var ready = findings.TrueForAll(finding => finding.Ok || !finding.Needed);
        if (invocation.Json) invocation.WriteJson(new DoctorReply(ready, findings), CliJson.Default.DoctorReply);
        else Write(findings, ready, invocation.Terminal);
        return ready ? 0 : 1;
    }

    private static void Write(List<Finding> findings, bool ready, Terminal terminal)
    {
        foreach (var group in findings.GroupBy(finding => finding.Group, StringComparer.Ordinal))
        {
            terminal.Line(terminal.Bold(group.Key));
            var table = new Table();
            foreach (var finding in group)
            {
                Func<string, string> style = finding.Ok ? line => line : finding.Needed ? terminal.Bad : terminal.Warn;
                table.AddStyled(style, finding.Ok ? "ok" : finding.Needed ? "missing" : "without", finding.Name, finding.Fix is { } fix && !finding.Ok ? $"{finding.Detail}; try: {fix}" : finding.Detail);
            }
            table.Write(terminal, "  ");
        }
        terminal.Line(ready ? terminal.Good("nothing that a node needs is missing") : terminal.Bad("something that a node needs is missing"));
    }

    private static Finding Library(string file, string use, string package)
    {
        var loaded = System.Runtime.InteropServices.NativeLibrary.TryLoad(file, out _);
        return new Finding("node", package, loaded, Needed: true, loaded ? use : $"{file} was not found ({use})", $"apt-get install {package}");
    }

    private static async Task<IReadOnlyList<Finding>> InterpretersAsync(string home)
    {
        var findings = new List<Finding>();
        foreach (var language in Language.All)
        {
            if (language.Package is null) continue;
            var seen = await HostCheck.SeesAsync(home, language.Interpreter[0]);
            var use = $"runs {language.Name} programs";
            findings.Add(new Finding("programs", language.Package, seen, Needed: false, seen ? use : $"{language.Interpreter[0]} was not found where sandboxes see it ({use})", $"apt-get install {language.Package}"));
        }

        foreach (var (tool, package, lists) in new[] { ("pip3", "python3-pip", "requirements.txt"), ("npm", "npm", "package.json") })
        {
            var seen = await HostCheck.SeesAsync(home, tool);
            var use = $"installs what {lists} of a program lists";
            findings.Add(new Finding("programs", package, seen, Needed: false, seen ? use : $"{tool} was not found where sandboxes see it ({use})", $"apt-get install {package}"));
        }

        return findings;
    }

    private static Finding Daemon(Invocation invocation)
    {
        var runs = invocation.Client.Answers(out var status);
        return new Finding("node", "daemon", runs, Needed: false, runs ? $"process {status!.Pid}, {Words.Count(status.Swarms, "swarm")}" : "not running", Launcher.Line(invocation.Home, "up"));
    }
}
