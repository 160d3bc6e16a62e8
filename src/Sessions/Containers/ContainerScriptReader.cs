using System.Text;
using System.Text.Json;
using PeoplesCloud.Base;
using PeoplesCloud.Sessions.Messages;

namespace PeoplesCloud.Sessions.Containers;

/// <summary>
/// Reads scripts of Docker mode:
/// <code>
/// script = image newline [object]         object: JSON, or JSON with single quotes; "port" and options of docker-py's run
/// </code>
/// They come from anybody who may publish. Each option is taken in every form that docker-py takes it in (<see cref="OptionReader"/>); null is as if it were not there.
/// </summary>
internal static class ContainerScriptReader
{
    /// <summary>What a script may name besides <c>port</c>.</summary>
    public const string Options = "command, entrypoint, environment, hostname, labels, mem_limit, nano_cpus, cpu_shares, pids_limit, network_mode, read_only, restart_policy, tmpfs, user, volumes, working_dir, ports, auto_remove";

    /// <summary>Reads a script.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.SessionScriptRefused"/>, naming the option.</exception>
    public static ContainerScript Read(string script)
    {
        if (Encoding.UTF8.GetByteCount(script) > SessionLimits.MaxScriptBytes) throw Refused($"it is longer than {SessionLimits.MaxScriptBytes} bytes");
        var end = script.IndexOf('\n', StringComparison.Ordinal);
        var image = (end < 0 ? script : script[..end]).Trim();
        if (image.StartsWith("#!", StringComparison.Ordinal)) throw Refused("its first line names what reads a script, and this node runs sessions in Docker: there it names an image");
        if (image.Length is 0 or > ContainerLimits.ImageChars || image.Any(character => char.IsControl(character) || char.IsWhiteSpace(character)))
            throw Refused($"its first line is the name of an image, of 1 to {ContainerLimits.ImageChars} characters without spaces");
        var rest = end < 0 ? "" : script[(end + 1)..].Trim();
        if (rest.Length == 0) throw Refused("it names no port: after the image comes an object such as {\"port\": 25565}");
        using var document = LooseJson.Read(Encoding.UTF8.GetBytes(rest));
        if (document is not { RootElement.ValueKind: JsonValueKind.Object }) throw Refused("what follows its first line is no JSON object");
        try
        {
            return ReadOptions(new ContainerScript(image, 0), document.RootElement);
        }
        catch (InvalidOperationException)
        {
            throw Refused("it holds text that is no Unicode");
        }
    }

    /// <summary>Why a script cannot be run in a container.</summary>
    public static PcException Refused(string why) => new(ErrorCode.SessionScriptRefused, $"this script cannot be run in a container: {why}", "See docs/protocols/sessions.md for what a script in Docker mode holds.");

    private static ContainerScript ReadOptions(ContainerScript script, JsonElement options)
    {
        foreach (var member in options.EnumerateObject())
        {
            var option = new OptionReader(member.Name, member.Value);
            if (member.Value.ValueKind == JsonValueKind.Null && IsKnown(member.Name)) continue;
            script = member.Name switch
            {
                "port" => script with { Port = (int)option.Number(1, 65535, "a port of the container, 1 to 65535") },
                "command" => script with { Command = option.Command() },
                "entrypoint" => script with { Entrypoint = option.Command() },
                "environment" => script with { Environment = option.Environment() },
                "hostname" => script with { Hostname = option.Text(ContainerLimits.HostnameChars) },
                "labels" => script with { Labels = option.Labels() },
                "mem_limit" => script with { MemoryBytes = option.Bytes() },
                "nano_cpus" => script with { NanoCpus = option.Number(0, long.MaxValue, "billionths of a processor, such as 500000000") },
                "cpu_shares" => script with { CpuShares = option.Number(0, long.MaxValue, "a weight, such as 512") },
                "pids_limit" => script with { PidsLimit = option.Number(long.MinValue, long.MaxValue, "a number of processes") },
                "network_mode" => script with { Network = option.Network() },
                "read_only" => script with { IsReadOnly = option.Boolean() },
                "restart_policy" => script with { Restart = option.Restart() },
                "tmpfs" => script with { Tmpfs = option.Tmpfs() },
                "user" => script with { User = option.User() },
                "volumes" => script with { Volumes = option.Volumes() },
                "working_dir" => script with { WorkingFolder = option.Folder() },
                "ports" => script with { Ports = option.Ports() },
                "auto_remove" => script with { IsRemoved = option.Boolean() },
                _ => throw Refused($"{OptionReader.Printable(member.Name)} is no option that a session has; it has port, {Options}"),
            };
        }
        if (script.IsRemoved && script.Restart != RestartRule.Never) throw Refused("auto_remove and a restart_policy exclude each other");
        return script.Port > 0 ? script : throw Refused("it names no port: the container's, as in {\"port\": 25565}");
    }

    private static bool IsKnown(string option) => option == "port" || Options.Split(", ").Contains(option, StringComparer.Ordinal);

    // Fuzz target: whatever is accepted is within its bounds, and whatever is refused says so.
    internal static void Fuzz(ReadOnlySpan<byte> input)
    {
        if (input.Length > SessionLimits.MaxRankBytes) return;
        ContainerScript script;
        try
        {
            script = Read(Encoding.UTF8.GetString(input));
        }
        catch (PcException e) when (e.Code == ErrorCode.SessionScriptRefused)
        {
            Invariant.Check(e.Message.Length < 2000 && !e.Message.Any(char.IsControl), "a refusal can be shown");
            return;
        }
        Invariant.Check(script.Port is > 0 and <= 65535, "a port is one");
        Invariant.Check(script.Image.Length is > 0 and <= ContainerLimits.ImageChars && !script.Image.Any(char.IsWhiteSpace), "an image has a name");
        Invariant.Check(script.Command.Count <= ContainerLimits.Words && (script.Entrypoint?.Count ?? 0) <= ContainerLimits.Words && script.Environment.Count <= ContainerLimits.Variables, "words are bounded");
        Invariant.Check(script.Environment.Keys.All(name => name.Length > 0 && !name.Contains('=', StringComparison.Ordinal)), "variables have names");
        Invariant.Check(script.MemoryBytes is null or >= 0 && script.NanoCpus is null or >= 0, "limits are numbers from 0 on");
        Invariant.Check(script.Volumes.All(volume => volume.Target.StartsWith('/')) && script.Tmpfs.Keys.All(path => path.StartsWith('/')), "mounts have places");
        Invariant.Check(script.Ports.Count <= ContainerLimits.Ports && script.Ports.All(port => port.Inside is > 0 and <= 65535 && port.Outside is >= 0 and <= 65535), "ports are ports");
    }
}
