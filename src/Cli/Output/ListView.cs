using System.Globalization;
using PeoplesCloud.Cli.Api;

namespace PeoplesCloud.Cli.Output;

/// <summary>What pc list shows: the answer of GET /v1/list, as JSON or in tables.</summary>
internal static class ListView
{
    /// <summary>Asks the daemon and writes what it answers; null shows all swarms.</summary>
    public static void Show(DaemonClient client, string? swarm, bool json, Terminal terminal)
    {
        var answer = client.GetBytes(swarm is null ? "/v1/list" : $"/v1/list?swarm={DaemonClient.Escape(swarm)}");
        if (json) terminal.Line(System.Text.Encoding.UTF8.GetString(answer));
        else Write(JsonText.Parse(answer), terminal, client.Home);
    }

    /// <summary>Writes the list for people.</summary>
    public static void Write(JsonText list, Terminal terminal, string home)
    {
        var swarms = list["swarms"]?.Items ?? [];
        if (swarms.Count == 0)
        {
            terminal.Line("this node is in no swarm");
            terminal.Line($"  make one:   {Launcher.Line(home, "create --name NAME")}");
            terminal.Line($"  join one:   {Launcher.Line(home, "join TICKET")}");
            return;
        }

        for (var index = 0; index < swarms.Count; index++)
        {
            if (index > 0) terminal.Line();
            WriteSwarm(swarms[index], terminal);
        }
    }

    private static void WriteSwarm(JsonText swarm, Terminal terminal)
    {
        terminal.Line(terminal.Bold(terminal.Safe(swarm.Text("name"))) + "  " + terminal.Dim(swarm.Text("id") + ", you are " + swarm.Text("role")));
        var members = new Table("MEMBER", "STATE", "ROLE", "RANK", "PEER ID");
        string? own = null;
        foreach (var member in swarm["members"]?.Items ?? [])
        {
            if (member.Text("state") == "here") own = member.Text("name");
            members.Add(terminal.Safe(member.Text("name")), member.Text("state"), member.Text("role"), Rank(member), member.Text("peerId"));
        }
        members.Write(terminal, "  ");
        if (swarm["refusedBy"]?.Items is { Count: > 0 } refusing)
            terminal.Line($"  {string.Join(", ", refusing.ConvertAll(name => terminal.Safe(name.Value)))} {(refusing.Count == 1 ? "says" : "say")} that this node is not a member any more. To come back: ask an admin for a ticket, then pc join TICKET");
        if (swarm["programs"]?.Items is not { Count: > 0 } all) return;
        terminal.Line();
        var programs = new Table("PROGRAM", "STATE", "HOST", "OWNER", "LANGUAGE", "HASH", "");
        foreach (var program in all)
            programs.Add(terminal.Safe(program.Text("name")), program.Text("state"), terminal.Safe(program.TextOrNull("host") ?? "-"), terminal.Safe(program.Text("owner")), program.Text("language"), program.Text("hash"), terminal.Safe(Detail(program)));
        programs.Write(terminal, "  ");
        foreach (var program in all)
        {
            if (program.TextOrNull("alone") == "true")
                terminal.Line($"  {terminal.Safe(program.Text("name"))} goes on without most of its guardians{(program.TextOrNull("aloneSince") is { } since ? $" since {RunsText.Time(since)}" : "")}: another host may run it too until they meet");
            foreach (var conflict in program["conflicts"]?.Items ?? [])
                terminal.Line($"  {terminal.Safe(program.Text("name"))}: data that was not taken over was kept on {terminal.Safe(conflict.Text("on"))} ({RunsText.Time(conflict.TextOrNull("told"))}): {terminal.Safe(conflict.Text("what"))}; see pc data list {terminal.Safe(swarm.Text("name"))} {terminal.Safe(program.Text("name"))}");
            if (RunsText.Of(program, terminal) is { } runs) terminal.Line("  " + runs);
        }
        foreach (var program in all)
        {
            if (program["formerKeyHolders"]?.Items is not { Count: > 0 } holders) continue;
            var owner = program.Text("owner");
            terminal.Line("  " + FormerKeys.Line(terminal, holders.ConvertAll(holder => holder.Value), program.Text("name"), owner == own ? null : owner));
        }
    }

    private static string Rank(JsonText member)
    {
        if (member.Text("hosts") != "true") return "no host";
        return double.TryParse(member.TextOrNull("rank"), NumberStyles.Float, CultureInfo.InvariantCulture, out var rank) ? rank.ToString("0.00", CultureInfo.InvariantCulture) : "-";
    }

    private static string Detail(JsonText program)
    {
        var detail = ScheduleText.Of(program) is { } times ? program.TextOrNull("detail") is { Length: > 0 } more ? $"{times}; {more}" : times : program.TextOrNull("detail") ?? "";
        if (program.Text("restarts") is not "0" and var restarts) return restarts + (restarts == "1" ? " restart" : " restarts") + (detail.Length == 0 ? "" : ", " + detail);
        return detail;
    }
}
