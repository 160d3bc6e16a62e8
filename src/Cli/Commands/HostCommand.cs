using System.CommandLine;
using System.Globalization;
using PeoplesCloud.Base;
using PeoplesCloud.Cli.Output;
using PeoplesCloud.Daemon.Api;

namespace PeoplesCloud.Cli.Commands;

/// <summary>pc host: what this node lets programs of others do.</summary>
internal static class HostCommand
{
    private static readonly Argument<string[]> Changes = new("rules") { Description = "Rules with their new values. The value default takes back what was set.", HelpName = "RULE=VALUE...", Arity = ArgumentArity.OneOrMore };

    public static PcCommand Create()
    {
        var show = new PcCommand("show", "Show the rules, and what programs use of what they allow.")
        {
            Details = """
                Each rule with its value and where that comes from: default, config (the table [host] of config.toml, or PC_HOST_ variables) or set (pc host set, which wins). Below, each program that runs here: used / allowed. Used is measured now; allowed is what the program asked for when it was deployed, and the kernel holds it to that (pc doctor says by what). Beside the network that it may see stands what it sent and received. A program that a rule does not let run is waiting, with the rule.
                """,
            Examples = [("pc host show", "What this machine gives, and to whom."), ("pc host show --json", "The same for a script.")],
        };
        var set = new PcCommand("set", "Change rules.")
        {
            Synopsis = "RULE=VALUE...",
            Details = """
                What is set here wins over the configuration and is kept when the daemon restarts. It holds at once: programs that it does not let run any more are ended and named, each says so in its log, and they wait until a rule lets them run again or their owners move them.

                enabled            true or false: run programs of others at all
                deployers          everyone, nobody, or members with commas between; admins stands for all admins. One's own programs always may.
                languages          all, or names such as py3,nodejs
                runtimes           all, or sandbox,docker
                programs           how many at once
                sessions           how many sessions at once (pc sessions)
                memory, cpus, disk, pids
                                   the most that one program may ask for; a session gets no more
                total_memory, total_cpus
                                   the most that all programs and sessions together may have asked for, or none
                network            none, internet (without this machine and its LAN) or lan: the widest that a program may see
                hours              always, or parts of the week such as "22:00-06:00" or "mon-fri 18:00-24:00; sat,sun 00:00-24:00", in this machine's local time
                longest_run        how long one deploy may run here in all, such as 12h; sleep is not counted
                favours            ignored, or first: when programs, total_memory or total_cpus do not let all run, programs of members that gave more processor hours in their swarm than others (pc favours) get the room; those of others are ended in order and wait, or go on elsewhere
                """,
            Examples =
            [
                ("pc host set memory=512MiB cpus=1 network=none", "At most half a GiB and one core each, and no network."),
                ("pc host set deployers=oak,fir hours=22:00-06:00", "Only for two members, and only at night."),
                ("pc host set memory=default", "Back to what the configuration says."),
            ],
        };
        set.Arguments.Add(Changes);
        return new PcCommand("host", "Show or change what this machine lets programs of others do.")
        {
            Synopsis = "show | set RULE=VALUE...",
            Subcommands = { show.Runs(Show), set.Runs(Set) },
        };
    }

    private static int Show(Invocation invocation)
    {
        var reply = invocation.Client.Get("/v1/host", HostApiJson.Default.HostReply);
        if (invocation.Json) invocation.WriteJson(reply, HostApiJson.Default.HostReply);
        else HostView.Write(reply, invocation.Terminal);
        return 0;
    }

    private static int Set(Invocation invocation)
    {
        var rules = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var change in invocation.Value(Changes))
        {
            var equals = change.IndexOf('=', StringComparison.Ordinal);
            if (equals < 1) throw new PcException(ErrorCode.Usage, $"'{change}' is not RULE=VALUE", "pc host set memory=512MiB");
            rules[change[..equals]] = change[(equals + 1)..];
        }
        var reply = invocation.Client.Post("/v1/host", new HostSetRequest(rules), HostApiJson.Default.HostSetRequest, HostApiJson.Default.PolicyReply);
        if (invocation.Json)
        {
            invocation.WriteJson(reply, HostApiJson.Default.PolicyReply);
            return 0;
        }
        foreach (var rule in reply.Host.Rules.Where(rule => rules.ContainsKey(rule.Rule))) invocation.Terminal.Line($"{rule.Rule} is {invocation.Terminal.Safe(rule.Value)}{(rule.From == "set" ? "" : $" ({rule.From})")}");
        HostView.WriteEnded(reply, invocation.Terminal);
        return 0;
    }
}

/// <summary>pc pause: this machine is wanted for something else.</summary>
internal static class PauseCommand
{
    private static readonly Argument<string?> For = new("time") { Description = "How long, such as 2h or 30m. Without it: until pc resume.", HelpName = "TIME", Arity = ArgumentArity.ZeroOrOne };

    public static PcCommand Create()
    {
        var command = new PcCommand("pause", "Run no programs and sessions on this machine for a while.")
        {
            Synopsis = "[TIME]",
            Details = "Ends every program that runs here, one's own too, and every session; other hosts that keep a program may take over, the others wait and go on here when the pause is over. It outlives a restart of the daemon. The node stays a member: it forwards, keeps and deploys as before.",
            Examples = [("pc pause 2h", "Two hours for a game."), ("pc pause", "Until pc resume.")],
        };
        command.Arguments.Add(For);
        return command.Runs(Run);
    }

    private static int Run(Invocation invocation)
    {
        var reply = invocation.Client.Post("/v1/host/pause", new PauseRequest(invocation.Parsed.GetValue(For)), HostApiJson.Default.PauseRequest, HostApiJson.Default.PolicyReply);
        if (invocation.Json)
        {
            invocation.WriteJson(reply, HostApiJson.Default.PolicyReply);
            return 0;
        }
        invocation.Terminal.Line(HostView.PauseOf(reply.Host));
        HostView.WriteEnded(reply, invocation.Terminal);
        return 0;
    }
}

/// <summary>pc resume: the end of a pause.</summary>
internal static class ResumeCommand
{
    public static PcCommand Create() => new PcCommand("resume", "Run programs on this machine again after pc pause.")
    {
        Details = "What is still placed here starts again within seconds.",
        Examples = [("pc resume", "The pause is over.")],
    }.Runs(Run);

    private static int Run(Invocation invocation)
    {
        var reply = invocation.Client.Send("POST", "/v1/host/resume", HostApiJson.Default.PolicyReply);
        if (invocation.Json) invocation.WriteJson(reply, HostApiJson.Default.PolicyReply);
        else invocation.Terminal.Line(reply.Resumed ? "hosting again" : "hosting was not paused");
        return 0;
    }
}

/// <summary>How the policy of a host looks.</summary>
internal static class HostView
{
    /// <summary>Writes rules and programs.</summary>
    public static void Write(HostReply reply, Terminal terminal)
    {
        terminal.Line($"{terminal.Bold(terminal.Safe(reply.Name))} {(!reply.Hosts ? "does not host" : reply.Paused ? PauseOf(reply) : "hosts")}");
        terminal.Line();
        var rules = new Table("rule", "used", "allowed", "from");
        foreach (var rule in reply.Rules) rules.Add(rule.Rule, rule.Used ?? "", terminal.Safe(rule.Value), rule.From);
        rules.Write(terminal, "  ");
        if (reply.Images is { } images)
        {
            terminal.Line();
            terminal.Line($"  images built here: {images.Count}, {Words.Bytes(images.Bytes)}; for programs that are gone: {images.Kept}, {Words.Bytes(images.KeptBytes)} / {Words.Bytes(images.KeptAllowed)}, for {Span(images.KeptSeconds)}");
        }
        if (reply.Programs.Count == 0) return;
        terminal.Line();
        var programs = new Table("program", "owner", "state", "memory", "cpus", "pids", "disk", "network", "ran");
        foreach (var program in reply.Programs)
        {
            programs.Add(
                $"{terminal.Safe(program.Swarm)}/{terminal.Safe(program.Program)}", terminal.Safe(program.Owner), program.State,
                $"{(program.MemoryUsed is { } memory ? Words.Bytes(memory) : "-")} / {Words.Bytes(program.MemoryAllowed)}",
                $"{(program.CpusUsed is { } cpus ? Number(cpus) : "-")} / {Number(program.CpusAllowed)}",
                $"{(program.PidsUsed is { } pids ? Number(pids) : "-")} / {program.PidsAllowed}",
                $"{(program.DiskUsed is { } disk ? Words.Bytes(disk) : "-")} / {Words.Bytes(program.DiskAllowed)}",
                program.NetworkBytes is { } bytes ? $"{program.Network}, {Words.Bytes(bytes)}" : program.Network,
                program.RanAllowedSeconds is { } longest ? $"{Span(program.RanSeconds)} / {Span(longest)}" : Span(program.RanSeconds));
        }
        programs.Write(terminal, "  ");
        foreach (var program in reply.Programs.Where(program => program.State == "waiting" && program.Detail is not null))
            terminal.Line(terminal.Warn($"  {terminal.Safe(program.Program)} waits: {terminal.Safe(program.Detail!)}"));
    }

    /// <summary>Names what a change of the policy ended.</summary>
    public static void WriteEnded(PolicyReply reply, Terminal terminal)
    {
        foreach (var ended in reply.Ended) terminal.Line(terminal.Warn($"  ended {terminal.Safe(ended.Program)} of {terminal.Safe(ended.Owner)} ({terminal.Safe(ended.Swarm)}): {terminal.Safe(ended.Why)}"));
    }

    /// <summary>Until when hosting is paused.</summary>
    public static string PauseOf(HostReply reply) => reply.PausedUntil is { } until ? $"paused until {until.ToLocalTime().ToString("ddd HH:mm", CultureInfo.InvariantCulture)}" : "paused until pc resume";

    private static string Number(double value) => value.ToString("0.##", CultureInfo.InvariantCulture);

    private static string Span(long seconds) => seconds switch
    {
        < 60 => $"{seconds} s",
        < 3600 => $"{seconds / 60} min",
        < 172_800 => $"{seconds / 3600} h",
        _ => $"{seconds / 86_400} d",
    };
}
